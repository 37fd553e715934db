"""Time zones: the rules that stand in the log tell the same time as the zones' own files.

Every zone of tzdata is compared with `zoneinfo` through years to come; the table is the one that
tzdata gives now.
"""

from datetime import UTC, datetime, timedelta
from io import BytesIO
from zoneinfo import ZoneInfo

import pytest

from scheduler.model.time_zones import is_rule, offset_s, wall_time, zone_names, zone_rule
from tests.support.time_zone_table import TABLE, rules_of_tzdata, table, zone_file

FORETOLD = ("Africa/Casablanca", "Africa/El_Aaiun")
"""Their summer time follows the moon and is listed year by year; the rule behind the list has it
for ever off."""
INSTANTS = [
    datetime(2030, 1, 1, tzinfo=UTC) + timedelta(days=days, hours=days % 24)
    for days in range(0, 2 * 366, 11)
]


def zone_of(name: str) -> ZoneInfo:
    """The zone as the locked tzdata has it; `ZoneInfo` alone would read the computer's own."""
    return ZoneInfo.from_file(BytesIO(zone_file(name)))


def test_the_table_is_that_of_tzdata() -> None:
    assert TABLE.read_text() == table(), "run `python -m tests.support.time_zone_table`"


def test_every_zone_tells_the_time_that_its_file_tells() -> None:
    for name in rules_of_tzdata():
        if name.endswith(FORETOLD):
            continue
        rule, zone = zone_rule(name), zone_of(name)
        assert rule is not None
        for instant in INSTANTS:
            there = instant.astimezone(zone)
            offset = there.utcoffset()
            assert offset is not None
            found = offset_s(rule, int(instant.timestamp()) * 1_000)
            assert found == offset.total_seconds(), f"{name} at {instant}"


@pytest.mark.parametrize(
    ("zone", "before", "after"),
    [
        ("America/Los_Angeles", "2031-03-09T09:59:59", "2031-03-09T10:00:00"),
        ("America/Los_Angeles", "2031-11-02T08:59:59", "2031-11-02T09:00:00"),
        ("Europe/Berlin", "2031-03-30T00:59:59", "2031-03-30T01:00:00"),
        ("Australia/Sydney", "2031-04-05T15:59:59", "2031-04-05T16:00:00"),
        ("Europe/Dublin", "2031-10-26T00:59:59", "2031-10-26T01:00:00"),
        ("America/Nuuk", "2031-03-30T00:59:59", "2031-03-30T01:00:00"),
        ("Asia/Gaza", "2031-04-11T23:59:59", "2031-04-12T00:00:00"),
    ],
)
def test_clocks_change_at_the_second(zone: str, before: str, after: str) -> None:
    rule = zone_rule(zone)
    assert rule is not None
    offsets = []
    for text in (before, after):
        instant = datetime.fromisoformat(f"{text}+00:00")
        expected = instant.astimezone(zone_of(zone)).utcoffset()
        assert expected is not None
        offsets.append(offset_s(rule, int(instant.timestamp()) * 1_000))
        assert offsets[-1] == expected.total_seconds()
    assert zone == "Asia/Gaza" or offsets[0] != offsets[1]


def test_a_wall_shows_clock_and_calendar() -> None:
    rule = zone_rule("Asia/Kathmandu")
    assert rule is not None
    at = datetime(2026, 2, 28, 18, 14, 59, tzinfo=UTC)
    shown = wall_time(rule, int(at.timestamp()) * 1_000)
    assert (shown.year, shown.month, shown.day, shown.weekday) == (2026, 2, 28, 5)
    assert (shown.hour, shown.minute, shown.offset_s) == (23, 59, 20_700)


def test_names_that_spinnaker_writes_are_known_and_others_are_not() -> None:
    assert zone_rule("PST") == zone_rule("America/Los_Angeles") == "PST8PDT,M3.2.0,M11.1.0"
    assert zone_rule("Mars/Olympus") is None
    assert all(is_rule(zone_rule(name) or "") for name in zone_names())
    assert not is_rule("PST8PDT,J60,J300")
    assert not is_rule("")
