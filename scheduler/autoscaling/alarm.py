"""Alarms over points of a metric: which period a point belongs to, and what an alarm says of them.

The one thing to know: no alarm is raised on a period without data. How gaps before it are taken is
the policy's (``treatMissingData``, as CloudWatch calls it); a metric that is silent in the newest
period is `insufficient`, whatever was chosen.
"""

from collections.abc import Mapping
from typing import NamedTuple, assert_never

from msgspec.structs import replace

from scheduler.autoscaling.standing import (
    Alarm,
    Period,
    ScalingPolicy,
    periods_looked_at,
    target_periods,
)
from scheduler.model.autoscaling import (
    OURS,
    Comparison,
    MetricPoint,
    MissingData,
    ScalingSpec,
    Statistic,
    StepScaling,
    TargetTracking,
)
from scheduler.model.policy import Policy


def with_point(policy: ScalingPolicy, point: MetricPoint, limits: Policy) -> ScalingPolicy:
    """The policy after one more point; a point that came before changes nothing.

    A point of a whole period takes the place of what is known of that period.
    """
    if point.at_ms <= policy.point_at_ms and not point.is_whole:
        return policy
    number = point.at_ms // policy.spec.period_ms
    known = {each.number: each for each in policy.periods}
    before = known.get(number)
    if point.is_whole or before is None:
        value = point.value_milli
        known[number] = Period(number, 1, value, value, value, point.is_whole)
    elif not before.is_whole:
        known[number] = Period(
            number,
            before.count + 1,
            before.total_milli + point.value_milli,
            min(before.minimum_milli, point.value_milli),
            max(before.maximum_milli, point.value_milli),
        )
    # Twice what is looked at: gaps that are ignored are filled from before. One more is under way.
    kept = 2 * periods_looked_at(policy.spec, limits) + 1
    periods = tuple(known[each] for each in sorted(known)[-kept:])
    return replace(policy, periods=periods, point_at_ms=max(policy.point_at_ms, point.at_ms))


def value_of(period: Period, statistic: Statistic) -> int:
    """What a period's points are by this statistic, in thousandths."""
    if period.is_whole:
        return period.total_milli  # Whoever told it has applied the statistic.
    match statistic:
        case "Average":
            return period.total_milli // period.count
        case "Sum":
            return period.total_milli
        case "Minimum":
            return period.minimum_milli
        case "Maximum":
            return period.maximum_milli
        case "SampleCount":
            return period.count * 1_000
    assert_never(statistic)


def is_beyond(value_milli: int, comparison: Comparison, threshold_milli: int) -> bool:
    """Whether the value is where the alarm's condition says."""
    match comparison:
        case "GreaterThanOrEqualToThreshold":
            return value_milli >= threshold_milli
        case "GreaterThanThreshold":
            return value_milli > threshold_milli
        case "LessThanOrEqualToThreshold":
            return value_milli <= threshold_milli
        case "LessThanThreshold":
            return value_milli < threshold_milli
    assert_never(comparison)


class Condition(NamedTuple):
    """What an alarm is raised by: so many periods beyond a threshold, and what gaps are."""

    looked_at: int
    comparison: Comparison
    threshold_milli: int
    missing: MissingData = "missing"


def is_raised(values: Mapping[int, int], last: int, when: Condition) -> bool | None:
    """Whether the periods up to ``last`` are all beyond the threshold; None: unknown.

    ``values`` are those of the periods that have any, by number.
    """
    count, comparison, threshold_milli, missing = when
    if last not in values:
        return None
    if missing == "ignore":
        there = [values[each] for each in sorted(values) if each <= last][-count:]
        if len(there) < count:
            return None
        return all(is_beyond(each, comparison, threshold_milli) for each in there)
    for number in range(last - count + 1, last + 1):
        if number in values:
            if not is_beyond(values[number], comparison, threshold_milli):
                return False
        elif missing == "notBreaching":
            return False
        elif missing == "missing":
            return None
    return True


def last_period(policy: ScalingPolicy, now_ms: int, late_ms: int) -> int:
    """The newest period of which everything should be known by now."""
    return (now_ms - late_ms) // policy.spec.period_ms - 1


def lateness_ms(spec: ScalingSpec, limits: Policy) -> int:
    """How long after its end a period is waited for.

    Where we ask ourselves, a moment; CloudWatch has a minute's values minutes later.
    """
    if not spec.metric.namespace.startswith(OURS):
        return limits.cloudwatch_lateness_ms
    return min(spec.period_ms // 2, limits.metric_lateness_ms)


def looked_at(policy: ScalingPolicy, desired: int, now_ms: int, limits: Policy) -> ScalingPolicy:
    """The policy after its alarm was looked at; ``desired`` is the job's size now."""
    spec = policy.spec
    late_ms = lateness_ms(spec, limits)
    last = last_period(policy, now_ms, late_ms)
    share = max(desired, 1) if spec.metric.is_per_task else 1
    raw = {each.number: value_of(each, spec.metric.statistic) for each in policy.periods}
    values = {number: value // share for number, value in raw.items()}
    if isinstance(spec, StepScaling):
        alarm = _step_alarm(spec, values, last)
    else:
        alarm = _target_alarm(spec, values, last, limits)
    value = values.get(last)
    load = None if value is None else raw[last] * (1 if spec.metric.is_per_task else desired)
    return replace(
        policy,
        alarm=alarm,
        value_milli=value,
        load_milli=load,
        looked_at_ms=now_ms,
        next_ms=(now_ms - late_ms) // spec.period_ms * spec.period_ms + spec.period_ms + late_ms,
    )


def _step_alarm(spec: StepScaling, values: Mapping[int, int], last: int) -> Alarm:
    when = Condition(spec.evaluation_periods, spec.comparison, spec.threshold_milli, spec.missing)
    found = is_raised(values, last, when)
    if found is None:
        return "insufficient"
    return "high" if found else "ok"


def _target_alarm(
    spec: TargetTracking, values: Mapping[int, int], last: int, limits: Policy
) -> Alarm:
    out, back = target_periods(limits)
    above = Condition(out, "GreaterThanThreshold", spec.target_milli)
    is_high = is_raised(values, last, above)
    if is_high:
        return "high"
    low_milli = low_threshold_milli(spec, limits)
    below = Condition(back, "LessThanThreshold", low_milli)
    if is_raised(values, last, below):
        return "low"
    # Too few periods for a scale-in are enough to know that nothing is too high.
    return "insufficient" if is_high is None else "ok"


def low_threshold_milli(spec: TargetTracking, limits: Policy) -> int:
    """Below this, a target is missed on the other side."""
    return spec.target_milli * limits.target_in_percent // 100
