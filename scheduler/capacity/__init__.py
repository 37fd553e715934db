"""What the cell must have for what it guarantees: guarantees, buffers, numbers of instances."""
