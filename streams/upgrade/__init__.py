"""Upgrades without stopping: readers announce what they can read, and writers wait for them."""
