"""The HTTP face of the scheduler API: statuses, headers, framing.

Each row was observed on Apache Mesos 1.11.0; the same assertions run on it and the dev cluster.
"""

import json
import time
import uuid

import pytest

from tests.contract.mesos_master.master_client import (
    JSON_HEADERS,
    PATIENCE_S,
    SCHEDULER,
    Framework,
    Json,
    Stream,
    fresh_uuid,
    request,
)

pytestmark = pytest.mark.integration

INFO: Json = {"user": "root", "name": "transport"}
SUBSCRIBE: Json = {"type": "SUBSCRIBE", "subscribe": {"framework_info": INFO}}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_only_post_is_allowed(port: int, method: str) -> None:
    reply = request(port, method, headers=JSON_HEADERS)
    assert reply.status == 405
    assert reply.headers["allow"] == "POST"


def test_a_call_without_content_type_is_400(port: int) -> None:
    reply = request(port, body=json.dumps(SUBSCRIBE), headers={"Accept": "application/json"})
    assert (reply.status, reply.text) == (400, "Expecting 'Content-Type' to be present")


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/xml", "application/json; charset=utf-8", "Application/JSON", ""],
)
def test_another_content_type_is_415(port: int, content_type: str) -> None:
    reply = request(port, body=json.dumps(SUBSCRIBE), headers={"Content-Type": content_type})
    assert reply.status == 415
    expected = "Expecting 'Content-Type' of application/json or application/x-protobuf"
    assert reply.text == expected


def test_subscribe_that_accepts_no_json_is_406_and_any_other_call_is_not(port: int) -> None:
    picky = {"Content-Type": "application/json", "Accept": "text/html"}
    assert request(port, body=json.dumps(SUBSCRIBE), headers=picky).status == 406
    with Framework(port) as framework:
        assert framework.call("REVIVE", Accept="text/html").status == 202


MISSING = "Failed to convert JSON into Call protobuf: Missing required fields: "
INVALID = "Failed to validate scheduler::Call: "


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("[]", "Failed to convert JSON into Call protobuf: Expecting a JSON object"),
        ("null", "Failed to convert JSON into Call protobuf: Expecting a JSON object"),
        ("{}", INVALID + "Expecting 'type' to be present"),
        ('{"type":"FOO"}', INVALID + "Expecting 'type' to be present"),
        ('{"type":"subscribe"}', INVALID + "Expecting 'type' to be present"),
        ('{"type":null}', INVALID + "Expecting 'type' to be present"),
        (
            '{"type":1}',
            (
                "Failed to convert JSON into Call protobuf: "
                "Not expecting a JSON number for field 'type'"
            ),
        ),
        ('{"type":"SUBSCRIBE"}', INVALID + "Expecting 'subscribe' to be present"),
        ('{"type":"SUBSCRIBE","subscribe":{}}', MISSING + "subscribe.framework_info"),
        (
            '{"type":"SUBSCRIBE","subscribe":{"framework_info":{}}}',
            MISSING + "subscribe.framework_info.user, subscribe.framework_info.name",
        ),
        (
            '{"type":"SUBSCRIBE","subscribe":{"framework_info":null}}',
            MISSING + "subscribe.framework_info",
        ),
        (
            '{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":3,"name":"x"}}}',
            (
                "Failed to convert JSON into Call protobuf: "
                "Not expecting a JSON number for field 'user'"
            ),
        ),
        (
            (
                '{"type":"SUBSCRIBE","framework_id":{"value":"x"},'
                '"subscribe":{"framework_info":{"user":"u","name":"n"}}}'
            ),
            INVALID + "'framework_id' differs from 'subscribe.framework_info.id'",
        ),
        (
            (
                '{"type":"SUBSCRIBE",'
                '"subscribe":{"framework_info":{"user":"u","name":"n","id":{"value":"x"}}}}'
            ),
            INVALID + "'framework_id' differs from 'subscribe.framework_info.id'",
        ),
        ('{"type":"TEARDOWN"}', INVALID + "Expecting 'framework_id' to be present"),
        ('{"type":"TEARDOWN","framework_id":{"value":"nobody"}}', "Framework cannot be found"),
        (
            '{"type":"TEARDOWN","framework_id":"nobody"}',
            (
                "Failed to convert JSON into Call protobuf: "
                "Not expecting a JSON string for field 'framework_id'"
            ),
        ),
        ('{"type":"TEARDOWN","framework_id":{}}', MISSING + "framework_id.value"),
        (
            '{"type":"KILL","framework_id":{"value":"x"}}',
            INVALID + "Expecting 'kill' to be present",
        ),
    ],
)
def test_a_malformed_call_is_400_with_the_reason(port: int, body: str, text: str) -> None:
    reply = request(port, body=body, headers=JSON_HEADERS)
    assert (reply.status, reply.text) == (400, text)


