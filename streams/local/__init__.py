"""A job without a cluster: the machine, this computer as its only host, and a terminal."""
