"""Marked points at which a test may end this process, as a crash would.

The one thing to know: nothing happens unless ``FLUMINA_CRASH_AT`` names a point and what passes it,
as in ``call-sent:AcceptOffers``, or ``call-sent:AcceptOffers:3`` for the third time. The process
then kills itself with SIGKILL, so no clean-up of ours runs: what survives is what was durable.
"""

import os
import signal
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final, Literal

Point = Literal[
    "inbound-read",
    "round-decided",
    "round-written",
    "started-written",
    "effect-started",
    "call-sent",
    "outcome-written",
    "update-written",
]

POINTS: Final[dict[Point, str]] = {
    "inbound-read": "an inbound record was read and not yet copied",
    "round-decided": "proposals were made and have not left",
    "round-written": "proposals are acknowledged by Kafka and not yet read back",
    "started-written": "EffectStarted is acknowledged by Kafka and not yet read back",
    "effect-started": "EffectStarted was read back and accepted, the call has not left",
    "call-sent": "the call was answered, its outcome is not written",
    "outcome-written": "the outcome is acknowledged by Kafka and not yet read back",
    "update-written": "a status update is on all replicas, Mesos has no acknowledgement",
}

VARIABLE: Final = "FLUMINA_CRASH_AT"
_passed: Final[Counter[str]] = Counter()
"""How often each kind has passed each point, while a test waits for one of them."""
Passed = Callable[[Point, tuple[object, ...]], None]
SIMULATED: Final[ContextVar[Passed | None]] = ContextVar("points", default=None)
"""Who is told of every point that a simulated process passes, and of what passes it, and may end
the process there."""


def reached(point: Point, *passing: object) -> None:
    """Return; or never return, where a test has named this point and the kind of what passes."""
    simulated = SIMULATED.get()
    if simulated is not None:
        simulated(point, passing)
        return
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return
    for passed in sorted({named(point, each) for each in passing}):
        _passed[passed] += 1
        if wanted in {f"{passed}:{_passed[passed]}", passed}:
            os.kill(os.getpid(), signal.SIGKILL)


def named(point: Point, passing: object) -> str:
    """The point and the kind of what passes it, as a test names the two."""
    return f"{point}:{passing if isinstance(passing, str) else type(passing).__name__}"
