"""A scaling policy of Titus' API v3 as JSON: read into a closed type, and written back.

The one thing to know: fields and their meanings are Titus' and AWS'. What those have no word for is
ours and optional: ``perTask`` and ``treatMissingData`` of metrics, ``periodSec`` and ``prediction``
of a target. The namespace of a metric says where it comes from (``docs/autoscaling.md``).
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final, TypeVar, cast, get_args

from scheduler.model.autoscaling import (
    OURS,
    OWN_METRICS,
    OWN_NAMESPACE,
    PROMETHEUS_NAMESPACE,
    SQS_METRICS,
    SQS_NAMESPACE,
    USAGE_METRICS,
    USAGE_NAMESPACE,
    VALUE_MILLI_MAX,
    AdjustmentType,
    Comparison,
    Metric,
    MissingData,
    Prediction,
    ScalingSpec,
    Statistic,
    StepAdjustment,
    StepScaling,
    TargetTracking,
)
from scheduler.model.reading.checks import name_check, words_check
from scheduler.model.reading.faults import nearest_name, shown
from scheduler.model.reading.fields import Fields

NAME_BYTES_MAX: Final = 255
QUERY_BYTES_MAX: Final = 2_000
"""Of a query of Prometheus, which stands where others have a name."""
DIMENSIONS_MAX: Final = 30
"""CloudWatch's own limit."""
PERIOD_S_MAX: Final = 86_400
PERIODS_MAX: Final = 100
COOLDOWN_S_MAX: Final = 86_400
COOLDOWN_S: Final = 300
"""AWS' default for services."""
STEPS_MAX: Final = 20
"""AWS' own limit of step adjustments of a policy."""
ADJUSTMENT_MAX: Final = 100_000
HORIZON_S_MAX: Final = 86_400
SEASON_S_MAX: Final = 604_800
SLOTS_MAX: Final = 2_016
"""Of a season; as `scheduler.autoscaling.forecast` keeps them."""
PREDEFINED: Final = {
    "ECSServiceAverageCPUUtilization": "cpuUtilization",
    "ECSServiceAverageMemoryUtilization": "memoryUtilization",
}
"""What AWS calls the means over a service's tasks, as metrics of ours."""

_NAME: Final = name_check(NAME_BYTES_MAX)
_QUERY: Final = name_check(QUERY_BYTES_MAX)
_VALUE: Final = words_check(NAME_BYTES_MAX)
_KINDS: Final = ("stepPolicyDescriptor", "targetPolicyDescriptor")
T = TypeVar("T")


def read_scaling(fields: Fields) -> ScalingSpec | None:
    """The policy of a ``scalingPolicy`` object; None where it says of no kind that it is."""
    given = [name for name in _KINDS if fields.has(name)]
    if len(given) != 1:
        text = "has " + ("both kinds" if given else f"neither {_KINDS[0]} nor {_KINDS[1]}")
        fields.fault_here(text, "give exactly one")
        return None
    inner = fields.inner(given[0])
    spec = _step(inner) if given[0] == _KINDS[0] else _target(inner)
    inner.close()
    fields.close()
    return spec


def _step(fields: Fields) -> StepScaling:
    alarm, scaling = fields.inner("alarmConfig"), fields.inner("scalingPolicy")
    namespace = alarm.raw("metricNamespace")
    metric = _metric(
        alarm,
        _one_of(alarm, "statistic", get_args(Statistic), "Average"),
        "metricNamespace",
        is_query=namespace == PROMETHEUS_NAMESPACE,
    )
    period_s = alarm.whole("periodSec", 1, PERIOD_S_MAX)
    kind = cast(
        "AdjustmentType",
        _one_of(scaling, "adjustmentType", get_args(AdjustmentType), "ChangeInCapacity"),
    )
    steps = _steps(scaling, kind)
    spec = StepScaling(
        metric=metric,
        comparison=cast("Comparison", _required(alarm, "comparisonOperator", get_args(Comparison))),
        threshold_milli=_milli(alarm, "threshold"),
        evaluation_periods=alarm.whole("evaluationPeriods", 1, PERIODS_MAX),
        period_ms=period_s * 1_000,
        adjustment_type=kind,
        steps=steps,
        cooldown_ms=_seconds(scaling, "cooldownSec", 0, COOLDOWN_S_MAX, COOLDOWN_S),
        magnitude_min=scaling.whole("minAdjustmentMagnitude", 0, ADJUSTMENT_MAX, default=0),
        missing=cast(
            "MissingData", _one_of(alarm, "treatMissingData", get_args(MissingData), "missing")
        ),
        is_acting=alarm.truth("actionsEnabled", default=True),
    )
    # AWS has it twice: there of the alarm, here of the policy. Two answers would be none.
    if scaling.has("metricAggregationType"):
        again = _one_of(scaling, "metricAggregationType", get_args(Statistic), "")
        if again != metric.statistic:
            hint = f"alarmConfig has {metric.statistic}; leave it out"
            scaling.fault("metricAggregationType", f"is {again}, another than the alarm's", hint)
    alarm.close()
    scaling.close()
    return spec


