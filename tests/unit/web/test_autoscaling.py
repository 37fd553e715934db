"""Scaling policies by Titus' API v3: set, shown, changed, refused and removed.

Each test asks the real application over a cell in memory; each answer is held against the
description of the API.
"""

from typing import Any

import pytest

from scheduler.model.autoscaling import PolicyId, TargetTracking
from tests.support.asgi import call
from tests.support.cell import batch, service
from tests.support.scaling import ScaledCell
from tests.support.web_cell import WebCell

PATH = "/api/v3/autoscaling"
STEP: dict[str, Any] = {
    "stepPolicyDescriptor": {
        "alarmConfig": {
            "actionsEnabled": True,
            "comparisonOperator": "GreaterThanThreshold",
            "evaluationPeriods": 1,
            "periodSec": 10,
            "threshold": 2.5,
            "metricNamespace": "flumina/sqs",
            "metricName": "ApproximateNumberOfMessages",
            "statistic": "Maximum",
            "dimensions": [{"name": "QueueName", "value": "work"}],
            "perTask": True,
            "treatMissingData": "notBreaching",
        },
        "scalingPolicy": {
            "adjustmentType": "PercentChangeInCapacity",
            "cooldownSec": 60,
            "minAdjustmentMagnitude": 2,
            "stepAdjustments": [
                {"metricIntervalLowerBound": 0, "metricIntervalUpperBound": 10.5,
                 "scalingAdjustment": 10},
                {"metricIntervalLowerBound": 10.5, "scalingAdjustment": 50},
            ],
        },
    }
}  # fmt: skip
TARGET: dict[str, Any] = {
    "targetPolicyDescriptor": {
        "targetValue": 60,
        "scaleOutCooldownSec": 30,
        "scaleInCooldownSec": 120,
        "disableScaleIn": True,
        "predefinedMetricSpecification": {
            "predefinedMetricType": "ECSServiceAverageCPUUtilization"
        },
        "periodSec": 60,
        "prediction": {"horizonSec": 900, "quantile": 0.9, "seasonSec": 86400},
    }
}


@pytest.fixture
def web() -> WebCell:
    found = WebCell()
    found.cell.submit(service(2, 20, 1))
    return found


def put(web: WebCell, policy: object, job_id: str = "job", **headers: str) -> Any:
    return call(
        web.app,
        "POST",
        f"{PATH}/scalingPolicy",
        {"jobId": job_id, "scalingPolicy": policy},
        headers,
    )


@pytest.mark.parametrize("document", [STEP, TARGET])
def test_what_is_put_is_given_back(web: WebCell, document: dict[str, Any]) -> None:
    made = put(web, document)
    assert made.status == 201
    name = made.json["id"]
    shown = call(web.app, "GET", f"{PATH}/scalingPolicy/{name}")
    assert shown.status == 200
    assert shown.headers["etag"] == '"1"'
    (kind,) = document
    told = shown.json["scalingPolicy"][kind]
    assert _within(document[kind], told), told
    assert shown.json["policyState"]["state"] == "Pending"
    assert shown.json["jobId"] == "job"
    again = call(web.app, "GET", f"{PATH}/scalingPolicies/job").json
    assert [each["id"]["id"] for each in again["items"]] == [name]
    assert call(web.app, "GET", f"{PATH}/scalingPolicies").json == again
    # And what is shown can be put again, which changes nothing.
    body = {"policyId": {"id": name}, "scalingPolicy": shown.json["scalingPolicy"]}
    assert call(web.app, "PUT", f"{PATH}/scalingPolicy", body).status == 200
    assert call(web.app, "GET", f"{PATH}/scalingPolicy/{name}").json == shown.json


