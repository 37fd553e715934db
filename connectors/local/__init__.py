"""A cluster that is this computer: the development cluster's master and agent, in one process."""
