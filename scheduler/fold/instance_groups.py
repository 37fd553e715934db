"""Groups of hosts: what operators let a whole group be used for, and what they write on hosts.

The one thing to know: a host's group is one of its attributes, as its agent says it, and the rules
say which attribute. What a group may be used for is part of the rules and steers placement as the
standing of one host does: Inactive and Removable groups get no tasks, a PhasedOut one gets them
last, and a group with a tier only those of jobs of that tier
(`scheduler.constraints.selectors.tier_constraints`). Whoever asks, the round or the fold at a
proposal's own place, asks here.
"""

from typing import Final

from scheduler.disruption.marks import REQUIRED, REQUIRED_IMMEDIATELY
from scheduler.fold.context import Fold
from scheduler.model.address import Source
from scheduler.model.changes import JobRejected, RequestAccepted
from scheduler.model.ids import HostId
from scheduler.model.inbound import Fault, HostMarked
from scheduler.model.rules import InstanceGroup
from scheduler.model.v3.limits import ATTRIBUTES_BYTES_MAX, ATTRIBUTES_MAX
from scheduler.state import State

KEEPS_AWAY: Final = ("noPlacement", "systemNoPlacement", REQUIRED, REQUIRED_IMMEDIATELY)
"""Titus' attributes of a group or an instance that keep all tasks away, where they are true. What
is to be emptied is among them: what left it must not come back."""
MAKES_LAST: Final = "preferNoPlacement"
HOSTS_MARKED_MAX: Final = 50_000
"""As of hosts with orders: an operator's marks must not fill the memory either."""

Pairs = tuple[tuple[str, str], ...]


def group_name_of(state: State, host_id: HostId) -> str:
    """The name of the host's group; empty where its agent names none."""
    facts = state.hosts.get(host_id)
    if facts is None:
        return ""
    wanted = state.policy.placement.machine_group_attribute
    return next((value for name, value in facts.attributes if name == wanted), "")


def group_of_host(state: State, host_id: HostId) -> InstanceGroup | None:
    """What operators say of the host's group; None where they say nothing."""
    groups = state.policy.placement.instance_groups
    if not groups:
        return None
    wanted = group_name_of(state, host_id)
    return next((each for each in groups if each.name == wanted), None) if wanted else None


def keeping_away(state: State, host_id: HostId) -> str:
    """Why no task goes to the host by its group or its marks, in words; empty where they may."""
    marks = state.host_marks.get(host_id, ())
    if marks and (name := _true_of(marks)):
        return f"host {host_id} is marked {name}"
    group = group_of_host(state, host_id)
    if group is None:
        return ""
    if group.lifecycle in {"Inactive", "Removable"}:
        return f"host {host_id} is of group {group.name}, which is {group.lifecycle}"
    name = _true_of(group.attributes)
    return f"host {host_id} is of group {group.name}, which is marked {name}" if name else ""


def is_last_choice(state: State, host_id: HostId) -> bool:
    """Whether the host's group or its marks want it used only where no other will do."""
    if (MAKES_LAST, "true") in state.host_marks.get(host_id, ()):
        return True
    group = group_of_host(state, host_id)
    if group is None:
        return False
    return group.lifecycle == "PhasedOut" or (MAKES_LAST, "true") in group.attributes


def _true_of(attributes: Pairs) -> str:
    return next((name for name in KEEPS_AWAY if (name, "true") in attributes), "")


def host_marked(fold: Fold, source: Source, body: HostMarked) -> None:
    """Write attributes on a host; what its agent says of it stays beside them."""
    state, host_id = fold.state, body.host_id
    merged = dict(state.host_marks.get(host_id, ())) | dict(body.attributes)
    for name in body.removed:
        merged.pop(name, None)
    fault = _fault(state, host_id, merged)
    if fault is not None:
        fold.report(JobRejected(source=source, faults=(fault,)))
        return
    if merged:
        state.host_marks[host_id] = tuple(sorted(merged.items()))
    else:
        state.host_marks.pop(host_id, None)
    fold.touch("mark", host_id)
    state.hosts_changed[host_id] = None
    fold.wake_placement()
    fold.report(RequestAccepted(source=source, what="mark host"))


def _fault(state: State, host_id: HostId, merged: dict[str, str]) -> Fault | None:
    if host_id not in state.hosts:
        hint = "see `flumina state`; give the host's id"
        return Fault("hostId", f"no host {host_id}", hint, code="unknown")
    if len(state.host_marks) >= HOSTS_MARKED_MAX and host_id not in state.host_marks:
        hint = "remove some of them"
        return Fault("hostId", f"{HOSTS_MARKED_MAX} hosts are marked", hint, code="limit")
    total = sum(len(name.encode()) + len(value.encode()) for name, value in merged.items())
    if len(merged) > ATTRIBUTES_MAX or total > ATTRIBUTES_BYTES_MAX:
        text = f"would be {len(merged)} of {total} bytes in all"
        hint = f"at most {ATTRIBUTES_MAX} of {ATTRIBUTES_BYTES_MAX} bytes are kept: remove some"
        return Fault("attributes", text, hint)
    return None
