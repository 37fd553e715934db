"""Whose turn it is: tiers, capacity groups, guarantees, limits, aging, gangs, preemption."""
