"""Records of updates: what is written is read as the same, and what is wrong says where."""

import json
from typing import Any

import pytest

from scheduler.model.descriptor import descriptor_of, spec_digest
from scheduler.model.foreign import decode_jobs_record
from scheduler.model.foreign_updates import (
    encode_order_update,
    encode_update_job,
    read_plan,
    written_plan,
)
from scheduler.model.ids import JobId
from scheduler.model.inbound import InboundRejected
from scheduler.model.job_updates import JobUpdateAsked, JobUpdateOrdered, Share, UpdatePlan
from scheduler.model.reading.faults import Faults
from scheduler.model.reading.fields import Fields
from tests.support.cell import service

JOB = JobId("web")
PLANS = (
    UpdatePlan(),
    UpdatePlan(
        strategy="redBlack",
        batch=Share(count=3),
        max_unavailable=Share(count=0),
        max_surge=Share(percent=100),
        health_wait_ms=0,
        batch_deadline_ms=1_000,
        failures_max=1,
        failure_window_ms=1_000,
        is_rolled_back=False,
        keep_ms=0,
        is_restart=True,
    ),
)


@pytest.mark.parametrize("plan", PLANS)
def test_what_is_written_is_read_as_the_same(plan: UpdatePlan) -> None:
    spec = service(3)
    value = encode_update_job(
        JOB, descriptor_of(spec), written_plan(plan), actor="ada", why="new", if_version=4
    )
    read = decode_jobs_record(b"web", value)
    assert read == JobUpdateAsked(JOB, spec, spec_digest(spec), plan, "ada", "new", 4)


def test_orders_are_read_as_written() -> None:
    value = encode_order_update(JOB, "pause", 3, actor="ada", why="lunch")
    assert decode_jobs_record(b"web", value) == JobUpdateOrdered(JOB, "pause", 3, "ada", "lunch")


def test_no_plan_is_the_usual_one() -> None:
    read = decode_jobs_record(None, encode_update_job(JOB, descriptor_of(service(3))))
    assert isinstance(read, JobUpdateAsked)
    assert read.plan == read_plan(Fields({}, "plan", Faults())) == UpdatePlan()


@pytest.mark.parametrize(
    ("plan", "field"),
    [
        ({"batch": "101%"}, "plan.batch"),
        ({"batch": 0}, "plan.batch"),
        ({"maxSurge": "many"}, "plan.maxSurge"),
        ({"maxUnavailable": -1}, "plan.maxUnavailable"),
        ({"strategy": "canary"}, "plan.strategy"),
        ({"healthWaitSec": 60, "batchDeadlineSec": 60}, "plan.batchDeadlineSec"),
        ({"surge": 1}, "plan.surge"),
        ({"failuresMax": 0}, "plan.failuresMax"),
    ],
)
def test_what_is_wrong_with_a_plan_says_where(plan: dict[str, Any], field: str) -> None:
    read = decode_jobs_record(None, encode_update_job(JOB, descriptor_of(service(3)), plan))
    assert isinstance(read, InboundRejected)
    assert [each.field for each in read.faults] == [field]


def test_an_unknown_order_and_anothers_key_are_refused() -> None:
    value = json.dumps({"type": "OrderUpdate", "jobId": "web", "order": "stop"}).encode()
    read = decode_jobs_record(b"other", value)
    assert isinstance(read, InboundRejected)
    assert {each.field for each in read.faults} == {"order", "jobId"}
