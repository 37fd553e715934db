"""Traces as files: hosts, tasks, published figures; what is wrong with them, and where."""
