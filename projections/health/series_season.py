"""What a series usually is at this time of the day and week, learnt as it goes.

The one thing to know: the profile is believed only while it explains the series clearly better
than its level does; most metrics of hosts have no season, and one that is made up only adds noise.
"""

from array import array
from math import isnan, nan
from typing import Final

DAY_S: Final = 86_400
WEEK_S: Final = 7 * DAY_S
SLOT_S: Final = 1_800
"""Half an hour: 48 slots a day."""
DAY_PART: Final = 0.3
WEEK_PART: Final = 0.4
"""So much of a slot's profile is what it was today."""
ERROR_PART: Final = 1 / 1_000
LEVEL_PART: Final = 3 / 1_000
CLEARLY: Final = 0.5
"""A profile is believed where its errors are half those of the level, or less."""
DAYS_MIN: Final = 4
WEEKS_MIN: Final = 2


class Season:
    """The profiles of day and week of one series, and how well they explain it."""

    __slots__ = (
        "_day",
        "_day_error",
        "_first_s",
        "_level",
        "_level_error",
        "_week",
        "_week_error",
        "is_believed",
    )

    def __init__(self) -> None:
        self._day = array("d", [nan]) * (DAY_S // SLOT_S)
        self._week = array("d", [nan]) * (WEEK_S // SLOT_S)
        self._level = nan
        self._first_s = nan
        self._level_error = self._day_error = self._week_error = 0.0
        self.is_believed = False
        """Whether the profile explains the series better than its level."""

    def after(self, value: float, at_s: float) -> float | None:
        """How far the value is from its profile; None while there is none."""
        if isnan(self._level):
            self._level, self._first_s = value, at_s
        day, week = int(at_s % DAY_S) // SLOT_S, int(at_s % WEEK_S) // SLOT_S
        by_level = value - self._level
        by_day, by_week = value - self._day[day], value - self._week[week]
        self._level_error += ERROR_PART * (abs(by_level) - self._level_error)
        self._level += by_level * LEVEL_PART
        residual: float | None = None
        days = (at_s - self._first_s) / DAY_S
        if isnan(by_day):
            self._day[day] = value
        else:
            self._day_error += ERROR_PART * (abs(by_day) - self._day_error)
            self._day[day] += DAY_PART * by_day
            if days >= DAYS_MIN:
                residual = by_day
        if isnan(by_week):
            self._week[week] = value
        else:
            self._week_error += ERROR_PART * (abs(by_week) - self._week_error)
            self._week[week] += WEEK_PART * by_week
        self.is_believed = residual is not None and self._day_error < CLEARLY * self._level_error
        if days >= 7 * WEEKS_MIN and not isnan(by_week):
            residual = by_week
            self.is_believed = self._week_error < CLEARLY * self._level_error
        return residual
