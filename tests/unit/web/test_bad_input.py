"""Bad input is refused with field, reason and hint; nothing crashes, nothing is published.

A table of requests, each against a fresh application: the status, and the field that is named.
After each one the next good request goes through.
"""

import asyncio
import json
from typing import Any

import pytest

from scheduler.model.v3.limits import DESCRIPTOR_BYTES_MAX
from tests.support.asgi import Body, Headers, answer, call
from tests.support.web_cell import WebCell, descriptor, service_descriptor

JOBS = "/api/v3/jobs"
POLICY = "/api/flumina/commands/policy"
SKIP = "/api/flumina/commands/skip"
ORPHAN = "/api/flumina/commands/forget-orphan"
ACTOR: Headers = {"X-Flumina-Actor": "ada"}


def _text(**changes: Any) -> str:
    return json.dumps(descriptor(**changes))


def _with(place: str, value: str) -> str:
    """The descriptor's text with ``value``, which need be no JSON, in place of a marker."""
    resources: dict[str, Any] = {"cpu": 1, "memoryMB": 256, "diskMB": 10, "ports": 0}
    resources[place] = "MARK"
    made = descriptor(container={"resources": resources, "command": ["true"]})
    return json.dumps(made).replace('"MARK"', value)


BODIES: dict[str, tuple[Body, str]] = {
    "nothing": (b"", "request"),
    "no JSON": (b"{", "request"),
    "no object": ("[]", "request"),
    "null": ("null", "request"),
    "a text": ('"job"', "request"),
    "invalid UTF-8": (b'{"applicationName": "\xff"}', "request"),
    "half a surrogate pair": (
        _text(applicationName="MARK").replace("MARK", "\\ud800"),
        "applicationName",
    ),
    "NUL": (_text(applicationName="a\0b"), "applicationName"),
    "deep lists": ("[" * 100_000, "request"),
    "deep objects": ('{"a":' * 60_000, "request"),
    "unknown field": (_text(whatever=1), "whatever"),
    "misspelt field": (_text(aplicationName="x"), "aplicationName"),
    "known to Titus only": (_text(platformSidecars=[{"name": "data"}]), "platformSidecars"),
    "missing owner": (_text(owner=None), "owner"),
    "missing container": (_text(container=None), "container"),
    "neither batch nor service": (_text(batch=None), "batch"),
    "both batch and service": (
        _text(service={"capacity": {"max": 1, "desired": 1}}),
        "service",
    ),
    "owner is a list": (_text(owner=[]), "owner"),
    "size is a text": (_text(batch={"size": "4"}), "batch.size"),
    "size is true": (_text(batch={"size": True}), "batch.size"),
    "size is a fraction": (_text(batch={"size": 1.5}), "batch.size"),
    "size is 0": (_text(batch={"size": 0}), "batch.size"),
    "size is negative": (_text(batch={"size": -1}), "batch.size"),
    "size is huge": (_text(batch={"size": 10**30}), "batch.size"),
    "size has a thousand digits": (
        _text(batch={"size": "M"}).replace('"M"', "9" * 1_000),
        "batch.size",
    ),
    "cpu is NaN": (_with("cpu", "NaN"), "container.resources.cpu"),
    "cpu is infinite": (_with("cpu", "Infinity"), "container.resources.cpu"),
    "cpu is 1e400": (_with("cpu", "1e400"), "container.resources.cpu"),
    "cpu is negative": (_with("cpu", "-1"), "container.resources.cpu"),
    "memory is huge": (_with("memoryMB", "9e99"), "container.resources.memoryMB"),
    "ports are many": (_with("ports", "100000"), "container.resources.ports"),
    "a name twice": (_text().replace("{", '{"applicationName": "b",', 1), "applicationName"),
    "a name twice, deep": (
        _text(batch={"size": 1}).replace('{"size": 1}', '{"size": 1, "size": 2}'),
        "batch.size",
    ),
    "unknown constraint": (
        _text(
            container={
                "resources": {"cpu": 1, "memoryMB": 64, "diskMB": 1},
                "command": ["true"],
                "hardConstraints": {"constraints": {"moonPhase": "full"}},
            }
        ),
        "container.hardConstraints.constraints.moonPhase",
    ),
    "min above desired": (
        json.dumps(
            descriptor(batch=None, service={"capacity": {"min": 3, "desired": 2, "max": 9}})
        ),
        "service.capacity.desired",
    ),
}


def _is_unharmed(web: WebCell) -> bool:
    """Nothing was published, and the next good request goes through."""
    assert web.published == []
    return call(web.app, "POST", f"{JOBS}?jobId=good", descriptor()).status == 201


