"""One drill as the list of drills has it: what it is called, what it promises, how it goes.

The one thing to know: the promises are written down before anything happens. What a drill shows
beyond them is welcome; what it leaves out makes it fail.
"""

from collections.abc import Callable
from typing import NamedTuple

from streams.drills.installation import Installation, Wanted
from streams.drills.promises import Promise
from streams.drills.stage import Stage


class Options(NamedTuple):
    """What whoever runs a drill may choose."""

    tasks: int
    """How many tasks the drills run that are about many."""
    hold_s: float = 0.0
    """How long each installation is left as it is before its drill and after it, to look at."""


class Drill(NamedTuple):
    """A drill."""

    name: str
    what: str
    """What is damaged and what must follow, in a sentence."""
    promises: tuple[Promise, ...]
    wanted: Callable[[Options], Wanted]
    go: Callable[[Stage, Installation, Options], None]
