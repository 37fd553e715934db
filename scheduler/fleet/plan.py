"""What a look at the fleet would do: sizes, victims, and why not more; pure, and bounded.

The one thing to know: the fold's tick carries this out, and ``flumina fleet plan`` shows it; both
ask here, so what is shown is what will be done. Growing wins over shrinking. A group of which
nothing was heard lately, that is paused, being deployed, or whose cloud refuses, keeps its size.
"""

from collections.abc import Mapping

import msgspec

from scheduler.fleet.counts import Counts, counts_of
from scheduler.fleet.floors import Shortage, guarantee_floors
from scheduler.fleet.forecast import provisioned
from scheduler.fleet.shapes import Shape, shape_of
from scheduler.fleet.shortfall import Asked, Shortfall, shortfall_of
from scheduler.fleet.sizes import change_left, least_of, most_of, tokens_milli
from scheduler.fleet.victims import victims_of
from scheduler.state import State


class GroupPlan(msgspec.Struct, frozen=True):
    """What one group would be told."""

    name: str
    size: int
    target: int
    """More than ``size``: it grows. Less is done by victims, host by host."""
    wanted: int
    """The target before any brake."""
    counts: Counts
    asked: Asked
    floor: int
    floor_by: str
    victims: tuple[str, ...] = ()
    is_reprieved: bool = False
    """Hosts that were marked to be given back are needed after all."""
    why: str = ""
    held: str = ""
    """Why less is done than wanted; empty where all is."""
    is_absurd: bool = False
    """It was held because so much is not to be believed."""


class FleetPlan(msgspec.Struct, frozen=True):
    """All groups, in the order of the rules, and what no group would help."""

    groups: tuple[GroupPlan, ...]
    shortfall: Shortfall
    shortages: tuple[Shortage, ...]


