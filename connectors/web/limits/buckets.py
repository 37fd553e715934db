"""Token buckets, one for each caller of a rule, in memory that no caller can make grow.

The one thing to know: a bucket that is full again says nothing, so it is forgotten. When as many
callers as may be remembered have buckets that are not full, each further one shares a bucket with
all other strangers: who invents a new name for every request gains nothing by it.
"""

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

import msgspec

Per = Literal["caller", "address", "all"]
"""Who has a bucket of his own: each name, each address, or nobody."""

CALLERS_MAX: Final = 10_000
"""Remembered for one rule: about 2 MB."""
_STRANGERS: Final = ""
"""The bucket of whom there is no room to remember; no caller has an empty name."""


class RateRule(msgspec.Struct, frozen=True):
    """A bucket of ``capacity`` requests that ``per_s`` more flow into."""

    name: str
    capacity: int
    per_s: float
    per: Per = "caller"


class Empty(NamedTuple):
    """A request that no token is left for, and how long the next one takes."""

    rule: RateRule
    wait_s: float


class _Bucket(NamedTuple):
    tokens: float
    at_s: float


class Buckets:
    """All buckets of one rule."""

    def __init__(
        self, rule: RateRule, now_s: Callable[[], float], callers_max: int = CALLERS_MAX
    ) -> None:
        self.rule = rule
        self._now_s = now_s
        self._callers_max = callers_max
        self._buckets: dict[str, _Bucket] = {}
        """By caller, who asked longest ago first."""

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, caller: str) -> Empty | None:
        """None, and a token less, where one is left; else how long to wait for the next."""
        now_s = self._now_s()
        name = caller if self.rule.per != "all" else "everybody"
        if name not in self._buckets and not self._make_room(now_s):
            name = _STRANGERS
        tokens = self._tokens(self._buckets.pop(name, None), now_s)
        is_taken = tokens >= 1
        self._buckets[name] = _Bucket(tokens - is_taken, now_s)
        return None if is_taken else Empty(self.rule, (1 - tokens) / self.rule.per_s)

    def _tokens(self, bucket: _Bucket | None, now_s: float) -> float:
        if bucket is None:
            return self.rule.capacity
        flown = max(0.0, now_s - bucket.at_s) * self.rule.per_s
        return min(self.rule.capacity, bucket.tokens + flown)

    def _make_room(self, now_s: float) -> bool:
        """Whether one more caller can be remembered; who asked longest ago is looked at first."""
        if len(self._buckets) < self._callers_max:
            return True
        oldest = next(iter(self._buckets))
        if self._tokens(self._buckets[oldest], now_s) < self.rule.capacity:
            return False
        del self._buckets[oldest]
        return True
