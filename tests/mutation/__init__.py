"""Mutants of `scheduler/` and `projections/`, and whether the quick tests notice them."""