def plan_of(state: State) -> FleetPlan:
    """What a look would do now."""
    fleet = state.fleet
    shapes = [
        shape_of(rule, group, state.policy.placement)
        for rule in fleet.rules.groups
        if (group := state.cloud_groups.get(rule.name)) is not None and not group.is_gone
    ]
    counts = {each.name: counts_of(state, each.group, fleet.rules) for each in shapes}
    known = [each for each in shapes if not objection_to(state, each)]
    covering = {each.name: _covering(counts[each.name]) for each in known}
    room = {each.name: max(0, most_of(each) - each.group.size) for each in known}
    growing = [each for each in known if each.name not in deployed(state)]
    shortfall = shortfall_of(state, growing, covering, room)
    floors, shortages = guarantee_floors(growing, state.policy.placement)
    tokens = [tokens_milli(fleet, state.clock.now_ms, is_up=up) // 1_000 for up in (True, False)]
    planned: dict[str, GroupPlan] = {}
    # Where hosts are given back, the least wanted and the dearest groups begin.
    for each in sorted(shapes, key=lambda one: (-one.rank, -one.rule.price_micro, one.name)):
        floor, floor_by = _floor(state, each, floors)
        plan = GroupPlan(
            name=each.name,
            size=each.group.size,
            target=each.group.size,
            wanted=each.group.size,
            counts=counts[each.name],
            asked=shortfall.asked.get(each.name, Asked()),
            floor=floor,
            floor_by=floor_by,
        )
        plan = _planned(state, each, plan, tokens)
        tokens[0] -= max(0, plan.target - plan.size)
        tokens[1] -= len(plan.victims)
        planned[each.name] = plan
    return FleetPlan(tuple(planned[each.name] for each in shapes), shortfall, tuple(shortages))


def _covering(counts: Counts) -> int:
    """Hosts that are or will be there for what waits; those marked to go stay, if they must."""
    return counts.idle + counts.starting + counts.reprievable


def objection_to(state: State, shape: Shape) -> str:
    """Why nothing at all is done for the group, in words; empty where something may be."""
    group, rules, now_ms = shape.group, state.fleet.rules, state.clock.now_ms
    if rules.is_paused or shape.rule.is_paused:
        return "it is paused"
    silent_ms = now_ms - group.heard_at_ms
    if silent_ms > rules.silence_ms:
        return f"nobody has spoken of it for {silent_ms // 1_000} s"
    there = len(state.instances_of_groups.get(group.name, ()))
    if there != group.instances_total:
        return f"{there} of its {group.instances_total} instances are known"
    if now_ms < group.retry_at_ms:
        return f"its cloud did not do as asked: {group.fault}"
    if group.ordered is not None and now_ms < group.ordered_at_ms + rules.assert_ms:
        return f"size {group.ordered} is ordered and not seen yet"
    return ""


def deployed(state: State) -> frozenset[str]:
    """Groups whose size a deployment says."""
    return frozenset(
        name
        for each in state.deployments.values()
        if not each.is_over
        for name in (each.asked.old, each.asked.new)
    )


def _floor(state: State, shape: Shape, floors: Mapping[str, int]) -> tuple[int, str]:
    least, by = least_of(shape), "minimum"
    if shape.lifecycle != "Active":
        return least, by
    if floors.get(shape.name, 0) > least:
        least, by = floors[shape.name], "guarantee"
    forecast = state.fleet_forecasts.get(shape.name)
    if state.fleet.rules.forecast_horizon_ms and forecast is not None:
        expected = provisioned(forecast)
        if expected is not None and -(-expected // 1_000) > least:
            least, by = -(-expected // 1_000), "forecast"
    return min(least, most_of(shape)), by


def _planned(state: State, shape: Shape, plan: GroupPlan, tokens: list[int]) -> GroupPlan:
    asked = plan.asked
    if why := objection_to(state, shape):
        return msgspec.structs.replace(plan, held=why)
    if shape.name in deployed(state):
        return msgspec.structs.replace(plan, held="a deployment says its size")
    if shape.lifecycle == "Inactive":
        return msgspec.structs.replace(plan, held="it is Inactive")
    wanted, why = _wanted(state, shape, plan)
    plan = msgspec.structs.replace(plan, wanted=wanted, why=why)
    if wanted > plan.size:
        return _grown(state, shape, plan, tokens[0])
    if asked.more or asked.covered:
        held = "" if asked.more else "what waits is served by what comes"
        is_short = bool(asked.more) or asked.covered > plan.counts.idle + plan.counts.starting
        return msgspec.structs.replace(plan, is_reprieved=is_short, held=held)
    if plan.counts.reprievable and plan.counts.idle + plan.counts.starting < _least_idle(shape):
        return msgspec.structs.replace(plan, is_reprieved=True)
    return _shrunk(state, shape, plan, tokens[1])


def _wanted(state: State, shape: Shape, plan: GroupPlan) -> tuple[int, str]:
    """The size that the group should grow to, whatever brakes say; or its size."""
    rules, now_ms, asked = state.fleet.rules, state.clock.now_ms, plan.asked
    counts, size = plan.counts, plan.size
    spare = _covering(counts) - asked.covered
    for_idle = max(0, _least_idle(shape) - max(0, spare))
    is_cool = now_ms >= shape.group.up_at_ms + rules.up_cooldown_ms
    is_late = bool(asked.more) and now_ms >= asked.since_ms + rules.slo_ms
    wanted, why = size, ""
    if is_cool and asked.more + for_idle:
        wanted = size + asked.more + for_idle
        why = f"tasks that wait need {asked.more} hosts, {for_idle} are wanted idle"
    elif is_late:
        wanted, why = size + asked.more, f"tasks that wait too long need {asked.more} hosts"
    if plan.floor > wanted:
        wanted, why = plan.floor, f"{plan.floor_by} wants {plan.floor}"
    return max(size, min(wanted, most_of(shape))), why


def _least_idle(shape: Shape) -> int:
    return shape.rule.idle_min if shape.lifecycle == "Active" else 0


def _grown(state: State, shape: Shape, plan: GroupPlan, tokens: int) -> GroupPlan:
    rules, now_ms = state.fleet.rules, state.clock.now_ms
    more = plan.wanted - plan.size
    left = change_left(shape.group, rules, now_ms, is_up=True)
    held, is_absurd = "", False
    if left < more:
        held = f"by {more} hosts at once is not to be believed: {left} may start now"
        more, is_absurd = left, True
    if tokens < more:
        held, more = f"{max(0, tokens)} hosts may start now, by the fleet's rate", max(0, tokens)
    if shape.group.suspended and "Launch" in shape.group.suspended:
        held, more = "its cloud starts nothing for it (Launch is suspended)", 0
    return msgspec.structs.replace(
        plan, target=plan.size + more, held=held, is_absurd=is_absurd, is_reprieved=True
    )


def _shrunk(state: State, shape: Shape, plan: GroupPlan, tokens: int) -> GroupPlan:
    rules, now_ms, counts = state.fleet.rules, state.clock.now_ms, plan.counts
    group = shape.group
    is_used = shape.lifecycle == "Active"
    kept = shape.rule.idle_max if is_used else 0
    spare = counts.idle + (counts.starting if is_used else 0) - kept
    room = plan.size - counts.ending - plan.floor
    count = min(spare, room, len(counts.old_idle))
    if count <= 0:
        return plan
    if now_ms < max(group.up_at_ms, group.down_at_ms) + rules.down_cooldown_ms:
        return msgspec.structs.replace(plan, held=f"{count} are spare; it was changed just now")
    held = ""
    for most, words in (
        (tokens, "by the fleet's rate"),
        (change_left(group, rules, now_ms, is_up=False), "in so short a time"),
    ):
        if most < count:
            count, held = max(0, most), f"{max(0, most)} hosts may go now, {words}"
    found = victims_of(counts.old_idle, counts.zones, count, is_last_kept=is_used)
    if len(found) < count:
        held = "the last host of a zone stays"
    why = f"{counts.idle} hosts are idle, {kept} may be"
    return msgspec.structs.replace(plan, victims=found, why=why, held=held)
