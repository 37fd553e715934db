"""The Python client of the REST API: synchronous and asynchronous, typed, resumable streams."""
