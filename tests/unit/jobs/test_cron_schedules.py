"""Schedules: what their text means, and which instants they name where clocks are changed.

Proven case by case, and by comparing a year of firings with zoneinfo's own reading of the zones.
"""

from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

import pytest

from scheduler.model.cron import BadSchedule, firings, next_firing_ms, schedule_of
from scheduler.model.time_zones import zone_rule


def told(schedule: str, zone: str, after: str, count: int) -> list[str]:
    """The next firings as clocks there show them."""
    rule = zone_rule(zone)
    assert rule is not None
    after_ms = int(datetime.fromisoformat(after).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1_000)
    found = islice(firings(schedule, rule, after_ms), count)
    there = (datetime.fromtimestamp(at_ms / 1_000, ZoneInfo(zone)) for at_ms in found)
    return [f"{each:%m-%d %H:%M%z}" for each in there]


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        ("@hourly", "2027-01-01T00:30", ["01-01 01:00+0000", "01-01 02:00+0000"]),
        ("@weekly", "2027-01-01T00:30", ["01-03 00:00+0000", "01-10 00:00+0000"]),
        ("@yearly", "2027-01-01T00:30", ["01-01 00:00+0000", "01-01 00:00+0000"]),
        ("0 9 * jan-feb mon-fri", "2027-02-26T10:00", ["01-03 09:00+0000", "01-04 09:00+0000"]),
        ("15,45 */12 1 * *", "2027-01-01T12:20", ["01-01 12:45+0000", "02-01 00:15+0000"]),
        # Both kinds of day are restricted: one of them is enough, as in Vixie's cron.
        ("0 0 13 * fri", "2027-01-08T12:00", ["01-13 00:00+0000", "01-15 00:00+0000"]),
        ("0 0 * * 7", "2027-01-01T12:00", ["01-03 00:00+0000", "01-10 00:00+0000"]),
        ("10/25 3 * * *", "2027-01-01T12:00", ["01-02 03:10+0000", "01-02 03:35+0000"]),
    ],
)
def test_what_fields_and_words_mean(schedule: str, after: str, expected: list[str]) -> None:
    assert told(schedule, "UTC", after, 2) == expected


def test_clocks_that_go_forward() -> None:
    daily = told("30 2 * * *", "Europe/Berlin", "2027-03-27T12:00", 2)
    assert daily == ["03-28 03:00+0200", "03-29 02:30+0200"], "once, when clocks have changed"
    hourly = told("30 * * * *", "Europe/Berlin", "2027-03-28T00:45", 2)
    assert hourly == ["03-28 01:30+0100", "03-28 03:30+0200"], "an hour apart, as time passes"


def test_clocks_that_go_back() -> None:
    daily = told("30 2 * * *", "Europe/Berlin", "2027-10-30T12:00", 2)
    assert daily == ["10-31 02:30+0200", "11-01 02:30+0100"], "once, the first time"
    hourly = told("30 * * * *", "Europe/Berlin", "2027-10-31T01:45", 3)
    assert hourly == ["10-31 02:30+0200", "10-31 02:30+0100", "10-31 03:30+0100"]


@pytest.mark.slow
@pytest.mark.parametrize("zone", ["America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"])
def test_a_year_of_hourly_firings_is_every_hour_of_the_zone_by_zoneinfo(zone: str) -> None:
    rule, there = zone_rule(zone), ZoneInfo(zone)
    assert rule is not None
    begin = datetime(2027, 1, 1, tzinfo=UTC)
    end = begin + timedelta(days=365)
    wanted = [
        at_ms
        for minute in range(0, 365 * 24 * 60, 5)
        if datetime.fromtimestamp((at_ms := stamp(begin, minute)) / 1_000, there).minute == 15
    ]
    found = firings("15 * * * *", rule, stamp(begin, 0) - 1)
    assert list(takewhile(lambda at_ms: at_ms < end.timestamp() * 1_000, found)) == wanted


def stamp(begin: datetime, minutes: int) -> int:
    """Milliseconds since 1970 of so many minutes later."""
    return int((begin + timedelta(minutes=minutes)).timestamp() * 1_000)


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/London", "Pacific/Auckland"])
@pytest.mark.parametrize("hour", [0, 1, 2, 3, 23])
def test_a_daily_one_fires_once_on_each_day_of_a_year(zone: str, hour: int) -> None:
    rule, there = zone_rule(zone), ZoneInfo(zone)
    assert rule is not None
    begin_ms = int(datetime(2027, 1, 1, tzinfo=there).timestamp() * 1_000) - 1
    found = islice(firings(f"30 {hour} * * *", rule, begin_ms), 365)
    days = [datetime.fromtimestamp(at_ms / 1_000, there).date() for at_ms in found]
    assert len(set(days)) == 365
    assert (days[0].month, days[0].day, days[-1].month, days[-1].day) == (1, 1, 12, 31)


def test_29_february_is_found_over_a_century_that_leaves_one_out() -> None:
    after_ms = int(datetime(2096, 3, 1, tzinfo=UTC).timestamp() * 1_000)
    at_ms = next_firing_ms("0 0 29 2 *", "UTC0", after_ms)
    assert at_ms is not None
    assert datetime.fromtimestamp(at_ms / 1_000, UTC).year == 2104


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ("0 0 30 feb *", "would never fire"),
        ("61 * * * *", "'61' as minute; 0 to 59 is needed"),
        ("* * *", "has 3 fields; five are needed"),
        ("@dayly", "knows no word @dayly"),
        ("5-1 * * * *", "ends before it begins"),
        ("*/0 * * * *", "never moves on"),
        ("* * * foo *", "'foo' as month"),
        ("*-5 * * * *", "whole range already"),
        ("1,,2 * * * *", "no number or range"),
        ("", "has 0 fields"),
    ],
)
def test_what_is_no_schedule_says_why(schedule: str, said: str) -> None:
    with pytest.raises(BadSchedule, match=said):
        schedule_of(schedule)
