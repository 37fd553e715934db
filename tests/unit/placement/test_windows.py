"""Windows of idle, reserved capacity: who may borrow, how much, and for how long."""

import pytest

from scheduler.model.ids import HostId, JobId
from scheduler.model.resources import Need
from scheduler.placement.request import Request
from scheduler.placement.windows import (
    Window,
    best_window,
    fitting,
    lapsed,
    lent,
    room_of,
    window_refusal,
)

WINDOW = Window(tier="Critical", room=(4_000, 8_192, 0, 0, 1), expires_at_ms=100_000)


def request(
    cpu_milli: int = 1_000,
    runtime_ms: int | None = 60_000,
    *,
    is_opportunistic: bool = True,
    gpu_milli: int = 0,
    disk_mib: int = 0,
) -> Request:
    need = Need(cpu_milli=cpu_milli, memory_mib=1_024, disk_mib=disk_mib, gpu_milli=gpu_milli)
    return Request(JobId("j"), need, runtime_ms=runtime_ms, is_opportunistic=is_opportunistic)


@pytest.mark.parametrize(
    ("asked", "now_ms", "words"),
    [
        (request(), 0, ""),
        (request(), 40_000, ""),
        (request(), 40_001, "it would run 1 ms beyond the window's end"),
        (request(), 100_000, "the window is over"),
        (request(runtime_ms=0), 99_999, ""),
        (request(runtime_ms=None), 0, "nobody knows how long it will run"),
        (request(is_opportunistic=False), 0, "does not ask for capacity that is taken back"),
        (request(cpu_milli=4_500), 0, "500 thousandths of a cpu missing in the window"),
        (request(disk_mib=1), 0, "1 MiB of disk missing"),
        (request(gpu_milli=300), 0, ""),
    ],
)
def test_who_may_use_a_window(asked: Request, now_ms: int, words: str) -> None:
    why = window_refusal(WINDOW, asked, now_ms)
    assert words in why
    assert bool(why) == bool(words)


def test_how_many_fit() -> None:
    assert fitting(WINDOW, request(), 0) == 4
    assert fitting(WINDOW, request(gpu_milli=1), 0) == 1
    assert fitting(WINDOW, request(), 90_000) == 0


def test_a_part_of_a_device_takes_a_whole_one() -> None:
    need = Need(cpu_milli=1, memory_mib=2, disk_mib=3, network_mbps=4, gpu_milli=5)
    assert room_of(need) == (1, 2, 3, 4, 1)


def test_what_is_lent_is_gone_from_the_window() -> None:
    left = lent(WINDOW, request(), 3)
    assert left.room == (1_000, 5_120, 0, 0, 1)
    assert fitting(left, request(), 0) == 1
    with pytest.raises(AssertionError):
        lent(left, request(), 2)


def test_the_window_that_ends_first_is_used_first() -> None:
    windows = [
        Window("Critical", (9_000, 9_000, 0, 0, 0), 300_000, HostId("late")),
        Window("Critical", (9_000, 9_000, 0, 0, 0), 70_000, HostId("soon")),
        Window("Critical", (2_000, 9_000, 0, 0, 0), 70_000, HostId("small")),
        Window("Critical", (9_000, 9_000, 0, 0, 0), 50_000, HostId("too soon")),
    ]
    for given in (windows, windows[::-1]):
        best = best_window(given, request(), 0)
        assert best is not None
        assert best.host_id == "small"
    assert best_window(windows, request(), 299_000) is None


def test_windows_that_are_over() -> None:
    assert lapsed([WINDOW], 99_999) == (WINDOW,)
    assert lapsed([WINDOW], 100_000) == ()
