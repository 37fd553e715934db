"""How surprising each value of one metric is, from 0 to 1, by the values before it.

The one thing to know: what counts is a *record*. Three views of a series (the value, the median of
the last hour, the last two hours against up to sixteen before) are each held against the highest
and lowest they ever were; a number beyond them is the more surprising, the further beyond it is and
the longer nothing was. Nothing is assumed of the shape of the noise, a spike that comes daily is no
record, and one threshold serves all series. `docs/health-series.md` has the measurements, and what
was tried.
"""

from array import array
from bisect import bisect_left, insort
from typing import Final, NamedTuple

from projections.health.series_records import MEMORY_ROWS, Records
from projections.health.series_season import Season

HOUR_ROWS: Final = 12
"""Rows of the median: an hour, where a row is five minutes. All lengths here are in rows."""
NEAR_ROWS: Final = 24
FAR_ROWS: Final = 192
"""The mean of the near rows is compared with that of so many before them,"""
FAR_ROWS_MIN: Final = 96
"""and at the beginning with what there is, from so many on."""
KEPT_ROWS: Final = NEAR_ROWS + FAR_ROWS
HOLD_ROWS: Final = 96
"""So long a record of one view waits for those of the others: they see the same thing later. What
grows slowly is seen by the change alone, hours after the first value beyond."""
QUIET_ROWS: Final = 150
"""After a surprise so many rows have to pass before a lesser one is told: one incident is one
alarm."""
EXCEED: Final = 1.3
"""What is to be told within them has to be so many times as surprising."""
THRESHOLD: Final = 0.5
"""From this score on a row is an alarm."""


class Judged(NamedTuple):
    """What is said of one row."""

    score: float
    """From 0 to 1, and 0 for most rows."""
    view: str = ""
    """Which view was beyond what it had been: value, hour, change, or the same of the season."""
    number: float = 0.0
    """What that view showed."""
    margin: float = 0.0
    """How far beyond it was, in parts of its usual range."""


class _Seen(NamedTuple):
    view: str
    number: float
    margin: float


class _Mark(NamedTuple):
    row: int
    surprise: float
    seen: _Seen


QUIET: Final = Judged(0.0)
_NOTHING: Final = _Seen("", 0.0, 0.0)


class SeriesDetector:
    """One series. Its state has one size, however long the series is.

    With ``has_season`` a profile of day and week is learnt as well, some 4 KB more; it counts only
    while it explains the series clearly better than its level does.
    """

    __slots__ = ("_last", "_plain", "_row", "_season", "_seasonal", "_told")

    def __init__(self, *, has_season: bool = False) -> None:
        self._plain = _Views()
        self._season = Season() if has_season else None
        self._seasonal = _Views() if has_season else None
        self._row = 0
        self._last = -QUIET_ROWS
        self._told = 0.0

    def feed(self, value: float, at_s: float = 0.0) -> Judged:
        """How surprising this value is by those before it; ``at_s`` is its time, in seconds."""
        self._row += 1
        surprise, seen = self._plain.after(value)
        if self._season is not None and self._seasonal is not None:
            residual = self._season.after(value, at_s)
            if residual is not None:
                more, seasonal = self._seasonal.after(residual)
                if more > surprise and self._season.is_believed:
                    surprise = more
                    seen = seasonal._replace(view=f"{seasonal.view} against the season")
        if surprise <= 0.0:
            return QUIET
        if self._row - self._last > QUIET_ROWS:
            self._told = 0.0
        if surprise <= EXCEED * self._told:
            return QUIET
        self._told, self._last = surprise, self._row
        return Judged(surprise / (1.0 + surprise), *seen)


