"""What is guaranteed and what is held: by tier, capacity group and application, as reports.

The one thing to know: what a group holds is counted by jobs (how many tasks of each are on hosts,
times what one of them asks for), so that a report costs little on a cell of many tasks.
"""

from typing import Any

import msgspec

from scheduler.capacity.demand import RESOURCES, ZERO, Vector, demands, plus, vector
from scheduler.model.resources import Need
from scheduler.model.rules import Amount, CapacityGroup, PlacementRules
from scheduler.model.task import is_on_host
from scheduler.state import Job, State
from scheduler.versions import is_mixed, spec_of

DEFAULT = "DEFAULT"
Json = dict[str, Any]


class Usage(msgspec.Struct, frozen=True):
    """What one application holds, in which group of which tier."""

    tier: str
    group: str
    application: str
    amount: Vector
    tasks: int


def usages(state: State) -> list[Usage]:
    """What is held by tasks on hosts, by tier, group and application, in that order."""
    rules = state.policy.placement
    tiers = {each.name: each.tier for each in rules.groups}
    held: dict[tuple[str, str, str], tuple[Vector, int]] = {}
    for job_id, count in state.on_hosts.items():
        job = state.jobs.get(job_id)
        if job is None or not count:
            continue
        group = job.spec.capacity_group if job.spec.capacity_group in tiers else DEFAULT
        key = (tiers.get(group, ""), group, job.spec.application_name)
        amount, tasks = held.get(key, (ZERO, 0))
        held[key] = (plus(amount, _held(state, job, count)), tasks + count)
    return [Usage(*key, *held[key]) for key in sorted(held)]


def _held(state: State, job: Job, count: int) -> Vector:
    """What so many tasks of the job hold; task by task only where they differ."""
    if not is_mixed(job):
        return _times(job.spec.container.need, count)
    total = ZERO
    for task_id in state.indexes[job.job_id].values():
        task = state.tasks[task_id]
        if is_on_host(task.state):
            total = plus(total, _times(spec_of(job, task).container.need, 1))
    return total


def _times(need: Need, count: int) -> Vector:
    one = (need.cpu_milli, need.memory_mib, need.disk_mib, need.network_mbps, need.gpus)
    cpu, memory, disk, network, gpus = (each * count for each in one)
    return cpu, memory, disk, network, gpus


def group_usage(state: State, name: str) -> Vector:
    """What the tasks of a group hold."""
    total = ZERO
    for each in usages(state):
        if each.group == name:
            total = plus(total, each.amount)
    return total


def consumption(state: State) -> Json:
    """What is held, as Titus' report nests it: system, tiers, groups, applications."""
    rules = state.policy.placement
    found = usages(state)
    tiers = {
        tier.name: _tier(rules, tier.name, [each for each in found if each.tier == tier.name])
        for tier in rules.tiers
    }
    held, allowed = _sum(found), _guaranteed(rules.groups)
    return {
        "consumptionName": "system",
        "consumptionType": "System",
        "currentConsumption": dimension(held),
        "allowedConsumption": dimension(allowed),
        "isAboveLimit": _is_above(held, allowed),
        "contributors": tiers,
        "timestamp": state.clock.now_ms,
    }


def _tier(rules: PlacementRules, name: str, found: list[Usage]) -> Json:
    groups = [each for each in rules.groups if each.tier == name]
    inner = {
        group.name: _group(group, [each for each in found if each.group == group.name])
        for group in groups
    }
    held, allowed = _sum(found), _guaranteed(groups)
    return {
        "consumptionName": name,
        "consumptionType": "Tier",
        "currentConsumption": dimension(held),
        "allowedConsumption": dimension(allowed),
        "isAboveLimit": _is_above(held, allowed),
        "contributors": inner,
    }


def _group(group: CapacityGroup, found: list[Usage]) -> Json:
    held, allowed = _sum(found), vector(group.guarantee)
    return {
        "consumptionName": group.name,
        "consumptionType": "CapacityGroup",
        "currentConsumption": dimension(held),
        "allowedConsumption": dimension(allowed),
        "isAboveLimit": _is_above(held, allowed),
        "contributors": {
            each.application: {
                "consumptionName": each.application,
                "consumptionType": "Application",
                "currentConsumption": dimension(each.amount),
                "attributes": {"tasks": str(each.tasks)},
            }
            for each in found
        },
    }


def _is_above(held: Vector, allowed: Vector) -> bool:
    """Whether more is held than the level itself is guaranteed, by the numbers beside it.

    Of a tier or the whole it says nothing of its groups: one may borrow what another leaves.
    """
    return any(each > most for each, most in zip(held, allowed, strict=True))


def _sum(found: list[Usage]) -> Vector:
    total = ZERO
    for each in found:
        total = plus(total, each.amount)
    return total


def _guaranteed(groups: list[CapacityGroup] | tuple[CapacityGroup, ...]) -> Vector:
    """What is guaranteed to groups at the top: the others share those guarantees."""
    total = ZERO
    for group in groups:
        if not group.parent:
            total = plus(total, vector(group.guarantee))
    return total


def dimension_of(amount: Amount) -> Json:
    """The same of an amount that may leave resources out."""
    return dimension(vector(amount))


def dimension(amount: Vector) -> Json:
    """An amount in Titus' words and units."""
    cpu, memory, disk, network, gpus = amount
    return {
        "cpu": cpu / 1_000,
        "memoryMB": memory,
        "diskMB": disk,
        "networkMbs": network,
        "gpu": gpus,
    }


def capacity(state: State) -> Json:
    """What each tier must have, why, and what its groups hold of it now."""
    rules = state.policy.placement
    found = usages(state)
    tiers = []
    for each in demands(rules):
        sources = dict(zip(_NAMES, each.buffer.sources, strict=True))
        tiers.append(
            {
                "tier": each.tier,
                "groups": list(each.groups),
                "guarantee": dimension(each.guarantee),
                "buffer": dimension(each.buffer.amount),
                "bufferBy": sources,
                "total": dimension(each.total),
                "held": dimension(_sum([use for use in found if use.tier == each.tier])),
            }
        )
    named = {each["tier"] for each in tiers}
    alone = [each.name for each in rules.tiers if each.name not in named]
    return {"policyVersion": state.policy_version, "tiers": tiers, "leftAlone": alone}


_NAMES = tuple(dimension(ZERO))
assert len(_NAMES) == len(RESOURCES)
