"""What becomes of operations that were sent: agents' answers, acknowledgements, questions.

The one thing to know: an answer to an operation with an id is repeated by the agent until the
framework acknowledges it; one without an id is acknowledged by the master.
"""

from collections.abc import Iterable

from connectors.devcluster.master.model import (
    Agent,
    Cluster,
    Framework,
    Operation,
    hold,
    release,
)
from connectors.devcluster.master.operations import Conversion
from connectors.devcluster.resources import BOTH, NOTHING
from connectors.devcluster.words import Json

_TERMINAL = frozenset(
    {
        "OPERATION_DROPPED",
        "OPERATION_ERROR",
        "OPERATION_FAILED",
        "OPERATION_FINISHED",
        "OPERATION_GONE_BY_OPERATOR",
    }
)


def send(
    cluster: Cluster, framework: Framework, agent: Agent, operation: Operation, change: Conversion
) -> None:
    """Send an operation to its agent, and count it until it is acknowledged."""
    framework.operations[operation.uuid] = operation
    agent.operations[operation.uuid] = operation
    if change.is_speculative:
        agent.total = agent.total.converted(change.consumed, change.converted)
        agent.free = agent.free.converted(change.consumed, change.converted)
    else:
        operation.consumed, operation.converted = change.consumed, change.converted
        agent.free = agent.free - change.consumed
        hold(framework, operation.role, change.consumed)
    cluster.tell(
        agent,
        "APPLY_OPERATION",
        uuid=operation.uuid,
        framework_id=framework.framework_id,
        operation_id=operation.operation_id,
        consumed=change.consumed.to_json(style=BOTH),
        converted=change.converted.to_json(style=BOTH),
        info=operation.info,
        role=operation.role,
    )


def updated(cluster: Cluster, agent: Agent, message: Json) -> None:
    """An agent says what became of an operation."""
    framework = cluster.frameworks.get(message["framework_id"])
    operation = agent.operations.get(message["uuid"])
    status = message["status"]
    if operation is not None:
        operation.state, operation.status = status["state"], status
        _settle(agent, framework, operation)
    is_over = message["framework_id"] in cluster.completed
    if is_over or message["operation_id"] is None:
        acknowledge_self(cluster, agent, message["uuid"], status["uuid"]["value"])
        return
    if framework is None:
        # It has not come back to this master yet; the agent will say it again.
        return
    cluster.send(framework, "UPDATE_OPERATION_STATUS", {"status": status})


def _settle(agent: Agent, framework: Framework | None, operation: Operation) -> None:
    """Give back what an operation held that has ended, as what it was made into."""
    if operation.state not in _TERMINAL or not operation.consumed:
        return
    is_done = operation.state == "OPERATION_FINISHED"
    result = operation.converted if is_done else operation.consumed
    agent.total = agent.total.converted(operation.consumed, result)
    agent.free = agent.free + result
    release(framework, operation.role, operation.consumed)
    operation.consumed = operation.converted = NOTHING


def acknowledge_self(cluster: Cluster, agent: Agent, uuid: str, status_uuid: str) -> None:
    """Acknowledge for a framework that does not want to hear of an operation, or is no more."""
    forget(cluster, agent, uuid)
    cluster.tell(agent, "ACKNOWLEDGE_OPERATION", uuid=uuid, status_uuid=status_uuid)


def acknowledged(cluster: Cluster, framework: Framework, body: Json) -> None:
    """A framework has acknowledged an update; one that nobody gave has no effect."""
    for operation in list(framework.operations.values()):
        status = operation.status
        if status is None or status["uuid"]["value"] != body["uuid"]:
            continue
        agent = cluster.agents.get(operation.agent_id)
        if agent is not None and agent.is_connected:
            acknowledge_self(cluster, agent, operation.uuid, body["uuid"])


def forget(cluster: Cluster, agent: Agent, uuid: str) -> None:
    """Take an operation out of the books."""
    operation = agent.operations.pop(uuid, None)
    if operation is None:
        return
    framework = cluster.frameworks.get(operation.framework_id)
    if operation.consumed:
        agent.free = agent.free + operation.consumed
        release(framework, operation.role, operation.consumed)
    if framework is not None:
        framework.operations.pop(uuid, None)


