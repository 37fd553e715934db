"""Words that master and agent share: the release, final task states, the shape of a status.

The one thing to know: a status is plain JSON as the v1 API writes it; absent fields are left out,
because an absent ``reason`` is not reason 0.
"""

from typing import Any

Json = dict[str, Any]

VERSION = "1.11.0"
# What /version and GET_VERSION say: the date is that of Mesos' own release of this number, the
# rest says that this is no build of Mesos, which therefore has no git_sha either.
VERSION_INFO: Json = {
    "version": VERSION,
    "build_date": "2020-11-24 15:38:37",
    "build_time": 1606232317.0,
    "build_user": "flumina dev-cluster",
}

TERMINAL = frozenset(
    {
        "TASK_DROPPED",
        "TASK_ERROR",
        "TASK_FAILED",
        "TASK_FINISHED",
        "TASK_GONE",
        "TASK_GONE_BY_OPERATOR",
        "TASK_KILLED",
        "TASK_LOST",
    }
)


def task_status(
    task_id: str, state: str, *, source: str, at: float, agent_id: str | None = None, **more: object
) -> Json:
    """A Mesos ``TaskStatus``; fields that are None are left out."""
    status: Json = {"task_id": {"value": task_id}, "state": state, "source": source}
    if agent_id is not None:
        status["agent_id"] = {"value": agent_id}
    status["timestamp"] = at
    for name, value in more.items():
        if value is not None:
            status[name] = value
    return status


def unreachable_time(at: float) -> Json:
    """The moment an agent was given up, as Mesos writes it."""
    return {"nanoseconds": int(at * 1000) * 1_000_000}
