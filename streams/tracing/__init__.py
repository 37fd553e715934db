"""Traces in OpenTelemetry's terms, from a request to the task that runs because of it."""
