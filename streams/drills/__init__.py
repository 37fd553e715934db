"""Drills: an installation of its own is hurt on purpose, and each promise is held against it."""
