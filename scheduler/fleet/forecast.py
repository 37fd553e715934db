"""How much load a group has to be ready for some minutes ahead, learnt from its own past.

The one thing to know: whole numbers only, and all of it is in `LoadForecast`, a struct that a state
may hold: the same minutes fed give the same answer everywhere.
"""

from typing import Final

import msgspec

MINUTE_MS: Final = 60_000


class LoadForecast(msgspec.Struct):
    """What is remembered of one load, for one horizon."""

    horizon_minutes: int = 15
    minute: int = -1
    """The last whole minute that was fed, counted from the epoch; -1 before the first."""
    loads: list[int] = []
    """Of the last minutes, the newest last; a minute that was missing repeats the one before."""


def feed(known: LoadForecast, at_ms: int, load: int) -> None:
    """Take in the load of the minute that holds ``at_ms``; an older minute changes nothing.

    Several loads of one minute: the first one counts.
    """
    minute = at_ms // MINUTE_MS
    if minute <= known.minute:
        return
    known.minute = minute
    known.loads.append(load)
    del known.loads[: -known.horizon_minutes]


def provisioned(known: LoadForecast) -> int | None:
    """What to be ready for at the horizon, in the unit of the loads; None before the first."""
    return max(known.loads) if known.loads else None
