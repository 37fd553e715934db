"""Capacity that is reserved and idle, lent for a while: who may have it, how much, how long.

The one thing to know: a window has an end, and only work that will be done by then may use it, by
its own prediction. An owner who wants it earlier has it as soon as those who borrowed have ended,
and these are the first that preemption ends (`scheduler.queue.preemption`). Nothing here knows
guarantees or queues: who has a window, and whose it is, is said by the caller.
Whole numbers, standard library; time comes in as a value.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from scheduler.model.ids import HostId
from scheduler.model.resources import Need
from scheduler.placement.request import Request

Room = tuple[int, int, int, int, int]
"""cpu in thousandths, memory and disk in MiB, network in Mbps, whole devices."""

ROOM_NAMES: Final = ("thousandths of a cpu", "MiB of memory", "MiB of disk", "Mbps", "gpus")
NOTHING: Final[Room] = (0, 0, 0, 0, 0)


class Window(msgspec.Struct, frozen=True, gc=False):
    """Idle capacity of one host, or of a whole tier where ``host_id`` is None, and until when."""

    tier: str
    room: Room
    expires_at_ms: int
    host_id: HostId | None = None


def room_of(need: Need) -> Room:
    """What a task takes of a window; a part of a device counts as a whole one: never too little."""
    gpus = need.gpus + (1 if need.gpu_milli else 0)
    return (need.cpu_milli, need.memory_mib, need.disk_mib, need.network_mbps, gpus)


def plus(one: Room, other: Room, sign: int = 1) -> Room:
    """The sum of two amounts, or their difference."""
    a, b, c, d, e = (left + sign * right for left, right in zip(one, other, strict=True))
    return (a, b, c, d, e)


def holds(room: Room, wanted: Room) -> bool:
    """Whether there is enough of everything."""
    return all(there >= need for there, need in zip(room, wanted, strict=True))


def window_refusal(window: Window, request: Request, now_ms: int) -> str:
    """Why a task of this class may not use the window, in words; empty where it may."""
    if not request.is_opportunistic:
        return "it does not ask for capacity that is taken back at once"
    if request.runtime_ms is None:
        return "nobody knows how long it will run"
    if now_ms >= window.expires_at_ms:
        return "the window is over"
    late_ms = now_ms + request.runtime_ms - window.expires_at_ms
    if late_ms > 0:
        return f"it would run {late_ms} ms beyond the window's end"
    for there, need, name in zip(window.room, room_of(request.need), ROOM_NAMES, strict=True):
        if need > there:
            return f"{need - there} {name} missing in the window"
    return ""


def fitting(window: Window, request: Request, now_ms: int) -> int:
    """How many tasks of this class may start in the window now."""
    if window_refusal(window, request, now_ms):
        return 0
    wanted = room_of(request.need)
    counts = [there // need for there, need in zip(window.room, wanted, strict=True) if need]
    return min(counts, default=0)


def best_window(windows: Iterable[Window], request: Request, now_ms: int) -> Window | None:
    """The window that a task of this class should use: of those it may, the first one to end.

    So what stays open for long is kept for those who need long. Ties go to the smaller window.
    """
    usable = [each for each in windows if not window_refusal(each, request, now_ms)]
    return min(
        usable,
        key=lambda each: (each.expires_at_ms, each.room, each.host_id or "", each.tier),
        default=None,
    )


def lent(window: Window, request: Request, count: int = 1) -> Window:
    """The window after so many tasks of this class were started in it."""
    used = room_of(request.need)
    left = window.room
    for _ in range(count):
        left = plus(left, used, -1)
    assert holds(left, NOTHING), f"a window of {window.room} cannot hold {count} x {used}"
    return msgspec.structs.replace(window, room=left)


def lapsed(windows: Iterable[Window], now_ms: int) -> tuple[Window, ...]:
    """The windows that are still open."""
    return tuple(each for each in windows if now_ms < each.expires_at_ms)
