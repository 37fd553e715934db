"""How often who may ask for what: ordered token buckets by caller and endpoint."""
