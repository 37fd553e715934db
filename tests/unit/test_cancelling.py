"""Tasks are ended whatever they do with a cancellation."""

import asyncio
import contextlib

import pytest

from connectors.cancelling import TaskGroup, end_all, to_its_end


async def _swallows(first: int, heard: list[str]) -> None:
    for number in range(first):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            heard.append(f"swallowed {number}")
    await asyncio.Event().wait()


async def _fails_at_the_end() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        raise ValueError("at the end")


@pytest.mark.parametrize("first", [0, 1, 3])
def test_a_task_that_swallows_a_cancellation_is_told_again(first: int) -> None:
    heard: list[str] = []

    async def story() -> None:
        task = asyncio.create_task(_swallows(first, heard))
        await asyncio.sleep(0)
        await end_all(task, again_s=0.01)
        assert task.cancelled()

    asyncio.run(asyncio.wait_for(story(), 10))
    assert heard == [f"swallowed {number}" for number in range(first)]


def test_who_puts_things_in_order_is_told_once() -> None:
    async def tidies_up(heard: list[str]) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            heard.append("in order")

    async def story() -> list[str]:
        heard: list[str] = []
        task = asyncio.create_task(tidies_up(heard))
        await asyncio.sleep(0)
        await end_all(task, again_s=10.0)
        return heard

    assert asyncio.run(story()) == ["in order"]


def test_however_it_ends_the_others_end_too() -> None:
    async def story() -> None:
        failing, other = (
            asyncio.create_task(_fails_at_the_end()),
            asyncio.create_task(asyncio.Event().wait()),
        )
        await asyncio.sleep(0)
        await end_all(failing, other)
        assert other.cancelled()
        assert isinstance(failing.exception(), ValueError)
        await end_all()

    asyncio.run(story())


def test_what_tidies_up_is_not_cut_short_and_who_was_told_hears_of_it_afterwards() -> None:
    heard: list[str] = []

    async def stop() -> None:
        for step in ("leaves the group", "closes its connections"):
            await asyncio.sleep(0.03)
            heard.append(step)

    async def uses_it() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await to_its_end(stop())
            heard.append("never: it was told again meanwhile")

    async def story() -> None:
        task = asyncio.create_task(uses_it())
        await asyncio.sleep(0)
        await end_all(task, again_s=0.01)
        assert task.cancelled()

    asyncio.run(asyncio.wait_for(story(), 30))
    assert heard == ["leaves the group", "closes its connections"]


def test_what_never_comes_to_its_end_is_ended_and_what_fails_is_told() -> None:
    async def story() -> None:
        await to_its_end(_swallows(0, []), within_s=0.01)
        with pytest.raises(ValueError, match="at the end"):
            await to_its_end(asyncio.wait_for(_fails_at_the_end(), 0.01))

    asyncio.run(asyncio.wait_for(story(), 60))


def test_a_client_that_swallows_a_cancellation_as_it_stops_keeps_no_group_from_ending() -> None:
    """A group tells its tasks once: what one of them does not hear is lost for good."""

    async def stop() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.02)

    async def begins_again_and_again() -> None:
        while True:
            await to_its_end(stop())

    async def group() -> None:
        async with asyncio.TaskGroup() as there:
            there.create_task(begins_again_and_again())

    async def story() -> None:
        running = asyncio.create_task(group())
        await asyncio.sleep(0.01)
        await end_all(running)
        assert running.cancelled()

    asyncio.run(asyncio.wait_for(story(), 30))


@pytest.mark.parametrize("is_told_by_a_fault", [False, True])
def test_a_group_tells_its_tasks_again_to_end(is_told_by_a_fault: bool) -> None:
    """Whether who runs it is told to end, or one of its tasks fails, as a deposed leader's does."""
    heard: list[str] = []

    async def fails() -> None:
        await asyncio.sleep(0.01)
        raise ValueError("leads no longer")

    async def group() -> None:
        async with TaskGroup(again_s=0.01) as there:
            there.create_task(_swallows(2, heard))
            if is_told_by_a_fault:
                there.create_task(fails())

    async def story() -> None:
        running = asyncio.create_task(group())
        await asyncio.sleep(0.02)
        if not is_told_by_a_fault:
            running.cancel()
        await asyncio.wait((running,))
        assert running.cancelled() is not is_told_by_a_fault
        if is_told_by_a_fault:
            assert isinstance(running.exception(), ExceptionGroup)

    asyncio.run(asyncio.wait_for(story(), 10))
    assert heard == ["swallowed 0", "swallowed 1"]


def test_a_group_leaves_alone_whom_nobody_told_to_end() -> None:
    async def works() -> str:
        await asyncio.sleep(0.05)
        return "done"

    async def times_out() -> str:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        return await works()

    async def story() -> list[str]:
        async with TaskGroup(again_s=0.005) as there:
            tasks = [there.create_task(each()) for each in (works, times_out)]
        return [each.result() for each in tasks]

    assert asyncio.run(story()) == ["done", "done"]