def _steps(fields: Fields, kind: AdjustmentType) -> tuple[StepAdjustment, ...]:
    raw = fields.raw("stepAdjustments")
    if not isinstance(raw, list) or not 1 <= len(raw) <= STEPS_MAX:
        text = f"is {shown(raw)}; a list of 1 to {STEPS_MAX} steps is needed"
        fields.fault("stepAdjustments", text, 'write [{"scalingAdjustment": 1}]')
        return ()
    found = []
    for place, each in enumerate(raw):
        step = fields.below("stepAdjustments", place, each)
        least = 0 if kind == "ExactCapacity" else -ADJUSTMENT_MAX
        lower, upper = (
            _milli(step, name) if step.has(name) else None
            for name in ("metricIntervalLowerBound", "metricIntervalUpperBound")
        )
        found.append(
            StepAdjustment(step.whole("scalingAdjustment", least, ADJUSTMENT_MAX), lower, upper)
        )
        step.close()
    ordered = sorted(found, key=lambda each: (each.lower_milli is not None, each.lower_milli or 0))
    for each in ordered:
        both = each.lower_milli is not None and each.upper_milli is not None
        if both and cast("int", each.lower_milli) >= cast("int", each.upper_milli):
            text = "has a step whose bounds are out of order"
            fields.fault("stepAdjustments", text, "give lower < upper")
    for before, after in pairwise(ordered):
        ends, begins = before.upper_milli, after.lower_milli
        if ends is None or begins is None or begins < ends:
            text = "has steps that overlap, so that two of them could be meant"
            fields.fault("stepAdjustments", text, "end one where the next begins")
    return tuple(ordered)


def _target(fields: Fields) -> TargetTracking:
    is_predefined = fields.has("predefinedMetricSpecification")
    if is_predefined == fields.has("customizedMetricSpecification"):
        text = "needs one of predefinedMetricSpecification and customizedMetricSpecification"
        fields.fault_here(text, "give exactly one")
    predefined = ""
    if is_predefined:
        inner = fields.inner("predefinedMetricSpecification")
        predefined = _required(inner, "predefinedMetricType", tuple(PREDEFINED))
        inner.raw("resourceLabel")  # Of load balancers' metrics, which these are not.
        inner.close()
        metric = Metric(USAGE_NAMESPACE, PREDEFINED.get(predefined, "cpuUtilization"))
    else:
        inner = fields.inner("customizedMetricSpecification")
        namespace = inner.raw("namespace")
        statistic = _one_of(inner, "statistic", get_args(Statistic), "Average")
        is_query = namespace == PROMETHEUS_NAMESPACE
        metric = _metric(inner, statistic, "namespace", is_query=is_query)
        inner.close()
    period_ms = _seconds(fields, "periodSec", 1, PERIOD_S_MAX, 60)
    return TargetTracking(
        metric=metric,
        target_milli=_milli(fields, "targetValue", least=1),
        out_cooldown_ms=_seconds(fields, "scaleOutCooldownSec", 0, COOLDOWN_S_MAX, COOLDOWN_S),
        in_cooldown_ms=_seconds(fields, "scaleInCooldownSec", 0, COOLDOWN_S_MAX, COOLDOWN_S),
        is_scale_in_disabled=fields.truth("disableScaleIn", default=False),
        period_ms=period_ms,
        predefined=predefined,
        prediction=_prediction(fields, period_ms),
    )


