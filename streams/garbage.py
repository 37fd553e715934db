"""How often this process looks for garbage in cycles: seldom, for it makes next to none.

The one thing to know: values of the vocabulary hold no cycles and are not looked at at all
(`scheduler.model.base.Ours`). What is left are the containers, which live as long as the process:
a cell of 100,000 tasks has hundreds of thousands of them, and each full look at them takes a tenth
of a second in which nothing is folded.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from streams.clock import elapsed_s

THRESHOLDS: Final = (50_000, 20, 100)
"""Python's own are 700, 10, 10. Measured on rounds of placement over 1,000 and 10,000 hosts: 16 and
8 % more tasks a second."""


class Looks:
    """The looks of the collector since `settle`: how many, how long in all, and the longest."""

    def __init__(self) -> None:
        self.count = 0
        self.total_s = 0.0
        self.longest_s = 0.0
        self._began_s = 0.0

    def heard(self, phase: str, _: dict[str, int]) -> None:
        """Count a look, and leave alone from now on what it has left."""
        if phase == "start":
            self._began_s = elapsed_s()
            return
        took_s = elapsed_s() - self._began_s
        self.count += 1
        self.total_s += took_s
        self.longest_s = max(self.longest_s, took_s)
        gc.freeze()


LOOKS: Final = Looks()
"""Of this process."""


def settle(young_max: int = THRESHOLDS[0]) -> None:
    """Look once, leave alone what is there now, and look seldom from here on.

    Every later look is at what came since the one before, ``young_max`` containers: what it leaves
    lives long, and is frozen as well. Measured (processor time, busy machine): 32 ms a look at
    50,000, 18 ms at 10,000, and in all a fortieth of a fold. A cycle that is alive at that very
    moment is never freed; that is a request or two for as much as the cell grows by.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(young_max, *THRESHOLDS[1:])
    if LOOKS.heard not in gc.callbacks:
        gc.callbacks.append(LOOKS.heard)


@contextmanager
def not_looking() -> Iterator[None]:
    """Have no looks inside the ``with``, and leave alone what came in it.

    For what makes a million containers at once, all of which stay: looking at them each 10,000 is a
    fifth of the time in which a snapshot of 100,000 tasks becomes a view.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
