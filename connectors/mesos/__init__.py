"""The Mesos connector: one framework on a Mesos cluster, over the v1 scheduler HTTP API.

``client.py`` is the way in; ``translate.py`` and ``calls.py`` are the pure words between Mesos'
JSON and our vocabulary; ``sandbox.py`` reads what a task has written.
"""
