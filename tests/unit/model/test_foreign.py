"""A record of ``jobs`` or ``commands`` becomes the body it asks for, or a rejection that explains.

How: records are made by the encoders that REST and CLI use, and by hand where they must be bad.
"""

import json
from typing import Any

import pytest

from scheduler.model.codec import RECORD_BYTES_MAX, digest_of, encode_value
from scheduler.model.descriptor import spec_digest, spec_of
from scheduler.model.foreign import (
    FOREIGN_BYTES_MAX,
    ForeignBody,
    decode_commands_record,
    decode_jobs_record,
)
from scheduler.model.foreign_records import (
    encode_forget_orphan,
    encode_kill_job,
    encode_kill_task,
    encode_partition_began,
    encode_scale_job,
    encode_set_policy,
    encode_skip_record,
    encode_submit,
)
from scheduler.model.ids import Generation, HostId, JobId, TaskId
from scheduler.model.inbound import (
    InboundRejected,
    JobKillAsked,
    JobScaleAsked,
    JobSubmitted,
    OrphanForgotten,
    PartitionBegan,
    PolicyAsked,
    RecordSkipped,
    TaskKillAsked,
)
from scheduler.model.job import JobSpec

JOB = JobId("titus-12345")
TASK = TaskId("titus-12345-worker-1-5")
DESCRIPTOR: dict[str, Any] = {
    "owner": {"teamEmail": "team@example.com"},
    "applicationName": "worker",
    "container": {"resources": {"cpu": 0.5, "memoryMB": 64}, "command": ["/bin/true"]},
    "batch": {"size": 1},
}
DIGEST = "0123456789abcdef" * 2


def rejected(body: ForeignBody) -> InboundRejected:
    """The body, which must be a rejection with a text for every fault."""
    assert isinstance(body, InboundRejected), body
    assert body.faults
    assert all(fault.text for fault in body.faults)
    return body


def fields_of(body: ForeignBody) -> list[str]:
    """The fields that a rejection names."""
    return [fault.field for fault in rejected(body).faults]


def test_a_submission_carries_spec_actor_and_digest() -> None:
    body = decode_jobs_record(JOB.encode(), encode_submit(JOB, DESCRIPTOR, "ada"))
    spec = spec_of(DESCRIPTOR)
    assert isinstance(spec, JobSpec)
    assert body == JobSubmitted(JOB, spec, "ada", spec_digest(spec))


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (encode_partition_began(Generation("1a2b3c4d")), PartitionBegan("1a2b3c4d")),
        (encode_kill_job(JOB), JobKillAsked(JOB)),
        (encode_kill_job(JOB, "ada", "done"), JobKillAsked(JOB, "ada", "done")),
        (encode_scale_job(JOB, desired=0), JobScaleAsked(JOB, desired=0)),
        (
            encode_scale_job(JOB, desired=5, minimum=1, maximum=9, actor="ada", why="sale"),
            JobScaleAsked(JOB, 5, 1, 9, "ada", "sale"),
        ),
        (encode_kill_task(TASK), TaskKillAsked(TASK)),
        (
            encode_kill_task(TASK, "ada", "stuck", is_shrink=True),
            TaskKillAsked(TASK, "ada", "stuck", is_shrink=True),
        ),
    ],
)
@pytest.mark.parametrize("key", [None, b"", JOB.encode()])
def test_requests_are_read_as_they_were_encoded(
    value: bytes, wanted: ForeignBody, key: bytes | None
) -> None:
    assert decode_jobs_record(key, value) == wanted


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (encode_partition_began(Generation("1a2b3c4d")), PartitionBegan("1a2b3c4d")),
        (
            encode_set_policy({"batch_size_max": 500, "offer_hold_ms": 0}, "ada", "quiet"),
            PolicyAsked({"batch_size_max": 500, "offer_hold_ms": 0}, "ada", "quiet"),
        ),
        (
            encode_skip_record(7, DIGEST, "ada", "seen"),
            RecordSkipped(7, DIGEST, "ada", "seen"),
        ),
        (encode_forget_orphan(TASK, "ada", "gone"), OrphanForgotten(TASK, "ada", "gone")),
        (
            encode_forget_orphan(TaskId("any id"), "ada", "gone", HostId("S1")),
            OrphanForgotten(TaskId("any id"), "ada", "gone", HostId("S1")),
        ),
    ],
)
def test_commands_are_read_as_they_were_encoded(value: bytes, wanted: ForeignBody) -> None:
    assert decode_commands_record(b"any key", value) == wanted


