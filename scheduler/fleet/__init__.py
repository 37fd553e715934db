"""The fleet: groups of hosts, how large they should be, and what their load will be."""
