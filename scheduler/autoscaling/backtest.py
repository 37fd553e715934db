"""What forecasts would have said of a recorded series, each at its time, and how wrong they were.

The one thing to know: every method sees only the past, and the same learning margin is added to the
baseline, a linear regression, as to ours: so a difference is one of the forecasts and not of the
margins. Short is what hurts (the load was above 1.2 times what was forecast), bought what it costs.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from scheduler.autoscaling.forecast import Shape, base_of, learnt, with_margin

WINDOW_HORIZONS: Final = 4
"""The regression looks back on so many horizons: of 1, 2, 4, 8 and 16, 4 had the fewest short slots
(2 the least error), on the requests of the World Cup."""
SHORT_PERCENT: Final = 120
SEASONS_BEFORE: Final = 2
"""Nothing is counted before: at the beginning nobody knows the season."""

Forecaster = Callable[[Sequence[int], Shape], int]
"""The base at the horizon, of all loads so far."""


class Figure(NamedTuple):
    """One figure of one method."""

    method: str
    figure: str
    value: float
    unit: str


def last_value(loads: Sequence[int], _shape: Shape) -> int:
    """The load now."""
    return loads[-1]


def maximum(loads: Sequence[int], shape: Shape) -> int:
    """The largest load of the last horizon."""
    return max(loads[-shape.horizon :])


def linear_regression(loads: Sequence[int], shape: Shape) -> int:
    """The least-squares line through the last loads, at the horizon; never below 0."""
    window = loads[-WINDOW_HORIZONS * shape.horizon :]
    count = len(window)
    if count < 2:
        return loads[-1]
    # Places are counted from the middle, so that slope and mean do not mix.
    total = sum(window)
    spread = sum((2 * at - count + 1) ** 2 for at in range(count))
    leaning = sum((2 * at - count + 1) * load for at, load in enumerate(window))
    ahead = count - 1 + 2 * shape.horizon
    return max(0, total // count + leaning * ahead // spread)


def seasonal(loads: Sequence[int], shape: Shape) -> int:
    """Ours, as policies use it."""
    found = base_of(loads[-shape.kept :], shape)
    return loads[-1] if found is None else found


METHODS: Final[dict[str, tuple[Forecaster, bool]]] = {
    "last value": (last_value, False),
    "maximum of the horizon": (maximum, False),
    "linear regression": (linear_regression, True),
    "seasonal": (seasonal, True),
}
"""By name, and whether the margin is added."""
BASELINE: Final = "linear regression"


def first_counted(rows: int, shape: Shape) -> int:
    """From which row on forecasts are counted."""
    whole = SEASONS_BEFORE * shape.season
    return whole if whole < rows // 2 else rows // 5


def backtest(loads: Sequence[int], shape: Shape) -> Iterator[Figure]:
    """The figures of all methods over the series, in thousandths of its unit."""
    for name, (forecaster, has_margin) in METHODS.items():
        yield from _figures(name, loads, shape, forecaster, has_margin=has_margin)


class _Sums:
    """What is counted of one method."""

    def __init__(self) -> None:
        self.counted = self.wrong = self.load = self.given = self.short = self.covered = 0

    def take(self, load: int, base: int, given: int) -> None:
        """Count one slot."""
        self.counted += 1
        self.wrong += abs(load - base)
        self.load += load
        self.given += given
        self.short += 100 * load > SHORT_PERCENT * given
        self.covered += load <= given


def _figures(
    name: str, loads: Sequence[int], shape: Shape, forecaster: Forecaster, *, has_margin: bool
) -> Iterator[Figure]:
    first, sums = first_counted(len(loads), shape), _Sums()
    margin, bases = 0, [0] * len(loads)
    look_back = max(shape.kept, WINDOW_HORIZONS * shape.horizon)
    for at in range(shape.horizon, len(loads) - shape.horizon):
        known = loads[max(0, at + 1 - look_back) : at + 1]
        bases[at] = base = forecaster(known, shape)
        before = at - shape.horizon
        if has_margin and before >= shape.horizon:
            seen = min(at, shape.kept)
            margin = learnt(margin, bases[before], loads[at], shape.quantile_milli, seen)
        if at >= first:
            given = with_margin(base, margin) if has_margin else base
            sums.take(loads[at + shape.horizon], base, given)
    share, whole = max(sums.counted, 1), max(sums.load, 1)
    wrong, short = 100 * sums.wrong / whole, 100 * sums.short / share
    covered = 100 * sums.covered / share
    yield Figure(name, "error", round(wrong, 2), "% of the load, without margin")
    yield Figure(name, "short", round(short, 2), "% of slots above 1.2 forecasts")
    yield Figure(name, "bought", round(sums.given / whole, 3), "forecast / load")
    yield Figure(name, "covered", round(covered, 2), "% of slots within forecast")
