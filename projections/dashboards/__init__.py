"""Dashboards: what a file says is shown, read, checked and filled in."""
