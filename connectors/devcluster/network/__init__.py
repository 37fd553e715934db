"""Network cuts between the parts of the cluster: which there are, and how they are made."""
