"""What the clock on a wall says somewhere, from a rule that stands in the log.

The one thing to know: the fold may not read a zone's file, for a replay on another computer would
then decide otherwise. So whoever takes a zone's name from outside looks up its rule once, by
`zone_rule`, and the rule (POSIX' ``PST8PDT,M3.2.0,M11.1.0``) goes into the log beside the name.
Rules of the past are not kept: times before the present law are told by the present law.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

import msgspec

from scheduler.model.time_zone_table import ZONES

UTC_RULE: Final = "UTC0"
RULE_BYTES_MAX: Final = 64
_HOUR_S: Final = 3_600
_RULES: Final = {name: rule for rule, names in ZONES for name in names.split()}
_SHORT: Final = {
    "PST": "America/Los_Angeles",
    "CST": "America/Chicago",
    "JST": "Asia/Tokyo",
    "IST": "Asia/Kolkata",
    "AET": "Australia/Sydney",
    "ECT": "Europe/Paris",
}
"""Names of Java that tzdata has not; Spinnaker writes ``PST`` into every budget."""
_NAME: Final = r"(?:<[A-Za-z0-9+-]+>|[A-Za-z]{3,})"
_TIME: Final = r"[+-]?[0-9]{1,3}(?::[0-9]{2}){0,2}"
_CHANGE: Final = rf"M(?:1[0-2]|0?[1-9])\.[1-5]\.[0-6](?:/{_TIME})?"
_RULE: Final = re.compile(
    rf"{_NAME}({_TIME})(?:{_NAME}({_TIME})?,({_CHANGE}),({_CHANGE}))?", re.ASCII
)


class WallTime(msgspec.Struct, frozen=True):
    """What a clock and a calendar say at one place."""

    year: int
    month: int
    day: int
    weekday: int
    """0 is Monday."""
    hour: int
    minute: int
    offset_s: int
    """By how much the place is ahead of UTC then."""


class _Change(msgspec.Struct, frozen=True):
    """The day of each year on which clocks are changed, and when on it."""

    month: int
    week: int
    """5 is the last."""
    weekday: int
    """0 is Sunday."""
    at_s: int


class _Rule(msgspec.Struct, frozen=True):
    offset_s: int
    summer_offset_s: int = 0
    begins: _Change | None = None
    ends: _Change | None = None


def zone_rule(name: str) -> str | None:
    """The rule that the time zone of this name follows from now on; None where nobody knows it."""
    return _RULES.get(_SHORT.get(name, name))


def zone_names() -> tuple[str, ...]:
    """Every name that `zone_rule` knows."""
    return tuple(sorted({*_RULES, *_SHORT}))


def is_rule(text: str) -> bool:
    """Whether the text is a rule that this module can read."""
    return len(text) <= RULE_BYTES_MAX and _RULE.fullmatch(text) is not None


def offset_s(rule: str, at_ms: int) -> int:
    """By how many seconds a place of this rule is ahead of UTC at an instant."""
    return _offset_s(_parsed(rule), at_ms // 1_000)


def wall_time(rule: str, at_ms: int) -> WallTime:
    """What clock and calendar say at an instant where this rule holds."""
    ahead_s = offset_s(rule, at_ms)
    there = _date(at_ms // 1_000 + ahead_s)
    return WallTime(
        year=there.year,
        month=there.month,
        day=there.day,
        weekday=there.weekday(),
        hour=there.hour,
        minute=there.minute,
        offset_s=ahead_s,
    )


def _offset_s(rule: _Rule, at_s: int) -> int:
    if rule.begins is None or rule.ends is None:
        return rule.offset_s
    year = _date(at_s + rule.offset_s).year
    begins_s = _changes_at_s(rule.begins, year) - rule.offset_s
    ends_s = _changes_at_s(rule.ends, year) - rule.summer_offset_s
    is_between = min(begins_s, ends_s) <= at_s < max(begins_s, ends_s)
    # South of the equator summer lasts over the turn of the year.
    is_summer = is_between if begins_s < ends_s else not is_between
    return rule.summer_offset_s if is_summer else rule.offset_s


def _changes_at_s(change: _Change, year: int) -> int:
    """When clocks are changed in a year, in seconds since 1970 by the clock that is changed."""
    first = datetime(year, change.month, 1, tzinfo=UTC)
    # Python's week begins on Monday, that of the rule on Sunday.
    day = (change.weekday - (first.weekday() + 1)) % 7 + 7 * (change.week - 1)
    found = first + timedelta(days=day)
    if found.month != change.month:
        found -= timedelta(days=7)  # There is no fifth one in this month.
    return (found - _EPOCH) // _SECOND + change.at_s


@lru_cache(maxsize=1_024)
def _parsed(rule: str) -> _Rule:
    found = _RULE.fullmatch(rule)
    assert found is not None, f"{rule} is no rule of a time zone; whoever takes one in checks it"
    standard, summer, begins, ends = found.groups()
    # POSIX counts westwards, everybody else eastwards.
    standard_s = -_seconds(standard)
    if begins is None:
        return _Rule(standard_s)
    summer_s = standard_s + _HOUR_S if summer is None else -_seconds(summer)
    return _Rule(standard_s, summer_s, _change(begins), _change(ends))


def _change(text: str) -> _Change:
    day, _, time = text.partition("/")
    month, week, weekday = (int(each) for each in day[1:].split("."))
    return _Change(month, week, weekday, _seconds(time) if time else 2 * _HOUR_S)


def _seconds(text: str) -> int:
    sign = -1 if text.startswith("-") else 1
    parts = [int(each) for each in text.lstrip("+-").split(":")]
    return sign * sum(part * unit for part, unit in zip(parts, (3_600, 60, 1), strict=False))


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)


def _date(at_s: int) -> datetime:
    return _EPOCH + timedelta(seconds=at_s)
