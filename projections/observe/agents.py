"""Which hosts and groups of hosts a record changed: what agents say, orders, marks, lifecycle.

The one thing to know: what a host runs and offers is no change of it here; that changes with every
task, and is told by the streams of jobs. It is shown as it was at the host's last change.
"""

from typing import Any

from projections.cell_view import CellView
from projections.v3_agents import groups_json, instance_json
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
        self._groups: dict[str, Json] = {}
        self._policy_version = -1
        self._orders = 0

    def begin(self, view: CellView) -> None:
        """Take all that is there for told."""
        state = view.state
        self._hosts = {each: _facts(state, each) for each in state.hosts}
        self._groups = {each["id"]: each for each in groups_json(view)}
        self._policy_version = state.policy_version
        self._orders = len(state.host_orders)

    def news(self, view: CellView, record: CellRecord) -> News:
        """What this record, which has just been folded, changed of hosts and groups."""
        state, found = view.state, News()
        is_grouped_anew = state.policy_version != self._policy_version
        self._policy_version = state.policy_version
        named = _named(record)
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
            is_grouped_anew = True
            shown = instance_json(view, host_id)
            found.append(("AgentInstanceUpdate", {"instance": shown}, host_id))
        if len(self._hosts) > len(state.hosts):
            for host_id in [each for each in self._hosts if each not in state.hosts]:
                del self._hosts[host_id]
                is_grouped_anew = True
                found.append(("AgentInstanceRemoved", {"instanceId": host_id}, host_id))
        if is_grouped_anew:
            found += self._group_news(view)
        return found

    def _group_news(self, view: CellView) -> News:
        now = {each["id"]: each for each in groups_json(view)}
        before, self._groups = self._groups, now
        found: News = [
            ("InstanceGroupUpdate", {"instanceGroup": each}, name)
            for name, each in now.items()
            if _told(each) != _told(before.get(name, {}))
        ]
        gone = [name for name in before if name not in now]
        found += [("InstanceGroupRemoved", {"instanceGroupId": name}, name) for name in gone]
        return found


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
