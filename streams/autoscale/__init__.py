"""The autoscale process: asks for the metrics that scaling policies follow, and tells the cell."""
