"""How long to wait before the next attempt to subscribe: longer each time, and never in step.

The one thing to know: only a stream that has held counts as success. A master that opens a stream
and ends it at once would else be asked five times a second for ever, by every cell at the same
moment.
"""

import random
from collections.abc import Callable
from typing import Final

RETRY_S_MIN: Final = 0.2
RETRY_S_MAX: Final = 15.0
"""Mesos' own documentation caps the back-off of a re-subscription at about 15 s."""
HELD_S_MIN: Final = RETRY_S_MAX
"""A stream that was open for so long had its heartbeats: the next trouble is another one."""


class Backoff:
    """The waits of one leadership, one after the other."""

    def __init__(self, draw: Callable[[], float] = random.random) -> None:
        """``draw`` gives a number from 0 to below 1."""
        self._draw = draw
        self._most_s = RETRY_S_MIN

    def wait_s(self, held_s: float) -> float:
        """The wait after a stream that was open for ``held_s`` (0 where none came about).

        From half of the present longest wait to the whole of it, which then doubles.
        """
        if held_s >= HELD_S_MIN:
            self._most_s = RETRY_S_MIN
        most_s = self._most_s
        self._most_s = min(most_s * 2, RETRY_S_MAX)
        return most_s * (0.5 + self._draw() / 2)
