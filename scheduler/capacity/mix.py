"""The cheapest instances of several types that hold an amount, and what they cannot hold.

The one thing to know: this is a search that proves itself. The dual of the linear relaxation gives
a price for each resource; no mix that covers an amount costs less than the amount at those prices,
and with that bound a depth-first search over the numbers of each type throws most of them away.
Where the search ends at its limit of steps, the answer is the best found, and says that it is not
proven. Whole prices are compared as whole numbers.
"""

from collections.abc import Sequence
from math import ceil, gcd
from typing import Final, NamedTuple

import msgspec

from scheduler.capacity.demand import ZERO, Vector

STEPS_MAX: Final = 50_000
"""Of the search: some tenths of a second."""
_TOLERANCE: Final = 1e-9


class InstanceType(msgspec.Struct, frozen=True):
    """A kind of host: what one has for tasks, what one costs, how many there may be."""

    name: str
    amount: Vector
    price: int
    """In any unit, of whole numbers; only ratios count."""
    most: int


class Mix(NamedTuple):
    """How many of each type, by name; what is not covered; what they cost."""

    counts: tuple[tuple[str, int], ...]
    shortage: Vector
    """Beyond what all instances that there may be hold."""
    price: int
    price_least: int
    """No mix that holds as much costs less than this."""

    @property
    def is_proven(self) -> bool:
        """Whether no cheaper mix holds as much; else the search was given up."""
        return self.price == self.price_least


def cheapest_mix(demand: Vector, types: Sequence[InstanceType]) -> Mix:
    """The cheapest numbers of instances that hold ``demand`` in sum, resource by resource."""
    # Larger ones first where they cost the same by size: fewer hosts to look after.
    kinds = sorted(types, key=lambda each: (-each.price, each.name))
    room = [sum(each.amount[at] * each.most for each in kinds) for at in range(len(ZERO))]
    wanted = [min(want, there) for want, there in zip(demand, room, strict=True)]
    cpu, memory, disk, network, gpus = (
        want - there for want, there in zip(demand, wanted, strict=True)
    )
    search = _Search(kinds, wanted)
    counts = search.run()
    price = sum(each.price * n for each, n in zip(kinds, counts, strict=True))
    is_done = search.steps < STEPS_MAX
    return Mix(
        tuple(sorted((each.name, n) for each, n in zip(kinds, counts, strict=True) if n)),
        (cpu, memory, disk, network, gpus),
        price,
        price if is_done else min(price, search.bound(wanted)),
    )


