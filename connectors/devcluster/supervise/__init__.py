"""Who owns the cluster's processes, and the commands that start, hurt and mend them."""
