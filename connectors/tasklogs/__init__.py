"""What tasks write, kept: cut into parts on the host, shipped to the store, joined when read."""
