"""The registrar: what it registers, remembers, leaves alone, and survives."""
