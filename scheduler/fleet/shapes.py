"""What a host of a group is good for: how many tasks of a kind fit, and at what price.

The one thing to know: a group is judged by what its rule declares and not by the hosts it has, so
one without hosts can be sized like any other (Fenzo's autoscaler could not: fenzo.md, F11). A group
of several zones fits where one of its zones does.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from scheduler.capacity.demand import RESOURCES, Vector
from scheduler.constraints.fixed import (
    ATTRIBUTE_KINDS,
    GPU_MODEL_ATTRIBUTE,
    devices_refusal,
    model_refusal,
    refusal,
    taint_refusal,
    tolerated,
    zone_refusal,
)
from scheduler.fleet.standing import CloudGroup
from scheduler.model.fleet_rules import GroupRule
from scheduler.model.ids import HostId
from scheduler.model.resources import Need
from scheduler.model.rules import Amount, InstanceGroup, Lifecycle, PlacementRules
from scheduler.placement.request import Request

TASKS_MAX: Final = 1 << 40
"""Of tasks that need nothing that is counted: as many as there may be."""
ALONE: Final = frozenset({"exclusiveHost", "uniqueHost"})
"""Constraints by which a host takes one task of the job."""
Counted = tuple[int | None, ...]


class Shape(msgspec.Struct, frozen=True):
    """A group as the sizing sees it."""

    name: str
    rule: GroupRule
    group: CloudGroup
    lifecycle: Lifecycle
    tier: str
    """Only jobs of this tier; empty: of all."""
    counted: Counted
    """What one host has, by resource; None where that is not counted."""
    attributes: tuple[dict[str, str], ...]
    """What its hosts say, once for each of its zones."""

    @property
    def rank(self) -> int:
        """Active groups come before those that are phased out."""
        return 0 if self.lifecycle == "Active" else 1


def shape_of(rule: GroupRule, group: CloudGroup, rules: PlacementRules) -> Shape:
    """The group by its rule, what operators let it be used for, and what the cloud says of it."""
    operators = next((each for each in rules.instance_groups if each.name == rule.name), None)
    operators = operators or InstanceGroup(name=rule.name)
    said = {rules.machine_group_attribute: rule.name}
    if len(group.machine_types) == 1:
        said[rules.machine_type_attribute] = group.machine_types[0]
    said |= dict(rule.attributes)
    zones = [each for each in group.zones if each not in rules.lost_zones] or [""]
    has_zone = rules.zone_attribute in said
    attributes = tuple(
        said if has_zone or not zone else {**said, rules.zone_attribute: zone} for zone in zones
    )
    return Shape(
        name=rule.name,
        rule=rule,
        group=group,
        lifecycle=operators.lifecycle,
        tier=operators.tier,
        counted=counted_of(rule.shape),
        attributes=attributes,
    )


def counted_of(amount: Amount) -> Counted:
    """The amount by resource, None where it does not count one."""
    return tuple(getattr(amount, each) for each in RESOURCES)


def vector_of(need: Need) -> Vector:
    """What one task takes; of a device it takes a part of, the whole."""
    gpus = need.gpus or (1 if need.gpu_milli else 0)
    return (need.cpu_milli, need.memory_mib, need.disk_mib, need.network_mbps, gpus)


def fitting(shape: Shape, request: Request) -> int:
    """How many tasks of the request an empty host of the group takes; 0: none, see `objection`."""
    most = TASKS_MAX
    for has, wants in zip(shape.counted, vector_of(request.need), strict=True):
        if wants and has is not None:
            most = min(most, has // wants)
    if most and any(each.kind in ALONE for each in request.hard):
        return 1
    return most


def objection(shape: Shape, request: Request, rules: PlacementRules) -> str:
    """Why no host of the group would ever take such a task, in words; empty where one would."""
    if shape.lifecycle not in {"Active", "PhasedOut"}:
        return f"group {shape.name} is {shape.lifecycle}"
    if shape.tier not in {"", request.tier}:
        return f"group {shape.name} is of tier {shape.tier}"
    if any(each.kind == "machineId" for each in request.hard):
        return "its hosts are named, and a new host is another"
    if not fitting(shape, request):
        return f"it is too large for a host of group {shape.name}"
    words = ""
    for attributes in shape.attributes:
        words = _refused(shape, attributes, request, rules)
        if not words:
            return ""
    return f"group {shape.name}: {words}"


def _refused(
    shape: Shape, attributes: Mapping[str, str], request: Request, rules: PlacementRules
) -> str:
    words = zone_refusal(attributes, rules)
    words = words or taint_refusal(tolerated(request.hard), attributes, rules)
    need, devices = request.need, shape.counted[-1]
    asks = bool(need.gpus or need.gpu_milli)
    words = words or devices_refusal(asks_devices=asks, has_devices=bool(devices), rules=rules)
    if GPU_MODEL_ATTRIBUTE in attributes:
        words = words or model_refusal(need.gpu_models, attributes)
    for each in request.hard:
        if not words and each.kind in ATTRIBUTE_KINDS:
            words = refusal(each, attributes, HostId(""), "", rules)
    return words


def hosts_for(amount: Vector, counted: Counted) -> int | None:
    """How many hosts hold the amount by the resource that needs most; None: no number does."""
    most = 0
    for wants, has in zip(amount, counted, strict=True):
        if not wants or has is None:
            continue
        if not has:
            return None
        most = max(most, -(-wants // has))
    return most
