"""A zone that is cut off: most of its busy hosts are out of reach at once.

The one thing to know: then the network is the likelier fault than the hosts, the tasks there most
likely run, and to start thousands of them again elsewhere would double them all. So they are
waited for longer than those of a single host, unless an operator declares the zone lost.
"""

from collections import Counter
from typing import Final

from scheduler.fold.context import Fold, look_at
from scheduler.fold.safe import page_once
from scheduler.model.ids import HostId
from scheduler.model.task import Disconnected, KillInitiated, Task, place_of
from scheduler.state import State

LOOK_MS: Final = 10_000
"""How often a task of a zone that is cut off is looked at."""


def is_waited_for(fold: Fold, task: Task) -> bool:
    """Whether this task, out of reach for too long, is waited for with its zone all the same."""
    state, policy = fold.state, fold.state.policy
    place = place_of(task.state)
    assert isinstance(task.state, Disconnected | KillInitiated)
    assert place is not None
    since_ms = max(task.state.since_ms, state.clock.judging_since_ms)
    if state.clock.now_ms >= since_ms + policy.zone_hold_ms:
        return False
    zone = _zone_of(state, place.host_id)
    if zone in policy.placement.lost_zones or zone not in cut_zones(fold):
        return False
    next_ms = min(state.clock.now_ms + LOOK_MS, since_ms + policy.zone_hold_ms)
    look_at(fold, task.task_id, next_ms)
    return True


def cut_zones(fold: Fold) -> frozenset[str]:
    """The zones of which too many busy hosts are out of reach, counted once for a tick."""
    if fold.cut_zones is not None:
        return fold.cut_zones
    state, policy = fold.state, fold.state.policy
    busy: Counter[str] = Counter()
    away: Counter[str] = Counter()
    for host_id, there in state.host_tasks.items():
        zone = _zone_of(state, host_id)
        busy[zone] += 1
        away[zone] += any(_is_away(state, state.tasks[task_id]) for task_id in there)
    zones = frozenset(
        zone
        for zone, hosts in busy.items()
        if hosts >= policy.zone_cut_hosts_min
        and away[zone] * 100 >= policy.zone_cut_percent * hosts
    )
    fold.cut_zones = zones
    for zone in sorted(zones - {*policy.placement.lost_zones}):
        named = f"zone {zone}" if zone else "the hosts without a zone"
        page_once(
            fold,
            "zone",
            zone,
            what=f"{away[zone]} of {busy[zone]} busy hosts of {named} are out of reach",
            why="their tasks are waited for, for they most likely run. If they do not: "
            f"`flumina policy zone lost {zone}` replaces them at once"
            if zone
            else "their tasks are waited for, for they most likely run",
        )
    return zones


def _is_away(state: State, task: Task) -> bool:
    if isinstance(task.state, KillInitiated):
        return task.state.is_unreachable
    return isinstance(task.state, Disconnected) and task.task_id not in state.missing


def _zone_of(state: State, host_id: HostId) -> str:
    facts = state.hosts.get(host_id)
    name = state.policy.placement.zone_attribute
    return dict(facts.attributes).get(name, "") if facts else ""
