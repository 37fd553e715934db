"""Alerts of a cell beside its api process: rules, deliveries, and what is kept of them."""
