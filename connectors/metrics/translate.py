"""Answers of metric sources, as readings; and readings as the whole numbers of the log: pure.

The one thing to know: nothing is guessed. A query that answers with several series, a value that is
no finite number or is larger than any sensible one is a failure, with its reason.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from connectors.mesos.usage import TaskUsage
from connectors.ports import AskedMetric, MetricFailed, Reading
from scheduler.model.autoscaling import (
    SQS_NAMESPACE,
    USAGE_NAMESPACE,
    VALUE_MILLI_MAX,
    MetricPoint,
)

Json = Mapping[str, Any]
NEVER_NEGATIVE: Final = (SQS_NAMESPACE, USAGE_NAMESPACE)
PERCENT_MAX: Final = 100_000
"""A task on a host of 1,000 threads that may use one of them."""


def point_of(asked: AskedMetric, reading: Reading) -> MetricPoint:
    """The reading in whole thousandths; raises `MetricFailed` where it is absurd."""
    value = reading.value
    if not math.isfinite(value) or abs(value) * 1_000 > VALUE_MILLI_MAX:
        raise MetricFailed(f"the value {value} is absurd")
    namespace = asked.metric.namespace
    if value < 0 and namespace in NEVER_NEGATIVE:
        raise MetricFailed(f"the value {value} is absurd: it cannot be negative")
    if namespace == USAGE_NAMESPACE and value > PERCENT_MAX:
        raise MetricFailed(f"the value {value} per cent is absurd")
    at_ms = reading.at_ms
    return MetricPoint(
        asked.policy_id, asked.version, at_ms, round(value * 1_000), reading.is_whole
    )


_DIGITS_MAX: Final = 20
"""Of a count of messages."""


def prometheus_readings(answer: object) -> list[Reading]:
    """What an instant query answered; raises `MetricFailed` for what is no single series."""
    if not isinstance(answer, dict) or answer.get("status") != "success":
        why = answer.get("error") if isinstance(answer, dict) else None
        raise MetricFailed(f"Prometheus refused the query: {why or 'it gave no reason'}")
    data = answer.get("data")
    kind = data.get("resultType") if isinstance(data, dict) else None
    result = data.get("result") if isinstance(data, dict) else None
    if kind == "scalar":
        return [_sample(result)]
    if kind != "vector" or not isinstance(result, list):
        raise MetricFailed(
            f"the query gives a {kind}; a vector of one series or a scalar is needed"
        )
    if len(result) > 1:
        raise MetricFailed(
            f"the query gives {len(result)} series; sum() or avg() makes one of them"
        )
    return [_sample(each.get("value") if isinstance(each, dict) else None) for each in result]


def _sample(pair: object) -> Reading:
    if not isinstance(pair, list) or len(pair) != 2:
        raise MetricFailed(f"Prometheus gave {str(pair)[:100]}, which is no time and value")
    at_s, text = pair
    try:
        return Reading(round(float(at_s) * 1_000), float(text))
    except (TypeError, ValueError, OverflowError) as error:
        raise MetricFailed(f"Prometheus gave no time and value: {error}") from error


def cloudwatch_readings(answer: Json) -> list[Reading]:
    """What `GetMetricData` answered to one question, oldest first.

    Raises `MetricFailed` for whatever is none: a proxy's page or JSON of another shape in its
    place is no error to botocore.
    """
    if "MetricDataResults" not in answer:
        raise MetricFailed("CloudWatch's answer holds no results")
    try:
        return _cloudwatch_readings(answer["MetricDataResults"] or [{}])
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise MetricFailed(f"CloudWatch's answer has another shape: {error}") from error


def _cloudwatch_readings(results: list[Json]) -> list[Reading]:
    first = results[0]
    status = first.get("StatusCode", "Complete")
    if status not in {"Complete", "PartialData"}:
        said = "; ".join(each.get("Value", "") for each in first.get("Messages", ()))
        raise MetricFailed(f"CloudWatch answered {status}: {said or 'without a reason'}")
    pairs = zip(first.get("Timestamps", ()), first.get("Values", ()), strict=True)
    found = [Reading(_ms(at), float(value), is_whole=True) for at, value in pairs]
    return sorted(found, key=lambda each: each.at_ms)


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1_000)


def queue_reading(answer: Json, name: str, now_ms: int) -> Reading:
    """What `GetQueueAttributes` answered; raises `MetricFailed` for whatever is no number."""
    attributes = answer.get("Attributes")
    text = attributes.get(name) if isinstance(attributes, dict) else None
    if text is None or not str(text).isdecimal() or len(str(text)) > _DIGITS_MAX:
        raise MetricFailed(f"the queue's {name} is {str(text)[:100]!r}, which is no number")
    return Reading(now_ms, float(text))


def usage_readings(asked: AskedMetric, usages: Iterable[TaskUsage]) -> list[Reading]:
    """The mean over the job's tasks, in per cent of what each may use; none where none is known.

    Its time is that of the newest sample, so that samples which stopped coming are old.
    """
    mine = [each for each in usages if each.job_id == asked.job_id]
    if asked.metric.name == "cpuUtilization":
        pairs = [(each.cpu_milli, each.cpu_limit_milli, each.at_ms) for each in mine]
    else:
        pairs = [(each.memory_rss_bytes, each.memory_limit_bytes, each.at_ms) for each in mine]
    shares = [
        (100 * used / limit, at_ms)
        for used, limit, at_ms in pairs
        if used is not None and limit is not None and limit > 0
    ]
    if not shares:
        return []
    mean = math.fsum(share for share, _ in shares) / len(shares)
    return [Reading(max(at_ms for _, at_ms in shares), mean)]
