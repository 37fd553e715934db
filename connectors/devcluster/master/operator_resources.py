"""Reservations and volumes made by operators, without an offer.

The one thing to know: an operator's operation is a framework's, done on what is free of the agent;
offers of the agent are rescinded first, because what they hold may be what is asked for.
"""

from connectors.devcluster.master import operation_updates, void
from connectors.devcluster.master.model import Agent, Cluster, Framework, Operation
from connectors.devcluster.master.operations import (
    OperationError,
    conversion,
    shape_error,
)
from connectors.devcluster.resources import from_json
from connectors.devcluster.speciality import special
from connectors.devcluster.words import Json

# The operator's call, and the framework's operation that does the same.
_OPERATION_OF = {
    "RESERVE_RESOURCES": "RESERVE",
    "UNRESERVE_RESOURCES": "UNRESERVE",
    "CREATE_VOLUMES": "CREATE",
    "DESTROY_VOLUMES": "DESTROY",
    "GROW_VOLUME": "GROW_VOLUME",
    "SHRINK_VOLUME": "SHRINK_VOLUME",
}
KINDS = frozenset(_OPERATION_OF)
# Whoever operates can read all kinds of resources.
_CAPABILITIES = [
    {"type": "MULTI_ROLE"},
    {"type": "RESERVATION_REFINEMENT"},
    {"type": "SHARED_RESOURCES"},
]


def operate(cluster: Cluster, call: str, body: Json, now: float) -> str | None:
    """Carry out the operation, or say why not."""
    agent_id = body.get("agent_id", {}).get("value")
    agent = cluster.agents.get(agent_id)
    if agent is None:
        return "No agent found with specified ID"
    kind = _OPERATION_OF[call]
    operation: Json = {
        "type": kind,
        kind.lower(): {k: v for k, v in body.items() if k != "agent_id"},
    }
    if problem := shape_error(operation):
        return f"Invalid {kind} operation on agent {_named(agent)}: {problem}"
    role = _role_of(operation[kind.lower()])
    info = {"user": "", "name": "operator", "roles": [role], "capabilities": _CAPABILITIES}
    operator = Framework("", info)
    void.rescind(cluster, agent.offers.values())
    try:
        change = conversion(operation, operator, agent, role, agent.free)
    except OperationError as error:
        return f"Invalid {kind} operation on agent {_named(agent)}: {error}"
    made = Operation(cluster.new_uuid(), "", agent.agent_id, role, operation)
    operation_updates.send(cluster, operator, agent, made, change)
    cluster.next_allocation_at = now
    return None


def _named(agent: Agent) -> str:
    return f"{agent.agent_id} at slave(1)@{agent.ip}:{agent.port} ({agent.hostname})"


def _role_of(body: Json) -> str:
    listed = body.get("resources") or body.get("volumes") or [body["volume"]]
    keys = from_json(listed).keys()
    return next((special(key).role for key in sorted(keys)), "*")
