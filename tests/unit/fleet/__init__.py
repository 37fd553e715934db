"""Alarms, sizes, forecasts, and scaling policies in the log."""
