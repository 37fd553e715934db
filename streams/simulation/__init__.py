"""A whole cell in one deterministic process, and a seed that tries to break it."""
