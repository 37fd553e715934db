"""What each tier must have: what its groups are guaranteed, and a buffer on top.

The one thing to know: a group below another one shares that one's guarantee, so only groups at the
top are added up. A tier whose groups are guaranteed nothing is left alone: whoever scales it by
what waits shall go on doing that.

The buffer is, in each resource, the largest of three: a percentage of the guarantees, an amount for
work that nobody announced, and the largest red-black deployment that a group declares, which runs
old and new containers at once.
"""

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

import msgspec

from scheduler.model.rules import Amount, CapacityGroup, PlacementRules, Tier

RESOURCES: Final = ("cpu_milli", "memory_mib", "disk_mib", "network_mbps", "gpus")
Vector = tuple[int, int, int, int, int]
"""An amount with nothing left out, in the order of `RESOURCES`."""
ZERO: Final[Vector] = (0, 0, 0, 0, 0)
BufferSource = Literal["percent", "amount", "redBlack"]


class Buffer(NamedTuple):
    """How much, and by resource which of the three was the largest."""

    amount: Vector
    sources: tuple[BufferSource, ...]


class TierDemand(msgspec.Struct, frozen=True):
    """What one tier must have."""

    tier: str
    groups: tuple[str, ...]
    """Those that are guaranteed something, by name."""
    guarantee: Vector
    buffer: Buffer

    @property
    def total(self) -> Vector:
        """Guarantees and buffer."""
        return plus(self.guarantee, self.buffer.amount)


def demands(rules: PlacementRules) -> tuple[TierDemand, ...]:
    """What each tier must have that has a guarantee to keep, in the order of the rules."""
    found = (_demand(tier, rules.groups) for tier in rules.tiers)
    return tuple(each for each in found if each.groups)


def _demand(tier: Tier, groups: Iterable[CapacityGroup]) -> TierDemand:
    of_tier = [each for each in groups if each.tier == tier.name]
    top = sorted((each for each in of_tier if not each.parent), key=lambda each: each.name)
    guaranteed = [each for each in top if any(vector(each.guarantee))]
    total = ZERO
    for each in guaranteed:
        total = plus(total, vector(each.guarantee))
    names = tuple(each.name for each in guaranteed)
    return TierDemand(tier.name, names, total, _buffer(tier, total, of_tier))


def _buffer(tier: Tier, guarantee: Vector, groups: Iterable[CapacityGroup]) -> Buffer:
    # A part of a percent is rounded up: what is guaranteed must be there.
    percent = [-(-each * tier.buffer_percent // 100) for each in guarantee]
    red_black = ZERO
    for group in groups:
        one = [each * group.red_black for each in vector(group.instance)]
        red_black = _vector(map(max, red_black, one))
    amounts: list[int] = []
    sources: list[BufferSource] = []
    for of_percent, amount, of_deployment in zip(
        percent, vector(tier.buffer), red_black, strict=True
    ):
        most = max(of_percent, amount, of_deployment)
        source: BufferSource = "percent"
        if most > of_percent:
            source = "amount" if most == amount else "redBlack"
        amounts.append(most)
        sources.append(source)
    return Buffer(_vector(amounts), tuple(sources))


def vector(amount: Amount) -> Vector:
    """The amount with 0 for what it does not count."""
    return _vector(getattr(amount, each) or 0 for each in RESOURCES)


def plus(left: Vector, right: Vector) -> Vector:
    """The sum of both."""
    return _vector(map(int.__add__, left, right))


def _vector(values: Iterable[int]) -> Vector:
    cpu, memory, disk, network, gpus = values
    return cpu, memory, disk, network, gpus
