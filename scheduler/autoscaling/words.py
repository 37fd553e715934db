"""Sentences about scaling, for the log's readers: which metric, which value, against what.

The one thing to know: they become the message of the change, so `why` and `events` show them as
they were when the decision was made.
"""

from scheduler.autoscaling.alarm import low_threshold_milli
from scheduler.autoscaling.standing import ScalingPolicy, target_periods
from scheduler.model.autoscaling import Comparison, Metric, StepScaling
from scheduler.model.policy import Policy

_SIGNS: dict[Comparison, str] = {
    "GreaterThanOrEqualToThreshold": ">=",
    "GreaterThanThreshold": ">",
    "LessThanOrEqualToThreshold": "<=",
    "LessThanThreshold": "<",
}


def decimal(value_milli: int) -> str:
    """Thousandths as a decimal number without needless zeros."""
    sign = "-" if value_milli < 0 else ""
    whole, rest = divmod(abs(value_milli), 1_000)
    return f"{sign}{whole}.{rest:03}".rstrip("0").rstrip(".")


def metric_words(metric: Metric) -> str:
    """The metric in a line: statistic, namespace, name, dimensions."""
    dimensions = ", ".join(f"{name}={value}" for name, value in metric.dimensions)
    share = " a task" if metric.is_per_task else ""
    where = f"{{{dimensions}}}" if dimensions else ""
    return f"{metric.statistic} of {metric.namespace} {metric.name}{where}{share}"


def reason_of(policy: ScalingPolicy, limits: Policy, *, is_forecast: bool) -> str:
    """Why the policy asks for another size, with the value and what it was held against."""
    spec = policy.spec
    name = metric_words(spec.metric)
    if is_forecast and policy.forecast_milli is not None and not isinstance(spec, StepScaling):
        assert spec.prediction is not None
        ahead = spec.prediction.horizon_ms // 1_000
        return (
            f"{name} is expected to be {decimal(policy.forecast_milli)} for the whole job within "
            f"{ahead} s, and the target is {decimal(spec.target_milli)} a task"
        )
    value = "unknown" if policy.value_milli is None else decimal(policy.value_milli)
    if isinstance(spec, StepScaling):
        sign, periods = _SIGNS[spec.comparison], spec.evaluation_periods
        threshold = decimal(spec.threshold_milli)
        return (
            f"{name} was {value}, {sign} {threshold} in {periods} of {periods} "
            f"periods of {spec.period_ms // 1_000} s"
        )
    if policy.alarm == "low":
        low, periods = decimal(low_threshold_milli(spec, limits)), target_periods(limits)[1]
        return (
            f"{name} was {value}, below {low} in {periods} periods of "
            f"{spec.period_ms // 1_000} s, and its target is {decimal(spec.target_milli)}"
        )
    return (
        f"{name} was {value}, above its target {decimal(spec.target_milli)} in "
        f"{target_periods(limits)[0]} periods of {spec.period_ms // 1_000} s"
    )
