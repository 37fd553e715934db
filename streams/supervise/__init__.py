"""Starts and keeps the processes of one installation: Kafka, dev cluster, cells, API."""
