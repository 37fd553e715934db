"""Time windows as an operator writes them in a policy: ``Mon-Fri 8-16 America/Los_Angeles``.

The one thing to know: the last hour is included to its end, as everywhere: this one ends at 16:59.
Days and hours are lists of single ones and of ranges; ``daily`` and ``0-23`` are all of them.
"""

from collections.abc import Iterable
from typing import Final

from scheduler.model.disruption import DAYS, Hours, Window
from scheduler.model.reading.checks import Complaint
from scheduler.model.reading.faults import nearest_name, shown_text
from scheduler.model.time_zones import UTC_RULE, zone_names, zone_rule

EXAMPLE: Final = "like Mon-Fri 8-16 America/Los_Angeles"
WINDOW_BYTES_MAX: Final = 200
_SHORT: Final = tuple(each[:3] for each in DAYS)
_DAILY: Final = "daily"
_LAST_HOUR: Final = 23


def window_text(window: Window) -> str:
    """The window in one line; reading it gives the same one."""
    days = ",".join(_SHORT[each] for each in window.days) if window.days else _DAILY
    hours = ",".join(f"{each.first}-{each.last}" for each in window.hours) or f"0-{_LAST_HOUR}"
    return f"{days} {hours} {window.time_zone or 'UTC'}"


def window_of(text: str) -> Window | Complaint:
    """The window that the line says, or what is wrong with it."""
    parts = text.split()
    if len(parts) != 3 or len(text) > WINDOW_BYTES_MAX:
        return f"is {shown_text(text)}; days, hours and a time zone are needed", EXAMPLE
    days, hours, zone = parts
    found_days = _days(days)
    if found_days is None:
        return f"has {shown_text(days)}, which are no days", f"Mon to Sun or {_DAILY}; {EXAMPLE}"
    found_hours = _hours(hours)
    if found_hours is None:
        hint = "0 to 23, and over midnight two ranges: 22-23,0-5"
        return f"has {shown_text(hours)}, which are no hours of a day", hint
    rule = UTC_RULE if zone == "UTC" else zone_rule(zone)
    if rule is None:
        near = nearest_name(zone, zone_names())
        hint = near if near.startswith("did you") else EXAMPLE
        return f"has {shown_text(zone)}, no time zone that is known here", hint
    return Window(found_days, found_hours, "" if zone == "UTC" else zone, rule)


def _days(text: str) -> tuple[int, ...] | None:
    if text.lower() == _DAILY:
        return ()
    by_name = {each.lower(): place for place, each in enumerate(_SHORT)}
    found: set[int] = set()
    for first, last in _ranges(text.lower()):
        if first not in by_name or last not in by_name or by_name[last] < by_name[first]:
            return None
        found.update(range(by_name[first], by_name[last] + 1))
    return tuple(sorted(found))


def _hours(text: str) -> tuple[Hours, ...] | None:
    found: list[Hours] = []
    for first, last in _ranges(text):
        if not (_is_hour(first) and _is_hour(last)) or int(last) < int(first):
            return None
        found.append(Hours(int(first), int(last)))
    return () if found == [Hours(0, _LAST_HOUR)] else tuple(found)


def _is_hour(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 2 and int(text) <= _LAST_HOUR


def _ranges(text: str) -> Iterable[tuple[str, str]]:
    for each in text.split(","):
        first, dash, last = each.partition("-")
        yield first, last if dash else first
