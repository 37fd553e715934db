"""Kafka itself: an embedded broker for machines that have none, and the one table of topics."""
