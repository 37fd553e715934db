"""The wire: Kafka, Faust agents, tables, the one clock, settings and the command line; no policy."""
