"""The registrar process: has load balancers and registries know where tasks are."""
