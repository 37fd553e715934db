"""The prober's checks and what it tells."""
