"""All that a cell's log ever held: archived, read back without a seam, and asked."""
