"""A look at the fleet, at a tick: what the plan says is ordered, marked, or held, and why.

The one thing to know: nothing here is a reaction to a single record. The look comes round every
half minute of the log's clock, reads the state, and asks for what is still missing; so what was
lost on the way to a cloud is asked again, from what was seen, and never from memory. While the cell
is safe, or does not hear Mesos, nothing is looked at.
"""

from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec.structs import replace

from scheduler.fleet.forecast import MINUTE_MS, LoadForecast, feed
from scheduler.fleet.plan import FleetPlan, GroupPlan, deployed, plan_of
from scheduler.fleet.sizes import recent
from scheduler.fleet.standing import Changed, Instance
from scheduler.fold.context import Fold
from scheduler.fold.fleet import joined
from scheduler.fold.fleet_deployments import deploy
from scheduler.fold.fleet_marks import mark, put_instance, unmark
from scheduler.fold.fleet_orders import (
    UNSTARTED_MS_MAX,
    drop_orders,
    order,
    order_size,
    put_group,
    take_tokens,
)
from scheduler.fold.safe import page_once
from scheduler.fold.warm_pool_looks import look_at_warm_pools
from scheduler.model.fleet import CompleteHook, EndInstance, ProtectInstances
from scheduler.model.fleet_rules import FleetRules
from scheduler.state import State

HOUR_MS: Final = 3_600_000
END_AGAIN_MS: Final = 300_000
"""An instance whose end was ordered and that is still there is ended again after so long."""
PROTECTED_AT_ONCE_MAX: Final = 50
"""AWS takes at most 50 instances in a SetInstanceProtection call."""


def look_at_fleet(fold: Fold) -> None:
    """Look, if it is time and something is known."""
    state = fold.state
    fleet, now_ms = state.fleet, state.clock.now_ms
    if not fleet.rules.groups and not state.cloud_groups:
        return
    if now_ms < fleet.looked_at_ms + fleet.rules.look_ms:
        return
    fleet.looked_at_ms = now_ms
    drop_orders(fold, unstarted_for_ms=UNSTARTED_MS_MAX)
    for group in list(state.cloud_groups.values()):
        is_unseen = now_ms >= group.ordered_at_ms + fleet.rules.assert_ms
        if group.ordered is not None and is_unseen:
            put_group(fold, replace(group, ordered=None))  # Nobody knows: from what is seen.
    for instance_id, each in list(state.cloud_instances.items()):
        if each.host_id != state.hosts_of_instances.get(instance_id):
            joined(fold, instance_id)
    if state.safe is not None or state.stream.stream_id is None:
        return
    _complete_hooks(fold)
    _expire_marks(fold)
    if now_ms < state.clock.judging_since_ms + fleet.rules.warm_up_ms:
        return
    deploy(fold)
    look_at_warm_pools(fold)
    plan = plan_of(state)
    _note_loads(state, plan, fold)
    for each_plan in plan.groups:
        _carry_out(fold, each_plan)
    for shortage in plan.shortages:
        page_once(
            fold,
            "fleet",
            f"tier {shortage.tier}",
            what=f"tier {shortage.tier} is guaranteed more than its groups may ever have",
            why="all of its groups at their largest leave a shortage; see `flumina capacity` and "
            "raise the groups' maximum, or guarantee less",
        )


def _expire_marks(fold: Fold) -> None:
    """Use hosts again of which the mark came to nothing, or whose group is not scaled any more."""
    state = fold.state
    rules, now_ms = state.fleet.rules, state.clock.now_ms
    names = {each.name for each in rules.groups}
    for each in list(state.cloud_instances.values()):
        if each.mark != "ending" or each.ended_at_ms:
            continue
        if each.group not in names:
            unmark(fold, each, "its group is not scaled any more")
        elif now_ms >= each.marked_at_ms + rules.mark_expiry_ms:
            unmark(fold, each, "it was not ended in time")


