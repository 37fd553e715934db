"""What operators ask of the fleet: rules, a size, a deployment, and what becomes of one.

The one thing to know: an operator's size is done at once, without cool-down and brakes, but never
at the cost of a task: smaller means that empty hosts are marked and go, and where there are not
enough of them the request is refused.
"""

from collections.abc import Sequence
from dataclasses import replace as replaced
from typing import Final

from msgspec.structs import replace

from scheduler.fleet.counts import counts_of, is_returnable
from scheduler.fleet.plan import deployed
from scheduler.fleet.standing import DEPLOYMENTS_MAX, Deployment, Instance
from scheduler.fleet.victims import victims_of
from scheduler.fold.context import Fold
from scheduler.fold.fleet import index_hosts
from scheduler.fold.fleet_deployments import enter, go_back, pause, resume
from scheduler.fold.fleet_marks import mark, unmark
from scheduler.fold.fleet_orders import order_size, put_group
from scheduler.model.address import Source
from scheduler.model.changes import FleetChanged, JobRejected, RequestAccepted
from scheduler.model.fleet_rules import (
    DeploymentAsked,
    DeploymentOrdered,
    FleetAsked,
    GroupSizeAsked,
)
from scheduler.model.inbound import Fault
from scheduler.state import State

SEE: Final = "see `flumina fleet groups`"


def fleet_asked(fold: Fold, source: Source, body: FleetAsked) -> None:
    """Set the rules of the fleet."""
    state, fleet = fold.state, fold.state.fleet
    if body.if_version is not None and body.if_version != fleet.rules_version:
        text = f"is {body.if_version}, and the fleet has rules version {fleet.rules_version}"
        _refuse(fold, source, Fault("ifVersion", text, "look at them again", code="version"))
        return
    if body.rules != fleet.rules:
        is_other = body.rules.instance_attribute != fleet.rules.instance_attribute
        state.fleet = replaced(
            fleet, rules=body.rules, rules_version=fleet.rules_version + 1, looked_at_ms=0
        )
        if is_other:
            index_hosts(state)
        fold.report(FleetChanged(group="", what="rulesSet", why=body.why, actor=body.actor))
    fold.report(RequestAccepted(source=source, what="fleet rules"))


def group_size_asked(fold: Fold, source: Source, body: GroupSizeAsked) -> None:
    """Give a group a size now."""
    fault = _size_fault(fold.state, body)
    if fault is None:
        fault = _resized(fold, body)
    if fault is not None:
        _refuse(fold, source, fault)
        return
    fold.report(RequestAccepted(source=source, what=f"group size {body.desired}"))


def _size_fault(state: State, body: GroupSizeAsked) -> Fault | None:
    group = state.cloud_groups.get(body.group)
    if group is None or group.is_gone:
        return Fault("group", f"no group {body.group} is known", SEE, code="unknown")
    if body.group in deployed(state):
        text = f"group {body.group} is part of a deployment, which says its size"
        return Fault("group", text, "pause and roll it back first", code="state")
    if not group.minimum <= body.desired <= group.maximum:
        # Our own check: not every cloud's double refuses it.
        text = f"is {body.desired}; its cloud allows {group.minimum} to {group.maximum}"
        return Fault("desired", text, "change the group's bounds in the cloud first")
    if state.safe is not None and body.desired < group.size:
        return Fault("desired", "the cell is safe: no host is given back", code="state")
    return None


def _resized(fold: Fold, body: GroupSizeAsked) -> Fault | None:
    state = fold.state
    group = state.cloud_groups[body.group]
    why = f"{body.actor}: {body.why}"
    counts = counts_of(state, group, state.fleet.rules)
    count = group.size - counts.ending - body.desired
    if count < 0 and counts.reprievable:
        _keep(fold, counts.ending_there, -count, why)
        put_group(fold, replace(group, down_at_ms=state.clock.now_ms))
    if body.desired > group.size:
        order_size(fold, state.cloud_groups[group.name], body.desired, why, actor=body.actor)
    if count <= 0:
        return None
    there = (state.cloud_instances[each] for each in state.instances_of_groups.get(group.name, ()))
    candidates = [each for each in there if is_returnable(state, each)]
    victims = victims_of(candidates, counts.zones, count, is_last_kept=False)
    if len(victims) < count:
        text = f"{count} hosts would have to go, and {len(victims)} have no tasks"
        hint = "drain hosts first (`flumina host HOST draining`), or ask for fewer to go"
        return Fault("desired", text, hint, code="state")
    for each in victims:
        mark(fold, state.cloud_instances[each], "ending", why)
    put_group(fold, replace(state.cloud_groups[group.name], down_at_ms=state.clock.now_ms))
    return None


