"""Zone and attribute balance: the best host of each value, and the value that is next.

The one thing to know: hosts with equal values of the balanced attributes differ only by their own
keys. So each such partition keeps its best host, and a task goes to the partition whose best host
and whose balance together stand highest. What a balance is worth is defined in
`scheduler.constraints.moving`; here it is counted for all values at once.
"""

from typing import Final

from scheduler.model.rules import FITNESS_MAX
from scheduler.placement.columns import SUM_MASK, SUM_SHIFT, Array, Columns
from scheduler.placement.index import Index, total_of
from scheduler.placement.outcome import Choice
from scheduler.placement.prepared import Prepared
from scheduler.placement.reasons import Standing, standing_of
from scheduler.placement.search import Found
from scheduler.placement.steps import Steps

FORBIDDEN: Final = -1
"""Worth of a value to which a hard balance sends nothing now."""
_FEW: Final = 8
"""Of so many values the worth is kept by how far apart their counts are: the same come again."""
_WORTHS_MAX: Final = 512
_SCALES_MAX: Final = 64


class Scale:
    """One balanced attribute: how many tasks of the job each value has, and what a value is worth.

    Values that take no work now are not on the scale; they have no worth and no hosts.
    """

    __slots__ = ("_known", "_prepared", "_weight", "counts", "is_hard", "otherwise", "worth")

    def __init__(
        self, counts: dict[str, int], prepared: Prepared, weight: int, *, is_hard: bool
    ) -> None:
        self.counts = counts
        self._prepared = prepared
        self._weight = weight
        self.is_hard = is_hard
        self.otherwise = FORBIDDEN if is_hard else 0
        """The worth of values that are not on the scale."""
        self._known: dict[tuple[int, ...], dict[str | None, int]] | None = None
        if len(counts) <= _FEW:
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
            self._prepared.soft_share(self._weight, _points(rank, steps))
            for rank in range(steps + 1)
        ]
        if self.is_hard and steps > 0:
            shares[-1] = FORBIDDEN
        return shares

    def of(self, value: str | None) -> int:
        """What the value adds to the weighted sum of its hosts; below 0: nothing may go there."""
        return self.worth.get(value, self.otherwise)

    def add(self, value: str | None) -> None:
        """One task more is there."""
        if value in self.counts:
            self.counts[value] += 1
            self.weigh()


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


def fill_balanced(
    index: Index, prepared: Prepared, keys: Array, count: int, choices: list[Choice]
) -> Found:
    """Put up to ``count`` tasks on the best hosts, the balances looked at anew after each."""
    columns = index.columns
    names = tuple(name for name, _, _ in prepared.balances)
    partitions = [Partition(values, rows, keys[rows]) for values, rows in columns.partitions(names)]
    balances = scales(columns, prepared)
    first = second = None
    steps = Steps(index, prepared)
    try:
        for number in range(count):
            best, best_worth, second_place = _best(partitions, balances, prepared.cap)
            if best is None:
                break
            slot = columns.at(best.rows.item(best.best))
            if not number:
                first = standing_of(index, prepared, slot, best.key, best_worth)
                other = partitions[second_place] if second_place >= 0 else None
                second = _second(index, prepared, balances, best, other)
            key = steps.take(slot, best.key, choices)
            best.keys[best.best] = key
            if key >= best.key:
                best.key = key  # Others of the partition did not change: it is still their best.
            else:
                best.find()
            for place, scale in enumerate(balances):
                scale.add(best.values[place])
    finally:
        steps.finish()
    return Found(first, second)


def _best(
    partitions: list[Partition], balances: list[Scale], cap: int | None
) -> tuple[Partition | None, int, int]:
    """The partition that is next, what balances give it, and the second best's place or -1."""
    best: Partition | None = None
    best_key = second_key = -1
    best_worth, second = 0, -1
    best_place = -1
    alone = balances[0] if len(balances) == 1 else None
    for place, each in enumerate(partitions):
        if each.key < 0:
            continue
        if alone is not None:
            worth = alone.worth.get(each.values[0], alone.otherwise)
        else:
            worth = worth_of(balances, each.values)
        if worth < 0:
            continue
        key = each.key + (worth << SUM_SHIFT)
        if cap is not None and total_of(key) > cap:
            key = (key & ~(SUM_MASK << SUM_SHIFT)) | cap << SUM_SHIFT
        if key > best_key:
            second, second_key = best_place, best_key
            best, best_key, best_worth, best_place = each, key, worth, place
        elif key > second_key:
            second, second_key = place, key
    return best, best_worth, second


def _second(
    index: Index,
    prepared: Prepared,
    balances: list[Scale],
    best: Partition,
    other: Partition | None,
) -> Standing | None:
    """The runner-up: the best of another partition, or the second of the best one."""
    kept = best.keys.item(best.best)
    best.keys[best.best] = -1
    within = int(best.keys.argmax())
    rivals = [(best, within)] if other is None else [(best, within), (other, other.best)]
    found: list[tuple[int, int, Partition, int]] = []
    for each, place in rivals:
        key = each.keys.item(place)
        worth = worth_of(balances, each.values)
        if key >= 0:
            found.append((key + (worth << SUM_SHIFT), place, each, worth))
    best.keys[best.best] = kept
    if not found:
        return None
    _, place, partition, worth = max(found, key=lambda each: each[0])
    slot = index.columns.at(partition.rows.item(place))
    return standing_of(index, prepared, slot, partition.keys.item(place), worth)


def _points(rank: int, steps: int) -> int:
    return FITNESS_MAX * (steps - rank) // steps if steps > 0 else FITNESS_MAX
