"""The pure core: vocabulary and machine. No clock, no chance, no waiting, no Kafka, no files."""
