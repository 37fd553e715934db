"""What is to be asked of clouds: ordered here, carried out by the outbox, and how it ended.

The one thing to know: an order is absolute and forgettable. The outbox starts it as it starts every
effect (`EffectStarted`, read back); before that is believed here, the order must still hold. With
an election all orders are dropped, started or not: what became of them is seen in what the cloud
says next, and what is still wanted is ordered anew from there.
"""

from typing import Final, assert_never

from msgspec.structs import replace

from scheduler.fleet.network import return_refusal
from scheduler.fleet.sizes import recent, tokens_milli
from scheduler.fleet.standing import ACTIVITIES_MAX, Activity, Changed, CloudGroup, FleetOrder
from scheduler.fold.context import Fold
from scheduler.fold.network_outcomes import network_ended
from scheduler.fold.safe import page_once
from scheduler.fold.warm_pools import warm_pool_ended, words_of
from scheduler.model.changes import FleetChanged, FleetWhat, WarmPoolChanged
from scheduler.model.events import EffectEnded
from scheduler.model.fleet import (
    CompleteHook,
    EndInstance,
    FleetEffect,
    GroupEffect,
    ProtectInstances,
    RemoveGroup,
    SetDesiredCapacity,
)
from scheduler.model.ids import ProposalId
from scheduler.model.network import (
    AssignAddresses,
    AttachInterface,
    NetworkEffect,
    ReturnAddresses,
    SetSecurityGroups,
)
from scheduler.model.warm_pools import SetWarmPool, WarmPoolEffect, WarmPoolRule
from scheduler.state import State

ORDERS_MAX: Final = 500
"""At once; what does not fit is ordered at a later look."""
UNSTARTED_MS_MAX: Final = 60_000
"""An order that nobody started for so long is dropped: nobody asks the cloud for this cell."""
RETRY_MS: Final = 5_000
RETRY_MS_MAX: Final = 300_000
"""After a refusal a group is left alone for 5 s, doubled with each, up to five minutes."""
FAILURES_PAGED: Final = 5
GONE: Final = "gone"
"""What the detail of an outcome begins with where the thing asked for is not there any more."""
_SAID: Final[dict[type, FleetWhat]] = {
    SetDesiredCapacity: "sizeOrdered",
    EndInstance: "hostEnded",
    ProtectInstances: "instancesProtected",
    CompleteHook: "hookCompleted",
    RemoveGroup: "groupRemoved",
    AttachInterface: "interfaceAttached",
    SetSecurityGroups: "securityGroupsSet",
    AssignAddresses: "addressesAssigned",
    ReturnAddresses: "addressesReturned",
}


def order(fold: Fold, effect: FleetEffect, why: str, actor: str = "") -> bool:
    """Order something of a cloud; False where the same is ordered already, or too much is."""
    state = fold.state
    if len(state.fleet_orders) >= ORDERS_MAX:
        return False
    if any(_is_same(each.effect, effect) for each in state.fleet_orders.values()):
        return False
    order_id = ProposalId(f"{fold.proposal_id}.{len(state.fleet_orders)}")
    while order_id in state.fleet_orders:
        order_id = ProposalId(f"{order_id}.0")
    state.fleet_orders[order_id] = FleetOrder(order_id, effect, state.clock.now_ms, why)
    fold.touch("fleet order", order_id)
    if isinstance(effect, WarmPoolEffect):
        text = words_of(_pool_rule(effect))
        fold.report(WarmPoolChanged(effect.group, "ordered", text, why, actor))
        note_activity(fold, effect.group, "warmPoolOrdered", f"{text}: {why}")
        return True
    what = _SAID[type(effect)]
    if isinstance(effect, EndInstance) and not effect.is_decrement:
        what = "hostReplaced"
    instance_id = getattr(effect, "instance_id", "")
    instance = state.cloud_instances.get(instance_id)
    fold.report(
        FleetChanged(
            group=effect.group,
            what=what,
            why=why,
            size=getattr(effect, "desired", 0),
            instance_id=instance_id,
            host_id=instance.host_id if instance is not None else None,
            actor=actor,
        )
    )
    note_activity(fold, effect.group, what, why)
    return True


