"""Waiting for the fold: who is told when, and that nobody who left is waited for."""

import asyncio
import contextlib

from connectors.web.passing import Passing

CELL = ("cell", 0)
JOBS = ("jobs", 0)
LONG_S = 10.0


def test_what_is_passed_already_needs_no_waiting() -> None:
    passing = Passing()
    passing.folded(CELL, 5, {JOBS: 3})
    assert asyncio.run(passing.until(JOBS, 3, 0.0))
    assert asyncio.run(passing.until(CELL, 5, 0.0))


def test_a_waiter_gives_up_and_leaves_nothing_behind() -> None:
    passing = Passing()
    assert not asyncio.run(passing.until(JOBS, 3, 0.01))
    assert passing._waiting == {JOBS: []}


def test_each_waiter_is_told_when_its_place_is_passed_and_not_before() -> None:
    passing = Passing()

    async def run() -> None:
        waiting = {
            offset: asyncio.create_task(passing.until(JOBS, offset, LONG_S)) for offset in (3, 1, 2)
        }
        await asyncio.sleep(0)
        for reached in range(4):
            passing.folded(CELL, reached, {JOBS: reached})
            for _ in range(3):
                await asyncio.sleep(0)
            told = {offset for offset, each in waiting.items() if each.done()}
            assert told == {offset for offset in waiting if offset <= reached}
        assert all([await each for each in waiting.values()])

    asyncio.run(run())


def test_a_cancelled_waiter_harms_nobody() -> None:
    passing = Passing()

    async def run() -> None:
        leaving, staying = (asyncio.create_task(passing.until(JOBS, 1, LONG_S)) for _ in range(2))
        await asyncio.sleep(0)
        leaving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await leaving
        passing.folded(CELL, 0, {JOBS: 1})
        assert await staying

    asyncio.run(run())


def test_a_log_that_is_folded_anew_is_waited_for_again() -> None:
    passing = Passing()
    passing.folded(CELL, 5, {JOBS: 3})
    passing.folded(CELL, 0, {})
    assert not asyncio.run(passing.until(JOBS, 3, 0.0))
    passing.folded(CELL, 1, {JOBS: 3})
    assert asyncio.run(passing.until(JOBS, 3, 0.0))