def adopt(cluster: Cluster, agent: Agent, reported: Iterable[Json]) -> None:
    """Take over the operations that an agent still has answers for; others never arrived."""
    entries = {entry["uuid"]: entry for entry in reported}
    for uuid in [u for u in agent.operations if u not in entries]:
        operation = agent.operations[uuid]
        forget(cluster, agent, uuid)
        _say_dropped(cluster, agent, operation)
    for uuid, entry in entries.items():
        framework = cluster.frameworks.get(entry["framework_id"])
        known = agent.operations.get(uuid)
        if known is None:
            known = Operation(
                uuid, entry["framework_id"], agent.agent_id, entry["role"], entry["info"]
            )
            agent.operations[uuid] = known
        if known.consumed:
            # Its result is in what the agent reports of its resources.
            agent.free = agent.free + known.consumed
            release(framework, known.role, known.consumed)
            known.consumed = known.converted = NOTHING
        known.state, known.status = entry["status"]["state"], entry["status"]
        if framework is not None:
            framework.operations[uuid] = known


def attach(cluster: Cluster, framework: Framework) -> None:
    """Give a framework that is new to this master its operations that agents remember."""
    for agent in cluster.agents.values():
        for operation in agent.operations.values():
            if operation.framework_id == framework.framework_id:
                framework.operations[operation.uuid] = operation


def leave(cluster: Cluster, framework: Framework) -> None:
    """The framework is no more: what is answered is acknowledged, the rest when it is."""
    for operation in list(framework.operations.values()):
        agent = cluster.agents.get(operation.agent_id)
        if agent is not None and operation.status is not None:
            status_uuid = operation.status["uuid"]["value"]
            acknowledge_self(cluster, agent, operation.uuid, status_uuid)
    framework.operations.clear()


def _say_dropped(cluster: Cluster, agent: Agent, operation: Operation) -> None:
    if operation.state in _TERMINAL or operation.operation_id is None:
        return
    framework = cluster.frameworks.get(operation.framework_id)
    if framework is not None:
        verdict = ("OPERATION_DROPPED", "Reconciliation: operation unknown to the agent")
        say(cluster, framework, operation.operation_id, verdict, agent.agent_id)


def lost_with(cluster: Cluster, agent: Agent, state: str, message: str) -> None:
    """The agent is given up: its operations are, in this state, and their frameworks hear it."""
    for uuid, operation in list(agent.operations.items()):
        forget(cluster, agent, uuid)
        framework = cluster.frameworks.get(operation.framework_id)
        if framework is not None and operation.operation_id is not None:
            say(cluster, framework, operation.operation_id, (state, message), agent.agent_id)


def say(
    cluster: Cluster,
    framework: Framework,
    operation_id: str,
    verdict: tuple[str, str | None],
    agent_id: str | None = None,
) -> None:
    """Tell a framework of an operation, in the master's own words: a state and a message."""
    state, message = verdict
    status: Json = {"operation_id": {"value": operation_id}, "state": state}
    if message is not None:
        status["message"] = message
    if agent_id is not None:
        status["agent_id"] = {"value": agent_id}
    cluster.send(framework, "UPDATE_OPERATION_STATUS", {"status": status})


def reconcile(cluster: Cluster, framework: Framework, asked: list[Json]) -> None:
    """Answer each question, or, when none is asked, report every operation of the framework."""
    known = {o.operation_id: o for o in framework.operations.values() if o.operation_id is not None}
    if not asked:
        for operation_id, operation in known.items():
            say(cluster, framework, operation_id, (operation.state, None), operation.agent_id)
        return
    for question in asked:
        operation_id = question["operation_id"]["value"]
        agent_id = question.get("agent_id", {}).get("value")
        found = known.get(operation_id)
        if found is not None:
            say(cluster, framework, operation_id, (found.state, None), found.agent_id)
            continue
        state, message = _verdict(cluster, agent_id)
        verdict = (state, f"Reconciliation: {message}")
        say(cluster, framework, operation_id, verdict, agent_id)


def _verdict(cluster: Cluster, agent_id: str | None) -> tuple[str, str]:
    """What is said of an operation that the master does not know."""
    if agent_id is None:
        return "OPERATION_UNKNOWN", "Operation is unknown and no 'agent_id' was provided"
    if agent_id in cluster.agents:
        return "OPERATION_UNKNOWN", "Operation is unknown"
    if agent_id in cluster.recovered:
        return "OPERATION_RECOVERING", "Agent is recovered but has not re-registered"
    if agent_id in cluster.unreachable:
        return "OPERATION_UNREACHABLE", "Agent is unreachable"
    if agent_id in cluster.gone:
        return "OPERATION_GONE_BY_OPERATOR", "Agent marked gone by operator"
    return "OPERATION_UNKNOWN", "Both operation and agent are unknown"


def total_of(message: Json) -> list[Json]:
    """The resources of an agent that registers, as operations have made them."""
    return list(message.get("total") or message["info"]["resources"])
