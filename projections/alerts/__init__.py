"""Alerts of a cell: rules over measures that are folded from its log."""
