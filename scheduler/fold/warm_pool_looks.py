"""Warm pools as operators want them: what is asked for is checked, ordered, and asserted again.

The one thing to know: a pool that nobody asked for here is only shown. One that was asked for is
compared with what its cloud tells of it, and ordered whole where the two differ; a cloud that
refuses holds back the pool, and never the size of its group.
"""

from msgspec.structs import replace

from scheduler.fleet.plan import deployed
from scheduler.fleet.standing import CloudGroup, WarmPool
from scheduler.fold.context import Fold
from scheduler.fold.fleet_orders import order
from scheduler.fold.warm_pools import put_pool, words_of
from scheduler.model.address import Source
from scheduler.model.changes import JobRejected, RequestAccepted, WarmPoolChanged
from scheduler.model.inbound import Fault
from scheduler.model.warm_pools import (
    WARM_INSTANCES_MAX,
    RemoveWarmPool,
    SetWarmPool,
    WarmPoolAsked,
    WarmPoolEffect,
    WarmPoolRule,
)
from scheduler.state import State


def warm_pool_asked(fold: Fold, source: Source, body: WarmPoolAsked) -> None:
    """Give a group a warm pool, or take it away."""
    fault = _fault(fold.state, body)
    if fault is not None:
        fold.report(JobRejected(source=source, faults=(fault,)))
        return
    want_pool(fold, body.group, body.rule, body.why, body.actor)
    fold.report(RequestAccepted(source=source, what="warm pool"))


def _fault(state: State, body: WarmPoolAsked) -> Fault | None:
    name, rule = body.group, body.rule
    group = state.cloud_groups.get(name)
    if group is None or group.is_gone:
        hint = "see `flumina fleet groups`"
        return Fault("group", f"no group {name} is known", hint, code="unknown")
    if all(each.name != name for each in state.fleet.rules.groups):
        text = f"group {name} is not scaled by this cell"
        return Fault("group", text, "add it to `flumina fleet rules` first", code="state")
    if any(name == each.asked.old for each in state.deployments.values() if not each.is_over):
        text = f"a deployment takes group {name} away"
        return Fault("group", text, "roll the deployment back first", code="state")
    pool = state.warm_pools.get(name, WarmPool(name))
    if rule is None:
        if pool.seen is None and pool.asked is None:
            return Fault("group", f"group {name} has no warm pool", code="unknown")
        return None
    return _rule_fault(group, rule)


def _rule_fault(group: CloudGroup, rule: WarmPoolRule) -> Fault | None:
    if rule.minimum > group.maximum:
        text = f"is {rule.minimum}, and group {group.name} may have {group.maximum} hosts at most"
        return Fault("minSize", text, "they could never all be used: ask for fewer")
    if rule.prepared_max is not None and rule.prepared_max > group.maximum:
        text = f"is {rule.prepared_max}, and group {group.name} may have {group.maximum} at most"
        return Fault("maxPrepared", text, "the rest could never be used: ask for fewer")
    size = rule.size(group.size, group.maximum)
    if size > WARM_INSTANCES_MAX:
        text = f"{size} instances would stand by, more than {WARM_INSTANCES_MAX}"
        return Fault("maxPrepared", text, "say how many group and pool have together")
    return None


def want_pool(fold: Fold, name: str, rule: WarmPoolRule | None, why: str, actor: str = "") -> None:
    """Have the group's pool steered by this rule from now on."""
    known = fold.state.warm_pools.get(name, WarmPool(name))
    if known.is_asked and known.asked == rule:
        return
    after = replace(known, is_asked=True, asked=rule, failures=0, retry_at_ms=0, done_at_ms=0)
    put_pool(fold, replace(after, fault=""))
    fold.report(WarmPoolChanged(name, "asked", words_of(rule), why, actor))


def look_at_warm_pools(fold: Fold) -> None:
    """Order what is still missing of the pools that were asked for."""
    rules = fold.state.fleet.rules
    if rules.is_paused:
        return
    scaled = {each.name for each in rules.groups if not each.is_paused}
    is_deployed = deployed(fold.state)
    for pool in list(fold.state.warm_pools.values()):
        if pool.group in scaled and (pool.asked is not None or pool.group not in is_deployed):
            steer_pool(fold, pool.group)


def steer_pool(fold: Fold, name: str) -> bool:
    """Order the pool that was asked for, unless it is there; whether it is there."""
    state = fold.state
    pool, group = state.warm_pools.get(name), state.cloud_groups.get(name)
    if pool is None or group is None or group.is_gone or not pool.is_asked:
        return True
    if pool.seen == pool.asked and not pool.is_going:
        return True
    rules, now_ms = state.fleet.rules, state.clock.now_ms
    is_silent = not pool.heard_at_ms or now_ms > group.heard_at_ms + rules.silence_ms
    is_early = now_ms < pool.retry_at_ms
    if pool.done_at_ms:
        is_early = is_early or now_ms < pool.done_at_ms + rules.assert_ms
    orders = (each.effect for each in state.fleet_orders.values())
    is_ordered = any(isinstance(one, WarmPoolEffect) and one.group == name for one in orders)
    if pool.is_going or is_silent or is_early or is_ordered:
        return False
    before = words_of(pool.seen)
    if pool.asked is None:
        order(fold, RemoveWarmPool(name), f"none was asked for, and it has {before}")
    else:
        order(fold, SetWarmPool(name, pool.asked), f"it has {before}")
    return False