@pytest.mark.parametrize("case", BODIES)
def test_a_bad_descriptor_is_400_with_field_reason_and_hint(case: str) -> None:
    body, field = BODIES[case]
    web = WebCell()
    refused = call(web.app, "POST", JOBS, body)
    assert refused.status == 400
    found = refused.json
    assert set(found) == {"statusCode", "message", "errorDetails", "errorContext", "faults"}
    assert found["statusCode"] == 400
    assert field in found["errorContext"]["constraintViolations"]
    named = [each for each in found["faults"] if each["field"] == field.removeprefix("request")]
    assert named
    assert named[0]["text"]
    assert named[0]["hint"]
    assert _is_unharmed(web)


@pytest.mark.parametrize("case", BODIES)
def test_a_dry_run_refuses_the_same(case: str) -> None:
    body, _ = BODIES[case]
    web = WebCell()
    dry = call(web.app, "POST", f"{JOBS}?dryRun=true", body)
    assert dry.status == 400
    assert dry.json == call(web.app, "POST", JOBS, body).json


REQUESTS: dict[str, tuple[str, str, Body, Headers, int, str]] = {
    # what: method, target, body, headers, status, a part of the answer
    "unknown path": ("GET", "/api/v3/job", None, {}, 404, "/api/v3/jobs"),
    "root": ("GET", "/", None, {}, 404, "There is no path"),
    "slash at the end": ("GET", f"{JOBS}/", None, {}, 404, "slash at the end"),
    "path with a traversal": ("GET", "/api/v3/jobs/../../etc/passwd", None, {}, 404, "no path"),
    "wrong method": ("PATCH", JOBS, None, {}, 405, "GET, HEAD, POST"),
    "method of another path": ("PUT", f"{JOBS}/a", None, {}, 405, "DELETE, GET, HEAD"),
    "made up method": ("BREW", JOBS, None, {}, 405, "It takes"),
    "unknown parameter": ("GET", f"{JOBS}?stat=1", None, {}, 400, "stat"),
    "parameter of another method": ("GET", f"{JOBS}?dryRun=true", None, {}, 400, "dryRun"),
    "unknown parameter of a POST": ("POST", f"{JOBS}?dry=true", descriptor(), {}, 400, "dryRun"),
    "parameter that is no truth": ("POST", f"{JOBS}?dryRun=1", descriptor(), {}, 400, "dryRun"),
    "parameter twice": (
        "POST",
        f"{JOBS}?jobId=a&jobId=b",
        descriptor(),
        {},
        400,
        "given twice",
    ),
    "parameter in Latin-1": ("GET", f"{JOBS}?owner=%ff", None, {}, 400, "UTF-8"),
    "raw bytes in the query": ("GET", f"{JOBS}?owner=\xff", None, {}, 400, "cannot be read"),
    "very long query": ("GET", f"{JOBS}?owner={'a' * 9_000}", None, {}, 414, "at most 8192"),
    "very many parameters": ("GET", f"{JOBS}?{'&' * 300}", None, {}, 400, "cannot be read"),
    "bad cursor": ("GET", f"{JOBS}?cursor=../../etc", None, {}, 400, "cursor"),
    "page size 0": ("GET", f"{JOBS}?pageSize=0", None, {}, 400, "pageSize"),
    "page size huge": ("GET", f"{JOBS}?pageSize=99999999999999999999", None, {}, 400, "pageSize"),
    "page size no number": ("GET", f"{JOBS}?pageSize=ten", None, {}, 400, "pageSize"),
    "unknown state": ("GET", f"{JOBS}?jobState=Runing", None, {}, 400, "jobState"),
    "unknown task state": ("GET", "/api/v3/tasks?taskStates=x", None, {}, 400, "taskStates"),
    "job id with blanks": ("POST", f"{JOBS}?jobId=a%20b", descriptor(), {}, 400, "jobId"),
    "job id like a task's": (
        "POST",
        f"{JOBS}?jobId=a-worker-1",
        descriptor(),
        {},
        400,
        "-worker-",
    ),
    "job id too long": ("POST", f"{JOBS}?jobId={'a' * 65}", descriptor(), {}, 400, "longer than"),
    "key with blanks": ("POST", JOBS, descriptor(), {"Idempotency-Key": "a b"}, 400, "Idempotency"),
    "key empty": ("POST", JOBS, descriptor(), {"Idempotency-Key": ""}, 400, "Idempotency"),
    "key too long": ("POST", JOBS, descriptor(), {"Idempotency-Key": "k" * 256}, 400, "255"),
    "actor in Latin-1": ("POST", JOBS, descriptor(), {"X-Flumina-Actor": b"\xff"}, 400, "UTF-8"),
    "actor with a line break": (
        "POST",
        JOBS,
        descriptor(),
        {"X-Flumina-Actor": b"a\xc2\x85b"},
        400,
        "X-Flumina-Actor",
    ),
    "actor too long": ("POST", JOBS, descriptor(), {"X-Flumina-Actor": "a" * 256}, 400, "Actor"),
    "token without a place": ("GET", f"{JOBS}?atLeast=now", None, {}, 400, "jobs:0:123"),
    "token negative": ("GET", f"{JOBS}?atLeast=jobs:0:-1", None, {}, 400, "no place in a log"),
    "token huge": ("GET", f"{JOBS}?atLeast=jobs:0:{10**18 * 99}", None, {}, 400, "no place"),
    "token in other digits": ("GET", f"{JOBS}?atLeast=jobs:0:%D9%A3", None, {}, 400, "no place"),
    "token of another cell": ("GET", f"{JOBS}?atLeast=jobs:7:1", None, {}, 400, "partition 7"),
    "token of the future": (
        "GET",
        f"{JOBS}?atLeast=jobs:0:999999",
        None,
        {},
        503,
        "has not passed",
    ),
    "token in the header": ("GET", JOBS, None, {"X-Flumina-At-Least": "x"}, 400, "At-Least"),
    "no content type": ("POST", JOBS, _text(), {"Content-Type": ""}, 415, "application/json"),
    "form": (
        "POST",
        JOBS,
        _text(),
        {"Content-Type": "application/x-www-form-urlencoded"},
        415,
        "application/json",
    ),
    "JSON in Latin-1": (
        "POST",
        JOBS,
        _text(),
        {"Content-Type": "application/json; charset=latin-1"},
        415,
        "UTF-8",
    ),
    "compressed": ("POST", JOBS, b"\x1f\x8b", {"Content-Encoding": "gzip"}, 415, "gzip"),
    "body of 2 MB": ("POST", JOBS, b"x" * 2_000_000, {}, 413, "at most"),
    "length that is none": ("POST", JOBS, _text(), {"Content-Length": "-1"}, 413, "at most"),
    "body of a DELETE": ("DELETE", f"{JOBS}/a", {"why": "x"}, {}, 400, "has a body"),
    "body of a GET": ("GET", JOBS, {"x": 1}, {}, 400, "has a body"),
    "shrink of a job": ("DELETE", f"{JOBS}/a?shrink=true", None, {}, 400, "shrink"),
    "impossible job id": ("DELETE", f"{JOBS}/a%20b", None, {}, 404, "jobId"),
    "impossible task id": ("DELETE", "/api/v3/tasks/a", None, {}, 404, "taskId"),
    "log of an unknown file": (
        "GET",
        "/api/v3/tasks/a-worker-0-1/log?file=..%2Fpasswd",
        None,
        {},
        400,
        "stdout",
    ),
    "log from before the file": (
        "GET",
        "/api/v3/tasks/a-worker-0-1/log?offset=-1",
        None,
        {},
        400,
        "offset",
    ),
    "log of too much": (
        "GET",
        "/api/v3/tasks/a-worker-0-1/log?length=9999999",
        None,
        {},
        400,
        "length",
    ),
    "capacity without desired": ("PUT", f"{JOBS}/s/instances", {"max": 1}, {}, 400, "desired"),
    "capacity negative": (
        "PUT",
        f"{JOBS}/s/instances",
        {"min": -1, "desired": 1, "max": 1},
        {},
        400,
        "min",
    ),
    "capacity huge": (
        "PUT",
        f"{JOBS}/s/instances",
        {"desired": 1, "max": 10**12},
        {},
        400,
        "max",
    ),
    "capacity is a text": (
        "PUT",
        f"{JOBS}/s/instances",
        {"desired": "1", "max": 1},
        {},
        400,
        "desired",
    ),
    "capacity is a list": ("PUT", f"{JOBS}/s/instances", [1], {}, 400, "an object is needed"),
    "capacity with more": (
        "PUT",
        f"{JOBS}/s/instances",
        {"desired": 1, "max": 1, "disk": 1},
        {},
        400,
        "disk",
    ),
    "capacity twice": (
        "PUT",
        f"{JOBS}/s/instances",
        '{"desired": 1, "max": 1, "max": 2}',
        {},
        400,
        "given twice",
    ),
    "capacity out of order": (
        "PUT",
        f"{JOBS}/s/instances",
        {"min": 2, "desired": 1, "max": 3},
        {},
        400,
        "min <= desired <= max",
    ),
    "no attribute of a capacity": (
        "PUT",
        f"{JOBS}/s/capacityAttributes",
        {},
        {},
        400,
        "at least one",
    ),
    "capacity of 100 KB": (
        "PUT",
        f"{JOBS}/s/instances",
        {"desired": 1, "max": 1, "note": "x" * 100_000},
        {},
        413,
        "at most 65536",
    ),
    "command without actor": (
        "POST",
        POLICY,
        {"values": {}, "why": "x"},
        {},
        400,
        "X-Flumina-Actor",
    ),
    "command without why": (
        "POST",
        POLICY,
        {"values": {"active_jobs_max": 1}},
        ACTOR,
        400,
        "why",
    ),
    "policy without values": ("POST", POLICY, {"why": "x"}, ACTOR, 400, "values"),
    "policy unknown": (
        "POST",
        POLICY,
        {"values": {"active_jobs": 1}, "why": "x"},
        ACTOR,
        400,
        "active_jobs_max",
    ),
    "policy negative": (
        "POST",
        POLICY,
        {"values": {"active_jobs_max": -1}, "why": "x"},
        ACTOR,
        400,
        "active_jobs_max",
    ),
    "policy of 0": (
        "POST",
        POLICY,
        {"values": {"active_jobs_max": 0}, "why": "x"},
        ACTOR,
        400,
        "active_jobs_max",
    ),
    "policy NaN": (
        "POST",
        POLICY,
        '{"values": {"active_jobs_max": NaN}, "why": "x"}',
        ACTOR,
        400,
        "active_jobs_max",
    ),
    "policy twice": (
        "POST",
        POLICY,
        '{"values": {"active_jobs_max": 1, "active_jobs_max": 2}, "why": "x"}',
        ACTOR,
        400,
        "given twice",
    ),
    "policy is a list": ("POST", POLICY, {"values": [1], "why": "x"}, ACTOR, 400, "values"),
    "actor inside the body": (
        "POST",
        POLICY,
        {"values": {"active_jobs_max": 1}, "why": "x", "actor": "eve"},
        ACTOR,
        400,
        "actor",
    ),
    "type inside the body": (
        "POST",
        POLICY,
        {"type": "SkipRecord", "values": {"active_jobs_max": 1}, "why": "x"},
        ACTOR,
        400,
        "type",
    ),
    "skip without digest": ("POST", SKIP, {"offset": 1, "why": "x"}, ACTOR, 400, "digest"),
    "skip of a negative offset": (
        "POST",
        SKIP,
        {"offset": -1, "digest": "0" * 32, "why": "x"},
        ACTOR,
        400,
        "offset",
    ),
    "orphan without id": ("POST", ORPHAN, {"why": "x"}, ACTOR, 400, "taskId"),
    "orphan id is a number": ("POST", ORPHAN, {"taskId": 1, "why": "x"}, ACTOR, 400, "taskId"),
}