@pytest.mark.parametrize("body", [b"", b"{", b'{"type":"REVIVE"} more', b'{"type":"\xff\xfe"}'])
def test_what_is_no_json_is_400(port: int, body: bytes) -> None:
    reply = request(port, body=body, headers=JSON_HEADERS)
    assert reply.status == 400
    assert reply.text.startswith("Failed to ")


def test_the_type_that_aborts_a_real_master_is_400_here(port: int, is_real: bool) -> None:
    if is_real:
        pytest.skip("type UNKNOWN aborts the real master of 1.11.0")
    body = '{"type":"UNKNOWN","framework_id":{"value":"x"}}'
    assert request(port, body=body, headers=JSON_HEADERS).status == 400
    assert request(port, "GET", "/health").status == 200


def test_subscribe_must_not_carry_a_stream_id(port: int) -> None:
    headers = {**JSON_HEADERS, "Mesos-Stream-Id": "x"}
    reply = request(port, body=json.dumps(SUBSCRIBE), headers=headers)
    expected = "Subscribe calls should not include the 'Mesos-Stream-Id' header"
    assert (reply.status, reply.text) == (400, expected)


def test_a_subscription_begins_with_subscribed_and_a_heartbeat(port: int) -> None:
    started = time.monotonic()
    with Framework(port) as framework:
        headers = framework.stream.headers
        assert headers["transfer-encoding"] == "chunked"
        assert "content-length" not in headers
        assert str(uuid.UUID(framework.stream.stream_id)) == framework.stream.stream_id
        beat = framework.await_event("HEARTBEAT")
        assert beat["at_s"] - started < 14.0  # the next one comes after 15 s
        assert framework.framework_id


def test_subscribed_names_the_master_and_the_beat(port: int) -> None:
    framework = Framework(port)
    framework.stream = framework.open()
    try:
        first = framework.stream.events.get(timeout=PATIENCE_S)
        assert first["type"] == "SUBSCRIBED"
        subscribed = first["subscribed"]
        assert subscribed["heartbeat_interval_seconds"] == 15.0
        assert subscribed["master_info"]["port"] == port
        assert subscribed["master_info"]["address"]["ip"] == "127.0.0.1"
    finally:
        framework.stream.close()


def test_both_paths_are_the_same_endpoint(port: int) -> None:
    assert request(port, path="/master" + SCHEDULER, body="{}", headers=JSON_HEADERS).status == 400


def test_calls_need_the_newest_stream_id(port: int) -> None:
    with Framework(port) as framework:
        missing = framework.call("REVIVE", Mesos_Stream_Id=None)
        expected = "All non-subscribe calls should include the 'Mesos-Stream-Id' header"
        assert (missing.status, missing.text) == (400, expected)
        wrong = framework.call("REVIVE", Mesos_Stream_Id="nonsense")
        assert wrong.status == 400
        assert wrong.text.startswith("The stream ID 'nonsense' included in this request didn't")
        first = framework.stream.stream_id
        framework.subscribe()
        assert framework.call("REVIVE", Mesos_Stream_Id=first).status == 400
        assert framework.call("REVIVE").status == 202


def test_a_framework_whose_stream_is_closed_is_403(port: int) -> None:
    with Framework(port) as framework:
        framework.stream.close()
        deadline = time.monotonic() + PATIENCE_S
        while (reply := framework.call("REVIVE")).status == 202:
            assert time.monotonic() < deadline
        assert (reply.status, reply.text) == (403, "Framework is not subscribed")


def test_a_framework_that_was_torn_down_is_400_and_cannot_come_back(port: int) -> None:
    with Framework(port) as framework:
        assert framework.call("TEARDOWN").status == 202
        framework.await_event("END OF STREAM")
        reply = framework.call("REVIVE")
        assert (reply.status, reply.text) == (400, "Framework cannot be found")
        framework.stream = framework.open()
        assert framework.stream.status == 200
        error = framework.await_event("ERROR")
        assert error["error"]["message"] == "Framework has been removed"
        assert framework.stream.has_ended.wait(PATIENCE_S)


