"""The maintenance schedule, and machines that operators take down and bring up again.

The one thing to know: a machine is a hostname and an address together, compared without case. While
it is in the schedule its agents are offered with their unavailability; while it is down no agent of
it may register; when it is brought up it leaves the schedule.
"""

from ipaddress import AddressValueError, IPv4Address

import orjson

from connectors.devcluster.master import inverse_offers, membership
from connectors.devcluster.master.model import Agent, Cluster
from connectors.devcluster.words import Json

Machine = tuple[str, str]


def machine_of(machine_id: Json) -> Machine:
    """What tells a machine from others."""
    return str(machine_id.get("hostname", "")).lower(), str(machine_id.get("ip", ""))


def _text(machine_id: Json) -> str:
    named = {k: machine_id[k] for k in ("hostname", "ip") if k in machine_id}
    return f"Machine '{orjson.dumps(named).decode()}'"


def agents_of(cluster: Cluster, machine: Machine) -> list[Agent]:
    """The registered agents of a machine."""
    return [a for a in cluster.agents.values() if (a.hostname.lower(), a.ip) == machine]


def is_down(cluster: Cluster, hostname: str, ip: str) -> bool:
    """Whether the machine at this name and address may have no agent."""
    return (hostname.lower(), ip) in cluster.machines_down


def _machines_error(machine_ids: list[Json], seen: set[Machine]) -> str | None:
    for machine_id in machine_ids:
        if not machine_id.get("hostname") and not machine_id.get("ip"):
            return "Both 'hostname' and 'ip' for a machine are empty"
        if "ip" in machine_id:
            try:
                IPv4Address(machine_id["ip"])
            except AddressValueError:
                return f"Failed to parse IPv4: {machine_id['ip']}"
        machine = machine_of(machine_id)
        if machine in seen:
            return f"{_text(machine_id)} appears more than once in the schedule"
        seen.add(machine)
    return None


def schedule_error(cluster: Cluster, schedule: Json) -> str | None:
    """Why this cannot be the schedule, or None."""
    seen: set[Machine] = set()
    for window in schedule.get("windows", []):
        machine_ids = window.get("machine_ids", [])
        if not machine_ids:
            return "List of machines in the maintenance window is empty"
        if window["unavailability"].get("duration", {}).get("nanoseconds", 0) < 0:
            return "Unavailability 'duration' is negative"
        if problem := _machines_error(machine_ids, seen):
            return problem
    for machine_id in _scheduled(cluster).values():
        machine = machine_of(machine_id)
        if machine in cluster.machines_down and machine not in seen:
            return f"{_text(machine_id)} is deactivated and cannot be removed from the schedule"
    return None


def _scheduled(cluster: Cluster) -> dict[Machine, Json]:
    windows = cluster.operator.schedule.get("windows", [])
    return {machine_of(m): m for window in windows for m in window["machine_ids"]}


def update_schedule(cluster: Cluster, schedule: Json, now: float) -> str | None:
    """Make this the schedule; the answer is why not, or None."""
    if problem := schedule_error(cluster, schedule):
        return problem
    cluster.operator.schedule = schedule if schedule.get("windows") else {}
    read_schedule(cluster)
    cluster.operator.machines_known.update(cluster.unavailability)
    cluster.save()
    inverse_offers.schedule_changed(cluster, now)
    return None


def read_schedule(cluster: Cluster) -> None:
    """Take the unavailability of each machine from the schedule."""
    cluster.unavailability = {
        machine_of(machine_id): window["unavailability"]
        for window in cluster.operator.schedule.get("windows", [])
        for machine_id in window["machine_ids"]
    }


def _transition_error(
    cluster: Cluster, machine_ids: list[Json], *, is_down: bool, wrong: str
) -> str | None:
    """Why not all of these machines can change, or None; ``wrong`` ends the sentence."""
    if not machine_ids:
        return "List of machines is empty"
    if problem := _machines_error(machine_ids, set()):
        return problem
    scheduled, known = _scheduled(cluster), cluster.operator.machines_known
    for machine_id in machine_ids:
        machine = machine_of(machine_id)
        if machine not in scheduled and machine not in known:
            return f"{_text(machine_id)} is not part of a maintenance schedule"
        if machine not in scheduled or (machine in cluster.machines_down) != is_down:
            return f"{_text(machine_id)} is not in {wrong}"
    return None


def take_down(cluster: Cluster, machine_ids: list[Json], now: float) -> str | None:
    """Begin the maintenance: the machines' agents are shut down. Why not, or None."""
    wrong = "DRAINING mode and cannot be brought down"
    if problem := _transition_error(cluster, machine_ids, is_down=False, wrong=wrong):
        return problem
    machines = [machine_of(m) for m in machine_ids]
    cluster.machines_down |= set(machines)
    cluster.save()
    for machine in machines:
        for agent in agents_of(cluster, machine):
            membership.shut_down(cluster, agent, "Operator initiated 'Machine DOWN'", now)
    return None


def bring_up(cluster: Cluster, machine_ids: list[Json]) -> str | None:
    """End the maintenance: agents may register again. The answer is why not, or None."""
    wrong = "DOWN mode and cannot be brought up"
    if problem := _transition_error(cluster, machine_ids, is_down=True, wrong=wrong):
        return problem
    machines = {machine_of(m) for m in machine_ids}
    cluster.machines_down -= machines
    windows = []
    for window in cluster.operator.schedule.get("windows", []):
        left = [m for m in window["machine_ids"] if machine_of(m) not in machines]
        if left:
            windows.append({**window, "machine_ids": left})
    cluster.operator.schedule = {"windows": windows} if windows else {}
    read_schedule(cluster)
    cluster.save()
    return None


def status(cluster: Cluster) -> Json:
    """Which machines drain, with what frameworks answered, and which are down."""
    answers: dict[str, list[Json]] = {}
    for (_, agent_id), answer in cluster.inverse_answers.items():
        answers.setdefault(agent_id, []).append(answer)
    draining, down = [], []
    for machine, machine_id in _scheduled(cluster).items():
        if machine in cluster.machines_down:
            down.append(machine_id)
            continue
        row: Json = {"id": machine_id}
        said = [a for agent in agents_of(cluster, machine) for a in answers.get(agent.agent_id, ())]
        if said:
            row["statuses"] = said
        draining.append(row)
    result: Json = {}
    if draining:
        result["draining_machines"] = draining
    if down:
        result["down_machines"] = down
    return result
