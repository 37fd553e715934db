"""What clouds say of groups and instances, taken over; nothing is decided here.

The one thing to know: a report is data. It says what somebody saw at a time of his own; here it is
noted when it was heard. The instances of a whole that comes in parts share one time of observation,
and what the last part has not named is gone.
"""

from typing import Final

from msgspec.structs import replace

from scheduler.fleet.counts import ALIVE
from scheduler.fleet.standing import CloudGroup, Instance
from scheduler.fold.context import Fold
from scheduler.fold.fleet_marks import forget_instance, join, mark, put_instance
from scheduler.fold.fleet_orders import note_activity, put_group
from scheduler.fold.safe import page_once
from scheduler.fold.warm_pools import come_out, forget_pool, is_back, stand_by
from scheduler.model.address import Source
from scheduler.model.changes import FleetChanged, FleetWhat
from scheduler.model.fleet import (
    GROUPS_MAX,
    INSTANCES_MAX,
    CloudGroupGone,
    CloudGroupObserved,
    CloudInstance,
    InstanceNoticed,
    ProtectInstances,
)
from scheduler.model.ids import HostId
from scheduler.model.mesos import HostFacts
from scheduler.state import State

GONE_KEPT_MAX: Final = 100
"""Groups that are gone are remembered for operators, the last ones."""


def group_observed(fold: Fold, _source: Source, body: CloudGroupObserved) -> None:
    """Take over what a cloud says of a group and its instances."""
    state = fold.state
    known = state.cloud_groups.get(body.group)
    if known is None and (body.is_difference or len(state.cloud_groups) >= GROUPS_MAX):
        return  # A difference without its whole says nothing; the whole comes again.
    now_ms = state.clock.now_ms
    group = known or CloudGroup(body.group, body.provider, body.region, 0, 0, 0, 0)
    is_seen = group.ordered is not None and group.ordered == body.desired
    put_group(
        fold,
        replace(
            group,
            provider=body.provider,
            region=body.region,
            minimum=body.minimum,
            desired=body.desired,
            maximum=body.maximum,
            instances_total=body.instances_total,
            zones=body.zones,
            machine_types=body.machine_types,
            suspended=body.suspended,
            warm_total=body.warm_total,
            observed_at_ms=body.observed_at_ms,
            heard_at_ms=now_ms,
            is_gone=False,
            ordered=None if is_seen else group.ordered,
        ),
    )
    if known is None or known.is_gone:
        _say(fold, body.group, "groupSeen", f"in {body.provider} {body.region}", body.desired)
    for each in body.instances:
        _seen(fold, body, each)
    for instance_id in _gone(state, body):
        forget_instance(fold, state.cloud_instances[instance_id])


def _gone(state: State, body: CloudGroupObserved) -> list[str]:
    there = state.instances_of_groups.get(body.group, {})
    if body.is_difference:
        return [each for each in body.removed if each in there]
    if not body.is_last:
        return []
    instances = state.cloud_instances
    return [each for each in there if instances[each].observed_at_ms != body.observed_at_ms]


def _seen(fold: Fold, body: CloudGroupObserved, said: CloudInstance) -> None:
    state = fold.state
    known = state.cloud_instances.get(said.instance_id)
    if known is None and len(state.cloud_instances) >= INSTANCES_MAX:
        page_once(
            fold,
            "fleet",
            "instances",
            what=f"the fleet has more than {INSTANCES_MAX} instances",
            why=f"those of group {body.group} beyond that are not known, and the group is left "
            "alone; use more cells",
        )
        return
    if known is not None and known.group != body.group:
        forget_instance(fold, known)  # It was moved by hand.
        known = None
    before = known or Instance(said.instance_id, body.group, said.state)
    after = replace(
        before,
        state=said.state,
        zone=said.zone,
        machine_type=said.machine_type,
        is_healthy=said.is_healthy,
        is_protected=said.is_protected,
        protected_by_us=before.protected_by_us
        and (said.is_protected or _is_being_protected(state, body.group)),
        is_waiting=said.is_waiting,
        observed_at_ms=body.observed_at_ms,
        seen_at_ms=before.seen_at_ms or state.clock.now_ms,
    )
    if after != known:
        put_instance(fold, after)
    if said.state == "warm" and after.mark != "warm":
        stand_by(fold, after)
    elif before.state == "warm" and said.state in ALIVE:
        come_out(fold, after)
    if said.state == "terminating" and after.mark != "terminating":
        mark(fold, after, "terminating", "its cloud takes it away")
    joined(fold, said.instance_id)


