"""How surprising it is that a number is beyond all that it was: one view of one series.

The one thing to know: a new highest of n numbers has a chance of 1/n whatever their distribution,
and the chance that it is beyond by a margin falls with the margin. So the surprise grows with
log n and with the margin; the margin is in parts of the range so far, so that series that always
were wild are not more suspicious than quiet ones.
"""

from math import log, sqrt
from typing import Final

NEW_PART: Final = 0.1
"""What a record is worth by itself, beside the root of its margin. From 0 to 0.3 was tried."""
MARGIN_MAX: Final = 1.0
"""A margin of the whole range is as surprising as can be; one of ten ranges no more."""
SCATTER_PARTS: Final = 6.0
"""The usual distance from the level counts as part of the range, so often: a median of numbers
that come in steps has next to no range. From 0 to 10 was tried, and makes little difference."""
LEARNT_ROWS: Final = 10
"""The first numbers are records of nothing."""
MEMORY_ROWS: Final = 20_000
"""What was before the last 20,000 to 40,000 rows is forgotten: ten weeks, of five minutes."""
_SMALLEST: Final = 1e-9
"""Of a number, what sums of it may be wrong by."""


class Records:
    """The highest and lowest of a view, whose numbers are made of ``width`` rows each."""

    __slots__ = (
        "_high_before",
        "_in_block",
        "_low_before",
        "_width",
        "high",
        "low",
        "margin",
        "seen",
    )

    def __init__(self, width: int) -> None:
        self._width = width
        self.high = self._high_before = -float("inf")
        self.low = self._low_before = float("inf")
        self.seen = 0
        self.margin = 0.0
        """Of the last record, in parts of the range."""
        self._in_block = 0

    def after(self, value: float, scatter: float) -> float:
        """The surprise of this number, 0 for most; from now on it belongs to the past."""
        self.seen += 1
        self._in_block += 1
        if self._in_block > MEMORY_ROWS:
            self._forget(value)
        high, low = max(self.high, self._high_before), min(self.low, self._low_before)
        if low <= value <= high:
            if value > self.high:
                self.high = value
            elif value < self.low:
                self.low = value
            return 0.0
        beyond = value - high if value > high else low - value
        self.high, self.low = max(self.high, value), min(self.low, value)
        if self.seen <= LEARNT_ROWS + 1:
            return 0.0
        usual = high - low + SCATTER_PARTS * scatter
        least = _SMALLEST * max(abs(high), abs(low))
        if beyond <= least:
            return 0.0
        self.margin = MARGIN_MAX if usual <= least else min(beyond / usual, MARGIN_MAX)
        independent = (self.seen + self._width - 1) / self._width
        return log(independent) * (NEW_PART + sqrt(self.margin))

    def _forget(self, value: float) -> None:
        self._high_before, self._low_before = self.high, self.low
        self.high = self.low = value
        self.seen, self._in_block = MEMORY_ROWS + 1, 1