@pytest.mark.parametrize(
    ("info", "message"),
    [
        (
            {"role": "a/"},
            "'FrameworkInfo.role' is not a valid role: Role 'a/' cannot end with a slash",
        ),
        (
            {"role": ""},
            "'FrameworkInfo.role' is not a valid role: Role names cannot be the empty string",
        ),
        (
            {"roles": ["a"]},
            "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable",
        ),
        (
            {"role": "a", "capabilities": [{"type": "MULTI_ROLE"}]},
            "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable",
        ),
        (
            {"failover_timeout": 1e300},
            "The framework failover_timeout (1e+300) is invalid",
        ),
    ],
)
def test_an_invalid_framework_gets_200_an_error_and_the_end(
    port: int, info: dict[str, object], message: str
) -> None:
    framework = Framework(port, **{"capabilities": None, **info})
    framework.stream = framework.open()
    assert framework.stream.status == 200
    assert framework.await_event("ERROR")["error"]["message"] == message
    assert framework.stream.has_ended.wait(PATIENCE_S)


def test_unknown_fields_and_nulls_do_no_harm(port: int) -> None:
    call = {
        **SUBSCRIBE,
        "framework_id": None,
        "invented": {"by": ["a", "newer", "mesos"]},
        "accept": None,
    }
    stream = Stream(port, call)
    try:
        assert stream.status == 200
        assert stream.events.get(timeout=PATIENCE_S)["type"] == "SUBSCRIBED"
    finally:
        stream.close()


def test_a_never_seen_framework_id_is_taken_as_given(port: int) -> None:
    framework = Framework(port)
    framework.framework_id = wanted = f"chosen-{uuid.uuid4()}"
    with framework:
        assert framework.framework_id == wanted


@pytest.mark.parametrize("text", ["AAAA", "!!", "eHh4eHh4eHh4eHh4eHh4eA=="])
def test_an_acknowledgement_needs_a_uuid(port: int, text: str) -> None:
    with Framework(port) as framework:
        body = {"agent_id": {"value": "a"}, "task_id": {"value": "t"}, "uuid": text}
        assert framework.call("ACKNOWLEDGE", body).status == 400


def test_calls_that_are_ignored_are_202(port: int) -> None:
    nobody: Json = {"value": "nobody"}
    with Framework(port) as framework:
        calls: dict[str, Json] = {
            "SHUTDOWN": {"executor_id": nobody, "agent_id": nobody},
            "MESSAGE": {"executor_id": nobody, "agent_id": nobody, "data": "aGk="},
            "REQUEST": {"requests": []},
            "ACKNOWLEDGE": {"agent_id": nobody, "task_id": nobody, "uuid": fresh_uuid()},
            "RECONCILE_OPERATIONS": {"operations": []},
            "DECLINE": {"offer_ids": [nobody]},
            "REVIVE": {"roles": ["not-mine"]},
            "SUPPRESS": {"roles": ["not-mine"]},
        }
        for kind, body in calls.items():
            reply = framework.call(kind, body)
            assert (reply.status, reply.text) == (202, ""), kind


def test_update_framework_is_200_and_guards_what_may_not_change(port: int) -> None:
    with Framework(port, user="one") as framework:
        info = {**framework.info, "id": {"value": framework.framework_id}}
        renamed = framework.call("UPDATE_FRAMEWORK", {"framework_info": {**info, "name": "new"}})
        assert (renamed.status, renamed.text) == (200, "")
        other = framework.call("UPDATE_FRAMEWORK", {"framework_info": {**info, "user": "two"}})
        assert other.status == 400
        assert "Updating 'FrameworkInfo.user' is unsupported" in other.text


@pytest.mark.parametrize("path", ["/redirect", "/master/redirect"])
def test_redirect_names_the_leader_without_a_scheme(port: int, path: str) -> None:
    reply = request(port, "GET", path)
    assert reply.status == 307
    assert reply.headers["location"].startswith("//")
    assert reply.headers["location"].endswith(f":{port}")


def test_the_state_endpoints_answer(port: int) -> None:
    assert request(port, "GET", "/health").status == 200
    for path in ("/state", "/master/state"):
        state = request(port, "GET", path).json
        assert {"id", "version", "slaves", "frameworks", "leader"} <= state.keys()
    slaves = request(port, "GET", "/slaves").json["slaves"]
    assert {s["attributes"]["zone"] for s in slaves} == {"z1", "z2"}
    assert all(s["resources"]["ports"] == "[31000-31999]" for s in slaves)
    assert "tasks" in request(port, "GET", "/tasks").json
