"""What happens to tasks, agents and frameworks, told to operators and counted for the metrics.

The one thing to know: the rest of the master calls one function here where something happened, and
nothing is built unless an operator listens. What Mesos does not say is not said: no event when an
agent is unreachable or gone, only those of its tasks; none when a framework's stream breaks.
"""

from connectors.devcluster.master import v1_views
from connectors.devcluster.master.model import Agent, Cluster, Framework, Task, ToStream
from connectors.devcluster.words import TERMINAL, Json


def _tell(cluster: Cluster, kind: str, body: Json | None = None) -> None:
    event: Json = {"type": kind}
    if body is not None:
        event[kind.lower()] = body
    for stream_id in cluster.operator.streams:
        cluster.out.append(ToStream(stream_id, event))


def subscribe(cluster: Cluster, stream_id: str, state: Json, now: float) -> None:
    """Begin an operator's stream with all that there is."""
    beat_seconds = cluster.settings.heartbeat_seconds
    subscribed = {"get_state": state, "heartbeat_interval_seconds": beat_seconds}
    event: Json = {"type": "SUBSCRIBED", "subscribed": subscribed}
    cluster.out.append(ToStream(stream_id, event))
    cluster.operator.streams[stream_id] = now
    beat(cluster, now)


def beat(cluster: Cluster, now: float) -> None:
    """Send a HEARTBEAT on each operator's stream whose turn it is."""
    streams = cluster.operator.streams
    for stream_id, due_at in streams.items():
        if now >= due_at:
            streams[stream_id] = now + cluster.settings.heartbeat_seconds
            cluster.out.append(ToStream(stream_id, {"type": "HEARTBEAT"}))


def task_added(cluster: Cluster, task: Task) -> None:
    """A task is launched, or known again."""
    if cluster.operator.streams:
        _tell(cluster, "TASK_ADDED", {"task": v1_views.task(task)})


def task_told(cluster: Cluster, task: Task, status: Json) -> None:
    """A status of a known task is new; one that an agent repeats is not told again."""
    _count_end(cluster, status)
    if cluster.operator.streams:
        body = {
            "framework_id": {"value": task.framework_id},
            "status": status,
            "state": status["state"],
        }
        _tell(cluster, "TASK_UPDATED", body)


def task_refused(cluster: Cluster, status: Json) -> None:
    """A task was not launched; it is counted, and operators hear nothing of it."""
    _count_end(cluster, status)


def _count_end(cluster: Cluster, status: Json) -> None:
    state = str(status["state"]).lower()
    if status["state"] not in TERMINAL:
        return
    count = cluster.operator.count
    count(f"master/tasks_{state.removeprefix('task_')}")
    if "reason" in status:
        count(f"master/{state}/{status['source'].lower()}/{status['reason'].lower()}")


def agent_added(cluster: Cluster, agent: Agent, *, is_new: bool) -> None:
    """An agent is registered that was not, and its tasks are known."""
    name = "registrations" if is_new else "reregistrations"
    cluster.operator.count(f"master/slave_{name}")
    if cluster.operator.streams:
        _tell(cluster, "AGENT_ADDED", {"agent": v1_views.agent_row(cluster, agent)})


def agent_removed(cluster: Cluster, agent_id: str) -> None:
    """An agent is taken out for good: its place is taken, or its machine is down."""
    cluster.operator.count("master/slave_removals")
    if cluster.operator.streams:
        _tell(cluster, "AGENT_REMOVED", {"agent_id": {"value": agent_id}})


def framework_added(cluster: Cluster, framework: Framework) -> None:
    """A framework is here that was not."""
    _tell_framework(cluster, "FRAMEWORK_ADDED", framework)


def framework_updated(cluster: Cluster, framework: Framework) -> None:
    """A framework has come back or changed what it says of itself."""
    _tell_framework(cluster, "FRAMEWORK_UPDATED", framework)


def framework_removed(cluster: Cluster, framework: Framework) -> None:
    """A framework is no more."""
    if cluster.operator.streams:
        _tell(cluster, "FRAMEWORK_REMOVED", {"framework_info": framework.info})


def _tell_framework(cluster: Cluster, kind: str, framework: Framework) -> None:
    if cluster.operator.streams:
        view = {**v1_views.framework_head(framework), "unregistered_time": {"nanoseconds": 0}}
        _tell(cluster, kind, {"framework": view})
