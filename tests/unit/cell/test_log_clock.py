"""Stamps of records go on when the time of day has been wrong: the fold's clock never stands still.

The fold takes the largest stamp it has seen for now. A computer whose clock was an hour ahead for
half a minute must not stop every retry and time-out of the cell for the hour that follows.
"""

from collections.abc import Iterator

import pytest

from streams.cell.log_clock import LogClock
from streams.clock import SIMULATED

HOUR_MS = 3_600_000
BEGAN_MS = 1_700_000_000_000


class Hands:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.ahead_ms = 0
        self.passed_s = 0.0

    def now_ms(self) -> int:
        """The time of day that the computer shows."""
        return BEGAN_MS + int(self.passed_s * 1_000) + self.ahead_ms

    def elapsed_s(self) -> float:
        """Monotonic seconds."""
        return 500.0 + self.passed_s


@pytest.fixture(name="hands")
def _hands() -> Iterator[Hands]:
    hands = Hands()
    token = SIMULATED.set(hands)
    yield hands
    SIMULATED.reset(token)


def test_a_stamp_is_the_time_of_day(hands: Hands) -> None:
    clock = LogClock()
    assert clock.now_ms() == BEGAN_MS
    hands.passed_s = 12.5
    assert clock.now_ms() == BEGAN_MS + 12_500


def test_after_a_step_back_time_goes_on_a_little_slower(hands: Hands) -> None:
    clock = LogClock()
    hands.ahead_ms = HOUR_MS
    ahead_ms = clock.now_ms()
    assert ahead_ms == BEGAN_MS + HOUR_MS
    hands.ahead_ms, hands.passed_s = 0, 100.0
    assert clock.now_ms() == ahead_ms + 90_000
    hands.passed_s = 10 * 3_600.0 + 1
    assert clock.now_ms() == hands.now_ms(), "the time of day has caught up"


def test_the_next_leader_goes_on_from_the_folds_clock(hands: Hands) -> None:
    clock = LogClock()
    clock.go_on_from(BEGAN_MS + HOUR_MS)
    hands.passed_s = 10.0
    assert clock.now_ms() == BEGAN_MS + HOUR_MS + 9_000
    clock.go_on_from(BEGAN_MS)
    assert clock.now_ms() == BEGAN_MS + HOUR_MS + 9_000, "never back"


def test_many_stamps_in_one_millisecond_lose_no_time(hands: Hands) -> None:
    clock = LogClock()
    clock.go_on_from(BEGAN_MS + HOUR_MS)
    for number in range(10_000):
        hands.passed_s = number / 10_000
        clock.now_ms()
    assert clock.now_ms() >= BEGAN_MS + HOUR_MS + 899
