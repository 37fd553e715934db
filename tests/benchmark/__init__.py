"""Benchmarks: programs that measure real parts and print one JSON line for each figure."""
