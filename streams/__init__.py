"""The wire: Kafka, Faust agents, tables, the one clock, settings, command line; no policy."""
