"""Schedules of cron jobs: read from their text, and the next instant that one names.

The one thing to know: everything follows from the text and from the zone's rule, which both stand
in the log; no file of a computer is read, and no clock. So the fold itself finds the next firing,
and a replay finds the same.

| the clocks | fixed hour, like ``30 2 * * *`` | each hour, like ``*/10 * * * *`` |
| --- | --- | --- |
| go forward, the time is left out | fires once, when they have changed | has no firing then |
| go back, the time comes twice | fires the first time | fires both times |

These are the rules of Vixie's cron: what runs every hour follows elapsed time, what runs at an
hour runs once a day.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final

import msgspec

from scheduler.model.time_zones import offset_s

SCHEDULE_BYTES_MAX: Final = 200
YEARS_AHEAD_MAX: Final = 9
"""29 February comes after eight years where a century leaves one out."""

_WORDS: Final[Mapping[str, str]] = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS: Final = (
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
)
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_VALUE: Final = r"[0-9]{1,2}|[a-z]{3}"
_PART: Final = re.compile(
    rf"(?P<first>\*|{_VALUE})(?:-(?P<last>{_VALUE}))?(?:/(?P<step>[0-9]{{1,2}}))?", re.ASCII
)
_LONGEST: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class BadSchedule(ValueError):
    """The text is no schedule; says which field and why."""


class _Field(msgspec.Struct, frozen=True):
    name: str
    lowest: int
    highest: int
    words: tuple[str, ...] = ()
    first_word: int = 0


_FIELDS: Final = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS, 1),
    _Field("day of the week", 0, 7, _DAYS),
)


class Schedule(msgspec.Struct, frozen=True):
    """The times that a schedule names, field by field, each sorted."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """0 is Sunday."""
    is_any_day: bool
    """Whether both kinds of day must fit; where both are restricted, one of them is enough."""
    is_every_hour: bool
    """Whether it follows elapsed time when clocks are changed."""

    def is_on(self, day: date) -> bool:
        """Whether it fires on this day at all."""
        if day.month not in self.months:
            return False
        of_month, of_week = day.day in self.days, (day.weekday() + 1) % 7 in self.weekdays
        return of_month and of_week if self.is_any_day else of_month or of_week


@lru_cache(maxsize=1_024)
def schedule_of(text: str) -> Schedule:
    """The schedule that ``text`` writes; raises `BadSchedule` with what is wrong."""
    words = text.strip().lower()
    if words.startswith("@"):
        if words not in _WORDS:
            raise BadSchedule(f"knows no word {words}; known are {', '.join(sorted(_WORDS))}")
        words = _WORDS[words]
    parts = words.split()
    if len(parts) != len(_FIELDS):
        raise BadSchedule(f"has {len(parts)} fields; five are needed, as in '30 2 * * mon-fri'")
    minutes, hours, days, months, weekdays = (
        _values(field, part) for field, part in zip(_FIELDS, parts, strict=True)
    )
    schedule = Schedule(
        minutes=tuple(sorted(minutes)),
        hours=tuple(sorted(hours)),
        days=frozenset(days),
        months=frozenset(months),
        weekdays=frozenset(each % 7 for each in weekdays),
        is_any_day=parts[2].startswith("*") or parts[4].startswith("*"),
        is_every_hour=parts[0].startswith("*") or parts[1].startswith("*"),
    )
    is_never = all(_LONGEST[month - 1] < min(days) for month in months)
    if is_never and schedule.is_any_day:
        raise BadSchedule("names days that none of its months has, so it would never fire")
    return schedule


def next_firing_ms(text: str, zone_rule: str, after_ms: int) -> int | None:
    """The first instant after ``after_ms`` that the schedule names; None where none comes."""
    return next(firings(text, zone_rule, after_ms), None)


def firings(text: str, zone_rule: str, after_ms: int) -> Iterator[int]:
    """The instants that the schedule names, one after the other, each later than ``after_ms``."""
    schedule = schedule_of(text)
    # A day before: clocks that are changed may move a firing over midnight.
    day = _local(after_ms // 1_000, zone_rule).date() - timedelta(days=1)
    last = day.year + YEARS_AHEAD_MAX
    told_ms = after_ms
    while day.year <= last:
        if schedule.is_on(day):
            for at_ms in _of_day(schedule, zone_rule, day):
                if at_ms > told_ms:
                    told_ms = at_ms
                    yield at_ms
        day += timedelta(days=1)


def _of_day(schedule: Schedule, zone_rule: str, day: date) -> list[int]:
    """The instants of one day of the calendar, in order, each once."""
    midnight_s = (datetime(day.year, day.month, day.day, tzinfo=UTC) - _EPOCH) // _SECOND
    found: set[int] = set()
    for hour in schedule.hours:
        for minute in schedule.minutes:
            wall_s = midnight_s + hour * 3_600 + minute * 60
            instants = _instants(wall_s, zone_rule)
            if instants and not schedule.is_every_hour:
                found.add(instants[0] * 1_000)
            elif instants:
                found.update(each * 1_000 for each in instants)
            elif not schedule.is_every_hour:
                found.add(_end_of_gap_s(wall_s, zone_rule) * 1_000)
    return sorted(found)


def _instants(wall_s: int, zone_rule: str) -> list[int]:
    """The instants at which clocks show this: none in a gap, two where clocks went back."""
    around = {offset_s(zone_rule, (wall_s + side * 86_400) * 1_000) for side in (-1, 1)}
    found = {wall_s - ahead for ahead in around}
    return sorted(each for each in found if each + offset_s(zone_rule, each * 1_000) == wall_s)


def _end_of_gap_s(wall_s: int, zone_rule: str) -> int:
    """The instant at which clocks went forward over this time."""
    low, high = wall_s - 86_400, wall_s + 86_400
    before = offset_s(zone_rule, low * 1_000)
    while high - low > 1:
        middle = (low + high) // 2
        if offset_s(zone_rule, middle * 1_000) == before:
            low = middle
        else:
            high = middle
    return high


def _values(field: _Field, text: str) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise BadSchedule(f"has {part[:20]!r} as {field.name}, which is no number or range")
        first, last, step = match["first"], match["last"], match["step"]
        if first == "*":
            if last is not None:
                raise BadSchedule(f"has {part[:20]!r} as {field.name}; * is a whole range already")
            low, high = field.lowest, field.highest
        else:
            low = _value(field, first)
            high = low if last is None else _value(field, last)
            if last is None and step is not None:
                high = field.highest  # Vixie's cron reads 5/15 as 5-59/15.
        if low > high:
            text = f"has {part[:20]!r} as {field.name}, a range that ends before it begins"
            raise BadSchedule(text)
        if step is not None and int(step) == 0:
            raise BadSchedule(f"has {part[:20]!r} as {field.name}; a step of 0 never moves on")
        found.update(range(low, high + 1, int(step or 1)))
    return found


def _value(field: _Field, text: str) -> int:
    if text in field.words:
        return field.words.index(text) + field.first_word
    if not text.isdecimal() or not field.lowest <= int(text) <= field.highest:
        words = f", or {field.words[0]} to {field.words[-1]}" if field.words else ""
        raise BadSchedule(
            f"has {text!r} as {field.name}; {field.lowest} to {field.highest} is needed{words}"
        )
    return int(text)


def _local(at_s: int, zone_rule: str) -> datetime:
    return _EPOCH + timedelta(seconds=at_s + offset_s(zone_rule, at_s * 1_000))


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
