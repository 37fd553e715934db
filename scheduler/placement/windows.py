"""Capacity that is reserved and idle, lent for a while: who may have it, and who gives it back.

The one thing to know: a window has an end, and only work that will be done by then may use it, by
its own prediction; so nobody waits for what is theirs longer than an end of tasks takes. When the
owner wants it earlier, the borrowers that cost least are ended at once. Nothing here knows
guarantees or queues: who has a window, and whose it is, is said by the caller.
Whole numbers, standard library; time comes in as a value.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from scheduler.model.ids import HostId, TaskId
from scheduler.model.resources import Need
from scheduler.placement.request import Request

EXACT_MAX: Final = 14
"""Of so many borrowers the cheapest set is found among all sets (16,384); of more, by a rule."""

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


class Borrower(msgspec.Struct, frozen=True, gc=False):
    """A task that runs in a window; ``cost`` is what ending it loses, in any unit, 0 or more.

    The work done so far is a good cost: what ran for long loses most.
    """

    task_id: TaskId
    room: Room
    cost: int


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


def to_end(borrowers: Sequence[Borrower], wanted: Room) -> tuple[TaskId, ...] | None:
    """The borrowers to end so that at least this much is free: the cheapest set; sorted.

    Empty where nothing is wanted, None where all of them together do not free it. Among sets of one
    cost the one with fewer tasks is taken, then the one that frees less, then the first by name.
    """
    wanted_only = _positive(wanted)
    if not any(wanted_only):
        return ()
    total = NOTHING
    for each in borrowers:
        total = plus(total, each.room)
    if not holds(total, wanted_only):
        return None
    in_order = sorted(borrowers, key=lambda each: (each.cost, each.task_id))
    useful = [each for each in in_order if _use(each.room, wanted_only)]
    if len(useful) <= EXACT_MAX:
        return _cheapest(useful, wanted_only)
    return _by_rule(useful, wanted_only)


def _positive(room: Room) -> Room:
    a, b, c, d, e = (max(0, each) for each in room)
    return (a, b, c, d, e)


def _use(room: Room, wanted: Room) -> int:
    """How much of what is wanted this frees, in thousandths of each want, summed."""
    return sum(
        1_000 * min(there, need) // need
        for there, need in zip(room, wanted, strict=True)
        if need > 0
    )


def _cheapest(borrowers: list[Borrower], wanted: Room) -> tuple[TaskId, ...]:
    """The best of all sets, found by trying with and without each, cut off where it is hopeless."""
    after: list[Room] = [NOTHING]
    for each in reversed(borrowers):
        after.append(plus(after[-1], each.room))
    after.reverse()
    best: tuple[int, int, int, tuple[TaskId, ...]] | None = None

    def look(index: int, lacking: Room, chosen: tuple[Borrower, ...], cost: int) -> None:
        nonlocal best
        if best is not None and (cost, len(chosen)) > best[:2]:
            return
        if holds(NOTHING, lacking):
            freed = sum(_use(each.room, wanted) for each in chosen)
            found = (cost, len(chosen), freed, tuple(sorted(x.task_id for x in chosen)))
            best = found if best is None else min(best, found)
            return
        if index == len(borrowers) or not holds(after[index], lacking):
            return
        each = borrowers[index]
        look(index + 1, plus(lacking, each.room, -1), (*chosen, each), cost + each.cost)
        look(index + 1, lacking, chosen, cost)

    look(0, wanted, (), 0)
    assert best is not None, "all together free what is wanted"
    return best[3]


def _by_rule(borrowers: list[Borrower], wanted: Room) -> tuple[TaskId, ...]:
    """A good set where there are too many to try: who frees most for its cost, one by one.

    Then whoever turns out not to be needed is left alone, the costliest first.
    """
    lacking, chosen = wanted, []
    left = list(borrowers)
    while not holds(NOTHING, lacking):
        still = _positive(lacking)
        # A large factor, so that costs in milliseconds still tell one from another.
        best = min(left, key=lambda x: (-_use(x.room, still) * 10**12 // (x.cost + 1), x.task_id))
        left.remove(best)
        chosen.append(best)
        lacking = plus(lacking, best.room, -1)
    for each in sorted(chosen, key=lambda x: (-x.cost, x.task_id)):
        without = plus(lacking, each.room)
        if holds(NOTHING, without):
            lacking = without
            chosen.remove(each)
    return tuple(sorted(each.task_id for each in chosen))
