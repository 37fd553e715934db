"""Mesos' v1 operator API: what each call of ``master.Call`` does and answers.

The one thing to know: a call that is well formed and cannot be done is a 400 with Mesos' sentence;
one that Mesos has and this cluster does not is a 501 that says so. Bodies come checked from
``wire.codec``; answers leave as ``master.Response`` in whatever form the client accepts.
"""

from collections.abc import Callable
from dataclasses import dataclass

from connectors.devcluster.master import (
    draining,
    frameworks,
    maintenance,
    metrics,
    operator_resources,
    v1_views,
    views,
)
from connectors.devcluster.master.model import Cluster
from connectors.devcluster.master.state import MasterState
from connectors.devcluster.words import VERSION_INFO, Json

# Call types whose sub-message must be there; the others have none or can do without.
_NEEDS_BODY = frozenset(
    {
        "CREATE_VOLUMES",
        "DEACTIVATE_AGENT",
        "DESTROY_VOLUMES",
        "DRAIN_AGENT",
        "GET_METRICS",
        "GROW_VOLUME",
        "LIST_FILES",
        "MARK_AGENT_GONE",
        "REACTIVATE_AGENT",
        "READ_FILE",
        "REMOVE_QUOTA",
        "RESERVE_RESOURCES",
        "SET_LOGGING_LEVEL",
        "SET_QUOTA",
        "SHRINK_VOLUME",
        "START_MAINTENANCE",
        "STOP_MAINTENANCE",
        "TEARDOWN",
        "UNRESERVE_RESOURCES",
        "UPDATE_MAINTENANCE_SCHEDULE",
        "UPDATE_QUOTA",
        "UPDATE_WEIGHTS",
    }
)
_NANOSECONDS = 1_000_000_000
# What Mesos calls level 1 is the most that this master's log ever says.
LOGGING_LEVEL = 1
ONE_LEVEL = "The log of this development cluster has one level, which is 1"


@dataclass(frozen=True)
class Reply:
    """What an operator's call is answered: a text, or a ``master.Response``, or nothing."""

    status: int = 200
    text: str = ""
    response: Json | None = None


DONE = Reply()


def call_error(call: Json) -> str | None:
    """Why a well-formed message is no call, or None."""
    kind = call.get("type", "UNKNOWN")
    # 1.11.0 aborts on UNKNOWN; an emulation answers as if the type were missing, and lives.
    if kind == "UNKNOWN":
        return "Failed to validate master::Call: Expecting 'type' to be present"
    if kind in _NEEDS_BODY and kind.lower() not in call:
        return f"Failed to validate master::Call: Expecting '{kind.lower()}' to be present"
    return None


def answer(state: MasterState, call: Json, now: float) -> Reply:
    """Carry out an operator's call that is not SUBSCRIBE, and answer it."""
    if problem := call_error(call):
        return Reply(400, problem)
    kind = call["type"]
    if show := _VIEWS.get(kind):
        body = show(state.cluster, now)
        return Reply(response={"type": kind} if body is None else {"type": kind, **body})
    if act := _ACTS.get(kind):
        return act(state, call.get(kind.lower(), {}), now)
    if kind in operator_resources.KINDS:
        problem = operator_resources.operate(state.cluster, kind, call[kind.lower()], now)
        return Reply(202) if problem is None else Reply(400, problem)
    return Reply(501, f"This development cluster has no operator call {kind}")


def _get_flags(cluster: Cluster, _now: float) -> Json:
    flags = views.flags_view(cluster)
    return {"get_flags": {"flags": [{"name": n, "value": v} for n, v in flags.items()]}}


def _get_metrics(cluster: Cluster, now: float) -> Json:
    found = metrics.snapshot(cluster, now)
    return {"get_metrics": {"metrics": [{"name": n, "value": v} for n, v in found.items()]}}


def _get_master(cluster: Cluster, _now: float) -> Json:
    return {
        "get_master": {
            "master_info": frameworks.master_info(cluster),
            "start_time": cluster.started_at,
            "elected_time": cluster.started_at,
        }
    }


