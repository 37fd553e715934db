"""Volumes and static addresses as the state has them: what they are, whose they are now."""
