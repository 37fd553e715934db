"""The policy as a YAML file: read with the places of everything in it, written with comments."""
