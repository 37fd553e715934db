"""Deployments of the fleet: a new group of hosts takes the place of an old one.

The one thing to know: the old group is only ever emptied by relocation, so within every budget of
disruption, and its empty hosts stay until the deployment has been seen to be good: going back is
then a matter of moving, not of starting. Step by step:

| step | what is done | goes on when |
| --- | --- | --- |
| growing | the new group gets its size | so many of its hosts have joined |
| moving | the old group is PhasedOut, its hosts are emptied some at a time | it has no tasks |
| baking | nothing; the old hosts stand empty | the time is over |
| removing | the old group gets size 0 and is deleted | the cloud has it no more |
| goingBack | the other way: the old group is Active, the new one is emptied | it has no tasks |

A step that takes too long pauses the deployment and pages. An operator pauses, resumes, or has it
go back until the old group is being removed.
"""

from typing import Final

from msgspec.structs import replace

from scheduler.fleet.counts import ALIVE
from scheduler.fleet.standing import ACTIVITIES_MAX, Activity, Deployment, Instance, Step
from scheduler.fold.context import Fold
from scheduler.fold.fleet_marks import mark, unmark
from scheduler.fold.fleet_orders import order, order_size
from scheduler.fold.instance_groups import group_name_of
from scheduler.fold.policy import change_policy
from scheduler.fold.safe import page_once
from scheduler.fold.warm_pool_looks import steer_pool, want_pool
from scheduler.model.changes import FleetChanged
from scheduler.model.fleet import RemoveGroup
from scheduler.model.ids import HostId
from scheduler.model.rules import InstanceGroup, Lifecycle
from scheduler.state import State

HOSTS_AT_ONCE_PART: Final = 10
"""By default a tenth of the old group is emptied at a time."""


def deploy(fold: Fold) -> None:
    """Take every deployment that is under way one look further."""
    for each in list(fold.state.deployments.values()):
        if not each.is_over and not each.is_paused:
            _step(fold, each)


def _step(fold: Fold, each: Deployment) -> None:
    asked, state = each.asked, fold.state
    for name in (asked.new, asked.old):
        group = state.cloud_groups.get(name)
        is_wanted = not (each.step == "removing" and name == asked.old)
        if is_wanted and (group is None or group.is_gone):
            pause(fold, each, f"group {name} is gone")
            return
    if state.clock.now_ms >= each.since_ms + asked.timeout_ms + _baking_ms(each):
        minutes = asked.timeout_ms // 60_000
        pause(fold, each, f"{each.step} took longer than {minutes} min: {each.why}")
        return
    match each.step:
        case "growing":
            _grow(fold, each)
        case "moving":
            _move(fold, each, asked.old, "baking")
        case "baking":
            if state.clock.now_ms >= each.since_ms + asked.bake_ms:
                enter(fold, each, "removing", "the new group has proven itself")
        case "removing":
            _remove(fold, each)
        case "goingBack":
            _move(fold, each, asked.new, "wentBack")
        case "done" | "wentBack":
            pass


def _baking_ms(each: Deployment) -> int:
    return each.asked.bake_ms if each.step == "baking" else 0


def _grow(fold: Fold, each: Deployment) -> None:
    state = fold.state
    group = state.cloud_groups[each.asked.new]
    there = sum(one.host_id is not None for one in _alive(state, group.name))
    if there >= each.size:
        _use(fold, each.asked.new, "Active")
        _use(fold, each.asked.old, "PhasedOut")
        enter(fold, each, "moving", f"{there} hosts of group {group.name} have joined")
        return
    _wait(fold, each, f"{there} of {each.size} hosts of group {group.name} have joined")
    is_due = state.clock.now_ms >= group.retry_at_ms
    if group.size < each.size and is_due:
        if group.maximum < each.size:
            pause(fold, each, f"group {group.name} may have {group.maximum} hosts at most")
            return
        order_size(fold, group, each.size, f"deployment {each.name}")


