"""Several cells behind one address: which cell a job goes to, and one answer out of many."""
