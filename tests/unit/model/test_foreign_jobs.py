"""Requests about jobs and tasks that live are read as they were encoded, and refused by field."""

import json
from typing import Any

import pytest

from scheduler.model.foreign import ForeignBody, decode_jobs_record
from scheduler.model.foreign_jobs import (
    encode_move_task,
    encode_set_job_enabled,
    encode_set_job_processes,
    encode_update_job_attributes,
    encode_update_task_attributes,
)
from scheduler.model.foreign_records import encode_kill_job, encode_kill_task, encode_scale_job
from scheduler.model.ids import JobId, TaskId
from scheduler.model.inbound import InboundRejected, JobKillAsked, JobScaleAsked, TaskKillAsked
from scheduler.model.job_requests import (
    JobAttributesAsked,
    JobEnabledAsked,
    JobProcessesAsked,
    TaskAttributesAsked,
    TaskMoveAsked,
)

JOB, OTHER = JobId("titus-1"), JobId("titus-2")
TASK = TaskId("titus-1-worker-0-1")
SAID: dict[str, Any] = {"actor": "ada", "why": "sale", "if_version": 7}


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (encode_kill_job(JOB, if_version=7), JobKillAsked(JOB, if_version=7)),
        (encode_scale_job(JOB, desired=1, if_version=7), JobScaleAsked(JOB, 1, if_version=7)),
        (
            encode_kill_task(TASK, is_shrink=True, is_minimum_kept=True, if_version=7),
            TaskKillAsked(TASK, is_shrink=True, is_minimum_kept=True, if_version=7),
        ),
        (encode_set_job_enabled(JOB, is_enabled=False), JobEnabledAsked(JOB, is_enabled=False)),
        (
            encode_set_job_enabled(JOB, is_enabled=True, **SAID),
            JobEnabledAsked(JOB, is_enabled=True, **SAID),
        ),
        (
            encode_set_job_processes(JOB, is_increase_disabled=True, **SAID),
            JobProcessesAsked(JOB, is_increase_disabled=True, **SAID),
        ),
        (
            encode_set_job_processes(JOB, is_decrease_disabled=False),
            JobProcessesAsked(JOB, is_decrease_disabled=False),
        ),
        (
            encode_update_job_attributes(JOB, {"b": "2", "a": ""}, ["d", "c", "c"], **SAID),
            JobAttributesAsked(JOB, (("a", ""), ("b", "2")), ("c", "d"), **SAID),
        ),
        (
            encode_update_task_attributes(TASK, {"a": "1"}, **SAID),
            TaskAttributesAsked(TASK, (("a", "1"),), **SAID),
        ),
        (encode_move_task(TASK, JOB, OTHER, **SAID), TaskMoveAsked(TASK, JOB, OTHER, **SAID)),
    ],
)
@pytest.mark.parametrize("key", [None, JOB.encode()])
def test_requests_are_read_as_they_were_encoded(
    value: bytes, wanted: ForeignBody, key: bytes | None
) -> None:
    assert decode_jobs_record(key, value) == wanted


def test_what_only_the_control_plane_may_write_is_stripped() -> None:
    value = encode_update_job_attributes(JOB, {"titus.sanitization.x": "1", "a": "1"})
    assert decode_jobs_record(None, value) == JobAttributesAsked(JOB, (("a", "1"),))


@pytest.mark.parametrize(
    ("record", "fields"),
    [
        ({"type": "SetJobEnabled", "jobId": JOB}, ["enabled"]),
        ({"type": "SetJobEnabled", "jobId": JOB, "enabled": "no"}, ["enabled"]),
        ({"type": "SetJobProcesses", "jobId": JOB}, ["disableIncreaseDesired"]),
        ({"type": "UpdateJobAttributes", "jobId": JOB}, ["attributes"]),
        ({"type": "UpdateJobAttributes", "jobId": JOB, "attributes": {"a": 1}}, ["attributes.a"]),
        (
            {"type": "UpdateJobAttributes", "jobId": JOB, "attributes": {"a": ""}, "removed": "a"},
            ["removed"],
        ),
        (
            {
                "type": "UpdateTaskAttributes",
                "taskId": TASK,
                "attributes": {"a": "1"},
                "removed": ["a"],
            },
            ["attributes.a"],
        ),
        ({"type": "MoveTask", "taskId": TASK, "sourceJobId": JOB}, ["targetJobId"]),
        ({"type": "KillJob", "jobId": JOB, "ifVersion": 0}, ["ifVersion"]),
        ({"type": "KillJob", "jobId": JOB, "ifVersion": "1"}, ["ifVersion"]),
    ],
)
def test_bad_requests_are_rejected_by_field(record: dict[str, Any], fields: list[str]) -> None:
    body = decode_jobs_record(None, json.dumps(record).encode())
    assert isinstance(body, InboundRejected)
    assert [fault.field for fault in body.faults] == fields


def test_a_key_of_another_job_is_refused() -> None:
    body = decode_jobs_record(OTHER.encode(), encode_move_task(TASK, JOB, OTHER))
    assert isinstance(body, InboundRejected)
    assert [fault.field for fault in body.faults] == ["sourceJobId"]
