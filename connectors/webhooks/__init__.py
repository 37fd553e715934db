"""Webhooks: events of jobs, sent to receivers that operators name."""
