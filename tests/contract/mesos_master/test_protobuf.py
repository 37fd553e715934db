"""The scheduler API in protobuf: which answer speaks what, a task's whole life, and bad bytes.

Each row was observed on Apache Mesos 1.11.0; the same assertions run on it and the dev cluster.
"""

import http.client
import json
import uuid

import pytest

from connectors.devcluster.wire.codec import JSON, PROTOBUF
from tests.contract.mesos_master.master_client import (
    PATIENCE_S,
    SCHEDULER,
    Framework,
    Json,
    Stream,
    fresh_uuid,
    request,
    task,
)
from tests.contract.mesos_master.protobuf_client import (
    PROTOBUF_HEADERS,
    ProtobufFramework,
    call_bytes,
    event_of,
)

pytestmark = pytest.mark.integration

INFO: Json = {"user": "root", "name": "protobuf"}
SUBSCRIBE: Json = {"type": "SUBSCRIBE", "subscribe": {"framework_info": INFO}}
NO_TYPE = "Failed to validate scheduler::Call: Expecting 'type' to be present"
NOT_PARSED = "Failed to parse body into Call protobuf"
TEARDOWN = call_bytes({"type": "TEARDOWN", "framework_id": {"value": "x"}})
BODIES: dict[str, bytes] = {JSON: json.dumps(SUBSCRIBE).encode(), PROTOBUF: call_bytes(SUBSCRIBE)}


@pytest.mark.parametrize("sent", [JSON, PROTOBUF])
@pytest.mark.parametrize("accepted", [JSON, PROTOBUF])
def test_events_come_as_accepted_whatever_the_call_was(port: int, sent: str, accepted: str) -> None:
    decode = event_of if accepted == PROTOBUF else json.loads
    stream = Stream(port, BODIES[sent], {"Content-Type": sent, "Accept": accepted}, decode)
    assert (stream.status, stream.headers["content-type"]) == (200, accepted)
    assert str(uuid.UUID(stream.stream_id)) == stream.stream_id
    first = stream.events.get(timeout=PATIENCE_S)
    assert first["type"] == "SUBSCRIBED"
    assert first["subscribed"]["framework_id"]["value"]
    assert first["subscribed"]["heartbeat_interval_seconds"] == 15.0
    assert first["subscribed"]["master_info"]["port"] == port
    # At once, though offers may be quicker.
    while stream.events.get(timeout=PATIENCE_S)["type"] != "HEARTBEAT":
        pass


