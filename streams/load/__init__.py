"""Load: the mix that Netflix reported, through one cell of its own, measured part by part."""
