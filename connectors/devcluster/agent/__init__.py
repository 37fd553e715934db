"""The agent and its executors: the pure state, the process around it, and what outlives it."""