class _Views:
    """The three views of one series, and how surprising they are together."""

    __slots__ = (
        "_change",
        "_far_sum",
        "_hour",
        "_kept",
        "_level",
        "_marks",
        "_near_sum",
        "_newest",
        "_row",
        "_scatter",
        "_sorted",
        "_value",
    )

    def __init__(self) -> None:
        self._kept = array("d")
        self._newest = -1
        self._sorted: list[float] = []
        self._row = 0
        self._near_sum = self._far_sum = 0.0
        self._level = self._scatter = 0.0
        self._value = Records(1)
        self._hour = Records(HOUR_ROWS)
        self._change = Records(NEAR_ROWS)
        self._marks: tuple[list[_Mark], ...] | None = None
        """Of value, hour and change the records that still wait, strongest first, `HOLD_ROWS` at
        most, and few but where every record is weaker than the last; None while there are none."""

    def after(self, value: float) -> tuple[float, _Seen]:
        """The mean surprise of the views, and the one with the most of it."""
        scatter = self._scatter
        self._row += 1
        self._keep(value)
        new = self._value.after(value, scatter)
        if new:
            self._mark(0, new, _Seen("value", value, self._value.margin))
        if self._row >= HOUR_ROWS:
            middle = (self._sorted[HOUR_ROWS // 2 - 1] + self._sorted[HOUR_ROWS // 2]) / 2
            new = self._hour.after(middle, scatter)
            if new:
                self._mark(1, new, _Seen("hour", middle, self._hour.margin))
        if self._row >= NEAR_ROWS + FAR_ROWS_MIN:
            far_rows = min(self._row, KEPT_ROWS) - NEAR_ROWS
            change = self._near_sum / NEAR_ROWS - self._far_sum / far_rows
            new = self._change.after(change, scatter)
            if new:
                self._mark(2, new, _Seen("change", change, self._change.margin))
        part = max(1.0 / self._row, 1.0 / MEMORY_ROWS)
        distance = abs(value - self._level) if self._row > 1 else 0.0
        self._scatter += (distance - self._scatter) * part
        self._level += (value - self._level) * part
        return self._together() if self._marks else (0.0, _NOTHING)

    def _keep(self, value: float) -> None:
        """Take the value into the windows, and drop the oldest."""
        kept, row = self._kept, self._row
        if row > HOUR_ROWS:
            old = kept[(self._newest - HOUR_ROWS + 1) % len(kept)]
            del self._sorted[bisect_left(self._sorted, old)]
        insort(self._sorted, value)
        if row <= KEPT_ROWS:
            kept.append(value)
            self._newest = row - 1
            self._near_sum += value
            if row > NEAR_ROWS:
                between = kept[row - 1 - NEAR_ROWS]
                self._far_sum += between
                self._near_sum -= between
            if row == KEPT_ROWS:
                self._add_up()
            return
        at = self._newest = (self._newest + 1) % KEPT_ROWS
        between = kept[at - NEAR_ROWS]
        self._far_sum += between - kept[at]
        self._near_sum += value - between
        kept[at] = value
        if at == KEPT_ROWS - 1:
            self._add_up()  # What rounding has left in the sums does not grow.

    def _add_up(self) -> None:
        self._far_sum = sum(self._kept[:FAR_ROWS])
        self._near_sum = sum(self._kept[FAR_ROWS:])

    def _mark(self, view: int, surprise: float, seen: _Seen) -> None:
        if self._marks is None:
            self._marks = ([], [], [])
        waiting = self._marks[view]
        # A weaker record that is older as well is never the strongest again.
        while waiting and waiting[-1].surprise <= surprise:
            waiting.pop()
        waiting.append(_Mark(self._row, surprise, seen))

    def _together(self) -> tuple[float, _Seen]:
        """The mean of the strongest records of the views that still wait."""
        marks = self._marks
        assert marks is not None, "there is something to put together"
        oldest = self._row - HOLD_ROWS
        total = most = 0.0
        seen = _NOTHING
        for waiting in marks:
            while waiting and waiting[0].row <= oldest:
                del waiting[0]
            if waiting:
                strongest = waiting[0]
                total += strongest.surprise
                if strongest.surprise > most:
                    most, seen = strongest.surprise, strongest.seen
        if not most:
            self._marks = None
        return total / len(marks), seen
