"""Moments of a cell's log as people write them: times, times ago, offsets, addresses.

The one thing to know: an instant means a state. ``main/1a2b3c4d:1042`` is the state after record
1042 was folded, ``1042`` the same, a time the state after all records up to that time, ``-5m`` the
state five minutes before now, ``03:12:07`` the last time that a clock (UTC) showed this, and
``now`` or nothing the newest.
"""

import re
from datetime import UTC, datetime, time, timedelta
from typing import Final

import msgspec

from scheduler.model.address import Address, parse_address

_AGO: Final = re.compile(r"-(?P<number>\d{1,9}(?:\.\d{1,3})?)(?P<unit>ms|s|m|min|h|d)")
_TIME_OF_DAY: Final = re.compile(r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?")
_UNIT_MS: Final = {
    "ms": 1,
    "s": 1_000,
    "m": 60_000,
    "min": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
}
_DAY: Final = timedelta(days=1)
_EXAMPLES: Final = (
    "an instant is a time such as 2026-01-31T12:00:00Z or 03:12:07 (UTC), a time ago such as -5m, "
    "an offset such as 1042, an address such as main/1a2b3c4d:1042, or now"
)


class InstantUnclear(ValueError):
    """The text names no instant, or one of another log; says why and what would."""


class AtOffset(msgspec.Struct, frozen=True):
    """After the record with this offset; ``generation`` is empty where the text named none."""

    offset: int
    generation: str = ""
    cell: str = ""
    index: int | None = None


class AtTime(msgspec.Struct, frozen=True):
    """After all records up to this time."""

    at_ms: int


class Newest(msgspec.Struct, frozen=True):
    """After the newest record."""


Instant = AtOffset | AtTime | Newest


def parse_instant(text: str, now_ms: int) -> Instant:
    """The instant that the text names; raises `InstantUnclear`."""
    text = text.strip()
    if text in {"", "now", "latest"}:
        return Newest()
    if ago := _AGO.fullmatch(text):
        span_ms = int(float(ago["number"]) * _UNIT_MS[ago["unit"]])
        return AtTime(max(0, now_ms - span_ms))
    if text.isascii() and text.isdecimal() and len(text) < 19:
        return AtOffset(int(text))
    if "/" in text and ":" in text:
        try:
            address = parse_address(text)
        except ValueError as error:
            raise InstantUnclear(str(error)) from error
        index = address.index if "[" in text else None
        return AtOffset(address.offset, address.generation, address.cell, index)
    if _TIME_OF_DAY.fullmatch(text):
        return AtTime(_time_of_day(text, now_ms))
    return AtTime(_time_of(text))


def _time_of_day(text: str, now_ms: int) -> int:
    """The last time that a clock showed this: today, or yesterday where today's is still to come.

    It is UTC, as all times are that the command line shows.
    """
    now = datetime.fromtimestamp(now_ms / 1_000, UTC)
    try:
        shown = datetime.combine(now.date(), time.fromisoformat(text), UTC)
    except ValueError as error:
        raise InstantUnclear(f"{text!r} names no instant; {_EXAMPLES}") from error
    shown_ms = round(shown.timestamp() * 1_000)
    return shown_ms if shown_ms <= now_ms else shown_ms - _DAY // timedelta(milliseconds=1)


def _time_of(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InstantUnclear(f"{text!r} names no instant; {_EXAMPLES}") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    if moment.year < 1971:
        raise InstantUnclear(f"{text!r} is before any log; {_EXAMPLES}")
    return round(moment.timestamp() * 1_000)


def address_of(text: str) -> Address:
    """The address that the text names; raises `InstantUnclear` where it names none."""
    try:
        return parse_address(text)
    except ValueError as error:
        raise InstantUnclear(str(error)) from error
