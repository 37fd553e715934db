"""A trace run through rounds of placement: what became of it, as values, tables and a page."""
