"""Thousands of agents in the master's own process, whose tasks are modelled instead of run."""
