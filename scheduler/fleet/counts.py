"""What a group's instances are at the moment: starting, idle, busy, on their way out.

The one thing to know: an instance is a host once an agent offers something that names it. Until
then it is starting; when that takes too long it is late, counts for nothing, and is replaced.
"""

import msgspec

from scheduler.fleet.standing import CloudGroup, Instance
from scheduler.fold.guards import is_schedulable
from scheduler.model.fleet_rules import FleetRules
from scheduler.model.ids import HostId
from scheduler.state import State

ALIVE = frozenset({"pending", "inService"})


class Counts(msgspec.Struct, frozen=True):
    """The instances of one group, by what can be expected of them."""

    starting: int
    """Ordered, launching or not joined yet: they will be idle hosts soon."""
    busy: int
    idle: int
    """Hosts without tasks that get some."""
    ending: int
    """Hosts that are marked to be given back."""
    old_idle: tuple[Instance, ...]
    """Of the idle ones, those that may be given back."""
    late: tuple[Instance, ...]
    """Instances that should be hosts by now."""
    ending_there: tuple[Instance, ...]
    reprievable: int
    """Of those, whose end was not ordered yet."""
    zones: dict[str, int]
    """Instances that stay, by zone."""


def counts_of(state: State, group: CloudGroup, rules: FleetRules) -> Counts:
    """The group's instances, counted."""
    now_ms = state.clock.now_ms
    joined = busy = idle = 0
    old_idle: list[Instance] = []
    late: list[Instance] = []
    ending: list[Instance] = []
    zones: dict[str, int] = {}
    is_to_go = any(
        each.name == group.name and each.lifecycle == "Removable"
        for each in state.policy.placement.instance_groups
    )
    for instance_id in state.instances_of_groups.get(group.name, ()):
        each = state.cloud_instances[instance_id]
        if each.state not in ALIVE:
            continue
        host_id = each.host_id
        if each.mark != "ending":
            zones[each.zone] = zones.get(each.zone, 0) + 1
        if host_id is None:
            since_ms = max(each.seen_at_ms, state.clock.judging_since_ms)
            if now_ms >= since_ms + rules.join_timeout_ms:
                late.append(each)
            continue
        joined += 1
        if each.mark == "ending":
            ending.append(each)
        elif host_id in state.host_tasks:
            busy += 1
        elif not each.mark and (
            is_schedulable(state, host_id) or (is_to_go and _is_free(state, host_id))
        ):
            idle += 1
            if is_returnable(state, each) and now_ms >= each.joined_at_ms + rules.grace_ms:
                old_idle.append(each)
    return Counts(
        starting=max(0, group.size - joined - len(late)),
        busy=busy,
        idle=idle,
        ending=len(ending),
        old_idle=tuple(old_idle),
        late=tuple(late),
        ending_there=tuple(ending),
        reprievable=sum(not each.ended_at_ms for each in ending),
        zones=zones,
    )


def _is_free(state: State, host_id: HostId) -> bool:
    """Whether nobody holds the host; one of a group that is to go gets no tasks, and may go."""
    return host_id not in state.host_marks and host_id not in state.host_orders


def is_returnable(state: State, instance: Instance) -> bool:
    """Whether the instance, empty, may be given back at all."""
    host_id = instance.host_id
    return (
        host_id is not None
        and instance.state != "warm"
        and host_id not in state.host_tasks
        and host_id not in state.host_orders
        and (not instance.is_protected or instance.protected_by_us)
        and not instance.mark
    )
