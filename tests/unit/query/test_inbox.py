"""What waits for a slow reader is bounded, and what has no room is counted or read again.

How: batches are put in as a hub does, and nobody takes any.
"""

import asyncio

from streams.query.inbox import BYTES_MAX, EVENT_BYTES, Inbox
from streams.query.places import Lane
from streams.query.running import Batch, Found

LANE: Lane = ("cell", 0)


def batch(first: int, count: int, size: int = 10) -> Batch:
    """Some events in a row."""
    found = [
        Found(LANE, first + each, 0, first, "events", {"n": each}, size) for each in range(count)
    ]
    return Batch(found, {LANE: first + count}, first, count)


def test_a_lossy_reader_loses_the_oldest_and_hears_how_many() -> None:
    """It sees what is now; how far it is stays right."""
    inbox = Inbox(is_lossy=True, rows_max=100)
    for number in range(50):
        inbox.put(batch(number * 10, 10))
    taken = []
    while (each := inbox.take()) is not None:
        taken.append(each)
    kept = sum(len(each.found) for each in taken)
    assert kept <= 100
    assert inbox.dropped == 500 - kept > 0
    assert taken[-1].found[-1].offset == 499
    assert taken[-1].ends == {LANE: 500}
    assert sum(each.read for each in taken) == 500
    assert not inbox.is_overrun


def test_a_reader_that_wants_all_is_overrun_and_loses_nothing() -> None:
    """What it has is without a gap; what follows it reads for itself."""
    inbox = Inbox(is_lossy=False, rows_max=100)
    for number in range(50):
        inbox.put(batch(number * 10, 10))
    assert inbox.is_overrun
    assert inbox.dropped == 0
    taken = []
    while (each := inbox.take()) is not None:
        taken += [found.offset for found in each.found]
    assert taken == list(range(100))


def test_a_hundred_slow_readers_hold_no_more_than_they_may() -> None:
    """By bytes as well as by number: rows of a tenth of a mebibyte."""
    inboxes = [Inbox(is_lossy=True) for _ in range(100)]
    for number in range(100):
        for inbox in inboxes:
            inbox.put(batch(number, 1, size=100_000))
    for inbox in inboxes:
        held = 0
        while (each := inbox.take()) is not None:
            held += sum(found.size + EVENT_BYTES for found in each.found)
        assert held <= BYTES_MAX


def test_an_event_larger_than_all_room_goes_through_alone() -> None:
    """Else a reader of all would never come past it."""
    for is_lossy in (True, False):
        inbox = Inbox(is_lossy=is_lossy, bytes_max=1_000)
        inbox.put(batch(0, 1, size=1_000_000))
        assert not inbox.is_overrun
        assert inbox.take() is not None


def test_batches_without_a_find_are_one() -> None:
    """A query that seldom finds anything does not fill up with how far was read."""
    inbox = Inbox(is_lossy=True)
    for number in range(1_000):
        inbox.put(Batch([], {LANE: number + 1}, number, 1))
    assert len(inbox) == 1
    assert inbox.take() == Batch([], {LANE: 1_000}, 999, 1_000)


def test_a_reader_that_waits_is_woken() -> None:
    """By what comes, and else by the time."""

    async def waits() -> int:
        inbox = Inbox(is_lossy=True)
        await inbox.wait(0.01)
        waiting = asyncio.create_task(inbox.wait(60))
        await asyncio.sleep(0)
        inbox.put(batch(0, 3))
        await asyncio.wait_for(waiting, 30)
        found = inbox.take()
        assert found is not None
        return len(found.found)

    assert asyncio.run(waits()) == 3