@pytest.mark.parametrize(
    ("record", "fields"),
    [
        ({}, ["type"]),
        ({"type": None}, ["type"]),
        ({"type": 1}, ["type"]),
        ({"type": "Nonsense"}, ["type"]),
        ({"type": "SubmitJob", "jobId": JOB}, ["job"]),
        ({"type": "SubmitJob", "job": DESCRIPTOR}, ["jobId"]),
        ({"type": "SubmitJob", "jobId": "a/b", "job": DESCRIPTOR}, ["jobId"]),
        ({"type": "SubmitJob", "jobId": "a" * 65, "job": DESCRIPTOR}, ["jobId"]),
        ({"type": "SubmitJob", "jobId": "a-worker-b", "job": DESCRIPTOR}, ["jobId"]),
        ({"type": "SubmitJob", "jobId": 5, "job": DESCRIPTOR}, ["jobId"]),
        ({"type": "SubmitJob", "jobId": JOB, "job": [DESCRIPTOR]}, ["job"]),
        ({"type": "SubmitJob", "jobId": JOB, "job": DESCRIPTOR, "jobb": 1}, ["jobb"]),
        ({"type": "SubmitJob", "jobId": JOB, "job": DESCRIPTOR, "actor": "\n"}, ["actor"]),
        (
            {"type": "SubmitJob", "jobId": JOB, "job": {**DESCRIPTOR, "batch": {"size": -1}}},
            ["batch.size"],
        ),
        (
            {"type": "SubmitJob", "jobId": JOB, "job": {**DESCRIPTOR, "applicationName": "\ud800"}},
            ["applicationName"],
        ),
        ({"type": "KillJob"}, ["jobId"]),
        ({"type": "KillJob", "jobId": JOB, "why": "x" * 1001}, ["why"]),
        ({"type": "KillJob", "jobId": JOB, "reason": "x"}, ["reason"]),
        ({"type": "ScaleJob", "jobId": JOB}, ["desired"]),
        ({"type": "ScaleJob", "jobId": JOB, "desired": -1}, ["desired"]),
        ({"type": "ScaleJob", "jobId": JOB, "desired": 2.0}, ["desired"]),
        ({"type": "ScaleJob", "jobId": JOB, "min": 3, "max": 2}, [""]),
        ({"type": "ScaleJob", "jobId": JOB, "desired": 3, "max": 2}, [""]),
        ({"type": "KillTask", "taskId": JOB}, ["taskId"]),
        ({"type": "KillTask", "taskId": "titus-worker-1-٢"}, ["taskId"]),
        ({"type": "KillTask", "taskId": "a b-worker-1-2"}, ["taskId"]),
        ({"type": "KillTask", "taskId": TASK, "shrink": "yes"}, ["shrink"]),
        ({"type": "PartitionBegan"}, ["generation"]),
        ({"type": "PartitionBegan", "generation": "1A2B3C4D"}, ["generation"]),
    ],
)
def test_bad_requests_are_rejected_by_field(record: dict[str, Any], fields: list[str]) -> None:
    assert fields_of(decode_jobs_record(b"", json.dumps(record).encode())) == fields


@pytest.mark.parametrize(
    ("record", "fields"),
    [
        ({"type": "SetPolicy"}, ["values", "actor", "why"]),
        ({"type": "SetPolicy", "values": {}}, ["values"]),
        ({"type": "SetPolicy", "values": {"batch_sizes_max": 1}}, ["values.batch_sizes_max"]),
        ({"type": "SetPolicy", "values": {"batch_size_max": 0}}, ["values.batch_size_max"]),
        ({"type": "SetPolicy", "values": {"batch_size_max": -1}}, ["values.batch_size_max"]),
        ({"type": "SetPolicy", "values": {"batch_size_max": 10**16}}, ["values.batch_size_max"]),
        ({"type": "SetPolicy", "values": {"batch_size_max": True}}, ["values.batch_size_max"]),
        ({"type": "SetPolicy", "values": {"batch_size_max": None}}, ["values.batch_size_max"]),
        ({"type": "SetPolicy", "values": {f"p{n}": n for n in range(65)}}, ["values"]),
        ({"type": "SkipRecord", "offset": -1, "digest": DIGEST}, ["offset"]),
        ({"type": "SkipRecord", "offset": 2**63, "digest": DIGEST}, ["offset"]),
        ({"type": "SkipRecord", "offset": 1, "digest": DIGEST[1:]}, ["digest"]),
        ({"type": "SkipRecord", "offset": 1, "digest": DIGEST.upper()}, ["digest"]),
        ({"type": "ForgetOrphan", "taskId": ""}, ["taskId"]),
        ({"type": "ForgetOrphan", "taskId": "a\u0000"}, ["taskId"]),
        ({"type": "ForgetOrphan", "taskId": "a", "hostId": 1}, ["hostId"]),
    ],
)
def test_bad_commands_are_rejected_by_field(record: dict[str, Any], fields: list[str]) -> None:
    if "actor" not in fields:
        record = {**record, "actor": "ada", "why": "a test"}
    assert fields_of(decode_commands_record(b"", json.dumps(record).encode())) == fields


