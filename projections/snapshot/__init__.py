"""Snapshots of a cell's fold: what is in one, its bytes, and the machine that they make again.

The one thing to know: a snapshot is never believed. Its bytes carry checksums, its header says
what it is a snapshot of and who could read it, and its state must have the digest that it claims.
"""