def _within(wanted: object, found: object) -> bool:
    """Whether all that was wanted is there, whatever else is."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            name in found and _within(each, found[name]) for name, each in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(found, list) and all(map(_within, wanted, found))
    return wanted == found


def test_an_idempotency_key_is_one_policy(web: WebCell) -> None:
    first = put(web, TARGET, **{"Idempotency-Key": "k"})
    assert put(web, TARGET, **{"Idempotency-Key": "k"}).json == first.json
    assert len(web.cell.state.scaling_policies) == 1


def test_a_policy_is_changed_by_its_version_and_removed(web: WebCell) -> None:
    name = put(web, STEP).json["id"]
    body = {"policyId": {"id": name}, "scalingPolicy": TARGET}
    late = call(web.app, "PUT", f"{PATH}/scalingPolicy", body, {"If-Match": '"7"'})
    assert late.status == 412
    assert call(web.app, "PUT", f"{PATH}/scalingPolicy", body, {"If-Match": '"1"'}).status == 200
    policy = web.cell.state.scaling_policies[PolicyId(name)]
    assert isinstance(policy.spec, TargetTracking)
    assert policy.version == 2
    assert call(web.app, "DELETE", f"{PATH}/scalingPolicy/{name}?why=done").status == 200
    shown = call(web.app, "GET", f"{PATH}/scalingPolicy/{name}").json
    assert shown["policyState"]["state"] == "Deleting"
    assert call(web.app, "PUT", f"{PATH}/scalingPolicy", body).status == 409


def test_what_is_not_there(web: WebCell) -> None:
    assert call(web.app, "GET", f"{PATH}/scalingPolicy/no").status == 404
    assert call(web.app, "DELETE", f"{PATH}/scalingPolicy/no").status == 404
    assert call(web.app, "GET", f"{PATH}/scalingPolicies/no").status == 404
    assert call(web.app, "GET", f"{PATH}/scalingActivities/no").status == 404
    assert put(web, STEP, "no").status == 404
    web.cell.submit(batch(), "batch")
    assert put(web, STEP, "batch").status == 400


def _changed(document: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    first, _, rest = path.partition(".")
    return {**document, first: _changed(document[first], rest, value) if rest else value}


ALARM = "stepPolicyDescriptor.alarmConfig"
SCALING = "stepPolicyDescriptor.scalingPolicy"
AIM = "targetPolicyDescriptor"


@pytest.mark.parametrize(
    ("document", "path", "value"),
    [
        (STEP, f"{ALARM}.comparisonOperator", "Greater"),
        (STEP, f"{ALARM}.evaluationPeriods", 0),
        (STEP, f"{ALARM}.periodSec", 0),
        (STEP, f"{ALARM}.threshold", 1.23456),
        (STEP, f"{ALARM}.threshold", None),
        (STEP, f"{ALARM}.statistic", "p99"),
        (STEP, f"{ALARM}.metricName", "Depth"),
        (STEP, f"{ALARM}.dimensions", []),
        (STEP, f"{ALARM}.treatMissingData", "guess"),
        (STEP, f"{SCALING}.adjustmentType", "Twice"),
        (STEP, f"{SCALING}.stepAdjustments", []),
        (STEP, f"{SCALING}.metricAggregationType", "Average"),
        (
            STEP,
            f"{SCALING}.stepAdjustments",
            [{"scalingAdjustment": 1}, {"scalingAdjustment": 2}],
        ),
        (TARGET, f"{AIM}.targetValue", 0),
        (TARGET, f"{AIM}.customizedMetricSpecification", {"namespace": "a", "metricName": "b"}),
        (TARGET, f"{AIM}.predefinedMetricSpecification", {"predefinedMetricType": "Other"}),
        (TARGET, f"{AIM}.prediction", {"horizonSec": 900, "seasonSec": 604_800}),
        (TARGET, f"{AIM}.unknown", 1),
    ],
)
def test_a_faulty_policy_is_refused_by_its_field(
    web: WebCell, document: dict[str, Any], path: str, value: object
) -> None:
    refused = put(web, _changed(document, path, value))
    assert refused.status == 400
    fields = [each["field"] for each in refused.json["faults"]]
    parents = (f"scalingPolicy.{path}", f"scalingPolicy.{path.rpartition('.')[0]}")
    assert any(each.startswith(parents) for each in fields), fields
    assert not web.cell.state.scaling_policies


def test_an_activity_says_why_and_where_and_so_do_why_and_events(web: WebCell) -> None:
    alarm = STEP["stepPolicyDescriptor"]["alarmConfig"] | {"perTask": False}
    name = put(web, _changed(STEP, ALARM, alarm)).json["id"]
    there = ScaledCell(web.cell)
    there.pass_periods(3, **{name: 40.0})
    items = call(web.app, "GET", f"{PATH}/scalingActivities/job").json["items"]
    assert [(each["before"], each["after"], each["value"]) for each in items] == [(2, 4, 40)]
    assert items[0]["threshold"] == 2.5
    lines = call(web.app, "GET", "/api/v3/jobs/job/events").json["lines"]
    told = [each for each in lines if each["what"] == "job state"]
    assert [each["address"] for each in told] == [items[0]["address"]]
    assert items[0]["cause"] in told[0]["message"]
    states = [each["message"] for each in lines if each["what"] == "scaling policy"]
    assert [each.partition(" is ")[2].partition(":")[0] for each in states] == [
        "Pending",
        "Applied",
    ]
    sentences = call(web.app, "GET", "/api/v3/jobs/job/why").json["sentences"]
    assert any(items[0]["cause"] in each and items[0]["address"] in each for each in sentences)
