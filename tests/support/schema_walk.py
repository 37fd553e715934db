"""Schemathesis over a running api: drawn requests, each answer held against the description.

What is looked for: a 500, a status that the description does not admit, and a body or a kind of
body that is not as described. A 503 that is described (a host does not answer) is an answer.
`LEFT_OUT` is never asked, for it would end the leader's process; nor is a stream of events, which
has no end to wait for.
"""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

Operation = schemathesis.APIOperation[Any, Any, Any, Any]
Drawn = schemathesis.Case[Any]
LEFT_OUT = (
    ("DELETE", "/api/v3/supervisor/self/stopBeingLeader"),
    ("POST", "/api/v3/clustermembership/members/{id}/stopBeingLeader"),
)
"""The leader's process would end, and a test's world starts none again."""
CHECKS = (status_code_conformance, content_type_conformance, response_schema_conformance)
_ATTRIBUTES = {"attributes": {"team": "a"}}
GOOD: dict[str, Any] = {
    "POST /api/v3/jobs": {
        "owner": {"teamEmail": "ada@example.org"},
        "applicationName": "walk",
        "container": {
            "resources": {"cpu": 0.01, "memoryMB": 16, "diskMB": 1},
            "command": ["true"],
        },
        "batch": {"size": 1},
    },
    "PUT /api/v3/jobs/{id}/instances": {"min": 0, "desired": 1, "max": 5},
    "PUT /api/v3/jobs/{id}/capacityAttributes": {"desired": 1},
    "PUT /api/v3/jobs/{id}/jobprocesses": {"disableIncreaseDesired": False},
    "PUT /api/v3/jobs/{id}/attributes": _ATTRIBUTES,
    "PUT /api/v3/tasks/{id}/attributes": _ATTRIBUTES,
    "PUT /api/v3/agent/instances/{id}/attributes": _ATTRIBUTES,
    "POST /api/v3/scheduler/systemSelectors": {
        "id": "walk",
        "strength": "should",
        "constraint": {"kind": "uniqueHost"},
        "reason": "walk",
    },
    "PUT /api/v3/scheduler/systemSelectors/{id}": {
        "strength": "should",
        "constraint": {"kind": "uniqueHost"},
        "reason": "walk",
    },
    "POST /api/flumina/commands/policy": {"values": {"active_jobs_max": 20_000}, "why": "walk"},
    "POST /api/flumina/commands/rules": {"mode": "normal", "why": "walk"},
    "POST /api/v2/jobs": {
        "name": "walk",
        "applicationName": "team/walk",
        "user": "ada@example.org",
        "entryPoint": "true",
        "cpu": 0.01,
        "memory": 16,
        "instances": 1,
    },
    "POST /api/v2/jobs/setinservice": {"user": "ada", "jobId": "t", "inService": True},
    "POST /api/v2/jobs/setinstancecounts": {
        "user": "ada",
        "jobId": "t",
        "instancesMin": 0,
        "instancesDesired": 1,
        "instancesMax": 3,
    },
}
"""Bodies that are taken, so that what a change answers is looked at as well."""
NARROWING = ("atLeast", "at", "cursor", "round", "from", "ifVersion", "If-Match")
"""What is drawn for these is mostly of no sense here, and would hide what lies behind."""
REQUEST_S_MAX = 40.0
FAULTS_MAX = 20


@dataclass
class Walk:
    """What was asked, and what was wrong."""

    requests: int = 0
    rounds: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    operations: set[str] = field(default_factory=set)
    succeeded: set[str] = field(default_factory=set)
    faults: dict[str, str] = field(default_factory=dict)
    """By operation, the first fault of it."""


def walk(url: str, seconds: float, *, seed: int, known: Mapping[str, str], each: int = 3) -> Walk:
    """Ask every operation again and again, for so long; ``known`` are ids that are there.

    The seed makes the requests the same again, as far as the answers are.
    """
    schema = schemathesis.openapi.from_url(f"{url}/api/openapi.json", timeout=REQUEST_S_MAX)
    operations: list[Operation] = []
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found.err()
        if not _is_endless(found.ok()):
            operations.append(found.ok())
    done, end_s = Walk(), time.monotonic() + seconds
    while time.monotonic() < end_s or not done.rounds:
        for number, operation in enumerate(operations):
            name = f"{operation.method.upper()} {operation.path}"
            is_left_out = (operation.method.upper(), operation.path) in LEFT_OUT
            is_endless = "observe" in operation.path.split("/")
            if is_left_out or is_endless or (done.rounds and time.monotonic() >= end_s):
                continue
            done.operations.add(name)
            draw = seed + done.rounds * len(operations) + number
            _ask(operation, url, (draw, each), known, done)
            if len(done.faults) >= FAULTS_MAX:
                return done
        done.rounds += 1
    return done


def _is_endless(operation: Operation) -> bool:
    """Whether it answers with a stream, which ends when its reader leaves; those have own tests."""
    success = operation.definition.raw["responses"].get("200", {})
    return "text/event-stream" in success.get("content", {})


def _mend(case: Drawn, name: str, path: str, known: Mapping[str, str]) -> None:
    """Make sense of what was drawn: an id that is there, a body and parameters that are taken."""
    kind = next((word for word in known if word in path), "")
    is_spared = name == "DELETE /api/v3/jobs/{id}"  # The others would find it ended.
    if kind and not is_spared and "id" in case.path_parameters:
        case.path_parameters["id"] = known[kind]  # A drawn name is nobody's.
    if name in GOOD:
        case.body, case.query = GOOD[name], {}
    if name.startswith("DELETE") and path.endswith("/attributes"):
        case.query = {"keys": "team,tier"}
    if case.headers:
        for header in ("If-Match", "Idempotency-Key"):
            if header in case.headers:
                del case.headers[header]
        if "X-Flumina-Actor" in case.headers:
            case.headers["X-Flumina-Actor"] = "walk"


def _ask(
    operation: Operation, url: str, drawn: tuple[int, int], known: Mapping[str, str], done: Walk
) -> None:
    draw, each = drawn
    name = f"{operation.method.upper()} {operation.path}"

    @seeded(draw)
    @settings(
        max_examples=each,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def asked(case: Drawn) -> None:
        if done.requests % 2:
            _mend(case, name, operation.path, known)
        if done.requests % 4:
            for narrow in (*NARROWING, "X-Flumina-At-Least"):
                for given in (case.query, case.headers):
                    if given and narrow in given:
                        del given[narrow]
        response = case.call(base_url=url, timeout=REQUEST_S_MAX)
        done.requests += 1
        done.statuses[response.status_code] += 1
        if response.status_code < 300:
            done.succeeded.add(name)
        if response.status_code == 500:
            done.faults.setdefault(name, f"500: {case.as_curl_command()}: {response.text[:300]}")
        try:
            case.validate_response(response, checks=list(CHECKS))
        except FailureGroup as found:
            told = "; ".join(str(fault)[:500] for fault in found.exceptions)
            done.faults.setdefault(name, f"{told}: {case.as_curl_command()[:400]}")

    asked()
