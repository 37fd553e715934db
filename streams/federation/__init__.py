"""The federation's processes: the front, the forwarder of records, replication, evacuations."""
