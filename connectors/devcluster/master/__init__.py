"""The master: its pure state (``state.py`` and what it calls) and the process around it."""