@pytest.mark.parametrize("case", REQUESTS)
def test_a_bad_request_is_refused_with_its_reason(case: str) -> None:
    method, target, body, headers, status, part = REQUESTS[case]
    web = WebCell()
    refused = call(web.app, method, target, body, headers)
    assert refused.status == status, refused.body
    assert refused.headers["content-type"] == "application/json"
    assert refused.json["statusCode"] == status
    assert part in refused.body.decode()
    assert _is_unharmed(web)


def test_a_wrong_method_names_the_right_ones() -> None:
    refused = call(WebCell().app, "PATCH", JOBS)
    assert refused.headers["allow"] == "GET, HEAD, POST"


def test_a_long_body_is_not_read_to_its_end() -> None:
    """Without a length the limit is found while reading; the rest is never asked for."""
    web, taken = WebCell(), 0
    piece = b" " * 65_536

    async def run() -> int:
        nonlocal taken
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            nonlocal taken
            taken += len(piece)
            return {"type": "http.request", "body": piece, "more_body": True}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": JOBS,
            "raw_path": JOBS.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"content-type", b"application/json")],
            "client": None,
            "server": None,
        }
        await web.app(scope, receive, send)
        return int(sent[0]["status"])

    assert asyncio.run(run()) == 413
    assert taken <= DESCRIPTOR_BYTES_MAX + len(piece)


def test_a_body_in_pieces_is_one_body() -> None:
    web = WebCell()
    made = asyncio.run(answer(web.app, "POST", JOBS, descriptor(), pieces=7))
    assert made.status == 201


def test_faults_are_all_told_at_once_and_never_too_many() -> None:
    many = {f"field{number}": 1 for number in range(1_000)}
    refused = call(WebCell().app, "POST", JOBS, {**descriptor(), **many})
    assert refused.status == 400
    assert len(refused.json["faults"]) == 33
    assert "968 more faults" in refused.json["faults"][-1]["text"]


def test_answers_repeat_nothing_that_a_terminal_would_obey() -> None:
    refused = call(WebCell().app, "POST", JOBS, descriptor(applicationName="\x1b[31m" * 9))
    assert refused.status == 400
    assert b"\x1b" not in refused.body
    assert b"\\u001b" not in refused.body


def test_service_descriptors_pass() -> None:
    assert call(WebCell().app, "POST", JOBS, service_descriptor()).status == 201
