"""The part of Mesos' v1 operator API that is here: health, version, and marking an agent gone.

The one thing to know: an agent that is gone is given up for good. Its tasks are
TASK_GONE_BY_OPERATOR (or LOST), and it may never come back under its id.
"""

from typing import Any

import orjson

from connectors.devcluster.master.scheduler_calls import Answer
from connectors.devcluster.master.state import MasterState
from connectors.devcluster.words import VERSION

Json = dict[str, Any]

# What Mesos has and this cluster does not: refused as such, not as nonsense.
_KNOWN_ELSEWHERE = frozenset(
    {
        "DEACTIVATE_AGENT",
        "DRAIN_AGENT",
        "GET_AGENTS",
        "GET_EXECUTORS",
        "GET_FLAGS",
        "GET_FRAMEWORKS",
        "GET_MAINTENANCE_SCHEDULE",
        "GET_MAINTENANCE_STATUS",
        "GET_MASTER",
        "GET_METRICS",
        "GET_OPERATIONS",
        "GET_QUOTA",
        "GET_ROLES",
        "GET_STATE",
        "GET_TASKS",
        "GET_WEIGHTS",
        "LIST_FILES",
        "REACTIVATE_AGENT",
        "READ_FILE",
        "START_MAINTENANCE",
        "STOP_MAINTENANCE",
        "SUBSCRIBE",
        "TEARDOWN",
        "UPDATE_MAINTENANCE_SCHEDULE",
        "UPDATE_QUOTA",
        "UPDATE_WEIGHTS",
    }
)


def answer(state: MasterState, body: bytes, now: float) -> Answer:
    """What an operator's call is answered; a text that begins with a brace is JSON."""
    try:
        call = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return Answer(400, f"Failed to parse body into JSON: {error}")
    kind = call.get("type") if isinstance(call, dict) else None
    match kind:
        case "GET_HEALTH":
            return _json({"type": kind, "get_health": {"healthy": True}})
        case "GET_VERSION":
            return _json({"type": kind, "get_version": {"version_info": {"version": VERSION}}})
        case "MARK_AGENT_GONE":
            return _mark_agent_gone(state, call.get("mark_agent_gone"), now)
        case _ if kind in _KNOWN_ELSEWHERE:
            return Answer(501, f"This development cluster has no operator call {kind} yet")
        case _:
            return _invalid("Expecting 'type' to be present")


def _mark_agent_gone(state: MasterState, body: object, now: float) -> Answer:
    if not isinstance(body, dict):
        return _invalid("Expecting 'mark_agent_gone' to be present")
    agent_id = body.get("agent_id")
    value = agent_id.get("value") if isinstance(agent_id, dict) else None
    if not isinstance(value, str):
        return Answer(
            400,
            "Failed to convert JSON into Call protobuf: "
            "Missing required fields: mark_agent_gone.agent_id.value",
        )
    if not state.mark_gone(value, now):
        return Answer(404, f"Agent '{value}' not found")
    return Answer(200)


def _invalid(why: str) -> Answer:
    return Answer(400, f"Failed to validate master::Call: {why}")


def _json(value: Json) -> Answer:
    return Answer(200, orjson.dumps(value).decode())
