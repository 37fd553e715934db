"""Good and bad events by time: minutes of the last hours, hours of the last thirty days.

The one thing to know: only minutes and hours in which something happened are kept, and no more of
them than the longest window needs. So memory has a bound, and a sum costs at most some hundred
additions. A window begins at a whole minute, or at a whole hour where it is longer than six.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from projections.slo.objectives import HOUR_MS, MINUTE_MS, PERIOD_MS

FINE_MS: Final = 6 * HOUR_MS + 10 * MINUTE_MS
"""Minutes are kept for as long as the longest window that is counted in them, and a little."""
FINE_WINDOW_MS: Final = 6 * HOUR_MS


class Sums(NamedTuple):
    """Events of a window."""

    total: int = 0
    bad: int = 0
    other: int = 0
    """Of the good ones those that are told apart: ends by the task's own fault."""


class Buckets(msgspec.Struct):
    """The counts of one objective in one scope."""

    minutes: dict[int, tuple[int, int, int]] = {}
    """By number of the minute since 1970, ascending."""
    hours: dict[int, tuple[int, int, int]] = {}
    last_bad_ms: int = 0

    def add(self, at_ms: int, total: int, bad: int = 0, other: int = 0) -> None:
        """Count events of this instant."""
        for buckets, span_ms, kept_ms in (
            (self.minutes, MINUTE_MS, FINE_MS),
            (self.hours, HOUR_MS, PERIOD_MS + HOUR_MS),
        ):
            number = at_ms // span_ms
            known = buckets.get(number, (0, 0, 0))
            buckets[number] = (known[0] + total, known[1] + bad, known[2] + other)
            oldest = (at_ms - kept_ms) // span_ms
            while (first := next(iter(buckets))) < oldest:
                del buckets[first]
        if bad:
            self.last_bad_ms = at_ms

    def sums(self, to_ms: int, window_ms: int) -> Sums:
        """The events of the window that ends at this instant."""
        is_fine = window_ms <= FINE_WINDOW_MS and self._knows_minutes(to_ms, window_ms)
        span_ms = MINUTE_MS if is_fine else HOUR_MS
        buckets = self.minutes if is_fine else self.hours
        last = to_ms // span_ms
        first = min((to_ms - window_ms) // span_ms, last - 1)
        total = bad = other = 0
        for counts in _within(buckets, first, last):
            total, bad, other = total + counts[0], bad + counts[1], other + counts[2]
        return Sums(total, bad, other)

    def _knows_minutes(self, to_ms: int, window_ms: int) -> bool:
        """Whether the window's minutes are still there; of what is longer ago only hours are."""
        newest = next(reversed(self.minutes), 0) * MINUTE_MS
        return to_ms - window_ms > newest - FINE_MS

    @property
    def first_ms(self) -> int:
        """The beginning of the first hour that is known; 0 where nothing is."""
        return next(iter(self.hours), 0) * HOUR_MS


def _within(
    buckets: dict[int, tuple[int, int, int]], first: int, last: int
) -> Iterator[tuple[int, int, int]]:
    """The counts behind bucket ``first`` up to ``last``, newest first."""
    for number in reversed(buckets):
        if number <= first:
            return
        if number <= last:
            yield buckets[number]
