"""History outside Kafka: closed ranges of topics as Parquet files in the store, and SQL over them.

The one thing to know: a range is there when its manifest is there, and the manifest is written
last, under a condition. What is read back is byte for byte what was in Kafka.
"""
