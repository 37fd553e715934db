"""Time travel: the cell at any instant, replay and shadow replay, and bundles of an incident."""
