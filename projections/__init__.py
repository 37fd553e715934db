"""The read side: pure folds of the same log, for people who look at it."""
