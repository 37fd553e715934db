"""How many tasks may be ended for our own reasons, and which go first: pure answers to that."""
