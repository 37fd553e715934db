"""One task that asks for cpu and memory alone, on hosts that are all alike: the fullest that fits.

The one thing to know: where hosts have equal units and nothing but packing tells them apart, their
keys are in the order of their standing, which is a column already. So nothing is added up for all
hosts; only where rounding could part two hosts that stand together is the long way gone. The
answers are those of `scheduler.placement.search`.
"""

from typing import Final, NamedTuple

import numpy as np

from scheduler.model.ids import HostId
from scheduler.model.rules import FITNESS_MAX
from scheduler.placement.arrivals import arrive
from scheduler.placement.columns import FULLNESS_BITS, FULLNESS_SHIFT, RANK_BITS, Even
from scheduler.placement.index import Index
from scheduler.placement.outcome import Choice, Outcome, Parts, Reason
from scheduler.placement.prepared import Prepared
from scheduler.placement.request import Request
from scheduler.placement.slot import UNIT_BITS

_FULL: Final = (1 << FULLNESS_BITS) - 1
_BUCKET: Final = (1 << FULLNESS_SHIFT) - 1
_POINT_SHIFT: Final = UNIT_BITS + 1
"""Packing is the mean of two shares."""
NOWHERE: Final = Outcome((), None, 1)


class Score(NamedTuple):
    """What hosts of one packing have, as a reason names it."""

    fitness: int
    parts: Parts


class PlainTasks:
    """Single tasks of plain requests, and the scores of hosts that are all alike."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._even: Even | None = None
        self._scores: dict[int, dict[int, Score]] = {}
        """By manner of requests and packing."""

    def place(self, request: Request, manner: Prepared) -> Outcome | None:
        """A host for one task, `NOWHERE`, or None: this way does not serve here."""
        columns, need = self._index.columns, request.need
        even = columns.even()
        if even is None:
            return None
        allowed = self._index.allowed(manner)
        cpu, memory = max(0, need.cpu_milli), max(0, need.memory_mib)
        refuses = columns.cpu_open < cpu
        refuses |= columns.memory_free < memory
        keys = columns.standing.copy()
        np.putmask(keys, refuses, -1)
        if allowed is not None:
            keys[~allowed] = -1
        row = int(keys.argmax())
        key = keys.item(row)
        if key < 0:
            return NOWHERE
        asked = need.cpu_milli * even.cpu_unit + need.memory_mib * even.memory_unit
        keys[row] = -1
        next_row = int(keys.argmax())
        next_key = keys.item(next_row)
        if _is_parted(key, asked) or (next_key >= 0 and _is_parted(next_key, asked)):
            return None
        if self._even is not even:
            self._even = even
            self._scores.clear()
        scores = self._scores.get(manner.manner_number)
        if scores is None:
            scores = self._scores[manner.manner_number] = {}
        first = self._score(scores, manner, even, row, asked)
        runner_up: HostId | None = None
        second = _NO_SCORE
        if next_key >= 0:
            slot = columns.slots[next_row]
            assert slot is not None
            runner_up = slot.host_id
            second = self._score(scores, manner, even, next_row, asked)
        slot = columns.at(row)
        arrive(columns, request, slot, 1)
        reason = Reason(*first, runner_up, *second)
        return Outcome((Choice(slot.host_id),), reason, 0)

    def _score(
        self, scores: dict[int, Score], manner: Prepared, even: Even, row: int, asked: int
    ) -> Score:
        packing = (asked + even.packed.item(row)) >> _POINT_SHIFT
        score = scores.get(packing)
        if score is None:
            points = {"agent": even.agent, "packing": packing}
            parts = tuple([(name, points.get(name, FITNESS_MAX)) for name, _, _ in manner.parts])
            total = sum([points.get(name, FITNESS_MAX) * weight for name, weight, _ in manner.parts])
            fitness = total // manner.weight if manner.weight else 0
            score = scores[packing] = Score(fitness, parts)
        return score


_NO_SCORE: Final = Score(0, ())


def _is_parted(standing: int, asked: int) -> bool:
    """Whether hosts as full as this one, to the bit that is kept, may differ by a point."""
    fullness = (standing >> RANK_BITS) & _FULL
    lowest = (fullness << FULLNESS_SHIFT) + asked
    return fullness == _FULL or lowest >> _POINT_SHIFT != (lowest + _BUCKET) >> _POINT_SHIFT
