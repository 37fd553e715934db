"""What an instance's interfaces need, from the tasks that are on them.

The one thing to know: nothing here is remembered. Tasks on one interface have one set of security
groups; how many they are is how many addresses are needed, and an address of which it is not known
whose it is counts as taken.
"""

from collections.abc import Iterator

import msgspec

from scheduler.fleet.standing import Instance
from scheduler.model.fleet_rules import NetworkRules
from scheduler.model.ids import HostId
from scheduler.model.network import (
    AssignAddresses,
    AttachInterface,
    CloudInterface,
    NetworkEffect,
    ReturnAddresses,
    SetSecurityGroups,
)
from scheduler.model.task import Task, place_of
from scheduler.placement.host import Interface
from scheduler.placement.interfaces import group_set
from scheduler.state import State
from scheduler.versions import container_of


def lodgers(state: State, host_id: HostId) -> dict[int, list[Task]]:
    """The tasks of a host that have an address, by interface."""
    found: dict[int, list[Task]] = {}
    for task_id in sorted(state.host_tasks.get(host_id, ())):
        task = state.tasks[task_id]
        place = place_of(task.state)
        if place is not None and place.interface >= 0:
            found.setdefault(place.interface, []).append(task)
    return found


class Place(msgspec.Struct, frozen=True):
    """One interface that a host declares: its tasks, and what its cloud has there."""

    index: int
    declared: Interface
    tasks: list[Task]
    seen: CloudInterface | None
    idle_since_ms: int | None


def wanted(
    state: State, rules: NetworkRules, instance: Instance, place: Place
) -> Iterator[tuple[NetworkEffect, str]]:
    """What is to be asked for one interface, the most urgent first."""
    name, group, index = instance.instance_id, instance.group, place.index
    tasks, seen, need = place.tasks, place.seen, len(place.tasks)
    batches = -(-max(need, 1) // rules.batch)
    total = min(place.declared.addresses, batches * rules.batch)
    groups: tuple[str, ...] = ()
    if tasks:  # All tasks of an interface have the same set.
        groups = group_set(container_of(state, tasks[0]).security_groups)
    if tasks and seen is None:
        subnet = dict(rules.subnets).get(instance.zone, "")
        why = f"{need} tasks have addresses on interface {index}"
        yield AttachInterface(group, name, index, subnet, groups, total), why
    if seen is None:
        return
    if groups and groups != group_set(seen.security_groups):
        why = f"the tasks of interface {index} want other security groups"
        yield SetSecurityGroups(group, name, seen.interface_id, groups), why
    if need > len(seen.addresses):
        why = f"{need} tasks share {len(seen.addresses)} addresses of interface {index}"
        yield AssignAddresses(group, name, seen.interface_id, total), why
    idle_ms = place.idle_since_ms
    if idle_ms is not None and state.clock.now_ms >= idle_ms + rules.idle_ms:
        free = free_addresses(tasks, seen)
        given = free if not tasks else free[: len(free) // rules.batch * rules.batch]
        if given:
            why = f"{len(given)} addresses of interface {index} stood idle"
            yield ReturnAddresses(group, name, seen.interface_id, given), why


def free_addresses(tasks: list[Task], seen: CloudInterface) -> tuple[str, ...]:
    """The addresses that surely no task has; none where it is not known which the tasks have."""
    places = (place_of(each.state) for each in tasks)
    taken = {place.address for place in places if place is not None}
    if not taken <= set(seen.addresses):
        return ()
    return tuple(each for each in seen.addresses if each not in taken)


def return_refusal(state: State, effect: ReturnAddresses) -> str:
    """Why these addresses must not be given back any more; empty where they may."""
    instance = state.cloud_instances.get(effect.instance_id)
    network = state.instance_networks.get(effect.instance_id)
    if instance is None or network is None or instance.host_id is None:
        return "the instance is gone"
    there = lodgers(state, instance.host_id)
    for each in network.interfaces:
        if each.interface_id == effect.interface_id:
            free = set(free_addresses(there.get(each.index, []), each))
            return "" if free >= set(effect.addresses) else "a task may have one of them by now"
    return "the interface is gone"