class _Search:
    """Depth first over the numbers of each type, cut off by the bound of the dual."""

    def __init__(self, kinds: Sequence[InstanceType], wanted: Sequence[int]) -> None:
        self.kinds = kinds
        self.steps = 0
        self._wanted = list(wanted)
        self._unit = gcd(*(each.price for each in kinds)) if kinds else 1
        weights, amounts = resource_prices(kinds, wanted)
        self._weights = weights
        self._best = self._trimmed(
            [min(each.most, ceil(n)) for each, n in zip(kinds, amounts, strict=True)]
        )
        self._best_price = self._price(self._best)

    def run(self) -> list[int]:
        """The cheapest counts that were found."""
        self._descend(0, 0, self._wanted, [])
        return self._best

    def _descend(self, at: int, price: int, left: list[int], counts: list[int]) -> None:
        self.steps += 1
        if all(each <= 0 for each in left):
            if price < self._best_price:
                self._best = counts + [0] * (len(self.kinds) - at)
                self._best_price = price
            return
        if at == len(self.kinds) or self.steps >= STEPS_MAX:
            return
        if price + self.bound(left) >= self._best_price:
            return
        kind = self.kinds[at]
        most = min(kind.most, _needed(kind, left))
        least = self._least(at, left)
        if least > kind.most:
            return
        # From the number that the relaxation would take outward would be quicker by a little;
        # from the largest down the first answers have few large hosts.
        for count in range(max(most, least), least - 1, -1):
            rest = [want - count * has for want, has in zip(left, kind.amount, strict=True)]
            self._descend(at + 1, price + count * kind.price, rest, [*counts, count])
            if self.steps >= STEPS_MAX:
                return

    def bound(self, left: Sequence[int]) -> int:
        """What covering the rest costs at least, in whole units of price."""
        worth = sum(w * max(0, want) for w, want in zip(self._weights, left, strict=True))
        return ceil(worth / self._unit - 1e-6) * self._unit

    def _least(self, at: int, left: Sequence[int]) -> int:
        """How many of this type there must be, for all the types after it hold no more."""
        least = 0
        for place, want in enumerate(left):
            later = sum(each.amount[place] * each.most for each in self.kinds[at + 1 :])
            has = self.kinds[at].amount[place]
            if want > later:
                if not has:
                    return self.kinds[at].most + 1
                least = max(least, -(-(want - later) // has))
        return least

    def _trimmed(self, counts: list[int]) -> list[int]:
        """Counts that cover what is wanted, from these: filled up, and without what is too much."""
        counts = list(counts)
        while not self._covers(counts):
            open_kinds = [n for n, each in enumerate(self.kinds) if counts[n] < each.most]
            n = min(open_kinds, key=lambda n: self._price_of_gain(n, counts))
            counts[n] += 1
        for n in range(len(counts)):
            while counts[n]:
                counts[n] -= 1
                if not self._covers(counts):
                    counts[n] += 1
                    break
        return counts

    def _price_of_gain(self, n: int, counts: Sequence[int]) -> tuple[float, int]:
        """Price by what the next one of the type would cover of what is still missing."""
        gain = 0.0
        for place, want in enumerate(self._wanted):
            has = sum(k.amount[place] * c for k, c in zip(self.kinds, counts, strict=True))
            if want > has:
                gain += min(want - has, self.kinds[n].amount[place]) / want
        return (self.kinds[n].price / gain if gain else float("inf")), n

    def _covers(self, counts: Sequence[int]) -> bool:
        return all(
            sum(k.amount[place] * n for k, n in zip(self.kinds, counts, strict=True)) >= want
            for place, want in enumerate(self._wanted)
        )

    def _price(self, counts: Sequence[int]) -> int:
        return sum(each.price * n for each, n in zip(self.kinds, counts, strict=True))


def _needed(kind: InstanceType, left: Sequence[int]) -> int:
    """How many of the type alone cover what it can cover of the rest."""
    return max(
        (-(-want // has) for want, has in zip(left, kind.amount, strict=True) if has and want > 0),
        default=0,
    )


def resource_prices(
    kinds: Sequence[InstanceType], wanted: Sequence[int]
) -> tuple[list[float], list[float]]:
    """Prices of the resources at which no type is worth more than it costs, and a mix of parts.

    The linear programme max wanted·w with amount·w <= price for each type, by the simplex method:
    w = 0 is where it may begin. Its shadow prices are the numbers of instances of the relaxation.
    """
    rows, columns = len(kinds), len(wanted)
    table = [
        [*map(float, kind.amount), *(float(n == at) for n in range(rows)), float(kind.price)]
        for at, kind in enumerate(kinds)
    ]
    goal = [*(-float(each) for each in wanted), *([0.0] * rows), 0.0]
    basis = list(range(columns, columns + rows))
    for _ in range(50 * (rows + columns)):
        # Bland's rule: the first column that improves, so that it never goes in a circle.
        column = next((n for n in range(columns + rows) if goal[n] < -_TOLERANCE), None)
        if column is None:
            break
        able = [n for n in range(rows) if table[n][column] > _TOLERANCE]
        if not able:
            break  # A resource that no type has; it was taken off what is wanted.
        ratios = [(table[n][-1] / table[n][column], basis[n], n) for n in able]
        row = min(ratios)[-1]
        _pivot(table, goal, row, column)
        basis[row] = column
    weights = [0.0] * columns
    for at, column in enumerate(basis):
        if column < columns:
            weights[column] = max(0.0, table[at][-1])
    return _feasible(weights, kinds), [max(0.0, goal[columns + at]) for at in range(rows)]


def _pivot(table: list[list[float]], goal: list[float], row: int, column: int) -> None:
    divisor = table[row][column]
    table[row] = [each / divisor for each in table[row]]
    for line in (*(each for n, each in enumerate(table) if n != row), goal):
        factor = line[column]
        if factor:
            for n, each in enumerate(table[row]):
                line[n] -= factor * each


def _feasible(weights: list[float], kinds: Sequence[InstanceType]) -> list[float]:
    """The prices, lowered until no type is worth more than it costs: what floats missed."""
    worth = max(
        (
            sum(map(float.__mul__, weights, map(float, k.amount))) / k.price
            for k in kinds
            if k.price
        ),
        default=1.0,
    )
    return [each / worth for each in weights] if worth > 1 else weights