@pytest.mark.parametrize("said", [{}, {"actor": " ", "why": ""}, {"actor": None, "why": None}])
def test_operators_must_say_who_and_why(said: dict[str, Any]) -> None:
    record = {"type": "SkipRecord", "offset": 1, "digest": DIGEST, **said}
    assert fields_of(decode_commands_record(b"", json.dumps(record).encode())) == ["actor", "why"]


def test_a_record_in_the_wrong_topic_is_told_the_right_one() -> None:
    body = rejected(decode_jobs_record(b"", encode_skip_record(1, DIGEST, "ada", "x")))
    assert body.faults[0].hint == "publish it to topic commands"
    body = rejected(decode_commands_record(b"", encode_kill_job(JOB)))
    assert body.faults[0].hint == "publish it to topic jobs"


@pytest.mark.parametrize("value", [encode_kill_job(JOB), encode_kill_task(TASK)])
def test_the_key_must_be_the_jobs_id_or_empty(value: bytes) -> None:
    body = rejected(decode_jobs_record(b"titus-9", value))
    assert len(body.faults) == 1
    assert body.faults[0].field in {"jobId", "taskId"}
    assert "'titus-9'" in body.faults[0].text
    rejected(decode_jobs_record(b"\xff\x00" * 5000, value))


def test_a_rejection_names_bytes_digest_and_job() -> None:
    value = json.dumps({"type": "SubmitJob", "jobId": JOB, "job": {}}).encode()
    body = rejected(decode_jobs_record(None, value))
    assert body.digest == digest_of(value)
    assert body.bytes_total == len(value)
    assert body.job_id == JOB
    assert rejected(decode_jobs_record(JOB.encode(), b"\xff")).job_id == JOB
    assert rejected(decode_jobs_record(b"no job", b"\xff")).job_id is None
    assert rejected(decode_jobs_record(b"", b'{"jobId": "no job"}')).job_id is None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "is empty"),
        (b"", "is empty"),
        (b"\xff\xfe\x00", "is not UTF-8"),
        (b"titus-12345", "is not JSON"),
        (b"[1, 2]", "an object is needed"),
        (b"[" * 10_000, "nested too deeply"),
        (b"{" * 2_000_000, "is 2000000 bytes long"),
        (b"\xff" * 2_000_000, "is 2000000 bytes long"),
    ],
)
def test_what_is_no_record_is_rejected_as_a_whole(value: bytes | None, words: str) -> None:
    for decode in (decode_jobs_record, decode_commands_record):
        body = rejected(decode(JOB.encode(), value))
        assert [fault.field for fault in body.faults] == [""]
        assert words in body.faults[0].text


def test_a_value_of_the_largest_size_is_read_and_one_byte_more_is_not() -> None:
    value = encode_kill_job(JOB)
    padding = b" " * (FOREIGN_BYTES_MAX - len(value))
    assert decode_jobs_record(b"", value + padding) == JobKillAsked(JOB)
    rejected(decode_jobs_record(b"", value + padding + b" "))


def test_the_largest_admissible_job_fits_into_a_record_of_the_cell_log() -> None:
    # The copy is written with its source around it; 16 KiB are left for that and for company.
    many = {f"a{n:02}": "x" * 1600 for n in range(10)}
    fat = {
        **DESCRIPTOR,
        "attributes": many,
        "container": {
            **DESCRIPTOR["container"],
            "attributes": many,
            "securityProfile": {"attributes": many},
            "entryPoint": ["\n" * 16_384],
            "command": ["\n" * 65_536],
            "env": {"A": "\n" * 32_765},
        },
    }
    body = decode_jobs_record(b"", encode_submit(JOB, fat))
    assert isinstance(body, JobSubmitted)
    assert len(encode_value(body)) < RECORD_BYTES_MAX - 16 * 1024
