"""Records about scaling policies and their metrics, read from topics ``jobs`` and ``commands``.

The one thing to know: a policy is its job's and comes by ``jobs``; what sources of metrics say
comes by ``commands``, as other measurements of ours do. Each encoder stands beside the reader of
what it writes; `scheduler.model.foreign` hooks the readers in.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from scheduler.model.autoscaling import (
    VALUE_MILLI_MAX,
    Metric,
    MetricFailure,
    MetricObserved,
    MetricPoint,
    PolicyId,
    ScalingPolicyRemoved,
    ScalingPolicySet,
    TargetTracking,
)
from scheduler.model.ids import JobId
from scheduler.model.reading.checks import pattern_check, words_check
from scheduler.model.reading.faults import shown
from scheduler.model.reading.fields import Fields
from scheduler.model.reading.requests import (
    VERSION_MAX,
    read_actor,
    read_if_version,
    read_job_id,
    read_said,
)
from scheduler.model.v3.scaling import read_scaling

POINTS_MAX: Final = 1_000
"""Of a record; some 100 bytes each, so that it stays far below the limit of a record."""
TIME_MS_MAX: Final = 2**53
_WHY: Final = words_check(1_000)
POLICY_ID_CHECK: Final = pattern_check(
    "[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?", 64, "policy-12345"
)
_NONE: Final = TargetTracking(Metric("", ""), 1_000)
"""In the place of a policy that could not be read; its record is refused."""


def _policy_id(fields: Fields) -> PolicyId:
    return PolicyId(fields.text("policyId", POLICY_ID_CHECK))


def _put_policy(fields: Fields) -> ScalingPolicySet:
    job_id, policy_id = read_job_id(fields), _policy_id(fields)
    spec = read_scaling(fields.inner("scalingPolicy"))
    said = read_said(fields)
    return ScalingPolicySet(job_id, policy_id, spec or _NONE, *said, read_if_version(fields))


def _delete_policy(fields: Fields) -> ScalingPolicyRemoved:
    job_id, policy_id = read_job_id(fields), _policy_id(fields)
    return ScalingPolicyRemoved(job_id, policy_id, *read_said(fields), read_if_version(fields))


def _note_metrics(fields: Fields) -> MetricObserved:
    points = []
    for each in _objects(fields, "points"):
        policy_id, version = _policy_id(each), each.whole("version", 1, VERSION_MAX)
        at_ms = each.whole("atMs", 1, TIME_MS_MAX)
        value = each.whole("valueMilli", -VALUE_MILLI_MAX, VALUE_MILLI_MAX)
        is_whole = each.truth("wholePeriod", default=False)
        points.append(MetricPoint(policy_id, version, at_ms, value, is_whole))
        each.close()
    failures = []
    for each in _objects(fields, "failures"):
        policy_id, version = _policy_id(each), each.whole("version", 1, VERSION_MAX)
        failures.append(MetricFailure(policy_id, version, each.text("why", _WHY)))
        each.close()
    return MetricObserved(tuple(points), tuple(failures), read_actor(fields))


def _objects(fields: Fields, name: str) -> list[Fields]:
    raw = fields.raw(name)
    if raw is None:
        return []
    if not isinstance(raw, list) or len(raw) > POINTS_MAX:
        text = f"is {shown(raw)}; a list of at most {POINTS_MAX} is needed"
        fields.fault(name, text, "write [...]")
        return []
    return [fields.below(name, place, each) for place, each in enumerate(raw)]


PolicyReader = Callable[[Fields], ScalingPolicySet | ScalingPolicyRemoved]
SCALING_REQUESTS: Final[Mapping[str, PolicyReader]] = {
    "PutScalingPolicy": _put_policy,
    "DeleteScalingPolicy": _delete_policy,
}
METRIC_RECORDS: Final[Mapping[str, Callable[[Fields], MetricObserved]]] = {
    "NoteMetrics": _note_metrics
}


def encode_put_scaling_policy(
    job_id: JobId,
    policy_id: PolicyId,
    document: object,
    *,
    actor: str = "",
    why: str = "",
    if_version: int | None = None,
) -> bytes:
    """The value that gives a job a scaling policy; ``document`` is its ``scalingPolicy``."""
    record = {"jobId": job_id, "policyId": policy_id, "scalingPolicy": document}
    return _encoded("PutScalingPolicy", record, actor, why, if_version)


def encode_delete_scaling_policy(
    job_id: JobId,
    policy_id: PolicyId,
    *,
    actor: str = "",
    why: str = "",
    if_version: int | None = None,
) -> bytes:
    """The value that takes a scaling policy away."""
    record = {"jobId": job_id, "policyId": policy_id}
    return _encoded("DeleteScalingPolicy", record, actor, why, if_version)


def encode_note_metrics(
    points: Sequence[MetricPoint], failures: Sequence[MetricFailure], actor: str
) -> bytes:
    """The value by which what sources of metrics say becomes known to the cell."""
    record: dict[str, Any] = {
        "type": "NoteMetrics",
        "points": [
            {
                "policyId": each.policy_id,
                "version": each.version,
                "atMs": each.at_ms,
                "valueMilli": each.value_milli,
                "wholePeriod": each.is_whole,
            }
            for each in points
        ],
        "failures": [
            {"policyId": each.policy_id, "version": each.version, "why": each.why}
            for each in failures
        ],
        "actor": actor,
    }
    return msgspec.json.encode(record)


def _encoded(
    kind: str, record: Mapping[str, object], actor: str, why: str, if_version: int | None
) -> bytes:
    version = {} if if_version is None else {"ifVersion": if_version}
    return msgspec.json.encode({"type": kind, **record, **version, "actor": actor, "why": why})
