"""Warm pools: instances beside a group that stand by, and start faster than new ones.

The one thing to know: an instance in a pool is no host. It counts for nothing, gets no task, and
is nobody's victim, until its group takes it out. How large the pool is follows from the group's
size, by its cloud; asked is only by which rule.
"""

from typing import Final, Literal

from scheduler.model.base import Ours
from scheduler.model.rules import Rule

PoolState = Literal["stopped", "running", "hibernated"]
"""How an instance stands by. Running ones cost as others do, and begin at once."""
POOL_STATES: Final[tuple[PoolState, ...]] = ("stopped", "running", "hibernated")
WARM_INSTANCES_MAX: Final = 1_000
"""More than these an operator does not mean: a pool without a bound has the whole of what its group
may still grow by."""


class WarmPoolRule(Rule, frozen=True):
    """How many instances stand by, and how; AWS' PutWarmPool has the same four."""

    minimum: int = 0
    """At least so many, however large the group is."""
    prepared_max: int | None = None
    """Group and pool together have so many; None: as many as the group may have at most."""
    state: PoolState = "stopped"
    is_reusing: bool = False
    """An instance that makes the group smaller goes back into the pool."""

    def size(self, desired: int, maximum: int) -> int:
        """How many instances the pool has beside a group of this size."""
        most = maximum if self.prepared_max is None else self.prepared_max
        return max(self.minimum, most - desired, 0)


class WarmPoolAsked(Ours, frozen=True):
    """An operator gives a group a warm pool by this rule, or none."""

    group: str
    rule: WarmPoolRule | None
    """None: there shall be no pool."""
    actor: str
    why: str


class WarmPoolObserved(Ours, frozen=True):
    """By which rule a group has a warm pool, as its cloud tells."""

    group: str
    rule: WarmPoolRule | None
    """None: it has none."""
    is_going: bool = False
    """The cloud is taking the pool away."""
    observed_at_ms: int = 0


class SetWarmPool(Ours, frozen=True):
    """The group shall have a warm pool by this rule: the whole rule, whatever it was before."""

    group: str
    rule: WarmPoolRule


class RemoveWarmPool(Ours, frozen=True):
    """The group shall have no warm pool; instances that stand by end."""

    group: str


WarmPoolEffect = SetWarmPool | RemoveWarmPool
"""What is asked about a warm pool."""
