"""The waits before subscribing again: they double to a limit, and are spread."""

import pytest

from streams.cell.backoff import HELD_S_MIN, RETRY_S_MAX, RETRY_S_MIN, Backoff


def test_waits_double_up_to_the_limit() -> None:
    backoff = Backoff(lambda: 1.0)
    waits = [backoff.wait_s(0) for _ in range(10)]
    assert waits == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 15.0, 15.0, 15.0]
    assert (waits[0], waits[-1]) == (RETRY_S_MIN, RETRY_S_MAX)


@pytest.mark.parametrize(("drawn", "part"), [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)])
def test_waits_are_spread_over_their_upper_half(drawn: float, part: float) -> None:
    backoff = Backoff(lambda: drawn)
    assert [backoff.wait_s(0) for _ in range(3)] == pytest.approx(
        [0.2 * part, 0.4 * part, 0.8 * part]
    )


def test_chance_itself_spreads_them() -> None:
    waits = {Backoff().wait_s(0) for _ in range(100)}
    assert len(waits) > 90
    assert all(RETRY_S_MIN / 2 <= each <= RETRY_S_MIN for each in waits)


def test_only_a_stream_that_has_held_begins_the_waits_anew() -> None:
    backoff = Backoff(lambda: 1.0)
    for held_s in (0.0, 0.1, HELD_S_MIN - 0.1):
        backoff.wait_s(held_s)
    assert backoff.wait_s(1.0) == 1.6
    assert backoff.wait_s(HELD_S_MIN) == RETRY_S_MIN
    assert backoff.wait_s(0) == 0.4
