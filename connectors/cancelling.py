"""Ends coroutines that were given to the loop, also those that a library keeps alive.

The one thing to know: a cancellation can get lost. aiokafka's clients swallow one that comes while
they are being stopped (`Fetcher.close` and `AIOKafkaClient.close` suppress every `CancelledError`
of their waiting), and whoever then waits for the end waits for ever. So it is said again until it
is heard: by `end_all` to tasks, by `TaskGroup` to those of a group.
"""

import asyncio
import contextvars
from collections.abc import Coroutine, Generator
from types import TracebackType
from typing import Any, Final, TypeVar

Result = TypeVar("Result")

AGAIN_S: Final = 5.0
"""What an orderly end may take before it is told once more."""
WHOLE_S: Final = 7.0
"""What tidying up may take that is not cut short: above the patience with a broker's answer, below
that of whoever ends processes."""


async def end_all(*tasks: "asyncio.Task[Any]", again_s: float = AGAIN_S) -> None:
    """Cancel the tasks and return when all have ended, however they ended.

    ``again_s``: more where what is tidied up at the end must not be cut short.
    """
    waiting = set(tasks)
    while waiting:
        for each in waiting:
            each.cancel()
        ended, waiting = await asyncio.wait(waiting, timeout=again_s)
        for each in ended:
            if not each.cancelled():
                each.exception()  # Looked at, so that the loop does not complain.


async def to_its_end(tidying: Coroutine[Any, Any, Any], within_s: float = WHOLE_S) -> None:
    """Run what tidies up to its end, or for so long, however often its caller is cancelled.

    A consumer of aiokafka whose `stop` is cut short leaves its connections open for good. Who was
    cancelled meanwhile hears of it afterwards: `asyncio.CancelledError`. Raises what it raises.
    """
    loop = asyncio.get_running_loop()
    work, until_s, is_cancelled = asyncio.create_task(tidying), loop.time() + within_s, False
    while not work.done() and loop.time() < until_s:
        try:
            await asyncio.wait((work,), timeout=until_s - loop.time())
        except asyncio.CancelledError:
            is_cancelled = True
    if not work.done():
        await end_all(work)
    if is_cancelled:
        raise asyncio.CancelledError
    if not work.cancelled():
        work.result()


class TaskGroup(asyncio.TaskGroup):
    """A task group that tells its tasks again to end where one of them has not heard it.

    The standard one tells each once, so that one lost cancellation keeps the group, and whoever
    waits for it, from ever ending: a leader that has lost its leadership, for example.
    ``again_s``: how long a task that was told may take to end, in seconds, before it is told again.
    """

    def __init__(self, again_s: float = AGAIN_S) -> None:
        super().__init__()
        self._again_s = again_s
        self._ours: set[asyncio.Task[Any]] = set()

    def create_task(
        self,
        coro: Generator[Any, None, Result] | Coroutine[Any, Any, Result],
        *,
        name: str | None = None,
        context: contextvars.Context | None = None,
    ) -> "asyncio.Task[Result]":
        """Begin a task of the group."""
        task = super().create_task(coro, name=name, context=context)
        self._ours.add(task)
        task.add_done_callback(self._ours.discard)
        return task

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for the tasks, as the standard group does."""
        insisting = asyncio.create_task(self._insist())
        try:
            await super().__aexit__(kind, error, trace)
        finally:
            insisting.cancel()

    async def _insist(self) -> None:
        while True:
            told = {each for each in self._ours if each.cancelling()}
            await asyncio.sleep(self._again_s)
            for each in told & self._ours:
                each.cancel()