def _is_being_protected(state: State, group: str) -> bool:
    """Whether a report may be older than what was asked: then it does not say that we failed."""
    orders = (each.effect for each in state.fleet_orders.values())
    return any(isinstance(each, ProtectInstances) and each.group == group for each in orders)


def joined(fold: Fold, instance_id: str) -> None:
    """Take the host that says it is this instance for it, if it is another than before."""
    state = fold.state
    instance = state.cloud_instances.get(instance_id)
    host_id = state.hosts_of_instances.get(instance_id)
    if instance is None or host_id is None or instance.host_id == host_id:
        return
    if is_back(state, instance, host_id):
        join(fold, instance, host_id)


def group_gone(fold: Fold, _source: Source, body: CloudGroupGone) -> None:
    """A group is not there any more, and neither are its instances."""
    state = fold.state
    group = state.cloud_groups.get(body.group)
    if group is None or group.is_gone:
        return
    for instance_id in list(state.instances_of_groups.get(body.group, ())):
        forget_instance(fold, state.cloud_instances[instance_id])
    now_ms = state.clock.now_ms
    after = replace(group, is_gone=True, heard_at_ms=now_ms, ordered=None)
    put_group(fold, replace(after, desired=0, instances_total=0))
    forget_pool(fold, body.group, is_for_good=False)
    _say(fold, body.group, "groupGone", f"in {body.provider} {body.region}", 0)
    note_activity(fold, body.group, "groupGone", "its cloud has it no more")
    is_ours = any(each.name == body.group for each in state.fleet.rules.groups)
    if is_ours and not _was_removed(state, body.group):
        page_once(
            fold,
            "fleet",
            body.group,
            what=f"group {body.group} is gone",
            why="it was deleted, and not by this cell. Other groups take its part where they may; "
            "make it again, or take it out of the rules (`flumina fleet rules`)",
        )
    gone = [each.name for each in state.cloud_groups.values() if each.is_gone]
    for name in gone[:-GONE_KEPT_MAX]:
        del state.cloud_groups[name]
        forget_pool(fold, name, is_for_good=True)
        fold.touch("cloud group", name)


def _was_removed(state: State, name: str) -> bool:
    return any(
        name == each.asked.old and each.step in {"removing", "done"}
        for each in state.deployments.values()
    )


def instance_noticed(fold: Fold, _source: Source, body: InstanceNoticed) -> None:
    """The cloud announced something of an instance: what is to leave its host leaves it."""
    state = fold.state
    instance = state.cloud_instances.get(body.instance_id)
    if instance is None:
        return  # Of another cell, or over.
    fold.report(
        FleetChanged(
            group=instance.group,
            what="noticed",
            why=f"{body.kind}: {body.detail}" if body.detail else body.kind,
            instance_id=body.instance_id,
            host_id=instance.host_id,
        )
    )
    note_activity(fold, instance.group, "noticed", f"{body.instance_id}: {body.kind}")
    if body.kind in {"terminating", "launching"}:
        instance = replace(instance, hook=body.detail)
        put_instance(fold, instance)
    if body.kind == "interruption":
        mark(fold, instance, "interruption", "the cloud takes it away", body.due_ms)
    elif body.kind == "terminating":
        mark(fold, instance, "terminating", "its cloud takes it away", body.due_ms)
    elif body.kind == "rebalance":
        mark(fold, instance, "rebalance", "the cloud may take it away soon", body.due_ms)


def note_host(state: State, host_id: HostId, facts: HostFacts) -> None:
    """Remember which instance a host says it is; the one that said it last is it."""
    wanted = state.fleet.rules.instance_attribute
    for name, value in facts.attributes:
        if name == wanted:
            state.hosts_of_instances[value] = host_id


def forget_host(state: State, host_id: HostId) -> None:
    """The host is remembered no more, and so is no instance."""
    facts = state.hosts.get(host_id)
    if facts is None:
        return
    wanted = state.fleet.rules.instance_attribute
    for name, value in facts.attributes:
        if name == wanted and state.hosts_of_instances.get(value) == host_id:
            del state.hosts_of_instances[value]


def index_hosts(state: State) -> None:
    """Look anew which instance each host says it is: the rules name another attribute."""
    state.hosts_of_instances.clear()
    for host_id in sorted(state.hosts, key=lambda each: state.hosts_seen_at_ms.get(each, 0)):
        note_host(state, host_id, state.hosts[host_id])


def _say(fold: Fold, group: str, what: FleetWhat, why: str, size: int) -> None:
    fold.report(FleetChanged(group=group, what=what, why=why, size=size))
