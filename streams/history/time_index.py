"""Where in a log a time was reached: the running maximum of records' times, every now and then.

The one thing to know: an entry stands for all records up to the next one, so an answer of the
index is a place to begin to look, never the answer itself.
"""

from array import array
from bisect import bisect_left
from typing import Final

EVERY_RECORDS: Final = 256
"""Sixteen bytes for each 256 records; looking through as many takes a tenth of a millisecond."""


class TimeIndex:
    """The running maximum of a log, from an offset on, as far as it was read."""

    def __init__(self, first_offset: int, at_ms_max: int) -> None:
        self.end_offset = first_offset
        """The offset of the record that is noted next."""
        self.at_ms_max = at_ms_max
        """The largest time of all records below the end."""
        self._first_offset = first_offset
        self._offsets = array("q")
        self._maxima = array("q")

    def note(self, offset: int, at_ms: int) -> None:
        """Take in the next record."""
        assert offset >= self.end_offset, "records are noted in order"
        if (offset - self._first_offset) % EVERY_RECORDS == 0:
            self._offsets.append(offset)
            self._maxima.append(self.at_ms_max)
        self.at_ms_max = max(self.at_ms_max, at_ms)
        self.end_offset = offset + 1

    def before(self, at_ms: int) -> tuple[int, int] | None:
        """Where to begin to look for the first record that reaches this time.

        An offset at or before it, and the maximum of all records below that offset. None where
        no record that was noted reaches it.
        """
        if self.at_ms_max < at_ms or not self._offsets:
            return None
        found = max(0, bisect_left(self._maxima, at_ms) - 1)
        return self._offsets[found], self._maxima[found]
