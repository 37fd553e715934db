"""The vocabulary: ids, values, events and proposals, and how they look on the wire."""
