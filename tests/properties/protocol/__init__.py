"""A small model of the cell's protocol: log, two leaders, ingest, outbox, Mesos with streams."""