REFUSED = None


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        ([], JSON),
        (["*/*"], JSON),
        (["application/*"], JSON),
        ([f"{PROTOBUF}, {JSON}"], JSON),
        # The q-values only refuse, by being zero or no number; they do not prefer.
        ([f"{JSON};q=0.1, {PROTOBUF};q=0.9"], JSON),
        ([f"{JSON};q=0, */*"], PROTOBUF),
        ([f"{JSON}; q=0.0, {PROTOBUF}; q=0.5"], PROTOBUF),
        ([f"{PROTOBUF};q=0"], REFUSED),
        ([f"{JSON};q=much"], REFUSED),
        (["text/html, */*;q=0.1"], JSON),
        (["APPLICATION/X-PROTOBUF"], PROTOBUF),
        ([f"{PROTOBUF};v=1"], PROTOBUF),
        (["text/html"], REFUSED),
        ([""], REFUSED),
        (["*"], REFUSED),
        # Of a header that comes twice the last one counts.
        ([JSON, PROTOBUF], PROTOBUF),
        ([PROTOBUF, JSON], JSON),
        (["text/html", PROTOBUF], PROTOBUF),
        ([PROTOBUF, "text/html"], REFUSED),
    ],
)
def test_accept_decides_what_the_events_are(
    port: int, accept: list[str], answered: str | None
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.putrequest("POST", SCHEDULER)
        for value in accept:
            connection.putheader("Accept", value)
        connection.putheader("Content-Type", PROTOBUF)
        connection.putheader("Content-Length", str(len(BODIES[PROTOBUF])))
        connection.endheaders(BODIES[PROTOBUF])
        answer = connection.getresponse()
        if answered is REFUSED:
            assert answer.status == 406
            expected = f"Expecting 'Accept' to allow '{PROTOBUF}' or '{JSON}'"
            assert answer.read().decode() == expected
        else:
            assert (answer.status, answer.getheader("Content-Type")) == (200, answered)
    finally:
        connection.close()


def test_a_task_lives_and_ends_in_protobuf(port: int) -> None:
    with ProtobufFramework(port) as framework:
        offer = framework.offers()[0]
        assert offer["hostname"]
        assert {r["name"] for r in offer["resources"]} >= {"cpus", "mem", "disk", "ports"}
        more = {"labels": {"labels": [{"key": "k", "value": "v"}]}, "data": "AAEC/w=="}
        framework.launch([offer], [task("in-protobuf", offer, **more)])
        status = framework.await_state("in-protobuf", "TASK_RUNNING")
        assert status["agent_id"] == offer["agent_id"]
        assert status["source"] == "SOURCE_EXECUTOR"
        assert "reason" not in status
        framework.acknowledge(status)
        framework.reconcile(("in-protobuf", None))
        answer = framework.await_update("in-protobuf")
        assert (answer["state"], answer["reason"]) == ("TASK_RUNNING", "REASON_RECONCILIATION")
        assert "uuid" not in answer
        framework.kill("in-protobuf", kill_policy={"grace_period": {"nanoseconds": 1_000_000}})
        framework.acknowledge(framework.await_state("in-protobuf", "TASK_KILLED"))


def test_a_stream_of_one_type_takes_calls_of_the_other(port: int) -> None:
    with Framework(port) as framework:
        framework.offers()
        message = {"type": "SUPPRESS", "framework_id": {"value": framework.framework_id}}
        headers = {"Content-Type": PROTOBUF, "Mesos-Stream-Id": framework.stream.stream_id}
        assert request(port, body=call_bytes(message), headers=headers).status == 202


def test_an_invalid_framework_gets_its_error_in_protobuf(port: int) -> None:
    framework = ProtobufFramework(port, role="a/")
    framework.stream = framework.open()
    assert framework.stream.status == 200
    error = framework.await_event("ERROR")["error"]["message"]
    assert error.startswith("'FrameworkInfo.role' is not a valid role")
    assert framework.stream.has_ended.wait(PATIENCE_S)


def test_calls_are_answered_as_in_json(port: int) -> None:
    nobody: Json = {"value": "nobody"}
    with ProtobufFramework(port) as framework:
        assert framework.call("REVIVE").status == 202
        assert framework.call("REVIVE", Accept="text/html").status == 202
        missing = framework.call("REVIVE", Mesos_Stream_Id=None)
        expected = "All non-subscribe calls should include the 'Mesos-Stream-Id' header"
        assert (missing.status, missing.text) == (400, expected)
        assert framework.call("REVIVE", Mesos_Stream_Id="nonsense").status == 400
        message: Json = {"agent_id": nobody, "executor_id": nobody, "data": ""}
        assert framework.call("MESSAGE", message).status == 202
        acknowledge = {"agent_id": nobody, "task_id": nobody, "uuid": fresh_uuid()}
        assert framework.call("ACKNOWLEDGE", acknowledge).status == 202
        short = framework.call("ACKNOWLEDGE", {**acknowledge, "uuid": "AAAA"})
        expected = "Failed to validate scheduler::Call: Not a valid UUID"
        assert (short.status, short.text) == (400, expected)
        info = {**framework.info, "id": {"value": framework.framework_id}, "name": "renamed"}
        updated = framework.call("UPDATE_FRAMEWORK", {"framework_info": info})
        assert (updated.status, updated.text) == (200, "")
        framework.framework_id, known = "never-seen", framework.framework_id
        unknown = framework.call("REVIVE")
        assert (unknown.status, unknown.text) == (400, "Framework cannot be found")
        framework.framework_id = known


def test_the_type_that_aborts_a_real_master_is_400_here(port: int, is_real: bool) -> None:
    if is_real:
        pytest.skip("type UNKNOWN aborts the real master of 1.11.0")
    reply = request(port, body=TEARDOWN + b"\x10\x00", headers=PROTOBUF_HEADERS)
    assert (reply.status, reply.text) == (400, NO_TYPE)
    assert request(port, "GET", "/health").status == 200


def test_what_the_real_one_takes_and_json_could_not_carry_on_is_400_here(
    port: int, is_real: bool
) -> None:
    if is_real:
        pytest.skip("the real Mesos passes on strings that are no UTF-8, and infinite numbers")
    for body, text in (
        (TEARDOWN.replace(b"x", b"\xff"), "a string is not UTF-8"),
        (
            TEARDOWN + b"\x2a\x0b\x12\x09\x09" + b"\x00" * 6 + b"\xf0\x7f",
            "not expecting an infinite number for field 'refuse_seconds'",
        ),
    ):
        reply = request(port, body=body, headers=PROTOBUF_HEADERS)
        assert (reply.status, reply.text) == (400, f"{NOT_PARSED}: {text}")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param(b"", NO_TYPE, id="empty"),
        pytest.param(b"\x10\x63", NO_TYPE, id="unknown type"),
        pytest.param(b"\x12\x01a", NO_TYPE, id="type of another wire type"),
        pytest.param(
            call_bytes({"type": "TEARDOWN"}),
            "Failed to validate scheduler::Call: Expecting 'framework_id' to be present",
            id="no framework",
        ),
        pytest.param(TEARDOWN, "Framework cannot be found", id="unknown framework"),
        pytest.param(TEARDOWN + b"\xf8\x7f\x01", "Framework cannot be found", id="unknown field"),
        pytest.param(TEARDOWN[:-1], NOT_PARSED, id="truncated"),
        pytest.param(b"\xff\xff\xff", NOT_PARSED, id="no tag"),
        pytest.param(b"\x00\x01", NOT_PARSED, id="field 0"),
        pytest.param(b"\x1a\xff\xff\xff\xff\x0f", NOT_PARSED, id="huge length"),
        pytest.param(b"\x0b" * 5000, NOT_PARSED, id="deep nesting"),
        pytest.param(b"\x10\x06\x0a\x03\x0a\x01x\x32\x00", NOT_PARSED, id="missing task_id"),
        pytest.param(json.dumps(SUBSCRIBE).encode(), NOT_PARSED, id="JSON"),
    ],
)
def test_bad_protobuf_is_400_with_the_reason(port: int, body: bytes, text: str) -> None:
    reply = request(port, body=body, headers=PROTOBUF_HEADERS)
    assert reply.status == 400
    # A sentence about the cause may follow; the real one has none.
    assert reply.text.partition(": ")[0] == NOT_PARSED if text == NOT_PARSED else reply.text == text
    assert request(port, "GET", "/health").status == 200


def test_protobuf_that_says_it_is_json_is_400(port: int) -> None:
    reply = request(port, body=BODIES[PROTOBUF], headers={"Content-Type": JSON})
    assert reply.status == 400
    assert reply.text.startswith("Failed to parse body into JSON: ")


@pytest.mark.parametrize("content_type", [f"{PROTOBUF}; v=1", "application/recordio", "x-protobuf"])
def test_what_is_nearly_protobuf_is_415(port: int, content_type: str) -> None:
    reply = request(port, body=BODIES[PROTOBUF], headers={"Content-Type": content_type})
    assert reply.status == 415
    assert reply.text == f"Expecting 'Content-Type' of {JSON} or {PROTOBUF}"
