"""An event loop whose time is made up: nothing sleeps, and one seed gives one order of events.

The one thing to know: when nothing is ready, time jumps to the next timer. Every callback runs in
the context of the simulated process it belongs to, so a process that is stopped (SIGSTOP) is one
whose callbacks are put aside until it goes on, while everybody else's run.
"""

import asyncio
from asyncio import events
from collections import deque
from collections.abc import Callable
from contextvars import Context, ContextVar
from heapq import heapify, heappop
from typing import Any, Final, Protocol

CANCELLED_TIMERS_MAX: Final = 500
"""So many timers that were cancelled are kept at most before the heap is swept."""


class Stoppable(Protocol):
    """A simulated process, as the loop sees it."""

    is_frozen: bool
    frozen: list[events.Handle]
    """What it would have run since it was stopped, in order."""


OWNER: Final[ContextVar[Stoppable | None]] = ContextVar("owner", default=None)
"""The simulated process in whose context this code runs; None: the world itself."""


class NothingLeft(Exception):
    """No callback is ready and no timer will ever come: everybody waits for somebody else."""


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop over made-up time, in seconds since the simulation began."""

    _ready: deque[events.Handle]
    _scheduled: list[events.TimerHandle]

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 0.0
        self._world = Context()
        self.turns = 0

    def time(self) -> float:
        """Seconds since the simulation began."""
        return self._now_s

    def later(self, delay_s: float, call: Callable[..., object], *given: Any) -> None:  # noqa: ANN401 - as asyncio
        """Let the world, and no process, do something after a while."""
        self.call_at(self._now_s + delay_s, call, *given, context=self._world)

    def at(self, at_s: float, call: Callable[..., object], *given: Any) -> None:  # noqa: ANN401 - as asyncio
        """Let the world do something at a time."""
        self.call_at(max(at_s, self._now_s), call, *given, context=self._world)

    def thaw(self, owner: Stoppable) -> None:
        """Let a stopped process go on exactly where it was."""
        owner.is_frozen = False
        self._ready.extend(owner.frozen)
        owner.frozen = []

    def _run_once(self) -> None:
        ready, scheduled = self._ready, self._scheduled
        self._sweep()
        if not ready:
            while scheduled and scheduled[0].cancelled():
                heappop(scheduled)
            if not scheduled:
                if self._stopping:  # type: ignore[attr-defined]  # of asyncio's base class
                    return
                raise NothingLeft("every coroutine waits for another one")
            self._now_s = max(self._now_s, scheduled[0].when())
        while scheduled and scheduled[0].when() <= self._now_s:
            timer = heappop(scheduled)
            if not timer.cancelled():
                ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle.cancelled():
                continue
            owner = handle._context.get(OWNER)  # type: ignore[attr-defined]  # noqa: SLF001 - who runs it
            if owner is not None and owner.is_frozen:
                owner.frozen.append(handle)
                continue
            self.turns += 1
            handle._run()  # noqa: SLF001 - what every event loop does

    def _sweep(self) -> None:
        if self._timer_cancelled_count < CANCELLED_TIMERS_MAX:
            return
        self._scheduled[:] = [each for each in self._scheduled if not each.cancelled()]
        heapify(self._scheduled)
        self._timer_cancelled_count = 0

    _timer_cancelled_count: int

    def _process_events(self, event_list: object) -> None:
        """Nothing comes from outside."""

    def _write_to_self(self) -> None:
        """Nobody waits for the outside, so nobody has to be woken."""
