"""An event loop whose time is made up: nothing sleeps, and one seed gives one order of events.

The one thing to know: when nothing is ready, time jumps to the next timer. Every callback runs in
the context of the simulated process it belongs to, so a process that is stopped (SIGSTOP) is one
whose callbacks are put aside until it goes on, while everybody else's run.
"""

import asyncio
from asyncio import Future
from collections import deque
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from functools import partial
from heapq import heappop, heappush
from itertools import count
from typing import Any, Final, Protocol

import msgspec


class Turn(msgspec.Struct, eq=False):
    """A callback that is to be run once, now or at a time: what asyncio calls a handle.

    Its own handles ask the loop for its debug mode and keep who asked; a run has a hundred thousand
    of them and needs neither. A struct, because one is made in a third of the time.
    """

    callback: Callable[..., object]
    args: tuple[Any, ...]
    context: Context | None
    """In which it is to run; None: in the world's own, where no process is."""
    when_s: float = 0.0
    """The second at which it is to be run; a turn without a time keeps this one."""
    is_cancelled: bool = False

    def cancel(self) -> None:
        """Never run it, and let go of what it holds."""
        self.is_cancelled = True
        self.callback, self.args = _nothing, ()

    def cancelled(self) -> bool:
        """Whether it is never to be run."""
        return self.is_cancelled

    def when(self) -> float:
        """The second at which it is to be run."""
        return self.when_s


def _nothing() -> None:
    """What is left of a cancelled callback."""


class Stoppable(Protocol):
    """A simulated process, as the loop sees it."""

    is_frozen: bool
    frozen: list[Turn]
    """What it would have run since it was stopped, in order."""


OWNER: Final[ContextVar[Stoppable | None]] = ContextVar("owner", default=None)
"""The simulated process in whose context this code runs; None: the world itself."""


def _is_put_aside(turn: Turn) -> bool:
    """Whether the turn is of a process that is stopped, which has it when it goes on."""
    owner = None if turn.context is None else turn.context.get(OWNER)
    if owner is None or not owner.is_frozen:
        return False
    owner.frozen.append(turn)
    return True


class NothingLeft(Exception):
    """No callback is ready and no timer will ever come: everybody waits for somebody else."""


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop over made-up time, in seconds since the simulation began."""

    _ready: deque[Turn]
    _stopping: bool

    def __init__(self) -> None:
        super().__init__()
        self._timers: list[tuple[float, int, Turn]] = []
        """Of two timers of one time the older goes first."""
        self._numbers = count()
        self.now_s = 0.0
        """Seconds since the simulation began, for those who ask often."""
        self.create_future = partial(Future, loop=self)  # type: ignore[method-assign]
        self._frozen = 0
        """How many processes are stopped: mostly none, and then nobody's turn is asked about."""

    def time(self) -> float:
        """Seconds since the simulation began."""
        return self.now_s

    def call_soon(  # type: ignore[override]  # a handle of our own
        self,
        callback: Callable[..., object],
        *args: Any,  # noqa: ANN401 - as asyncio
        context: Context | None = None,
    ) -> Turn:
        """A turn as soon as those before it have had theirs."""
        turn = Turn(callback, args, copy_context() if context is None else context)
        self._ready.append(turn)
        return turn

    call_soon_threadsafe = call_soon  # type: ignore[assignment]  # there is one thread
    """Finalizers of asynchronous generators come this way."""

    def call_at(  # type: ignore[override]  # a handle of our own
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,  # noqa: ANN401 - as asyncio
        context: Context | None = None,
    ) -> Turn:
        """A turn at a time; the base class would compare timers in Python, a tenth of a run."""
        turn = Turn(callback, args, copy_context() if context is None else context, when)
        heappush(self._timers, (when, next(self._numbers), turn))
        return turn

    def call_later(  # type: ignore[override]  # a handle of our own
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,  # noqa: ANN401 - as asyncio
        context: Context | None = None,
    ) -> Turn:
        """A turn after a while."""
        when_s = self.now_s + delay
        turn = Turn(callback, args, copy_context() if context is None else context, when_s)
        heappush(self._timers, (when_s, next(self._numbers), turn))
        return turn

    def later(self, delay_s: float, call: Callable[..., object], *given: Any) -> None:  # noqa: ANN401 - as asyncio
        """Let the world, and no process, do something after a while."""
        when_s = self.now_s + delay_s
        heappush(self._timers, (when_s, next(self._numbers), Turn(call, given, None, when_s)))

    def at(self, at_s: float, call: Callable[..., object], *given: Any) -> None:  # noqa: ANN401 - as asyncio
        """Let the world do something at a time; at once if that is over."""
        when_s = max(self.now_s, at_s)
        heappush(self._timers, (when_s, next(self._numbers), Turn(call, given, None, when_s)))

    def freeze(self, owner: Stoppable) -> None:
        """Put a process's turns aside until it goes on."""
        if not owner.is_frozen:
            owner.is_frozen = True
            self._frozen += 1

    def thaw(self, owner: Stoppable) -> None:
        """Let a stopped process go on exactly where it was."""
        if owner.is_frozen:
            owner.is_frozen = False
            self._frozen -= 1
        self._ready.extend(owner.frozen)
        owner.frozen = []

    def _run_once(self) -> None:
        """Give everybody their turns, in order, until somebody stops the loop."""
        ready, timers, next_turn = self._ready, self._timers, self._ready.popleft
        while not self._stopping:
            if not ready:
                while timers and timers[0][2].is_cancelled:
                    heappop(timers)
                if not timers:
                    raise NothingLeft("every coroutine waits for another one")
                self.now_s = max(self.now_s, timers[0][0])
            now_s = self.now_s
            while timers and timers[0][0] <= now_s:
                turn = heappop(timers)[2]
                if not turn.is_cancelled:
                    ready.append(turn)
            for _ in range(len(ready)):
                turn = next_turn()
                if turn.is_cancelled or (self._frozen and _is_put_aside(turn)):
                    continue
                context = turn.context
                try:
                    if context is None:
                        turn.callback(*turn.args)
                    else:
                        context.run(turn.callback, *turn.args)
                except Exception as error:  # noqa: BLE001 - as every event loop: one callback's fault
                    name = getattr(turn.callback, "__qualname__", repr(turn.callback))
                    self.call_exception_handler(
                        {"message": f"Exception in callback {name}", "exception": error}
                    )

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
