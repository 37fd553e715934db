"""What the cell wants done next, as proposals; pure answers from the state, no changes."""
