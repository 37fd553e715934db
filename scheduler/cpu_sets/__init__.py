"""Which hardware threads of a host run which task: topology, static and burst work, noise."""
