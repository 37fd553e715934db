"""The failover drill: a region's work taken over by another one, with its world modelled."""