def order_size(
    fold: Fold,
    group: CloudGroup,
    desired: int,
    why: str,
    *,
    minimum: int | None = None,
    actor: str = "",
) -> bool:
    """Order a size, and take it for the group's size until the cloud has spoken."""
    if not order(fold, SetDesiredCapacity(group.name, desired, minimum), why, actor):
        return False
    state = fold.state
    now_ms, rules, more = state.clock.now_ms, state.fleet.rules, desired - group.size
    group = replace(state.cloud_groups[group.name], ordered=desired, ordered_at_ms=now_ms)
    if more > 0:
        ups = recent((*group.ups, Changed(now_ms, more)), now_ms, rules.change_window_ms)
        group = replace(group, up_at_ms=now_ms, ups=ups)
        take_tokens(state, more, is_up=True)
    elif more < 0:
        group = replace(group, down_at_ms=now_ms)
    put_group(fold, group)
    return True


def take_tokens(state: State, count: int, *, is_up: bool) -> None:
    """Take tokens of both buckets over to now, and so many out of one."""
    fleet, now_ms = state.fleet, state.clock.now_ms
    up, down = (tokens_milli(fleet, now_ms, is_up=each) for each in (True, False))
    fleet.up_tokens_milli = up - count * 1_000 if is_up else up
    fleet.down_tokens_milli = down if is_up else down - count * 1_000
    fleet.tokens_at_ms = now_ms


def put_group(fold: Fold, group: CloudGroup) -> None:
    """Keep what is known of a group."""
    fold.state.cloud_groups[group.name] = group
    fold.touch("cloud group", group.name)


def note_activity(fold: Fold, name: str, what: str, why: str) -> None:
    """Remember of a group, for operators, what was asked or went wrong."""
    group = fold.state.cloud_groups.get(name)
    if group is not None:
        activity = Activity(fold.state.clock.now_ms, what, why)
        put_group(fold, replace(group, activities=(*group.activities, activity)[-ACTIVITIES_MAX:]))


def order_started(fold: Fold, order_id: ProposalId) -> None:
    """The outbox may act on this order, if it still holds; else it is dropped."""
    known = fold.state.fleet_orders.get(order_id)
    if known is None or known.is_started:
        return
    why = _overtaken(fold.state, known.effect)
    if why:
        _drop(fold, known)
        _undo(fold, known.effect, why)
        return
    fold.state.fleet_orders[order_id] = replace(known, is_started=True)
    fold.touch("fleet order", order_id)


def _overtaken(state: State, effect: FleetEffect) -> str:
    """Why the order must not be carried out any more, in words; empty where it may."""
    if isinstance(effect, EndInstance):
        instance = state.cloud_instances.get(effect.instance_id)
        if instance is None:
            return "the instance is gone"
        if effect.is_decrement and instance.host_id in state.host_tasks:
            return "its host has tasks again"
        if state.safe is not None:
            return "the cell is safe"
    group = state.cloud_groups.get(effect.group)
    if group is None or group.is_gone:
        return "the group is gone"
    if isinstance(effect, SetDesiredCapacity) and group.ordered != effect.desired:
        return "another size was ordered"
    if isinstance(effect, WarmPoolEffect):
        pool = state.warm_pools.get(effect.group)
        is_wanted = pool is not None and pool.is_asked and pool.asked == _pool_rule(effect)
        return "" if is_wanted else "another warm pool was asked for"
    if isinstance(effect, ReturnAddresses):
        return return_refusal(state, effect)
    return ""


def order_ended(fold: Fold, event: EffectEnded) -> None:
    """Take over how an order ended: what was not done waits, each time longer."""
    state = fold.state
    known = state.fleet_orders.get(event.proposal_id)
    if known is None or not known.is_started:
        return
    _drop(fold, known)
    effect = known.effect
    is_done = event.fate == "sent" or _is_gone_anyway(effect, event.detail)
    what: FleetWhat = "orderDone" if is_done else "orderFailed"
    fold.report(
        FleetChanged(
            group=effect.group,
            what=what,
            why=event.detail,
            instance_id=getattr(effect, "instance_id", ""),
        )
    )
    if isinstance(effect, NetworkEffect):
        network_ended(fold, effect, f"{event.fate}: {event.detail}", is_done=is_done)
    elif isinstance(effect, WarmPoolEffect):
        warm_pool_ended(fold, effect, f"{event.fate}: {event.detail}", is_done=is_done)
    elif is_done:
        _done(fold, effect)
    else:
        _failed(fold, effect, f"{event.fate}: {event.detail}")


def _is_gone_anyway(effect: FleetEffect, detail: str) -> bool:
    is_over = isinstance(effect, EndInstance | RemoveGroup | CompleteHook)
    return is_over and detail.startswith(GONE)


