"""Which hosts and groups of hosts a record changed: what agents say, orders, marks, lifecycle.

The one thing to know: what a host runs and offers is no change of it here; that changes with every
task, and is told by the streams of jobs. It is shown as it was at the host's last change.
"""

from collections import Counter
from typing import Any

from projections.cell_view import CellView
from projections.v3_agents import group_written, instance_json, machine_type
from scheduler.fold.instance_groups import group_name_of
from scheduler.model.events import CellRecord, Copied
from scheduler.model.ids import HostId
from scheduler.model.inbound import HostMarked, HostOrdered, OffersChanged
from scheduler.state import State

Json = dict[str, Any]
News = list[tuple[str, Json, str]]
"""Kinds of events, each with what it says, and of whom."""


class Agents:
    """Hosts and groups as they were told last."""

    def __init__(self) -> None:
        self._hosts: dict[HostId, object] = {}
        self._places: dict[HostId, tuple[str, str]] = {}
        """Group and machine type of each host that is in a group."""
        self._types: dict[str, Counter[str]] = {}
        """How many hosts of each machine type every group has that has any."""
        self._groups: dict[str, Json] = {}
        self._ruled: set[str] = set()
        """Groups that the rules name, whether they have hosts or not."""
        self._policy_version = -1
        self._orders = 0

    def begin(self, view: CellView) -> None:
        """Take all that is there for told."""
        state = view.state
        self._hosts = {each: _facts(state, each) for each in state.hosts}
        self._group_anew(view)
        self._groups = {name: group_written(view, name, self._of(name)) for name in self._names()}
        self._orders = len(state.host_orders)

    def news(self, view: CellView, record: CellRecord) -> News:
        """What this record, which has just been folded, changed of hosts and groups."""
        state, found, touched = view.state, News(), set[str]()
        named = _named(record)
        if state.policy_version != self._policy_version:
            # Groups are by an attribute that the policy names: it may have put hosts elsewhere.
            self._group_anew(view)
            touched.update(self._names(), self._groups)
            named |= dict.fromkeys(state.hosts)
        if len(state.host_orders) != self._orders:
            # The cell may take a sick host out of use by itself, at a tick that names no host.
            self._orders = len(state.host_orders)
            named |= dict.fromkeys(state.host_orders)
        for host_id in named:
            if host_id not in state.hosts:
                continue
            now, before = _facts(state, host_id), self._hosts.get(host_id)
            if now == before:
                continue
            self._hosts[host_id] = now
            touched |= self._placed(view, host_id)
            shown = instance_json(view, host_id)
            found.append(("AgentInstanceUpdate", {"instance": shown}, host_id))
        if len(self._hosts) > len(state.hosts):
            for host_id in [each for each in self._hosts if each not in state.hosts]:
                del self._hosts[host_id]
                touched |= self._placed(view, host_id)
                found.append(("AgentInstanceRemoved", {"instanceId": host_id}, host_id))
        return [*found, *self._group_news(view, touched)] if touched else found

    def _group_anew(self, view: CellView) -> None:
        """Look at every host: the policy says by which attributes they are grouped."""
        self._policy_version = view.state.policy_version
        self._ruled = {each.name for each in view.state.policy.placement.instance_groups}
        self._places, self._types = {}, {}
        for host_id in view.state.hosts:
            self._placed(view, host_id)

    def _placed(self, view: CellView, host_id: HostId) -> set[str]:
        """Count the host where it is now and no more where it was; both groups."""
        name, before = group_name_of(view.state, host_id), self._places.pop(host_id, None)
        if before is not None:
            types = self._types[before[0]]
            types[before[1]] -= 1
            if not types[before[1]]:
                del types[before[1]]
            if not types:
                del self._types[before[0]]
        if name:
            place = self._places[host_id] = name, machine_type(view, host_id)
            self._types.setdefault(name, Counter())[place[1]] += 1
        return {each for each in (name, before[0] if before else "") if each}

    def _of(self, name: str) -> Counter[str]:
        return self._types.get(name, Counter())

    def _names(self) -> list[str]:
        return sorted({*self._types, *self._ruled})

    def _group_news(self, view: CellView, touched: set[str]) -> News:
        found, gone = News(), News()
        for name in sorted(touched):
            if name not in self._types and name not in self._ruled:
                self._groups.pop(name, None)
                gone.append(("InstanceGroupRemoved", {"instanceGroupId": name}, name))
                continue
            now = group_written(view, name, self._of(name))
            before = self._groups.get(name, {})
            self._groups[name] = now
            if _told(now) != _told(before):
                found.append(("InstanceGroupUpdate", {"instanceGroup": now}, name))
        return [*found, *gone]


def _told(group: Json) -> Json:
    """A group without what changes with every other's change."""
    return {name: each for name, each in group.items() if name != "policyVersion"}


def _named(record: CellRecord) -> dict[HostId, None]:
    """The hosts that the record speaks of."""
    found: dict[HostId, None] = {}
    for event in record.events:
        body = event.body if isinstance(event, Copied) else None
        match body:
            case OffersChanged():
                found |= {each.host_id: None for each in body.added}
            case HostMarked() | HostOrdered():
                found[body.host_id] = None
            case _:
                continue
    return found


def _facts(state: State, host_id: HostId) -> object:
    order = state.host_orders.get(host_id)
    marks = state.host_marks.get(host_id, ())
    standing = order.standing if order else "enabled"
    return state.hosts[host_id], standing, marks, group_name_of(state, host_id)