_View = Callable[[Cluster, float], Json | None]
_VIEWS: dict[str, _View] = {
    "GET_HEALTH": lambda _c, _n: {"get_health": {"healthy": True}},
    "GET_VERSION": lambda _c, _n: {"get_version": {"version_info": VERSION_INFO}},
    "GET_FLAGS": _get_flags,
    "GET_METRICS": _get_metrics,
    "GET_LOGGING_LEVEL": lambda _c, _n: {"get_logging_level": {"level": LOGGING_LEVEL}},
    "GET_MASTER": _get_master,
    "GET_STATE": lambda c, _n: {"get_state": v1_views.get_state(c)},
    "GET_AGENTS": lambda c, _n: {"get_agents": v1_views.get_agents(c)},
    "GET_FRAMEWORKS": lambda c, _n: {"get_frameworks": v1_views.get_frameworks(c)},
    "GET_EXECUTORS": lambda c, _n: {"get_executors": v1_views.get_executors(c)},
    "GET_OPERATIONS": lambda c, _n: {"get_operations": v1_views.get_operations(c)},
    "GET_TASKS": lambda c, _n: {"get_tasks": v1_views.get_tasks(c)},
    "GET_ROLES": lambda c, _n: {"get_roles": v1_views.get_roles(c)},
    # There are no weights and no quota, and that is what Mesos says then.
    "GET_WEIGHTS": lambda _c, _n: None,
    "GET_QUOTA": lambda _c, _n: {"get_quota": {"status": {}}},
    "GET_MAINTENANCE_STATUS": lambda c, _n: {
        "get_maintenance_status": {"status": maintenance.status(c)}
    },
    "GET_MAINTENANCE_SCHEDULE": lambda c, _n: {
        "get_maintenance_schedule": {"schedule": c.operator.schedule}
    },
}


def _said(problem: str | None) -> Reply:
    return DONE if problem is None else Reply(400, problem)


def _mark_agent_gone(state: MasterState, body: Json, now: float) -> Reply:
    agent_id = body["agent_id"]["value"]
    if not state.mark_gone(agent_id, now):
        return Reply(404, f"Agent '{agent_id}' not found")
    return DONE


def _drain(state: MasterState, body: Json, now: float) -> Reply:
    grace = body.get("max_grace_period")
    nanoseconds = None
    if grace is not None:
        nanoseconds = grace.get("seconds", 0) * _NANOSECONDS + grace.get("nanos", 0)
    agent_id = body["agent_id"]["value"]
    mark_gone = bool(body.get("mark_gone", False))
    return _said(draining.drain(state.cluster, agent_id, nanoseconds, now, mark_gone=mark_gone))


def _deactivate(state: MasterState, body: Json, _now: float) -> Reply:
    return _said(draining.deactivate(state.cluster, body["agent_id"]["value"]))


def _reactivate(state: MasterState, body: Json, now: float) -> Reply:
    return _said(draining.reactivate(state.cluster, body["agent_id"]["value"], now))


def teardown(state: MasterState, framework_id: str, now: float) -> Reply:
    """End a framework by an operator's word."""
    framework = state.cluster.frameworks.get(framework_id)
    if framework is None:
        return Reply(400, "No framework found with specified ID")
    frameworks.teardown(state.cluster, framework, now)
    return DONE


def _update_schedule(state: MasterState, body: Json, now: float) -> Reply:
    return _said(maintenance.update_schedule(state.cluster, body["schedule"], now))


def _no_file(_state: MasterState, _body: Json, _now: float) -> Reply:
    # Mesos shows its log here if it writes one to a file; this master's is its standard error.
    return Reply(404)


def _set_level(_state: MasterState, body: Json, _now: float) -> Reply:
    return DONE if body["level"] == LOGGING_LEVEL else Reply(501, ONE_LEVEL)


_Act = Callable[[MasterState, Json, float], Reply]
_ACTS: dict[str, _Act] = {
    "MARK_AGENT_GONE": _mark_agent_gone,
    "DRAIN_AGENT": _drain,
    "DEACTIVATE_AGENT": _deactivate,
    "REACTIVATE_AGENT": _reactivate,
    "TEARDOWN": lambda state, body, now: teardown(state, body["framework_id"]["value"], now),
    "UPDATE_MAINTENANCE_SCHEDULE": _update_schedule,
    "START_MAINTENANCE": lambda state, body, now: _said(
        maintenance.take_down(state.cluster, body.get("machines", []), now)
    ),
    "STOP_MAINTENANCE": lambda state, body, _now: _said(
        maintenance.bring_up(state.cluster, body.get("machines", []))
    ),
    "SET_LOGGING_LEVEL": _set_level,
    "LIST_FILES": _no_file,
    "READ_FILE": _no_file,
}