def _prediction(fields: Fields, period_ms: int) -> Prediction | None:
    inner = fields.inner_if_given("prediction")
    if inner is None:
        return None
    horizon_ms = _seconds(inner, "horizonSec", 1, HORIZON_S_MAX, None)
    quantile = inner.thousandths("quantile", 500, 999) if inner.has("quantile") else 950
    season_ms = _seconds(inner, "seasonSec", 60, SEASON_S_MAX, 86_400)
    if max(season_ms, horizon_ms) > SLOTS_MAX * period_ms:
        text = f"is of more than {SLOTS_MAX} periods of {period_ms // 1_000} s"
        name = "seasonSec" if season_ms >= horizon_ms else "horizonSec"
        inner.fault(name, text, "make periodSec longer, or the season shorter")
    is_only_shown = inner.truth("forecastOnly", default=False)
    inner.close()
    return Prediction(horizon_ms, quantile, season_ms, is_only_shown)


def _metric(fields: Fields, statistic: str, namespace_name: str, *, is_query: bool) -> Metric:
    namespace = fields.text(namespace_name, _NAME)
    name = fields.text("metricName", _QUERY if is_query else _NAME)
    known = _KNOWN.get(namespace)
    if known is not None and name and name not in known:
        hint = nearest_name(name, known)
        fields.fault("metricName", f"is {shown(name)}; {namespace} has no such", hint)
    dimensions = _dimensions(fields)
    known_namespaces = (PROMETHEUS_NAMESPACE, OWN_NAMESPACE, USAGE_NAMESPACE)
    if dimensions and namespace in known_namespaces:
        fields.fault("dimensions", f"are given, and {namespace} has none", "leave them out")
    if namespace.startswith(OURS) and namespace not in (*known_namespaces, SQS_NAMESPACE):
        hint = nearest_name(namespace, (*known_namespaces, SQS_NAMESPACE))
        fields.fault(namespace_name, f"is {shown(namespace)}, which does not exist", hint)
    named = {key for key, _ in dimensions}
    if namespace == SQS_NAMESPACE and not {"QueueName", "QueueUrl"} & named:
        fields.fault("dimensions", "name no queue", '[{"name": "QueueName", "value": "work"}]')
    return Metric(
        namespace=namespace,
        name=name,
        statistic=cast("Statistic", statistic),
        dimensions=dimensions,
        unit=fields.text("unit", _VALUE, default=""),
        is_per_task=fields.truth("perTask", default=False),
    )


_KNOWN: Final = {
    OWN_NAMESPACE: OWN_METRICS,
    USAGE_NAMESPACE: USAGE_METRICS,
    SQS_NAMESPACE: SQS_METRICS,
}


def _dimensions(fields: Fields) -> tuple[tuple[str, str], ...]:
    raw = fields.raw("dimensions")
    if raw is None:
        return ()
    if not isinstance(raw, list) or len(raw) > DIMENSIONS_MAX:
        text = f"is {shown(raw)}; a list of at most {DIMENSIONS_MAX} is needed"
        fields.fault("dimensions", text, '[{"name": "QueueName", "value": "work"}]')
        return ()
    found = []
    for place, each in enumerate(raw):
        inner = fields.below("dimensions", place, each)
        found.append((inner.text("name", _NAME), inner.text("value", _NAME)))
        inner.close()
    return tuple(sorted(found))


def _seconds(fields: Fields, name: str, least: int, most: int, default: int | None) -> int:
    return fields.whole(name, least, most, default=default, unit=" s") * 1_000


