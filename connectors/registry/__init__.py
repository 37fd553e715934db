"""Image registries: what a tag means now, by the OCI distribution API."""
