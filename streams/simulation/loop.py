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
from heapq import heapify, heappop, heappush
from itertools import count
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


def vars_of(timer: events.TimerHandle) -> Any:  # noqa: ANN401 - the stubs leave its fields out
    """The timer with the fields that its stub does not name."""
    return timer


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop over made-up time, in seconds since the simulation began."""

    _ready: deque[events.Handle]

    def __init__(self) -> None:
        super().__init__()
        self._timers: list[tuple[float, int, events.TimerHandle]] = []
        """Of two timers of one time the older goes first."""
        self._numbers = count()
        self._now_s = 0.0
        self._world = Context()
        self.turns = 0

    def time(self) -> float:
        """Seconds since the simulation began."""
        return self._now_s

    def call_at(  # type: ignore[override]  # the stub's type variables add nothing here
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,  # noqa: ANN401 - as asyncio
        context: Context | None = None,
    ) -> events.TimerHandle:
        """A timer; the base class would compare timers in Python, which is a tenth of a run."""
        timer = events.TimerHandle(when, callback, args, self, context)
        heappush(self._timers, (when, next(self._numbers), timer))
        vars_of(timer)._scheduled = True  # noqa: SLF001 - so that a cancelled one is counted
        return timer

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
        ready, timers = self._ready, self._timers
        if self._timer_cancelled_count > CANCELLED_TIMERS_MAX:
            self._sweep()
        if not ready:
            while timers and timers[0][2].cancelled():
                heappop(timers)
            if not timers:
                raise NothingLeft("every coroutine waits for another one")
            self._now_s = max(self._now_s, timers[0][0])
        now_s = self._now_s
        while timers and timers[0][0] <= now_s:
            timer = heappop(timers)[2]
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
        self._timers[:] = [each for each in self._timers if not each[2].cancelled()]
        heapify(self._timers)
        self._timer_cancelled_count = 0

    _timer_cancelled_count: int

    def run_in_executor(  # type: ignore[override]  # nothing here has an executor
        self,
        executor: object,
        func: Callable[..., Any],
        *args: Any,  # noqa: ANN401 - as asyncio
    ) -> "asyncio.Future[Any]":
        """What a thread would come to, at once: there are no threads in made-up time."""
        del executor
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - whoever waits for it is told
            done.set_exception(error)
        return done

    def _process_events(self, event_list: object) -> None:
        """Nothing comes from outside."""

    def _write_to_self(self) -> None:
        """Nobody waits for the outside, so nobody has to be woken."""
