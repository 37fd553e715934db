"""What a forecast would have provisioned for each minute of a recorded load, and how short it was.

The one thing to know: what stands beside a minute was said a horizon earlier, from the minutes up
to then; nothing is counted before the third day, for nobody knows a day before it was.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from scheduler.fleet.forecast import (
    DAY_MINUTES,
    MINUTE_MS,
    SHORT_PERCENT,
    LoadForecast,
    Promise,
    feed,
)

UNCOUNTED_MINUTES: Final = 2 * DAY_MINUTES
_NOTHING: Final = Promise(0, 0, 0)


class Minute(NamedTuple):
    """One minute: its load, what was provisioned for it, and what the plain rule would have."""

    at_ms: int
    load: int
    provisioned: int
    maximum: int


class Tally:
    """How wrong, how short and how dear what was provisioned was, over the counted minutes."""

    def __init__(self) -> None:
        self.minutes = self.loads = self.given = self.wrong = self.shorts = 0

    def count(self, load: int, given: int) -> None:
        """Count one minute."""
        self.minutes += 1
        self.loads += load
        self.given += given
        self.wrong += abs(load - given)
        self.shorts += 100 * load > SHORT_PERCENT * given

    def figures(self) -> dict[str, float]:
        """Error, short and bought, as shares."""
        loads, minutes = max(self.loads, 1), max(self.minutes, 1)
        return {
            "error": round(self.wrong / loads, 4),
            "short": round(self.shorts / minutes, 5),
            "bought": round(self.given / loads, 4),
        }


def backtest(loads: Iterable[tuple[int, int]], horizon_minutes: int) -> Iterator[Minute]:
    """Each minute that was recorded, by its time; nothing is provisioned for the first horizon."""
    known = LoadForecast(horizon_minutes=horizon_minutes)
    promised: dict[int, Promise] = {}
    for at_ms, load in loads:
        minute = at_ms // MINUTE_MS
        if minute <= known.minute:
            continue
        said = promised.pop(minute, _NOTHING)
        yield Minute(at_ms, load, said.provisioned, said.base)
        feed(known, at_ms, load)
        # The last promise is this minute's; those before it are of minutes that were missing.
        for back, promise in enumerate(reversed(known.promises)):
            if minute + horizon_minutes - back in promised:
                break
            promised[minute + horizon_minutes - back] = promise
        if len(promised) > 2 * horizon_minutes:
            promised = {ahead: each for ahead, each in promised.items() if ahead > minute}