def _keep(fold: Fold, marked: Sequence[Instance], count: int, why: str) -> None:
    """Take the marks of so many that are about to go, or the size asked for would not last."""
    for each in [each for each in marked if not each.ended_at_ms][:count]:
        unmark(fold, each, why)


def deployment_asked(fold: Fold, source: Source, body: DeploymentAsked) -> None:
    """Begin to put a new group into an old one's place."""
    state = fold.state
    fault = _deployment_fault(state, body)
    if fault is not None:
        _refuse(fold, source, fault)
        return
    old = state.cloud_groups[body.old]
    now_ms = state.clock.now_ms
    deployment = Deployment(
        name=body.new,
        asked=body,
        step="growing",
        since_ms=now_ms,
        began_at_ms=now_ms,
        size=body.size or max(old.size, 1),
        old_size=max(old.size, 1),
    )
    state.deployments.pop(body.new, None)
    enter(fold, deployment, "growing", f"{body.actor}: {body.why}")
    over = [each.name for each in state.deployments.values() if each.is_over]
    for name in over[: max(0, len(state.deployments) - DEPLOYMENTS_MAX)]:
        del state.deployments[name]
        fold.touch("deployment", name)
    fold.report(RequestAccepted(source=source, what="deploy the fleet"))


def _deployment_fault(state: State, body: DeploymentAsked) -> Fault | None:
    if body.new == body.old:
        return Fault("old", "is the new group itself", "name the group that it replaces")
    for field, name in (("new", body.new), ("old", body.old)):
        group = state.cloud_groups.get(name)
        if group is None or group.is_gone:
            return Fault(field, f"no group {name} is known", SEE, code="unknown")
        if name in deployed(state):
            return Fault(field, f"group {name} is part of a deployment already", code="taken")
    size = body.size or state.cloud_groups[body.old].size
    new = state.cloud_groups[body.new]
    if not new.minimum <= size <= new.maximum:
        text = f"group {body.new} is to have {size} hosts and may have {new.minimum} to "
        return Fault("size", f"{text}{new.maximum}", "change its bounds in the cloud, or give size")
    if sum(not each.is_over for each in state.deployments.values()) >= DEPLOYMENTS_MAX:
        return Fault("new", f"{DEPLOYMENTS_MAX} deployments are under way", code="limit")
    return None


def deployment_ordered(fold: Fold, source: Source, body: DeploymentOrdered) -> None:
    """Stop a deployment, let it go on, or have it go back."""
    known = fold.state.deployments.get(body.name)
    if known is None:
        fault = Fault("name", f"no deployment {body.name}", SEE, code="unknown")
        _refuse(fold, source, fault)
        return
    objection = _objection(known, body)
    if objection:
        _refuse(fold, source, Fault("order", objection, code="state"))
        return
    why = f"{body.actor}: {body.why}"
    if body.order == "pause":
        pause(fold, known, why, is_page=False)
    elif body.order == "resume":
        resume(fold, known, why)
    else:
        go_back(fold, known, why)
    fold.report(RequestAccepted(source=source, what=f"{body.order} deployment"))


def _objection(known: Deployment, body: DeploymentOrdered) -> str:
    if known.is_over:
        return f"the deployment is over ({known.step})"
    if body.order == "pause" and known.is_paused:
        return "it is paused already"
    if body.order == "resume" and not known.is_paused:
        return "it is not paused"
    if body.order == "rollback" and known.step in {"removing", "goingBack"}:
        return f"it is {known.step}: the way back is another deployment"
    return ""


def _refuse(fold: Fold, source: Source, fault: Fault) -> None:
    fold.report(JobRejected(source=source, faults=(fault,)))
