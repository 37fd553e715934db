"""Warm pools as clouds tell of them, and instances that go into one and come out.

The one thing to know: an instance that stands by is marked, so that a host that its agent says it
is gets no task. When it comes out it begins anew: it is expected to join from then on, and the host
that it was before counts only when it offers or runs something again.
"""

from typing import Final

from msgspec.structs import replace

from scheduler.fleet.standing import Instance, WarmPool
from scheduler.fold.context import Fold
from scheduler.fold.fleet_marks import mark, put_instance, unmark
from scheduler.fold.safe import page_once
from scheduler.model.address import Source
from scheduler.model.changes import WarmPoolChanged
from scheduler.model.ids import HostId
from scheduler.model.warm_pools import WarmPoolEffect, WarmPoolObserved, WarmPoolRule
from scheduler.state import State

RETRY_MS: Final = 5_000
RETRY_MS_MAX: Final = 300_000
"""After a refusal a pool is left alone for 5 s, doubled with each, up to five minutes."""
FAILURES_PAGED: Final = 5


def warm_pool_observed(fold: Fold, _source: Source, body: WarmPoolObserved) -> None:
    """Take over by which rule a group has a warm pool."""
    state = fold.state
    if body.group not in state.cloud_groups:
        return  # Of another cell, or gone.
    known = state.warm_pools.get(body.group, WarmPool(body.group))
    if known.seen != body.rule:
        change = WarmPoolChanged(body.group, "seen", words_of(body.rule))
        fold.report(change)
    after = replace(
        known,
        seen=body.rule,
        is_going=body.is_going,
        heard_at_ms=state.clock.now_ms,
        done_at_ms=0 if body.rule == known.asked else known.done_at_ms,
    )
    put_pool(fold, after)


def warm_pool_ended(fold: Fold, effect: WarmPoolEffect, detail: str, *, is_done: bool) -> None:
    """Take over how an order ended: what was not done waits, and holds back the pool alone."""
    state = fold.state
    pool = state.warm_pools.get(effect.group)
    if pool is None:
        return
    now_ms = state.clock.now_ms
    if is_done:
        put_pool(fold, replace(pool, done_at_ms=now_ms, failures=0, retry_at_ms=0, fault=""))
        return
    failures = pool.failures + 1
    wait_ms = min(RETRY_MS << min(failures - 1, 10), RETRY_MS_MAX)
    pool = replace(
        pool, failures=failures, retry_at_ms=now_ms + wait_ms, fault=detail[:300], done_at_ms=0
    )
    put_pool(fold, pool)
    if failures >= FAILURES_PAGED:
        page_once(
            fold,
            "fleet",
            f"warm pool {effect.group}",
            what=f"the cloud does not give group {effect.group} the warm pool that it is to have",
            why=f"{failures} times in a row, the last time {detail}. The group is scaled as ever; "
            "AWS gives none to groups of several types or of spot instances, and the permissions "
            "must allow it. `flumina fleet warm-pool GROUP --remove` ends the asking",
        )


def stand_by(fold: Fold, instance: Instance) -> None:
    """The instance is in its group's warm pool: nobody uses it, ends it, or waits for it."""
    unmark(fold, instance, "it goes into its group's warm pool")
    instance = replace(fold.state.cloud_instances[instance.instance_id], ended_at_ms=0)
    put_instance(fold, instance)
    mark(fold, instance, "warm", "it stands by in its group's warm pool")


def come_out(fold: Fold, instance: Instance) -> None:
    """The group uses the instance: it is to become a host from now on."""
    unmark(fold, instance, "its group has taken it out of the warm pool")
    now_ms = fold.state.clock.now_ms
    instance = fold.state.cloud_instances[instance.instance_id]
    instance = replace(
        instance, host_id=None, joined_at_ms=0, seen_at_ms=now_ms, left_pool_at_ms=now_ms
    )
    put_instance(fold, instance)


def is_back(state: State, instance: Instance, host_id: HostId) -> bool:
    """Whether the instance can be this host: one out of a pool only when the host shows itself."""
    if not instance.left_pool_at_ms or instance.joined_at_ms:
        return True
    return host_id in state.host_offers or host_id in state.host_tasks


def put_pool(fold: Fold, pool: WarmPool) -> None:
    """Keep what is known of a group's warm pool."""
    fold.state.warm_pools[pool.group] = pool
    fold.touch("warm pool", pool.group)


def forget_pool(fold: Fold, group: str, *, is_for_good: bool) -> None:
    """The group is gone, and so is its pool; what was asked stays unless it is for good."""
    pool = fold.state.warm_pools.get(group)
    if pool is None:
        return
    if not is_for_good:
        put_pool(fold, replace(pool, seen=None, is_going=False, heard_at_ms=0, done_at_ms=0))
        return
    del fold.state.warm_pools[group]
    fold.touch("warm pool", group)


def words_of(rule: WarmPoolRule | None) -> str:
    """The pool in words."""
    if rule is None:
        return "no warm pool"
    most = "all that the group may grow by" if rule.prepared_max is None else ""
    most = most or f"{rule.prepared_max} together with the group"
    reuse = ", used again" if rule.is_reusing else ""
    return f"at least {rule.minimum}, {most}, {rule.state}{reuse}"
