"""A forecast of load some slots ahead: the level, the season's growth, and a margin that learns.

The one thing to know: everything is a whole number, so that the fold may decide by it. The level is
the mean of the last slots, the growth that of the same slots one season ago, damped. The
margin is moved by each slot that comes: up where the load was above the forecast, down where it was
below, in such a proportion that the wanted share of slots stays below. What was measured, and what
was tried and was worse, is in ``docs/autoscaling.md``.
"""

from collections.abc import Sequence
from math import isqrt
from typing import Final, NamedTuple

from msgspec.structs import replace

from scheduler.autoscaling.alarm import last_period, lateness_ms
from scheduler.autoscaling.standing import ScalingPolicy
from scheduler.model.autoscaling import StepScaling
from scheduler.model.policy import Policy

SLOTS_MAX: Final = 2_016
"""Of a season, and of a horizon: a week of five minutes."""
GROWTH_PERCENT: Final = 30
"""How much of the season's growth is believed: with none the error was larger, with 80, too."""
GROWTH_MILLI_MIN: Final = 333
GROWTH_MILLI_MAX: Final = 3_000
MARGIN_STEP_FIRST: Final = 20
MARGIN_STEP_LAST: Final = 300
"""The margin moves by so many-th of itself at most: by large steps while little is known, by small
ones later. Small ones from the beginning covered 68 of 90 per cent of a load in bursts."""
_MICRO: Final = 1_000_000


class Shape(NamedTuple):
    """What a forecast looks at, in slots."""

    horizon: int
    season: int
    quantile_milli: int

    @property
    def short(self) -> int:
        """Slots of a mean: a third of the horizon."""
        return max(1, self.horizon // 3)

    @property
    def kept(self) -> int:
        """Slots that have to be remembered."""
        return max(self.season + self.short, self.horizon)


class Forecast(NamedTuple):
    """What is remembered, and what is expected at the horizon, in thousandths."""

    loads: tuple[int, ...] = ()
    bases: tuple[int, ...] = ()
    """Forecasts without margin for the next slots, the nearest first."""
    margin_micro: int = 0
    expected: int | None = None


def base_of(loads: Sequence[int], shape: Shape) -> int | None:
    """The load at the horizon without margin; None where too little is known."""
    now, short = len(loads), shape.short
    if now < shape.horizon:
        return None
    level = sum(loads[now - short :]) // short
    then = now - 1 + shape.horizon - shape.season  # The same time, one season before.
    first = now - shape.season - short
    if first < 0 or then + short >= now:
        return level
    before = sum(loads[first : first + short]) // short
    if before <= 0:
        return level
    wide = loads[then - short : then + short + 1]
    growth = (sum(wide) // len(wide)) * 1_000 // before
    growth = min(max(growth, GROWTH_MILLI_MIN), GROWTH_MILLI_MAX)
    return level * (1_000 + (growth - 1_000) * GROWTH_PERCENT // 100) // 1_000


def with_margin(base: int, margin_micro: int) -> int:
    """The forecast with its margin, which grows as the square root of the load: counts scatter so.

    Never below 0: no load is.
    """
    return max(0, base + margin_micro * isqrt(max(base, 1_000) * 1_000) // _MICRO)


def learnt(margin_micro: int, base: int, load: int, quantile_milli: int, seen: int) -> int:
    """The margin after a slot for which ``base`` was forecast; ``seen`` slots are remembered."""
    part = max(MARGIN_STEP_FIRST, min(MARGIN_STEP_LAST, seen // 4))
    step = max(abs(margin_micro), _MICRO) // part
    if load > with_margin(base, margin_micro):
        return margin_micro + step * quantile_milli // 1_000
    return margin_micro - step * (1_000 - quantile_milli) // 1_000


def after(known: Forecast, load: int, shape: Shape) -> Forecast:
    """The forecast after one more slot."""
    loads = (*known.loads[-shape.kept + 1 :], load) if shape.kept > 1 else (load,)
    margin, bases = known.margin_micro, known.bases
    if len(bases) == shape.horizon:
        margin = learnt(margin, bases[0], load, shape.quantile_milli, len(loads))
        bases = bases[1:]
    base = base_of(loads, shape)
    if base is None:
        return Forecast(loads, bases, margin)
    return Forecast(loads, (*bases, base), margin, with_margin(base, margin))


def advanced(policy: ScalingPolicy, now_ms: int, limits: Policy) -> ScalingPolicy:
    """The policy with the load of the period it has just looked at taken into its forecast."""
    spec = policy.spec
    if isinstance(spec, StepScaling) or spec.prediction is None:
        return policy
    ahead = spec.prediction
    number = last_period(policy, now_ms, lateness_ms(spec, limits))
    shape = Shape(
        horizon=max(1, -(-ahead.horizon_ms // spec.period_ms)),
        season=max(1, ahead.season_ms // spec.period_ms),
        quantile_milli=ahead.quantile_milli,
    )
    load, gap = policy.load_milli, number - policy.loads_at
    if load is None:
        return replace(policy, forecast_milli=None)  # A silent metric is not forecast from.
    if gap <= 0 and policy.loads:
        return policy
    known = Forecast(policy.loads, policy.forecasts, policy.margin_micro)
    if policy.loads and gap > shape.horizon:
        known = Forecast(margin_micro=policy.margin_micro)  # Too long away to say what was.
    elif policy.loads:
        for _ in range(gap - 1):
            known = after(known, known.loads[-1], shape)
    known = after(known, load, shape)
    return replace(
        policy,
        loads=known.loads,
        forecasts=known.bases,
        margin_micro=known.margin_micro,
        loads_at=number,
        forecast_milli=known.expected,
    )
