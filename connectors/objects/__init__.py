"""Stores of objects: a directory, S3, one local RocksDB; all keep the promises of `ObjectStore`.

The one thing to know: an object is there whole or not at all, and is never overwritten.
"""
