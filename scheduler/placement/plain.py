"""One task that asks for cpu and memory alone, on hosts that are all alike: the fullest that fits.

The one thing to know: where hosts have equal units and nothing but packing tells them apart, their
keys are in the order of their standing, which is a column already. So nothing is added up for all
hosts; only where rounding could part two hosts that stand together is the long way gone. The
answers are those of `scheduler.placement.search`.
"""

from typing import Final

import numpy as np

from scheduler.model.rules import FITNESS_MAX
from scheduler.placement.arrivals import arrive
from scheduler.placement.columns import FULLNESS_BITS, FULLNESS_SHIFT, RANK_BITS, Even
from scheduler.placement.index import Index
from scheduler.placement.outcome import Choice, Outcome, Parts, Reason
from scheduler.placement.prepared import Flags, Prepared
from scheduler.placement.request import Request
from scheduler.placement.slot import UNIT_BITS

_FULL: Final = (1 << FULLNESS_BITS) - 1
_BUCKET: Final = (1 << FULLNESS_SHIFT) - 1
POINT_SHIFT: Final = UNIT_BITS + 1
"""Packing is the mean of two shares."""
NOWHERE: Final = Outcome((), None, 1)
_KEPT: Final = "scores"
"""Under this name `Prepared.levels` has the scores for requests of a manner."""


class PlainTasks:
    """Single tasks of plain requests."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._cpu, self._memory = np.zeros((), np.int64), np.zeros((), np.int64)
        self._fits, self._has_memory = np.zeros(0, np.bool_), np.zeros(0, np.bool_)

    def place(self, request: Request, manner: Prepared) -> Outcome | None:
        """A host for one task, `NOWHERE`, or None: this way does not serve here."""
        columns, need = self._index.columns, request.need
        even = columns.even()
        if even is None:
            return None
        fits = self._fitting(need.cpu_milli, need.memory_mib)
        allowed = self._index.allowed(manner)
        if allowed is not None:
            fits &= allowed
        keys = columns.standing * fits
        row = int(keys.argmax())
        key = keys.item(row)
        if not key and not fits.any():
            return NOWHERE
        keys[row] = 0
        next_row = int(keys.argmax())
        next_key = keys.item(next_row)
        asked = need.cpu_milli * even.cpu_unit + need.memory_mib * even.memory_unit
        # A key of 0 is a host that does not fit, or the very last of those that do.
        if not key or not next_key or _is_parted(key, asked) or _is_parted(next_key, asked):
            return None
        scores, packed = scores_of(manner, even), even.packed
        first, second = columns.slots[row], columns.slots[next_row]
        assert first is not None
        assert second is not None
        reason = Reason(
            *scores.of((asked + packed.item(row)) >> POINT_SHIFT),
            second.host_id,
            *scores.of((asked + packed.item(next_row)) >> POINT_SHIFT),
        )
        arrive(columns, request, first, 1)
        return Outcome((Choice(first.host_id),), reason, 0)

    def _fitting(self, cpu_milli: int, memory_mib: int) -> Flags:
        """The rows with so much free, to be read before the next question.

        Arrays of one number, and of answers, that are used again cost half of new ones.
        """
        columns = self._index.columns
        if len(self._fits) != columns.length:
            self._fits = np.zeros(columns.length, np.bool_)
            self._has_memory = np.zeros(columns.length, np.bool_)
        self._cpu[()] = max(0, cpu_milli)
        np.greater_equal(columns.cpu_open, self._cpu, self._fits)
        if memory_mib > 0:
            self._memory[()] = memory_mib
            np.greater_equal(columns.memory_free, self._memory, self._has_memory)
            np.logical_and(self._fits, self._has_memory, self._fits)
        return self._fits


class Scores:
    """What hosts have for requests of one manner, by their packing."""

    __slots__ = ("_after", "_before", "_manner", "even", "fixed", "known", "weight")

    def __init__(self, manner: Prepared, even: Even) -> None:
        self._manner = manner
        self.even = even
        points = {"agent": even.agent}
        parts = [(name, points.get(name, FITNESS_MAX)) for name, _, _ in manner.parts]
        at = [name for name, _ in parts].index("packing")
        self._before, self._after = tuple(parts[:at]), tuple(parts[at + 1 :])
        self.weight = manner.of_amounts[0][0]
        self.fixed = sum(
            [points.get(name, FITNESS_MAX) * weight for name, weight, _ in manner.parts]
        )
        self.fixed -= FITNESS_MAX * self.weight
        """What the other parts add to the weighted sum of any host."""
        self.known: dict[int, tuple[int, Parts]] = {}
        """What `of` has answered."""

    def of(self, packing: int) -> tuple[int, Parts]:
        """Fitness and parts, as a reason names them."""
        score = self.known.get(packing)
        if score is None:
            fitness = (self.fixed + packing * self.weight) // self._manner.weight
            parts = (*self._before, ("packing", packing), *self._after)
            score = self.known[packing] = (fitness, parts)
        return score


def scores_of(prepared: Prepared, even: Even) -> Scores:
    """The scores of hosts for requests of this manner, kept while hosts stay alike."""
    kept = prepared.levels.get(_KEPT)
    if not isinstance(kept, Scores) or kept.even is not even:
        kept = prepared.levels[_KEPT] = Scores(prepared, even)
    return kept


def _is_parted(standing: int, asked: int) -> bool:
    """Whether hosts as full as this one, to the bit that is kept, may differ by a point."""
    fullness = (standing >> RANK_BITS) & _FULL
    lowest = (fullness << FULLNESS_SHIFT) + asked
    return fullness == _FULL or lowest >> POINT_SHIFT != (lowest + _BUCKET) >> POINT_SHIFT
