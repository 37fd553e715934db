"""A command beside a running task: sessions of Mesos' v1 operator API, as a client of an agent.

The one thing to know: the command runs in the task's own container and never on the host. A session
lives as long as the connection that launched it.
"""
