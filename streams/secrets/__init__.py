"""Secrets in processes: who opens them at a launch, and the ring that the settings name."""
