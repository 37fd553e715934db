"""The fleet at the edge: what a cloud says is told to the cell, what the cell orders is asked."""
