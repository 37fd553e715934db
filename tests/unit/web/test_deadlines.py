"""Requests that take too long end with a `TimeoutError`, each at its own time, others go on."""

import asyncio

import pytest

from connectors.web.limits.deadlines import Deadlines

SOON_S = 0.01


async def _held(book: Deadlines, *, is_lifted: bool = False) -> str:
    """How a request ends that waits for what never comes."""
    try:
        async with book.limit() as limit:
            if is_lifted:
                limit.lift()
            await asyncio.Event().wait()
    except TimeoutError:
        return "too late"
    return "answered"


def test_each_request_ends_when_its_own_time_is_over() -> None:
    async def run() -> list[str]:
        book = Deadlines(SOON_S)
        first = [_held(book) for _ in range(3)]
        ended = await asyncio.gather(*first)
        # The one timer has rung for those before it; this one has to be seen as well.
        return [*ended, await _held(book)]

    assert asyncio.run(run()) == ["too late"] * 4


def test_what_is_answered_in_time_is_let_go() -> None:
    async def run() -> int:
        book = Deadlines(SOON_S)
        async with book.limit():
            pass
        began = asyncio.get_running_loop().time()
        async with book.limit():
            while asyncio.get_running_loop().time() < began + SOON_S / 2:
                await asyncio.sleep(0)
        await _held(book)
        return asyncio.current_task().cancelling()  # type: ignore[union-attr] # there is one

    assert asyncio.run(run()) == 0


def test_a_limit_that_was_lifted_never_passes() -> None:
    async def run() -> bool:
        book = Deadlines(SOON_S)
        stream = asyncio.create_task(_held(book, is_lifted=True))
        await _held(book)
        await _held(book)
        is_going = not stream.done()
        stream.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stream
        return is_going

    assert asyncio.run(run())


def test_who_is_cancelled_by_another_is_cancelled() -> None:
    async def run() -> None:
        book = Deadlines(60.0)
        going = asyncio.create_task(_held(book))
        await asyncio.sleep(0)
        going.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going

    asyncio.run(run())


def test_an_application_that_outlives_its_loop_goes_on_in_another() -> None:
    book = Deadlines(SOON_S)

    async def left() -> None:
        async with book.limit():
            pass

    asyncio.run(left())
    assert asyncio.run(_held(book)) == "too late"
