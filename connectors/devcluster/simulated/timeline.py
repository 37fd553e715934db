"""What is to happen later, in order of time: a heap of calls.

The one thing to know: it has no clock. ``advance(now)`` makes the calls that are due, in order of
their times and then of their being asked for, so that the same questions give the same days.
"""

from collections.abc import Callable
from heapq import heappop, heappush


class Timeline:
    """Calls to be made, the earliest first."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[..., None], tuple[object, ...]]] = []
        self._order = 0

    def at(self, time: float, call: Callable[..., None], *arguments: object) -> None:
        """Make this call then, with the time as its last argument."""
        self._order += 1
        heappush(self._heap, (time, self._order, call, arguments))

    @property
    def next_at(self) -> float | None:
        """When the next call is due, if there is one."""
        return self._heap[0][0] if self._heap else None

    def advance(self, now: float) -> None:
        """Make every call that is due, each at its own time."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            time, _, call, arguments = heappop(heap)
            call(*arguments, time)
