"""Registries in which clients find services: files, Consul, Eureka."""
