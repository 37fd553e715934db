"""The one clock: wall time for records, monotonic time for waiting.

The one thing to know: no other module asks the operating system for the time of day, and nothing
pure asks at all. A simulation puts clocks of its own in its place, one for each process that it
simulates, by the context in which that process runs.
"""

import time
from contextvars import ContextVar
from typing import Final, Protocol


class Clock(Protocol):
    """What tells the time to a simulated process."""

    def now_ms(self) -> int:
        """Wall time in milliseconds since 1970."""
        ...

    def elapsed_s(self) -> float:
        """Monotonic seconds."""
        ...


SIMULATED: Final[ContextVar[Clock | None]] = ContextVar("clock", default=None)
"""The clock of the process that is being simulated here; None outside of simulations."""


def now_ms() -> int:
    """Wall time in milliseconds since 1970, as it is stamped into records."""
    simulated = SIMULATED.get()
    return time.time_ns() // 1_000_000 if simulated is None else simulated.now_ms()


def elapsed_s() -> float:
    """Monotonic seconds; only differences mean anything. It runs on while a process is stopped."""
    simulated = SIMULATED.get()
    return time.monotonic() if simulated is None else simulated.elapsed_s()
