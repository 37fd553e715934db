"""Runbooks as documents and runs as what the fold remembers of them."""
