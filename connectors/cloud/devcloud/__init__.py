"""A cloud of one computer: the agents of a dev cluster as one group, to try things out."""
