"""Which tasks a service gives up when it becomes smaller.

The one thing to know: Titus' order. First by class: those being killed anyway, waiting, starting,
started. Within a class one by one from the host that has most of the service's tasks by then, of
such hosts from the zone that has most, and there the oldest. So what is left is spread best.
"""

from collections import deque
from collections.abc import Mapping
from heapq import heapify, heappop, heappush
from typing import assert_never

from scheduler.model.ids import HostId
from scheduler.model.task import (
    Disconnected,
    Finished,
    KillInitiated,
    Launched,
    Placed,
    Queued,
    Started,
    StartInitiated,
    Task,
    TaskState,
    place_of,
)
from scheduler.state import State

Hosts = dict[HostId | None, deque[Task]]


def given_up(state: State, tasks: list[Task], count: int) -> list[Task]:
    """The tasks that go first, of all that a service has and that count."""
    classes: dict[int, Hosts] = {}
    crowds = _Crowds(state)
    for task in sorted(tasks, key=lambda each: (each.number, each.task_id)):
        host_id = _host_of(task)
        crowds.add(host_id)
        classes.setdefault(_rank(task.state), {}).setdefault(host_id, deque()).append(task)
    chosen: list[Task] = []
    for _, by_host in sorted(classes.items()):
        _choose(by_host, crowds, chosen, count)
    return chosen


class _Crowds:
    """How many of the service's tasks each host and zone has; less with each that is chosen."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.of_host: dict[HostId | None, int] = {}
        self.of_zone: dict[str, int] = {}
        self._zones: dict[HostId | None, str] = {None: ""}

    def zone(self, host_id: HostId | None) -> str:
        """The zone of a host; empty where it says none."""
        if host_id not in self._zones:
            facts = self._state.hosts.get(host_id) if host_id is not None else None
            name = self._state.policy.placement.zone_attribute
            self._zones[host_id] = dict(facts.attributes).get(name, "") if facts else ""
        return self._zones[host_id]

    def add(self, host_id: HostId | None, step: int = 1) -> None:
        """Count one task more there, or one less; what waits crowds nothing."""
        if host_id is None:
            self.of_host[None] = 0
            return
        zone = self.zone(host_id)
        self.of_host[host_id] = self.of_host.get(host_id, 0) + step
        self.of_zone[zone] = self.of_zone.get(zone, 0) + step


def _choose(by_host: Hosts, crowds: _Crowds, chosen: list[Task], count: int) -> None:
    """Take from one class until there are ``count``, or none of it is left."""
    heaps: dict[str, list[tuple[int, int, str, HostId | None]]] = {}
    for host_id, there in by_host.items():
        entry = (-crowds.of_host[host_id], there[0].number, there[0].task_id, host_id)
        heaps.setdefault(crowds.zone(host_id), []).append(entry)
    for heap in heaps.values():
        heapify(heap)
    while len(chosen) < count and heaps:
        zone = _zone_of_next(heaps, crowds.of_zone)
        heap = heaps[zone]
        host_id = heappop(heap)[3]
        there = by_host[host_id]
        chosen.append(there.popleft())
        crowds.add(host_id, -1)
        if there:
            entry = (-crowds.of_host[host_id], there[0].number, there[0].task_id, host_id)
            heappush(heap, entry)
        elif not heap:
            del heaps[zone]


def _zone_of_next(
    heaps: Mapping[str, list[tuple[int, int, str, HostId | None]]], of_zone: Mapping[str, int]
) -> str:
    """The zone whose fullest host is the fullest of all; of such the larger zone, then the age."""

    def key(zone: str) -> tuple[int, int, int, str]:
        crowd, number, task_id, _ = heaps[zone][0]
        return (crowd, -of_zone.get(zone, 0), number, task_id)

    return min(sorted(heaps), key=key)


def _host_of(task: Task) -> HostId | None:
    """Where the task is, if it counts as being there."""
    if isinstance(task.state, Queued | Placed | Disconnected | Finished):
        return None
    place = place_of(task.state)
    return place.host_id if place else None


def _rank(state: TaskState) -> int:
    """The task's class in Titus' order; out of reach is as good as waiting."""
    match state:
        case KillInitiated():
            return 0
        case Queued() | Placed() | Disconnected() | Finished():
            return 1
        case Launched() | StartInitiated():
            return 2
        case Started():
            return 3
    assert_never(state)
