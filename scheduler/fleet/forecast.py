"""How much load to be ready for some minutes ahead: the recent maximum, times what proved right.

The one thing to know: a plain rule, the largest load of the last horizon, is followed beside, and
on the whole no more is bought than by it. What differs is when: more where the load is cheap to
exceed (at night) or where it rose yesterday at this time, less where it was steady. All of it is
whole numbers in `LoadForecast`, a struct that a state may hold: the same minutes give the same
answer everywhere. What was measured is in ``docs/scaling.md``.
"""

from bisect import bisect_left
from itertools import accumulate
from typing import Final

import msgspec

MINUTE_MS: Final = 60_000
DAY_MINUTES: Final = 1_440
SHORT_PERCENT: Final = 120
"""A minute is short where its load is above 1.2 times what was provisioned."""
LEVEL_MINUTES: Final = 5
AROUND_MINUTES: Final = 7
"""Of yesterday, so many minutes on either side of the horizon are looked at."""
CLASSES: Final = 4
"""Of recent restlessness, and of yesterday's rise: a quarter of all minutes each."""
LEARN_MINUTES: Final = 720
"""Half a day; before that the plain rule is followed."""
SHARED_MINUTES: Final = 50
"""What is known of all minutes counts as so many of a minute's own class."""
MEAN_MINUTES: Final = 2_880
FACTOR_MILLI_MIN: Final = 850
"""A load that never moves would be followed from below, as long as that is not short."""
FACTOR_MILLI_MAX: Final = 2_500
BUDGET_MILLI: Final = 996
"""Of what the plain rule buys: a little less, so that the sum ends below it."""
PRICE_MICRO: Final = 80_000
"""What a minute's mean load costs beside a short minute, to begin with."""
SAVED_MINUTES: Final = (15, 100)
"""The price doubles for so many minutes' mean load that were bought too much, and halves likewise:
few in the first days, so that the budget holds early; more later, so that it may wait for a use."""
SAVED_PART: Final = 500
PRICE_STEPS_MAX: Final = 6
_WEIGHT: Final = 1 << 20


