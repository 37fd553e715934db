"""Service level objectives folded from a cell's log: availability, crashing, start latency."""
