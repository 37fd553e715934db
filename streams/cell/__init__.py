"""A cell at work: its log, the fold that follows it, and the leader that acts on it."""
