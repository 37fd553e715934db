"""What a follower of a cell is told: a snapshot, its end, and then each change, as values."""
