"""Load balancers that send to tasks: providers of targets."""
