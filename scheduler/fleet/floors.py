"""The least size of groups: what tiers are guaranteed, and what is expected to come.

The one thing to know: a tier's guarantees and buffer are one amount (`scheduler.capacity`), which
its groups hold together, the cheapest first, each up to its most; what is left over is a shortage,
and is said. Groups that are phased out hold nothing for the future.
"""

from collections.abc import Sequence
from typing import NamedTuple

from scheduler.capacity.demand import ZERO, Vector, demands
from scheduler.fleet.shapes import Shape, hosts_for
from scheduler.fleet.sizes import most_of
from scheduler.model.rules import PlacementRules


class Shortage(NamedTuple):
    """What a tier is guaranteed beyond what its groups may ever hold."""

    tier: str
    amount: Vector


def guarantee_floors(
    shapes: Sequence[Shape], rules: PlacementRules
) -> tuple[dict[str, int], list[Shortage]]:
    """How many hosts each group must have for guarantees; what no group may have."""
    floors: dict[str, int] = {}
    shortages: list[Shortage] = []
    for demand in demands(rules):
        left = demand.total
        usable = [
            each for each in shapes if each.lifecycle == "Active" and each.tier in {"", demand.tier}
        ]
        # A tier's own groups before those of everybody.
        usable.sort(key=lambda each: (each.tier == "", _price(each, demand.total), each.name))
        if not usable:
            continue  # Titus: a tier without a group is left alone.
        for each in usable:
            room = most_of(each) - floors.get(each.name, 0)
            hosts = _hosts(left, each, room)
            floors[each.name] = floors.get(each.name, 0) + hosts
            left = _without(left, each, hosts)
        if any(left):
            shortages.append(Shortage(demand.tier, left))
    return floors, shortages


def _hosts(amount: Vector, shape: Shape, room: int) -> int:
    """How many hosts, at most ``room``, hold what of the amount the group can hold at all."""
    held = tuple(
        0 if has is None or not has else wants
        for wants, has in zip(amount, shape.counted, strict=True)
    )
    cpu, memory, disk, network, gpus = held
    hosts = hosts_for((cpu, memory, disk, network, gpus), shape.counted)
    assert hosts is not None, "what no host has was left out"
    return max(0, min(hosts, room))


def _without(amount: Vector, shape: Shape, hosts: int) -> Vector:
    if not hosts:
        return amount
    cpu, memory, disk, network, gpus = (
        0 if has is None else max(0, wants - has * hosts)
        for wants, has in zip(amount, shape.counted, strict=True)
    )
    return cpu, memory, disk, network, gpus


def _price(shape: Shape, amount: Vector) -> int:
    """What all of the amount would cost in hosts of this group."""
    hosts = hosts_for(amount, shape.counted) if amount != ZERO else 0
    return shape.rule.price_micro * (1 << 30 if hosts is None else hosts)
