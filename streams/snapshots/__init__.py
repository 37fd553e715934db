"""Snapshots of cells in a store: taken, read back, proven, kept and dropped, and begun from.

The one thing to know: whoever cannot use a snapshot uses an older one, and at last the log from its
beginning. Nothing here ever answers with an empty cell because something went wrong.
"""
