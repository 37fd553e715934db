"""Hosts and groups of hosts in the shapes of Titus' API v3 (S19).

The one thing to know: a group is what its hosts say by one attribute, and an entry in the rules
where operators have ordered something of it; so a group may be shown without any host.
"""

from collections import Counter
from typing import Any
from urllib.parse import urlsplit

from projections.cell_view import CellView
from scheduler.fold.guards import quality
from scheduler.fold.instance_groups import group_name_of
from scheduler.model.ids import HostId
from scheduler.model.rules import InstanceGroup

Json = dict[str, Any]


def groups_json(view: CellView) -> list[Json]:
    """Every group that a host or a rule names, by name."""
    types: dict[str, Counter[str]] = {}
    for host_id in view.state.hosts:
        name = group_name_of(view.state, host_id)
        if name:
            types.setdefault(name, Counter())[machine_type(view, host_id)] += 1
    rules = view.state.policy.placement.instance_groups
    return [
        group_written(view, name, types.get(name, Counter()))
        for name in sorted({*types, *(each.name for each in rules)})
    ]


def group_json(view: CellView, name: str) -> Json | None:
    """One of them, or None where no host and no rule names it."""
    return next((each for each in groups_json(view) if each["id"] == name), None)


def machine_type(view: CellView, host_id: HostId) -> str:
    """What the host's agent says of its machine; empty where it says nothing."""
    wanted = view.state.policy.placement.machine_type_attribute
    attributes = view.state.hosts[host_id].attributes
    return next((value for name, value in attributes if name == wanted), "")


def group_written(view: CellView, name: str, types: Counter[str]) -> Json:
    """A group by its name and by how many hosts of each machine type it has."""
    rules = view.state.policy.placement.instance_groups
    group = next((each for each in rules if each.name == name), None) or InstanceGroup(name)
    commonest = sorted(types, key=lambda each: (-types[each], each))
    return {
        "id": group.name,
        "instanceType": commonest[0] if commonest else "",
        "tier": group.tier,
        "current": types.total(),
        "lifecycleStatus": {
            "state": group.lifecycle,
            "description": "" if types else "no host of it is known",
        },
        "attributes": dict(group.attributes),
        "policyVersion": view.state.policy_version,
    }


def instances_json(view: CellView) -> list[Json]:
    """Every host that the cell knows, by id."""
    return [_instance(view, host_id) for host_id in sorted(view.state.hosts)]


def instance_json(view: CellView, host_id: HostId) -> Json | None:
    """One of them, or None where the cell does not know it."""
    return _instance(view, host_id) if host_id in view.state.hosts else None


def _instance(view: CellView, host_id: HostId) -> Json:
    state = view.state
    facts, order = state.hosts[host_id], state.host_orders.get(host_id)
    tasks = len(state.host_tasks.get(host_id, ()))
    is_there = tasks or host_id in state.host_offers
    return {
        "id": host_id,
        "instanceGroupId": group_name_of(state, host_id),
        "hostname": facts.hostname,
        "ipAddress": (urlsplit(facts.url).hostname or "") if facts.url else "",
        "lifecycleStatus": {
            "state": "Started" if is_there else "Unknown",
            "launchTimestamp": state.hosts_seen_at_ms.get(host_id, 0),
        },
        "attributes": dict(state.host_marks.get(host_id, ())),
        "hostAttributes": dict(facts.attributes),
        "standing": order.standing if order else "enabled",
        "qualityMilli": quality(state, host_id),
        "tasks": tasks,
    }
