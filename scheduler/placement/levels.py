"""What a balance gives each value as tasks come one by one: a table of steps between levels.

The one thing to know: what values are worth follows from how far apart their counts are, and the
same few differences come again with every job. So each is a level, a task on a value leads to
another level, and both are worked out once; the numbers are those of `scheduler.placement.scales`.
"""

from collections.abc import Sequence
from typing import Final

from scheduler.placement.columns import SUM_SHIFT
from scheduler.placement.prepared import Prepared
from scheduler.placement.scales import FORBIDDEN, Scale

_LEVELS_MAX: Final = 512
_LADDERS_MAX: Final = 64
_NOT_KNOWN: Final = -1


class Ladder:
    """All levels that came up so far for some values; a level is a place in the lists."""

    __slots__ = ("_gaps", "_number_of", "_scale", "_values", "after", "worths")

    def __init__(self, scale: Scale, values: Sequence[str | None]) -> None:
        self._scale = scale
        self._values = values
        self._number_of: dict[tuple[int, ...], int] = {}
        self._gaps: list[tuple[int, ...]] = []
        self.worths: list[list[int]] = []
        """By level and place among the values: what is added to keys; below 0: nothing may go."""
        self.after: list[list[int]] = []
        """By level and place: the level with one task more there; below 0: ask `step`."""

    def begin(self, counts: Sequence[int]) -> int:
        """The level at these counts, in the order of the scale's."""
        if len(self._gaps) >= _LEVELS_MAX:
            self._number_of.clear()
            self._gaps, self.worths, self.after = [], [], []
        return self._number(counts)

    def step(self, level: int, place: int) -> int:
        """The level after one task more at this place among the values."""
        counts = list(self._gaps[level])
        value = self._values[place]
        if value in self._scale.counts:
            counts[list(self._scale.counts).index(value)] += 1
        found = self.after[level][place] = self._number(counts)
        return found

    def _number(self, counts: Sequence[int]) -> int:
        least = min(counts, default=0)
        gaps = tuple([count - least for count in counts])
        number = self._number_of.get(gaps)
        if number is None:
            number = self._number_of[gaps] = len(self._gaps)
            self._gaps.append(gaps)
            scale = self._scale
            scale.counts = dict(zip(scale.counts, gaps, strict=True))
            scale.weigh()
            found = [scale.of(value) for value in self._values]
            self.worths.append([FORBIDDEN if each < 0 else each << SUM_SHIFT for each in found])
            self.after.append([_NOT_KNOWN] * len(self._values))
        return number


def ladder_of(prepared: Prepared, scale: Scale, values: tuple[str | None, ...]) -> Ladder:
    """The ladder of the request's manner for this scale and the values of its partitions."""
    key = (*scale.counts, scale.weight, scale.is_hard, values)
    known = prepared.levels.get(key)
    if not isinstance(known, Ladder):
        if len(prepared.levels) >= _LADDERS_MAX:
            prepared.levels.clear()
        own = Scale(dict(scale.counts), prepared, scale.weight, is_hard=scale.is_hard)
        known = prepared.levels[key] = Ladder(own, values)
    return known