def _carry_out(fold: Fold, plan: GroupPlan) -> None:
    state, name = fold.state, plan.name
    group = state.cloud_groups[name]
    if group.held != plan.held:
        put_group(fold, replace(group, held=plan.held))
    if plan.is_absurd:
        page_once(
            fold,
            "fleet",
            f"{name} absurd",
            what=f"group {name} would grow from {plan.size} to {plan.wanted} hosts at once",
            why=f"{plan.why}; {plan.held}. If it is meant, `flumina fleet set {name}` does it now",
        )
    if not plan.held and _free_minimum(fold, name):
        return  # What is marked may go when that is seen.
    if plan.target > plan.size:
        order_size(fold, state.cloud_groups[name], plan.target, plan.why)
    if plan.is_reprieved:
        for each in plan.counts.ending_there:
            if not each.ended_at_ms:
                unmark(fold, each, "its host is needed after all")
    if plan.victims:
        take_tokens(state, len(plan.victims), is_up=False)
        group, now_ms = state.cloud_groups[name], state.clock.now_ms
        downs = (*group.downs, Changed(now_ms, len(plan.victims)))
        downs = recent(downs, now_ms, state.fleet.rules.change_window_ms)
        put_group(fold, replace(group, down_at_ms=now_ms, downs=downs))
        for victim in plan.victims:
            mark(fold, state.cloud_instances[victim], "ending", plan.why)
    if plan.held and not plan.victims and plan.target == plan.size and _is_left_alone(plan):
        return
    _end_marked(fold, plan)
    _replace_late(fold, plan)
    _protect(fold, name)


def _free_minimum(fold: Fold, name: str) -> bool:
    """Let a group become empty that is to go (Titus: Removable forces its minimum to 0)."""
    state = fold.state
    group, groups = state.cloud_groups[name], state.policy.placement.instance_groups
    is_to_go = any(each.name == name and each.lifecycle == "Removable" for each in groups)
    if not is_to_go or not group.minimum:
        return False
    return order_size(fold, group, group.size, "it is Removable", minimum=0)


def _is_left_alone(plan: GroupPlan) -> bool:
    """Whether nothing at all may be asked for the group, and not only less than is wanted."""
    return plan.held.startswith(("it is paused", "nobody has spoken", "its cloud did")) or (
        "instances are known" in plan.held
    )


def _end_marked(fold: Fold, plan: GroupPlan) -> None:
    """End hosts that were marked long enough and are still empty; give up on the others."""
    state = fold.state
    rules, now_ms = state.fleet.rules, state.clock.now_ms
    if plan.is_reprieved or plan.name in deployed(state):
        return
    for each in plan.counts.ending_there:
        each = state.cloud_instances[each.instance_id]  # noqa: PLW2901 - as it is now
        if each.mark != "ending":
            continue
        if each.host_id in state.host_tasks:
            unmark(fold, each, "its host has tasks again")
        elif each.ended_at_ms and now_ms < each.ended_at_ms + END_AGAIN_MS:
            continue
        elif each.is_protected and not each.protected_by_us:
            unmark(fold, each, "somebody protected it")
        elif now_ms >= each.marked_at_ms + rules.end_after_ms:
            effect = EndInstance(plan.name, each.instance_id, is_decrement=True, why="spare")
            order(fold, effect, "it is spare, and empty since its mark")


def _replace_late(fold: Fold, plan: GroupPlan) -> None:
    """Replace instances that never became hosts, as many as may be; more are an alarm."""
    state = fold.state
    rules, now_ms = state.fleet.rules, state.clock.now_ms
    for each in plan.counts.late:
        if each.ended_at_ms and now_ms < each.ended_at_ms + END_AGAIN_MS:
            continue
        group = state.cloud_groups[plan.name]
        lately = tuple(at_ms for at_ms in group.replaced if at_ms > now_ms - HOUR_MS)
        minutes = rules.join_timeout_ms // 60_000
        if len(lately) >= rules.replacements_per_hour:
            page_once(
                fold,
                "fleet",
                f"{plan.name} late",
                what=f"instances of group {plan.name} start and never become hosts",
                why=f"{len(lately)} were replaced within the hour, and {each.instance_id} is late "
                "as well: no more are replaced. Their image, network or agent is at fault; look "
                "at the console output of one of them",
            )
            return
        effect = EndInstance(plan.name, each.instance_id, is_decrement=False, why="never joined")
        if order(fold, effect, f"it is no host after {minutes} min"):
            group = state.cloud_groups[plan.name]
            put_group(fold, replace(group, replaced=(*lately, now_ms)))


