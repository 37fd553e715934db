"""Secret values of environments: sealed before they are published, opened where tasks are launched.

The one thing to know: the log, snapshots, archives and pages hold sealed values only. Keys are in a
ring beside the log, each wrapped by the one above it; who removes a key has forgotten, for ever,
what was sealed with it.
"""
