"""Recorded bytes that every later build must still read to the same meaning."""
