"""What the commands ask of the leading master, as an operator does, over HTTP.

The one thing to know: every call has a timeout and comes from the operator's address, which no cut
holds up; so commands work while everything else is cut off.
"""

import http.client
import json
import time

from connectors.devcluster.agent.store import kept_agent_id
from connectors.devcluster.master.leadership import leader_of
from connectors.devcluster.network.cuts import OPERATOR
from connectors.devcluster.node import ClusterConfig, ConfigError
from connectors.devcluster.simulated.fleet import address_of
from connectors.devcluster.words import Json

# Long enough for a busy machine; a paused master answers never.
_LOOK_SECONDS = 1.0
_CALL_SECONDS = 5.0
_NANOSECONDS = 1_000_000_000


def are_registered(config: ClusterConfig) -> bool:
    """Whether the leading master has every agent that may register; one marked gone may not."""
    found = agents_of(config)
    if found is None:
        return False
    ports = {agent["port"] for agent in found}
    return all(
        config.port_of(node) in ports or was_marked_gone(config, node)
        for node in config.agent_names
    )


def agents_of(config: ClusterConfig) -> list[Json] | None:
    """The agents as the leading master lists them; None when it does not answer."""
    leader = leader_of(config)
    if leader is None:
        return None
    try:
        status, text = _exchange(config, leader.port, "/slaves", None, _LOOK_SECONDS)
        return list(json.loads(text)["slaves"]) if status == 200 else None
    except (OSError, ValueError, http.client.HTTPException):
        return None


def agent_on(config: ClusterConfig, node: str) -> Json | None:
    """What the leading master says of this agent; None when it says nothing."""
    # Simulated agents share a port that nobody listens on.
    key, value = ("hostname", node) if config.simulate else ("port", config.port_of(node))
    return next((a for a in agents_of(config) or [] if a[key] == value), None)


def is_serving(config: ClusterConfig, node: str) -> bool:
    """Whether a node answers."""
    try:
        port = config.port_of(node)
        return _exchange(config, port, "/health", None, _LOOK_SECONDS)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def is_back(config: ClusterConfig, node: str, since: float) -> bool:
    """Whether a node serves, and for an agent, whether the master (if it lives) has it again.

    An agent that is drained is not active, but it has registered ``since`` then.
    """
    if config.simulate and node.startswith("agent"):
        there = agent_on(config, node)
        return there is not None and _is_new_or_active(there, since)
    if not is_serving(config, node):
        return False
    found = agents_of(config)
    if node.startswith("master") or found is None:
        return True
    port = config.port_of(node)
    return any(a["port"] == port and _is_new_or_active(a, since) for a in found)


def _is_new_or_active(agent: Json, since: float) -> bool:
    registered = float(agent.get("reregistered_time") or agent["registered_time"])
    return bool(agent["active"]) or registered >= since


def order_simulated(config: ClusterConfig, verb: str, node: str) -> str:
    """What the simulated cluster says to killing or starting one of its agents."""
    path = f"/inner/simulated/{verb}/{node}"
    try:
        status, text = _exchange(config, config.port, path, config.token, _CALL_SECONDS)
    except (OSError, http.client.HTTPException) as error:
        raise ConfigError(
            f"the simulated cluster did not answer within {_CALL_SECONDS:g} s ({error}); it is "
            "paused or has just ended: 'flumina dev-cluster status' shows it"
        ) from error
    if status != 200:
        raise ConfigError(text)
    return text


def was_marked_gone(config: ClusterConfig, node: str) -> bool:
    """Whether the registry says that this agent may not come back."""
    agent_id = kept_agent_id(config.root / node)
    registry = config.root / "master" / "registry.json"
    if agent_id is None or not registry.exists():
        return False
    return agent_id in json.loads(registry.read_bytes()).get("gone", {})


def mark_gone(config: ClusterConfig, node: str) -> None:
    """Tell the master that an agent will never come back."""
    _operate(config, "MARK_AGENT_GONE", {"agent_id": _agent_id(config, node)})


def drain(
    config: ClusterConfig, node: str, grace_seconds: float | None, *, is_marked_gone: bool
) -> None:
    """Let an agent's tasks be ended, and nothing be started there; at the end mark it gone."""
    body: Json = {"agent_id": _agent_id(config, node), "mark_gone": is_marked_gone}
    if grace_seconds is not None:
        body["max_grace_period"] = _duration(grace_seconds)
    _operate(config, "DRAIN_AGENT", body)