def _milli(fields: Fields, name: str, least: int = -VALUE_MILLI_MAX) -> int:
    """The field's number in thousandths; finer than that nothing is decided."""
    value = fields.raw(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        what = "is missing" if value is None else f"is {shown(value)}; a number is needed"
        fields.fault(name, what, "write a number such as 5")
        return max(least, 1_000)
    if not least <= value * 1_000 <= VALUE_MILLI_MAX:  # False for NaN, too
        fields.fault(name, f"is {shown(value)}, which is out of bounds", "give a sensible number")
        return max(least, 1_000)
    nearest = round(value * 1_000)
    if not math.isclose(value * 1_000, nearest, rel_tol=1e-9, abs_tol=1e-9):
        hint = f"give {nearest / 1_000:g}"
        fields.fault(name, f"is {shown(value)}, finer than thousandths", hint)
    return nearest


def _required(fields: Fields, name: str, allowed: Sequence[str]) -> str:
    if not fields.has(name):
        fields.fault(name, "is missing", f"one of {', '.join(allowed)}")
        return allowed[0]
    return _one_of(fields, name, allowed, allowed[0])


def _one_of(fields: Fields, name: str, allowed: Sequence[str], default: str) -> str:
    value = fields.raw(name)
    if value is None:
        return default
    if value not in allowed:
        hint = f"one of {', '.join(allowed)}"
        fields.fault(name, f"is {shown(value)}, which is none of them", hint)
        return default
    return str(value)


def scaling_document(spec: ScalingSpec) -> dict[str, Any]:
    """The policy as ``scalingPolicy`` of Titus' API, from which it can be read again."""
    if isinstance(spec, StepScaling):
        return {_KINDS[0]: _step_document(spec)}
    return {_KINDS[1]: _target_document(spec)}


def _step_document(spec: StepScaling) -> dict[str, Any]:
    alarm: dict[str, Any] = {
        "actionsEnabled": spec.is_acting,
        "comparisonOperator": spec.comparison,
        "evaluationPeriods": spec.evaluation_periods,
        "periodSec": spec.period_ms // 1_000,
        "threshold": number(spec.threshold_milli),
        "treatMissingData": spec.missing,
        **_metric_document(spec.metric, "metricNamespace"),
    }
    steps = [
        _given(
            {
                "metricIntervalLowerBound": number(each.lower_milli),
                "metricIntervalUpperBound": number(each.upper_milli),
                "scalingAdjustment": each.adjustment,
            }
        )
        for each in spec.steps
    ]
    scaling = {
        "adjustmentType": spec.adjustment_type,
        "cooldownSec": spec.cooldown_ms // 1_000,
        "minAdjustmentMagnitude": spec.magnitude_min,
        "stepAdjustments": steps,
    }
    return {"alarmConfig": alarm, "scalingPolicy": scaling}


def _target_document(spec: TargetTracking) -> dict[str, Any]:
    if spec.predefined:
        metric: dict[str, Any] = {
            "predefinedMetricSpecification": {"predefinedMetricType": spec.predefined}
        }
    else:
        metric = {"customizedMetricSpecification": _metric_document(spec.metric, "namespace")}
    ahead = spec.prediction
    prediction = None
    if ahead is not None:
        prediction = {
            "horizonSec": ahead.horizon_ms // 1_000,
            "quantile": number(ahead.quantile_milli),
            "seasonSec": ahead.season_ms // 1_000,
            "forecastOnly": ahead.is_only_shown,
        }
    return _given(
        {
            "targetValue": number(spec.target_milli),
            "scaleOutCooldownSec": spec.out_cooldown_ms // 1_000,
            "scaleInCooldownSec": spec.in_cooldown_ms // 1_000,
            "disableScaleIn": spec.is_scale_in_disabled,
            "periodSec": spec.period_ms // 1_000,
            **metric,
            "prediction": prediction,
        }
    )


def _metric_document(metric: Metric, namespace_name: str) -> dict[str, Any]:
    return _given(
        {
            namespace_name: metric.namespace,
            "metricName": metric.name,
            "statistic": metric.statistic,
            "dimensions": [{"name": name, "value": value} for name, value in metric.dimensions]
            or None,
            "unit": metric.unit or None,
            "perTask": metric.is_per_task or None,
        }
    )


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def number(value_milli: int | None) -> int | float | None:
    """Thousandths as the number that they are; None of None."""
    if value_milli is None:
        return None
    whole, rest = divmod(value_milli, 1_000)
    return whole if rest == 0 else value_milli / 1_000
