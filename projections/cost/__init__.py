"""What jobs, groups, applications and owners held of the cell, by the log: reserved x time."""