def _protect(fold: Fold, name: str) -> None:
    """Have the cloud's own scale-in pass over hosts with tasks, and no longer over others."""
    state = fold.state
    rule = next((each for each in state.fleet.rules.groups if each.name == name), None)
    if rule is None or not rule.is_protecting:
        return
    wanted: list[str] = []
    unwanted: list[str] = []
    for instance_id in state.instances_of_groups.get(name, ()):
        each = state.cloud_instances[instance_id]
        if each.state != "inService" or each.host_id is None:
            continue
        is_busy = each.host_id in state.host_tasks
        if is_busy and not each.is_protected and not each.mark:
            wanted.append(instance_id)
        elif each.protected_by_us and (each.mark or not is_busy):
            unwanted.append(instance_id)
    for ids, is_protected in ((unwanted, False), (wanted, True)):
        if ids:
            some = tuple(sorted(ids)[:PROTECTED_AT_ONCE_MAX])
            why = f"{len(some)} hosts have tasks" if is_protected else f"{len(some)} have none"
            if order(fold, ProtectInstances(name, some, is_protected), why):
                for instance_id in some if is_protected else ():
                    # Noted at once: whoever leads next must know whose protection it is.
                    known = state.cloud_instances[instance_id]
                    put_instance(fold, replace(known, protected_by_us=True))
                return  # One of a group at a time: the next look does the rest.


def _complete_hooks(fold: Fold) -> None:
    """Let go on what waits for our word: hosts that joined, and hosts that are empty."""
    state = fold.state
    for each in _hooked(state):
        group = state.cloud_groups.get(each.group)
        if group is not None and state.clock.now_ms < group.retry_at_ms:
            continue  # Its cloud has just refused: it is asked no oftener than for anything else.
        is_empty = each.host_id is None or each.host_id not in state.host_tasks
        is_over = each.due_ms and state.clock.now_ms >= each.due_ms
        if each.state == "pending" and each.host_id is None:
            continue
        if each.state == "warm" and not (each.is_waiting and each.host_id is not None):
            continue  # It is being prepared, and has said nothing yet; or it waits for nothing.
        if each.state != "pending" and not is_empty and not is_over:
            continue
        why = "it has joined" if each.state in {"pending", "warm"} else "its host is empty"
        if order(fold, CompleteHook(each.group, each.instance_id, each.hook), why):
            put_instance(fold, replace(state.cloud_instances[each.instance_id], hook=""))


def _hooked(state: State) -> Iterable[Instance]:
    return [each for each in state.cloud_instances.values() if each.hook]


def _note_loads(state: State, plan: FleetPlan, fold: Fold) -> None:
    """Feed each group's forecast with the hosts that it needs now, in thousandths."""
    rules: FleetRules = state.fleet.rules
    minutes = rules.forecast_horizon_ms // MINUTE_MS
    names = {each.name for each in plan.groups} if minutes else set()
    for name in [each for each in state.fleet_forecasts if each not in names]:
        del state.fleet_forecasts[name]
        fold.touch("fleet forecast", name)
    if not minutes:
        return
    for each in plan.groups:
        known = state.fleet_forecasts.get(each.name)
        if known is None or known.horizon_minutes != minutes:
            known = LoadForecast(horizon_minutes=minutes)
        if known.minute >= state.clock.now_ms // MINUTE_MS:
            continue
        # A value of its own: a copy of the state may share the one before.
        known = msgspec.msgpack.decode(msgspec.msgpack.encode(known), type=LoadForecast)
        load = each.counts.busy + each.asked.covered + each.asked.more
        feed(known, state.clock.now_ms, load * 1_000)
        state.fleet_forecasts[each.name] = known
        fold.touch("fleet forecast", each.name)
