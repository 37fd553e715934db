"""The v1 executor API, call by call: what is refused, in which words, and what is not looked at.

The test plays the executor itself; see ``executor_client``.
"""

import base64
import json
from pathlib import Path

import pytest

from tests.contract.mesos_master.executor_client import EXECUTOR, launched, waiting
from tests.contract.mesos_master.master_client import Framework, Json, fresh_uuid, request

pytestmark = pytest.mark.integration

DATA = base64.b64encode(b"hello").decode()
# Stimulus: headers, body with FID and EID in place of the ids, then status and text.
CALL = '"framework_id": {"value": "FID"}, "executor_id": {"value": "EID"}'
STATUS = '"task_id": {"value": "t"}, "state": "TASK_RUNNING", "source": "SOURCE_EXECUTOR"'
UUID = fresh_uuid()
INVALID = "Failed to validate Executor::Call: "
CONVERT = "Failed to convert JSON into Call protobuf: "
CASES: dict[str, tuple[dict[str, str | None], str, int, str]] = {
    "no content type": (
        {"Content-Type": None},
        "{}",
        400,
        "Expecting 'Content-Type' to be present",
    ),
    "another content type": (
        {"Content-Type": "text/plain"},
        "{}",
        415,
        "Expecting 'Content-Type' of application/json or application/x-protobuf",
    ),
    "content type with a charset": (
        {"Content-Type": "application/json; charset=utf-8"},
        "{}",
        415,
        "Expecting 'Content-Type' of application/json or application/x-protobuf",
    ),
    "no JSON": ({}, "{", 400, "Failed to parse body into JSON: "),
    "a list": ({}, "[]", 400, CONVERT + "Expecting a JSON object"),
    "no ids": ({}, "{}", 400, CONVERT + "Missing required fields: executor_id, framework_id"),
    "no type": ({}, f"{{{CALL}}}", 400, INVALID + "Expecting 'type' to be present"),
    "an unknown type": (
        {},
        f'{{"type": "FOO", {CALL}}}',
        400,
        INVALID + "Expecting 'type' to be present",
    ),
    "subscribe without its body": (
        {},
        f'{{"type": "SUBSCRIBE", {CALL}}}',
        400,
        INVALID + "Expecting 'subscribe' to be present",
    ),
    "update without its body": (
        {},
        f'{{"type": "UPDATE", {CALL}}}',
        400,
        INVALID + "Expecting 'update' to be present",
    ),
    "message without its body": (
        {},
        f'{{"type": "MESSAGE", {CALL}}}',
        400,
        INVALID + "Expecting 'message' to be present",
    ),
    "message without data": (
        {},
        f'{{"type": "MESSAGE", {CALL}, "message": {{}}}}',
        400,
        CONVERT + "Missing required fields: message.data",
    ),
    "update without a state": (
        {},
        f'{{"type": "UPDATE", {CALL}, "update": {{"status": {{"task_id": {{"value": "t"}}}}}}}}',
        400,
        CONVERT + "Missing required fields: update.status.state",
    ),
    "update without a uuid": (
        {},
        f'{{"type": "UPDATE", {CALL}, "update": {{"status": {{{STATUS}}}}}}}',
        400,
        INVALID + "Expecting 'uuid' to be present",
    ),
    "update with a uuid that is none": (
        {},
        f'{{"type": "UPDATE", {CALL}, "update": {{"status": {{{STATUS}, "uuid": "QUJD"}}}}}}',
        400,
        INVALID + "Not a valid UUID",
    ),
    "update in another executor's name": (
        {},
        (
            f'{{"type": "UPDATE", {CALL}, "update": {{"status": {{{STATUS}, "uuid": "{UUID}",'
            ' "executor_id": {"value": "other"}}}}'
        ),
        400,
        INVALID + "ExecutorID in Call: EID does not match ExecutorID in TaskStatus: other",
    ),
    "update in the master's name": (
        {},
        (
            f'{{"type": "UPDATE", {CALL}, "update": {{"status": {{{STATUS}, "uuid": "{UUID}",'
            ' "source": "SOURCE_MASTER"}}}'
        ),
        400,
        INVALID + "Received Call from executor EID of framework FID with invalid source, "
        "expecting 'SOURCE_EXECUTOR'",
    ),
    "update that says staging": (
        {},
        (
            f'{{"type": "UPDATE", {CALL}, "update": {{"status": {{{STATUS}, "uuid": "{UUID}",'
            ' "state": "TASK_STAGING"}}}'
        ),
        400,
        INVALID + "Received TASK_STAGING from executor EID of framework FID which is not allowed",
    ),
    "update before it subscribed": (
        {},
        f'{{"type": "UPDATE", {CALL}, "update": {{"status": {{{STATUS}, "uuid": "{UUID}"}}}}}}',
        403,
        "Executor is not subscribed",
    ),
    "message before it subscribed": (
        {},
        f'{{"type": "MESSAGE", {CALL}, "message": {{"data": "QUJD"}}}}',
        403,
        "Executor is not subscribed",
    ),
    "heartbeat before it subscribed": ({}, f'{{"type": "HEARTBEAT", {CALL}}}', 202, ""),
    "heartbeat with an unacceptable Accept": (
        {"Accept": "foo/bar"},
        f'{{"type": "HEARTBEAT", {CALL}}}',
        202,
        "",
    ),
    "subscribe with an unacceptable Accept": (
        {"Accept": "foo/bar"},
        f'{{"type": "SUBSCRIBE", {CALL}, "subscribe": {{}}}}',
        406,
        "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'",
    ),
}


def test_every_wrong_call_has_its_answer(port: int, tmp_path: Path) -> None:
    with Framework(port) as framework:
        executor = launched(framework, tmp_path, waiting(tmp_path, "e"), "t")
        for name, (headers, body, status, text) in CASES.items():
            filled = body.replace("FID", framework.framework_id).replace("EID", "e")
            expected = text.replace("FID", framework.framework_id).replace("EID", "e")
            reply = executor.post(filled, headers=headers)
            assert reply.status == status, name
            if name == "no JSON":
                # What a parser says of the place differs.
                assert reply.text.startswith(expected), name
            else:
                assert reply.text == expected, name
        for method in ("GET", "PUT"):
            assert request(executor.port, method, EXECUTOR).status == 405
        for path in ("/api/v1/executor", EXECUTOR.replace("(", "%28").replace(")", "%29")):
            beat = json.dumps({"type": "HEARTBEAT", **executor.ids})
            assert executor.post(beat, path).status == 202


@pytest.mark.parametrize(
    ("who", "heartbeat", "subscribe"),
    [
        ({"framework_id": {"value": "nobody"}}, 202, "Framework cannot be found"),
        ({"executor_id": {"value": "nobody"}}, 202, "Executor cannot be found"),
    ],
)
def test_strangers(port: int, tmp_path: Path, who: Json, heartbeat: int, subscribe: str) -> None:
    with Framework(port) as framework:
        executor = launched(framework, tmp_path, waiting(tmp_path, "e"), "t")
        executor.ids.update(who)
        assert executor.call("HEARTBEAT").status == heartbeat
        reply = executor.subscribe()
        assert (reply.status, reply.text) == (400, subscribe)
        reply = executor.call("MESSAGE", message={"data": DATA})
        assert (reply.status, reply.text) == (400, subscribe)