def _steps(first: int, last: int) -> tuple[int, ...]:
    """Numbers from first to past last, each 2 % above the one before."""
    found = [first]
    while found[-1] < last:
        found.append(found[-1] + max(1, found[-1] // 50))
    return tuple(found)


RATIOS_MILLI: Final = _steps(300, FACTOR_MILLI_MAX * SHORT_PERCENT // 100)
"""Edges of classes of what came, in thousandths of the recent maximum."""
FACTORS_MILLI: Final = tuple(-(-each * 100 // SHORT_PERCENT) for each in RATIOS_MILLI)
"""What a factor has to be so that loads up to an edge are not short."""
FIRST_FACTOR: Final = bisect_left(FACTORS_MILLI, FACTOR_MILLI_MIN)
RANKS_MILLI: Final = _steps(200, 20_000)
"""Edges by which minutes are ranked: by restlessness, by yesterday's rise."""


class Promise(msgspec.Struct, array_like=True):
    """What was provisioned for one of the next minutes, and by what it is to be judged."""

    base: int
    provisioned: int
    kind: int


class LoadForecast(msgspec.Struct):
    """What is remembered of one load, for one horizon: some two thousand numbers."""

    horizon_minutes: int = 15
    minute: int = -1
    """The last minute that was fed, counted from the epoch; -1 before the first."""
    loads: list[int] = []
    """Of the last day and a half at most, the newest last."""
    promises: list[Promise] = []
    """For the next minutes, the nearest first."""
    learnt: int = 0
    """Promises that were judged."""
    came: list[list[int]] = []
    """For each class of minutes, and last for all: how much weight came at which ratio."""
    restless: list[int] = []
    rises: list[int] = []
    """Weights of the ranks."""
    mean_milli: int = 0
    excess: int = 0
    """Bought so far beyond the budget."""


def feed(known: LoadForecast, at_ms: int, load: int) -> None:
    """Take in the load of the minute that holds ``at_ms``; an older minute changes nothing.

    Minutes that are missing repeat the one before, up to a horizon of them; after a longer silence
    recent loads are forgotten, and what was learnt is kept. Of several loads of one minute the
    first counts.
    """
    minute = at_ms // MINUTE_MS
    if minute <= known.minute:
        return
    missing = minute - known.minute - 1 if known.minute >= 0 else 0
    if missing > known.horizon_minutes:
        known.loads.clear()
        known.promises.clear()
    elif known.loads:
        for _ in range(missing):
            _step(known, known.loads[-1])
    _step(known, max(0, load))
    known.minute = minute


def provisioned(known: LoadForecast) -> int | None:
    """What to be ready for at the horizon, in the unit of the loads; None before the first."""
    return known.promises[-1].provisioned if known.promises else None


def _step(known: LoadForecast, load: int) -> None:
    if not known.came:
        known.came = [[0] * len(RATIOS_MILLI) for _ in range(CLASSES * CLASSES + 1)]
        known.restless = [0] * len(RANKS_MILLI)
        known.rises = [0] * len(RANKS_MILLI)
    if len(known.promises) >= known.horizon_minutes:
        _judge(known, known.promises.pop(0), load)
    known.loads.append(load)
    kept = DAY_MINUTES + known.horizon_minutes + LEVEL_MINUTES
    if len(known.loads) > kept + DAY_MINUTES // 2:
        del known.loads[:-kept]
    part = min(known.learnt + 1, MEAN_MINUTES)
    known.mean_milli += (load * 1_000 - known.mean_milli) // part
    base = max(known.loads[-known.horizon_minutes :])
    kind = _kind(known, base)
    factor = _factor(known, base, kind)
    known.promises.append(Promise(base, -(-base * factor // 1_000), kind))


def _judge(known: LoadForecast, promise: Promise, load: int) -> None:
    """Learn from a minute that has come."""
    ratio = load * 1_000 // max(promise.base, 1)
    at = min(bisect_left(RATIOS_MILLI, ratio), len(RATIOS_MILLI) - 1)
    known.came[promise.kind][at] += _WEIGHT
    known.came[-1][at] += _WEIGHT
    known.learnt += 1
    known.excess += promise.provisioned * 1_000 - promise.base * BUDGET_MILLI
    if known.learnt % DAY_MINUTES == 0:
        # What was learnt counts half after a week: the seventh root of a half is 0.906.
        for weights in (*known.came, known.restless, known.rises):
            weights[:] = [each * 906 // 1_000 for each in weights]


def _kind(known: LoadForecast, base: int) -> int:
    """The class of this minute: how restless the load is, and how it rose yesterday."""
    loads, ahead = known.loads, known.horizon_minutes
    level = _mean(loads, len(loads))
    restless = _rank(known.restless, base * 1_000 // max(level, 1))
    then = len(loads) - DAY_MINUTES
    if then < LEVEL_MINUTES:
        return restless * CLASSES
    before = _mean(loads, then)
    around = loads[max(0, then + ahead - AROUND_MINUTES - 1) : then + ahead + AROUND_MINUTES]
    return restless * CLASSES + _rank(known.rises, max(around) * 1_000 // max(before, 1))


def _mean(loads: list[int], end: int) -> int:
    last = loads[max(0, end - LEVEL_MINUTES) : end]
    return sum(last) // len(last)


def _rank(weights: list[int], number: int) -> int:
    """Which quarter of what there was the number is in; it counts from now on."""
    at = min(bisect_left(RANKS_MILLI, number), len(RANKS_MILLI) - 1)
    below, whole = sum(weights[:at]), sum(weights)
    weights[at] += _WEIGHT
    return min(CLASSES - 1, below * CLASSES // whole) if whole else 0


def _factor(known: LoadForecast, base: int, kind: int) -> int:
    """The factor at which one more of load costs what the fewer short minutes are worth."""
    if known.learnt < LEARN_MINUTES:
        return 1_000
    own, every = known.came[kind], known.came[-1]
    whole = sum(every)
    shared = SHARED_MINUTES * _WEIGHT
    total = sum(own) + shared
    mean = max(known.mean_milli // 1_000, 1)
    price = _price(known, mean) * base // mean
    # Above: what came beyond each edge, in millionths.
    beyond_own = list(accumulate(reversed(own)))[::-1]
    beyond_every = list(accumulate(reversed(every)))[::-1]
    best, least = 1_000, None
    for at in range(FIRST_FACTOR, len(FACTORS_MILLI) - 1):
        beyond = beyond_own[at + 1] + shared * beyond_every[at + 1] // whole
        cost = price * FACTORS_MILLI[at] // 1_000 + beyond * 1_000_000 // total
        if least is None or cost < least:
            best, least = FACTORS_MILLI[at], cost
    return best


def _price(known: LoadForecast, mean: int) -> int:
    """What a mean minute's load costs now, in millionths of a short minute."""
    few, many = SAVED_MINUTES
    span = min(max(known.learnt // SAVED_PART, few), many) * mean * 1_000
    limit = PRICE_STEPS_MAX * span
    spent = max(-limit, min(limit, known.excess))
    whole, rest = divmod(spent, span)
    price = PRICE_MICRO << whole if whole >= 0 else PRICE_MICRO >> -whole
    return price + price * rest // span
