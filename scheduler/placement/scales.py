"""What balances are worth: how many tasks of a job each value has, and what that gives its hosts.

The one thing to know: what a balance is worth is defined in `scheduler.constraints.moving`; here it
is counted for all values at once, and kept by how far apart the counts are.
"""

from typing import Final

from scheduler.model.rules import FITNESS_MAX
from scheduler.placement.columns import Array, Columns
from scheduler.placement.prepared import Prepared

FORBIDDEN: Final = -1
"""Worth of a value to which a hard balance sends nothing now."""
FEW: Final = 8
"""Of so many values the worth is kept by how far apart their counts are: the same come again."""
_WORTHS_MAX: Final = 512
_SCALES_MAX: Final = 64


class Scale:
    """One balanced attribute: how many tasks of the job each value has, and what a value is worth.

    Values that take no work now are not on the scale; they have no worth and no hosts.
    """

    __slots__ = ("_known", "_prepared", "counts", "is_hard", "otherwise", "weight", "worth")

    def __init__(
        self, counts: dict[str, int], prepared: Prepared, weight: int, *, is_hard: bool
    ) -> None:
        self.counts = counts
        self._prepared = prepared
        self.weight = weight
        self.is_hard = is_hard
        self.otherwise = FORBIDDEN if is_hard else 0
        """The worth of values that are not on the scale."""
        self._known: dict[tuple[int, ...], dict[str | None, int]] | None = None
        if len(counts) <= FEW:
            if len(prepared.worths) >= _SCALES_MAX:
                prepared.worths.clear()
            self._known = prepared.worths.setdefault((tuple(counts), weight, is_hard), {})
        self.worth: dict[str | None, int] = {}
        self.weigh()

    def weigh(self) -> None:
        """Work out anew what each value is worth: the least full most, by rank."""
        if self._known is None:
            self.worth = self._weighed()
            return
        values = self.counts.values()
        least = min(values, default=0)
        key = tuple([count - least for count in values])
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _WORTHS_MAX:
                self._known.clear()
            known = self._known[key] = self._weighed()
        self.worth = known

    def _weighed(self) -> dict[str | None, int]:
        ranks = sorted(set(self.counts.values()))
        if not ranks:
            return {}
        by_count = dict(zip(ranks, self._shares_of(len(ranks) - 1), strict=True))
        return {value: by_count[count] for value, count in self.counts.items()}

    def _shares_of(self, steps: int) -> list[int]:
        """What each rank is worth where there are so many steps from the first to the last."""
        shares = [
            self._prepared.soft_share(self.weight, _points(rank, steps))
            for rank in range(steps + 1)
        ]
        if self.is_hard and steps > 0:
            shares[-1] = FORBIDDEN
        return shares

    def of(self, value: str | None) -> int:
        """What the value adds to the weighted sum of its hosts; below 0: nothing may go there."""
        return self.worth.get(value, self.otherwise)

    def add(self, value: str | None) -> bool:
        """One task more is there; whether that changes what values are worth."""
        if value not in self.counts:
            return False
        self.counts[value] += 1
        self.weigh()
        return True


class Partition:
    """Hosts with equal values of all balanced attributes."""

    __slots__ = ("best", "key", "keys", "rows", "values")

    def __init__(self, values: tuple[str | None, ...], rows: Array, keys: Array) -> None:
        self.values = values
        self.rows = rows
        self.keys = keys
        self.best = 0
        self.key = -1
        self.find()

    def find(self) -> None:
        """Look for the best host anew."""
        self.best = int(self.keys.argmax())
        self.key = self.keys.item(self.best)


def scales(columns: Columns, prepared: Prepared) -> list[Scale]:
    """A scale for each balanced attribute of the request, as tasks stand now."""
    made = []
    for name, is_hard, weight in prepared.balances:
        there = columns.counts(prepared.request.job_id, name)
        counts = {value: there.get(value, 0) for value in columns.values(name)}
        made.append(Scale(counts, prepared, weight, is_hard=is_hard))
    return made


def worth_of(scales: list[Scale], values: tuple[str | None, ...]) -> int:
    """What all balances together give to hosts with these values; below 0: refused."""
    total = 0
    for scale, value in zip(scales, values, strict=True):
        worth = scale.of(value)
        if worth < 0:
            return FORBIDDEN
        total += worth
    return total


def _points(rank: int, steps: int) -> int:
    return FITNESS_MAX * (steps - rank) // steps if steps > 0 else FITNESS_MAX
