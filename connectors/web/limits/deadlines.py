"""A limit of time for each of many requests, with one timer for all of them.

The one thing to know: it does what `asyncio.timeout` does for one request. That makes a timer for
each and cancels it, which was a tenth of what a short read costs; as all requests have the same
time, the one that began first ends first, and one timer looks at that one only.
"""

import asyncio
from types import TracebackType
from typing import Self


class Limit:
    """The limit of one request, for its ``async with``; raises `TimeoutError` where it passes."""

    __slots__ = ("_asked_before", "_book", "_task", "due_s", "is_lifted", "is_passed")

    def __init__(self, book: "Deadlines", due_s: float) -> None:
        self._book = book
        self._task: asyncio.Task[object] | None = None
        self._asked_before = 0
        """How often the task had been asked to end when the limit began."""
        self.due_s = due_s
        self.is_lifted = False
        """Whether the answer goes on for as long as it is read."""
        self.is_passed = False

    def lift(self) -> None:
        """Let the request go on for ever."""
        self.is_lifted = True

    def passes(self) -> None:
        """End the request, unless it may go on."""
        if not self.is_lifted and self._task is not None:
            self.is_passed = True
            self._task.cancel()

    async def __aenter__(self) -> Self:
        """Begin."""
        task = asyncio.current_task()
        assert task is not None, "a request is answered in a task"
        self._task, self._asked_before = task, task.cancelling()
        self._book.began(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End; the cancellation that the limit asked for becomes its `TimeoutError`."""
        self._book.ended(self)
        task, self._task = self._task, None
        if not self.is_passed or task is None:
            return
        # Somebody else may want the task to end as well; then it is not for us to say.
        is_ours = task.uncancel() <= self._asked_before
        if is_ours and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise TimeoutError from error


class Deadlines:
    """The limits of the requests that are under way."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._going: dict[Limit, None] = {}
        """In the order in which they began, which is that in which they are due."""
        self._looking: asyncio.AbstractEventLoop | None = None
        """The loop in which a timer runs: an application may outlive a loop, its timers do not."""

    def limit(self) -> Limit:
        """A limit that begins now."""
        return Limit(self, asyncio.get_running_loop().time() + self._seconds)

    def began(self, limit: Limit) -> None:
        """Watch it."""
        self._going[limit] = None
        loop = asyncio.get_running_loop()
        if self._looking is not loop:
            self._look_at(limit.due_s, loop)

    def ended(self, limit: Limit) -> None:
        """Watch it no more."""
        self._going.pop(limit, None)

    def _look(self) -> None:
        """End what is due, and look again when the next one is."""
        loop, self._looking = asyncio.get_running_loop(), None
        now_s = loop.time()
        for limit in list(self._going):
            if limit.due_s > now_s:
                self._look_at(limit.due_s, loop)
                return
            del self._going[limit]
            limit.passes()

    def _look_at(self, due_s: float, loop: asyncio.AbstractEventLoop) -> None:
        self._looking = loop
        loop.call_at(due_s, self._look)
