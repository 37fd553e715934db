"""Instants as people write them, and those that are refused with a hint."""

import pytest

from projections.travel.instants import (
    AtOffset,
    AtTime,
    Instant,
    InstantUnclear,
    Newest,
    parse_instant,
)

NOW_MS = 1_800_000_000_000

INSTANTS: dict[str, Instant] = {
    "": Newest(),
    "now": Newest(),
    "-5m": AtTime(NOW_MS - 300_000),
    "-1.5h": AtTime(NOW_MS - 5_400_000),
    "-250ms": AtTime(NOW_MS - 250),
    "1042": AtOffset(1042),
    "main/1a2b3c4d:1042": AtOffset(1042, "1a2b3c4d", "main"),
    "main/1a2b3c4d:1042[3]": AtOffset(1042, "1a2b3c4d", "main", 3),
    "2026-01-31T12:00:00Z": AtTime(1_769_860_800_000),
    "2026-01-31T13:00:00+01:00": AtTime(1_769_860_800_000),
    "2026-01-31 12:00": AtTime(1_769_860_800_000),
    "2026-01-31T12:00:00.250Z": AtTime(1_769_860_800_250),
    # It is 08:00 now: of times of the day the last one is meant, today's or yesterday's.
    "03:12:07": AtTime(NOW_MS - 17_273_000),
    "08:00": AtTime(NOW_MS),
    "08:00:00.250": AtTime(NOW_MS - 86_400_000 + 250),
    "23:59": AtTime(NOW_MS - 28_860_000),
}


@pytest.mark.parametrize("text", INSTANTS)
def test_an_instant_is_read(text: str) -> None:
    assert parse_instant(text, NOW_MS) == INSTANTS[text]


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "25:00",
        "5m",
        "main:1042",
        "main/xyz:1",
        "1970-01-01",
        "-",
        "1" * 30,
        "２０",
        "-5y",
    ],
)
def test_what_is_no_instant_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InstantUnclear, match=r"looks like|an instant is"):
        parse_instant(text, NOW_MS)
