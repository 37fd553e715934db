"""Whether it is the right time, by the clocks of a place, and when it will be.

The one thing to know: the last hour of a window is included to its end, as in Titus. All of it is
told from the log's clock and from rules that stand in the log, so a replay decides the same.
"""

from collections.abc import Sequence
from typing import Final

from scheduler.model.disruption import HOUR_MS, Hours, Window
from scheduler.model.time_zones import UTC_RULE, WallTime, wall_time

_QUARTER_MS: Final = HOUR_MS // 4
"""Every zone's clock is ahead of UTC by whole quarters of an hour, so hours begin on them."""
_LOOKED_AHEAD: Final = 4 * 24 * 8
"""Quarters of eight days: a window that has not opened by then opens never."""


def is_open(windows: Sequence[Window], at_ms: int) -> bool:
    """Whether any of the windows is open; without windows it is always the right time."""
    return not windows or any(_is_open(each, at_ms) for each in windows)


def opens_at_ms(windows: Sequence[Window], at_ms: int) -> int | None:
    """When one of the windows is open next, from ``at_ms`` on; None where none ever is."""
    if is_open(windows, at_ms):
        return at_ms
    begin_ms = at_ms - at_ms % _QUARTER_MS
    for step in range(1, _LOOKED_AHEAD):
        then_ms = begin_ms + step * _QUARTER_MS
        if is_open(windows, then_ms):
            return then_ms
    return None


def _is_open(window: Window, at_ms: int) -> bool:
    there = wall_time(window.rule or UTC_RULE, at_ms)
    if window.days and there.weekday not in window.days:
        return False
    return not window.hours or any(_includes(each, there) for each in window.hours)


def _includes(hours: Hours, there: WallTime) -> bool:
    return hours.first <= there.hour <= hours.last