def reactivate(config: ClusterConfig, node: str) -> None:
    """Let a drained agent's resources be offered again."""
    way_out = "'flumina dev-cluster status' shows how it stands"
    _operate(config, "REACTIVATE_AGENT", {"agent_id": _agent_id(config, node)}, way_out)


def schedule_maintenance(
    config: ClusterConfig, node: str, begin_in_seconds: float, seconds: float | None
) -> None:
    """Put a window for this agent's machine in place of the whole schedule of maintenance."""
    start = int((time.time() + begin_in_seconds) * _NANOSECONDS)
    unavailability: Json = {"start": {"nanoseconds": start}}
    if seconds is not None:
        unavailability["duration"] = _duration(seconds)
    window = {"machine_ids": [_machine(config, node)], "unavailability": unavailability}
    _operate(config, "UPDATE_MAINTENANCE_SCHEDULE", {"schedule": {"windows": [window]}})


def clear_maintenance(config: ClusterConfig) -> None:
    """Take the schedule of maintenance back."""
    _operate(config, "UPDATE_MAINTENANCE_SCHEDULE", {"schedule": {"windows": []}})


def start_maintenance(config: ClusterConfig, node: str) -> None:
    """Say that the maintenance of this agent's machine begins: its agent is shut down."""
    way_out = f"'flumina dev-cluster maintenance {node}' schedules it, which comes first"
    _operate(config, "START_MAINTENANCE", {"machines": [_machine(config, node)]}, way_out)


def stop_maintenance(config: ClusterConfig, node: str) -> None:
    """Say that the machine is up again: its agent may register."""
    way_out = f"'flumina dev-cluster maintenance {node} --down' begins it, which comes first"
    _operate(config, "STOP_MAINTENANCE", {"machines": [_machine(config, node)]}, way_out)


def _machine(config: ClusterConfig, node: str) -> Json:
    # Mesos takes any machine, also one that nobody has; here a wrong name is a mistake.
    names = [f"agent{number}" for number in range(1, (config.simulate or config.agents) + 1)]
    if node not in names:
        raise ConfigError(_nobody(config, node))
    # The agent of a machine that is down is not in the master's list, so its address is derived.
    ip = address_of(names.index(node) + 1) if config.simulate else config.host
    return {"hostname": node, "ip": ip}


def _nobody(config: ClusterConfig, node: str) -> str:
    last = config.simulate or config.agents
    there = "is agent1" if last == 1 else f"are agent1 to agent{last}"
    return f"no agent {node!r} was ever registered here; there {there}"


def _duration(seconds: float) -> Json:
    return {"nanoseconds": int(seconds * _NANOSECONDS)}


def _agent_id(config: ClusterConfig, node: str) -> Json:
    if config.simulate:
        agent_id = (agent_on(config, node) or {}).get("id")
    else:
        agent_id = kept_agent_id(config.root / node)
    if agent_id is None:
        raise ConfigError(_nobody(config, node))
    return {"value": agent_id}


def _operate(config: ClusterConfig, kind: str, body: Json, way_out: str = "") -> None:
    """Carry out a call of the operator API; a refusal is an error with the master's words."""
    leader = leader_of(config)
    if leader is None:
        raise ConfigError(
            f"no master leads, so nobody takes {kind}; 'flumina dev-cluster status' shows who runs"
        )
    call = json.dumps({"type": kind, kind.lower(): body})
    try:
        status, text = _exchange(config, leader.port, "/api/v1", call, _CALL_SECONDS)
    except (OSError, http.client.HTTPException) as error:
        raise ConfigError(
            f"{leader.node} did not answer to {kind} within {_CALL_SECONDS:g} s ({error}); "
            "it is paused or has just ended: 'flumina dev-cluster status' shows it"
        ) from error
    if status not in (200, 202):
        what_to_do = f"; {way_out}" if way_out else ""
        raise ConfigError(f"{leader.node} refuses {kind} with {status}: {text}{what_to_do}")


def _exchange(
    config: ClusterConfig, port: int, path: str, body: str | None, timeout: float
) -> tuple[int, str]:
    """The status and text of an answer: to a POST if there is a body, else to a GET."""
    connection = http.client.HTTPConnection(
        config.host, port, timeout=timeout, source_address=config.source_of(OPERATOR)
    )
    try:
        method = "GET" if body is None else "POST"
        connection.request(method, path, body, {"Content-Type": "application/json"})
        with connection.getresponse() as answer:
            return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()
