"""The development cluster: a Mesos-compatible master and agents that really run tasks as processes.

It imports nothing of flumina's own core on purpose: it is the independent witness of the tests.
"""
