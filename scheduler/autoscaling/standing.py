"""How a scaling policy stands: what the fold remembers of it, all of it bounded.

The one thing to know: points are kept as sums of periods and never one by one, and only as many
periods as an alarm looks back on. A forecast keeps one number a slot of its season.
"""

from typing import Final, Literal

from scheduler.model.autoscaling import PolicyId, ScalingSpec, ScalingState, StepScaling
from scheduler.model.base import Ours
from scheduler.model.ids import JobId
from scheduler.model.policy import Policy

Alarm = Literal["", "high", "low", "ok", "insufficient"]
"""Empty before the first look. A step policy's alarm is `high` where its condition holds."""

TARGET_PERIODS_MAX: Final = 1_440
"""Whatever the policy of the cell says, no more is remembered: a day of minutes."""
ACTIVITIES_MAX: Final = 50
"""Scalings of a job that are shown; the log has them all."""


class Period(Ours, frozen=True, tag=False, array_like=True):
    """What was measured in one period; ``number`` counts periods since 1970."""

    number: int
    count: int
    total_milli: int
    minimum_milli: int
    maximum_milli: int
    is_whole: bool = False


class ScalingPolicy(Ours, frozen=True):
    """A scaling policy as the log knows it."""

    policy_id: PolicyId
    job_id: JobId
    spec: ScalingSpec
    version: int
    state: ScalingState
    since_ms: int
    reason: str = ""
    """Why it is pending or in error."""
    periods: tuple[Period, ...] = ()
    """The newest, oldest first."""
    point_at_ms: int = 0
    """The newest point that was taken; what is older came late or twice."""
    heard_at_ms: int = 0
    """When a point was taken last, by the log's clock; or when it was set."""
    alarm: Alarm = ""
    value_milli: int | None = None
    """What the last look compared."""
    load_milli: int | None = None
    """The same as load of the whole job, by which a target finds its size."""
    looked_at_ms: int = 0
    out_at_ms: int = 0
    """When it made the job larger, and smaller, for its cool-downs."""
    in_at_ms: int = 0
    next_ms: int = 0
    """When it is looked at next."""
    loads: tuple[int, ...] = ()
    """Of a forecast: the load of the last slots, oldest first."""
    forecasts: tuple[int, ...] = ()
    """What was forecast, without any margin, for the next slots, the nearest first."""
    margin_micro: int = 0
    """What is added to a forecast, in millionths of the square root of the load."""
    loads_at: int = 0
    """The number of the last slot."""
    forecast_milli: int | None = None
    """The load that is expected, with its margin."""


class Activity(Ours, frozen=True, tag=False):
    """One scaling: when, where in the log, from what to what, and why."""

    policy_id: PolicyId
    at_ms: int
    offset: int
    index: int
    before: int
    after: int
    metric: str
    value_milli: int | None
    threshold_milli: int
    why: str
    is_forecast: bool = False


class JobScaling(Ours, frozen=True):
    """What the scaling of one job remembers."""

    job_id: JobId
    policy_ids: tuple[PolicyId, ...] = ()
    scaled_at_ms: int = 0
    """When a policy changed its size last."""
    activities: tuple[Activity, ...] = ()
    held: str = ""
    """Why what its policies ask for was not done at the last look; empty where it was."""


def periods_looked_at(spec: ScalingSpec, limits: Policy) -> int:
    """How many periods an alarm of this policy looks back on."""
    if isinstance(spec, StepScaling):
        return spec.evaluation_periods
    return max(target_periods(limits))


def target_periods(limits: Policy) -> tuple[int, int]:
    """How many periods a target has to be missed before it scales out, and in."""
    out, back = limits.target_out_periods, limits.target_in_periods
    return min(out, TARGET_PERIODS_MAX), min(back, TARGET_PERIODS_MAX)