def _done(fold: Fold, effect: GroupEffect) -> None:
    state, now_ms = fold.state, fold.state.clock.now_ms
    group = state.cloud_groups.get(effect.group)
    if group is None:
        return
    group = replace(group, failures=0, retry_at_ms=0, fault="")
    match effect:
        case EndInstance():
            instance = state.cloud_instances.get(effect.instance_id)
            if instance is not None:
                state.cloud_instances[effect.instance_id] = replace(instance, ended_at_ms=now_ms)
                fold.touch("cloud instance", effect.instance_id)
            if effect.is_decrement:
                group = replace(group, down_at_ms=now_ms)
        case ProtectInstances():
            for instance_id in effect.instance_ids:
                instance = state.cloud_instances.get(instance_id)
                if instance is not None:
                    state.cloud_instances[instance_id] = replace(
                        instance,
                        protected_by_us=effect.is_protected,
                        is_protected=effect.is_protected,
                    )
                    fold.touch("cloud instance", instance_id)
        case SetDesiredCapacity() | CompleteHook() | RemoveGroup():
            pass  # The next observation shows it.
        case _:
            assert_never(effect)
    put_group(fold, group)


def _failed(fold: Fold, effect: FleetEffect, why: str) -> None:
    state = fold.state
    group = state.cloud_groups.get(effect.group)
    if group is None:
        return
    failures = group.failures + 1
    wait_ms = min(RETRY_MS << min(failures - 1, 10), RETRY_MS_MAX)
    group = replace(
        group, failures=failures, retry_at_ms=state.clock.now_ms + wait_ms, fault=why[:300]
    )
    put_group(fold, group)
    _undo(fold, effect, why)
    if failures >= FAILURES_PAGED:
        page_once(
            fold,
            "fleet",
            effect.group,
            what=f"the cloud does not do what it is asked for group {effect.group}",
            why=f"{failures} times in a row, the last time {why}. The group keeps its size; see "
            "`flumina fleet groups` and the permissions and limits of the account",
        )


def _undo(fold: Fold, effect: FleetEffect, why: str) -> None:
    """Take back what was taken for granted of an order that was not carried out."""
    note_activity(fold, effect.group, "orderFailed", why[:300])
    _hold_again(fold, effect)
    group = fold.state.cloud_groups.get(effect.group)
    if group is None or not isinstance(effect, SetDesiredCapacity):
        return
    if group.ordered == effect.desired:
        put_group(fold, replace(group, ordered=None))


def _hold_again(fold: Fold, effect: FleetEffect) -> None:
    """A hook that was not completed still holds its instance, and is completed at a later look."""
    if not isinstance(effect, CompleteHook):
        return
    instance = fold.state.cloud_instances.get(effect.instance_id)
    if instance is not None and not instance.hook:
        fold.state.cloud_instances[effect.instance_id] = replace(instance, hook=effect.hook)
        fold.touch("cloud instance", effect.instance_id)


def drop_orders(fold: Fold, *, unstarted_for_ms: int = 0) -> None:
    """Forget all orders, at an election; or those that nobody has started for so long."""
    state = fold.state
    for each in list(state.fleet_orders.values()):
        if not unstarted_for_ms:
            _drop(fold, each)
            _hold_again(fold, each.effect)
            continue
        if each.is_started or state.clock.now_ms < each.decided_at_ms + unstarted_for_ms:
            continue
        _drop(fold, each)
        why = "nobody carried it out: FLUMINA_CLOUD is not set there"
        if isinstance(each.effect, NetworkEffect):
            network_ended(fold, each.effect, why, is_done=False)
        elif isinstance(each.effect, WarmPoolEffect):
            warm_pool_ended(fold, each.effect, why, is_done=False)
        else:
            _failed(fold, each.effect, why)


def _pool_rule(effect: WarmPoolEffect) -> WarmPoolRule | None:
    return effect.rule if isinstance(effect, SetWarmPool) else None


def _drop(fold: Fold, each: FleetOrder) -> None:
    del fold.state.fleet_orders[each.order_id]
    fold.touch("fleet order", each.order_id)


def _is_same(one: FleetEffect, other: FleetEffect) -> bool:
    """Whether both are about the same thing: a second order of it waits for the first."""
    if type(one) is not type(other) or one.group != other.group:
        return False
    return getattr(one, "instance_id", "") == getattr(other, "instance_id", "")