def _move(fold: Fold, each: Deployment, name: str, following: Step) -> None:
    """Empty a group, some hosts at a time; go on when none of them has tasks."""
    state = fold.state
    busy = busy_hosts(state, name)
    hosts = {one.host_id: one for one in _alive(state, name) if one.host_id is not None}
    marked = [host_id for host_id in busy if _mark_of(hosts, host_id)]
    most = each.asked.hosts_at_once or max(1, each.old_size // HOSTS_AT_ONCE_PART)
    # Those with fewest tasks first: an empty host is a step, two half-empty ones are none.
    waiting = sorted(
        (host_id for host_id in busy if host_id in hosts and not _mark_of(hosts, host_id)),
        key=lambda one: (len(state.host_tasks[one]), one),
    )
    for host_id in waiting[: max(0, most - len(marked))]:
        mark(fold, hosts[host_id], "deployment", f"deployment {each.name}")
    if not busy:
        why = f"no task is left on group {name}"
        if following == "wentBack":
            order_size(fold, state.cloud_groups[name], _least(state, name), why)
        enter(fold, each, following, why)
        return
    tasks = sum(len(state.host_tasks[one]) for one in busy)
    _wait(fold, each, f"{tasks} tasks are left on {len(busy)} hosts of group {name}")


def _mark_of(hosts: dict[HostId, Instance], host_id: HostId) -> str:
    instance = hosts.get(host_id)
    return instance.mark if instance is not None else ""


def _least(state: State, name: str) -> int:
    return state.cloud_groups[name].minimum


def _remove(fold: Fold, each: Deployment) -> None:
    """Take the old group's hosts away, which have been empty for a while, and then the group."""
    state, name = fold.state, each.asked.old
    group = state.cloud_groups.get(name)
    if group is None or group.is_gone:
        enter(fold, each, "done", f"group {name} is removed")
        return
    if busy_hosts(state, name):
        pause(fold, each, f"group {name} has tasks again")
        return
    _use(fold, name, "Removable")
    if name in state.warm_pools:  # Who stands by counts as the group's, and would outlive it.
        want_pool(fold, name, None, f"deployment {each.name}")
        if not steer_pool(fold, name):
            _wait(fold, each, f"group {name} has a warm pool")
            return
    if group.size or group.instances_total:
        _wait(fold, each, f"group {name} has {group.instances_total} instances")
        is_due = state.clock.now_ms >= group.retry_at_ms
        if is_due and group.ordered != 0 and (group.desired or group.minimum):
            order_size(fold, group, 0, f"deployment {each.name}", minimum=0)
        return
    if each.asked.is_group_kept:
        enter(fold, each, "done", f"group {name} is empty, and kept")
        return
    _wait(fold, each, f"group {name} is empty and being deleted")
    if state.clock.now_ms >= group.retry_at_ms:
        order(fold, RemoveGroup(name), f"deployment {each.name}")


def go_back(fold: Fold, each: Deployment, why: str) -> None:
    """Use the old group again, and empty the new one."""
    state = fold.state
    for one in _alive(state, each.asked.old):
        if one.mark == "deployment":
            unmark(fold, one, "the deployment goes back")
    _use(fold, each.asked.old, "Active")
    _use(fold, each.asked.new, "PhasedOut")
    enter(fold, replace(each, is_paused=False), "goingBack", why)


def pause(fold: Fold, each: Deployment, why: str, *, is_page: bool = True) -> None:
    """Stop where it is; hosts that are being emptied are used again."""
    state = fold.state
    for name in (each.asked.old, each.asked.new):
        for one in _alive(state, name):
            if one.mark == "deployment":
                unmark(fold, one, "the deployment is paused")
    now_ms = state.clock.now_ms
    keep(fold, replace(each, is_paused=True, paused_at_ms=now_ms, why=why), f"paused: {why}")
    if is_page:
        page_once(
            fold,
            "fleet",
            f"deployment {each.name}",
            what=f"the deployment of group {each.name} is paused",
            why=f"{why}. `flumina fleet resume {each.name}` goes on, "
            f"`flumina fleet rollback {each.name}` goes back",
        )


def resume(fold: Fold, each: Deployment, why: str) -> None:
    """Go on; the time of pause counts for no step."""
    away_ms = fold.state.clock.now_ms - each.paused_at_ms
    after = replace(each, is_paused=False, since_ms=each.since_ms + away_ms)
    keep(fold, after, f"resumed: {why}")


def enter(fold: Fold, each: Deployment, step: Step, why: str) -> None:
    """Begin a step."""
    after = replace(each, step=step, since_ms=fold.state.clock.now_ms, why=why)
    keep(fold, after, f"{step}: {why}")


def keep(fold: Fold, each: Deployment, said: str) -> None:
    """Keep the deployment as it is now, and tell of it."""
    state = fold.state
    activity = Activity(state.clock.now_ms, each.step, said)
    each = replace(each, history=(*each.history, activity)[-ACTIVITIES_MAX:])
    state.deployments[each.name] = each
    fold.touch("deployment", each.name)
    fold.report(FleetChanged(group=each.name, what="deployment", why=said, size=each.size))


def _wait(fold: Fold, each: Deployment, why: str) -> None:
    if each.why != why:
        fold.state.deployments[each.name] = replace(each, why=why)
        fold.touch("deployment", each.name)


def busy_hosts(state: State, name: str) -> list[HostId]:
    """Hosts of the group that have tasks, sorted; by its instances, and by what agents say."""
    of_instances = {one.host_id for one in _alive(state, name)}
    return sorted(
        host_id
        for host_id in state.host_tasks
        if host_id in of_instances or group_name_of(state, host_id) == name
    )


def _alive(state: State, name: str) -> list[Instance]:
    there = (state.cloud_instances[each] for each in state.instances_of_groups.get(name, ()))
    return [each for each in there if each.state in ALIVE]


def _use(fold: Fold, name: str, lifecycle: Lifecycle) -> None:
    """Change what the group may be used for, in the policy, as an operator would."""
    state = fold.state
    rules = state.policy.placement
    known = {each.name: each for each in rules.instance_groups}
    before = known.get(name) or InstanceGroup(name=name)
    if before.lifecycle == lifecycle:
        return
    known[name] = replace(before, lifecycle=lifecycle)
    groups = tuple(known[each] for each in sorted(known))
    policy = replace(state.policy, placement=replace(rules, instance_groups=groups))
    change_policy(fold, policy, state.policy_version + 1)
