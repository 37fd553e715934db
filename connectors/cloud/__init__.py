"""Clouds that keep groups of hosts: each is a folder here, and all obey `ports.CloudGroups`."""
