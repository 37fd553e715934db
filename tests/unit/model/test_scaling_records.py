"""Scaling policies and figures as records of producers: what is read, and what is refused."""

from typing import Any

import msgspec
import pytest

from scheduler.model.autoscaling import (
    OWN_NAMESPACE,
    SQS_NAMESPACE,
    MetricFailure,
    MetricObserved,
    MetricPoint,
    PolicyId,
    ScalingPolicySet,
    StepScaling,
)
from scheduler.model.foreign import decode_commands_record, decode_jobs_record
from scheduler.model.foreign_scaling import (
    POINTS_MAX,
    encode_note_metrics,
    encode_put_scaling_policy,
)
from scheduler.model.ids import JobId
from scheduler.model.inbound import InboundRejected

ALARM: dict[str, Any] = {
    "metricNamespace": "AWS/SQS",
    "metricName": "Depth",
    "comparisonOperator": "GreaterThanThreshold",
    "threshold": 10,
    "evaluationPeriods": 1,
    "periodSec": 60,
}
STEPS: list[dict[str, Any]] = [{"scalingAdjustment": 1, "metricIntervalLowerBound": 0}]


def read(value: bytes) -> object:
    """What a record of topic ``jobs`` becomes."""
    return decode_jobs_record(b"", value)


def noted(value: bytes) -> object:
    """What a record of topic ``commands`` becomes."""
    return decode_commands_record(b"", value)


def put(alarm: dict[str, Any] | None = None, **scaling: Any) -> object:
    """A step policy after a change."""
    document = {
        "stepPolicyDescriptor": {
            "alarmConfig": ALARM | (alarm or {}),
            "scalingPolicy": {"stepAdjustments": STEPS} | scaling,
        }
    }
    return read(encode_put_scaling_policy(JobId("job"), PolicyId("p"), document, actor="ada"))


def faults(found: object) -> list[tuple[str, str]]:
    """Where a record is refused, and why."""
    assert isinstance(found, InboundRejected), found
    return [(each.field, each.text) for each in found.faults]


def test_figures_are_read_as_they_are_written() -> None:
    points = [MetricPoint(PolicyId("p"), 2, 5_000, -7, True), MetricPoint(PolicyId("q"), 1, 6, 7)]
    failures = [MetricFailure(PolicyId("r"), 3, "it did not answer")]
    found = noted(encode_note_metrics(points, failures, "autoscale"))
    assert found == MetricObserved(tuple(points), tuple(failures), "autoscale")


@pytest.mark.parametrize("name", ["points", "failures"])
@pytest.mark.parametrize("given", [{}, [{}] * (POINTS_MAX + 1)])
def test_figures_are_a_list_of_so_many(name: str, given: object) -> None:
    value = msgspec.json.encode({"type": "NoteMetrics", name: given, "actor": "autoscale"})
    ((field, text),) = faults(noted(value))
    assert field == name
    assert text.endswith(f"a list of at most {POINTS_MAX} is needed")


def test_neither_kind_and_both_kinds_of_policy() -> None:
    kinds: list[tuple[dict[str, Any], str]] = [
        ({}, "has neither stepPolicyDescriptor nor targetPolicyDescriptor"),
        ({"stepPolicyDescriptor": {}, "targetPolicyDescriptor": {}}, "has both kinds"),
    ]
    for document, text in kinds:
        record = encode_put_scaling_policy(JobId("job"), PolicyId("p"), document, actor="ada")
        assert ("scalingPolicy", text) in faults(read(record))


def test_an_aggregation_that_is_said_twice_has_to_be_the_same() -> None:
    good = put({"statistic": "Maximum"}, metricAggregationType="Maximum")
    assert isinstance(good, ScalingPolicySet)
    assert isinstance(good.spec, StepScaling)
    assert good.spec.metric.statistic == "Maximum"
    ((field, text),) = faults(put({"statistic": "Maximum"}, metricAggregationType="Average"))
    assert field.endswith("scalingPolicy.metricAggregationType")
    assert text == "is Average, another than the alarm's"


def test_steps_are_a_list_in_order_without_overlaps() -> None:
    ((field, text),) = faults(put(stepAdjustments=[]))
    assert field.endswith("stepAdjustments")
    assert text.endswith("; a list of 1 to 20 steps is needed")
    turned = {"metricIntervalLowerBound": 5, "metricIntervalUpperBound": 5, "scalingAdjustment": 1}
    assert "has a step whose bounds are out of order" in [
        text for _, text in faults(put(stepAdjustments=[turned]))
    ]
    both = [
        {"metricIntervalLowerBound": 0, "scalingAdjustment": 1},
        {"metricIntervalLowerBound": 5, "scalingAdjustment": 2},
    ]
    assert "has steps that overlap, so that two of them could be meant" in [
        text for _, text in faults(put(stepAdjustments=both))
    ]


@pytest.mark.parametrize(
    ("alarm", "text"),
    [
        ({"metricNamespace": OWN_NAMESPACE, "metricName": "waitingTaks"}, "has no such"),
        (
            {
                "metricNamespace": OWN_NAMESPACE,
                "metricName": "waitingTasks",
                "dimensions": [{"name": "a", "value": "b"}],
            },
            "are given, and ",
        ),
        ({"metricNamespace": "flumina/promotheus"}, "which does not exist"),
        ({"dimensions": 5}, "a list of at most"),
        ({"metricNamespace": SQS_NAMESPACE, "metricName": "x"}, "name no queue"),
    ],
)
def test_metrics_that_are_none(alarm: dict[str, Any], text: str) -> None:
    assert any(text in each for _, each in faults(put(alarm)))
