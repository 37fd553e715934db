"""Requests as they may be written: by hand, in pieces, with the whole address, packed, and large.

Each row was observed on Apache Mesos 1.11.0; the same assertions run on it and the dev cluster.
"""

import gzip
import http.client
import json
import socket
from collections.abc import Iterator

import pytest

from tests.contract.mesos_master.master_client import (
    JSON_HEADERS,
    PATIENCE_S,
    SCHEDULER,
    Json,
    Reply,
    fresh_uuid,
    request,
)

pytestmark = pytest.mark.integration

CALL = b'{"type":"TEARDOWN","framework_id":{"value":"nobody"}}'
NOBODY = (400, "Framework cannot be found")


def by_hand(port: int, *pieces: bytes) -> Reply:
    """The answer to a request that is sent as it is, piece by piece."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
        with http.client.HTTPResponse(connection) as answer:
            answer.begin()
            text = answer.read().decode()
            return Reply(answer.status, text, {k.lower(): v for k, v in answer.getheaders()})


def head(method: str, target: str, *lines: str) -> bytes:
    """The head of a request."""
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: master", *lines, "", ""]).encode()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/redirect", "/master/redirect"])
def test_redirect_with_the_whole_address_as_target(port: int, method: str, path: str) -> None:
    # As mesos-rxjava asks.
    target = f"http://127.0.0.1:{port}{path}"
    reply = by_hand(port, head(method, target, "Content-Length: 0"))
    assert (reply.status, reply.text) == (307, "")
    assert reply.headers["location"].endswith(f":{port}")


def test_a_call_with_the_whole_address_as_target(port: int) -> None:
    target = f"http://127.0.0.1:{port}{SCHEDULER}"
    size = f"Content-Length: {len(CALL)}"
    reply = by_hand(port, head("POST", target, "Content-Type: application/json", size), CALL)
    assert (reply.status, reply.text) == NOBODY


def test_a_body_in_chunks_of_one_byte(port: int) -> None:
    lines = ("Content-Type: application/json", "Transfer-Encoding: chunked")
    chunks = (b"1\r\n%c\r\n" % byte for byte in CALL)
    reply = by_hand(port, head("POST", SCHEDULER, *lines), *chunks, b"0\r\n\r\n")
    assert (reply.status, reply.text) == NOBODY


def test_a_body_of_unknown_length(port: int) -> None:
    def pieces() -> Iterator[bytes]:
        yield CALL[:10]
        yield CALL[10:]

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("POST", SCHEDULER, pieces(), JSON_HEADERS)
        answer = connection.getresponse()
        assert (answer.status, answer.read().decode()) == NOBODY
    finally:
        connection.close()


def test_the_connection_is_kept_for_the_next_call(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        for _ in range(3):
            connection.request("POST", SCHEDULER, CALL, JSON_HEADERS)
            kept = connection.sock
            answer = connection.getresponse()
            assert (answer.status, answer.read().decode()) == NOBODY
            assert connection.sock is kept
    finally:
        connection.close()


def test_a_connection_is_closed_when_the_client_asks_for_it(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        connection.sendall(head("GET", "/health", "Connection: close"))
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


OFFERS_OF_PROTOCOLS = {
    "as Java's own client": (
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAAAAYABgAA",
    ),
    "websocket": (
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ),
}


@pytest.mark.parametrize("name", OFFERS_OF_PROTOCOLS)
def test_an_offer_to_speak_another_protocol_is_passed_over(port: int, name: str) -> None:
    lines = ("Content-Type: application/json", *OFFERS_OF_PROTOCOLS[name])
    whole = head("POST", SCHEDULER, *lines, f"Content-Length: {len(CALL)}")
    in_chunks = head("POST", SCHEDULER, *lines, "Transfer-Encoding: chunked")
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(CALL), CALL)
    for pieces in (
        (whole + CALL,),
        (whole, CALL[:9], CALL[9:]),
        (whole[:70], whole[70:], CALL),
        (in_chunks + chunks,),
    ):
        reply = by_hand(port, *pieces)
        assert (reply.status, reply.text) == NOBODY, pieces
    assert by_hand(port, head("GET", "/health", *lines[1:])).status == 200


@pytest.mark.parametrize("pair", ["[]", '{"a":}'])
def test_what_is_not_known_may_be_deep(port: int, pair: str) -> None:
    # One level more is the last that Mesos reads.
    deep = pair[:-1] * 199 + "1" + pair[-1] * 199
    body = CALL[:-1].decode() + f',"invented":{deep}}}'
    reply = request(port, body=body, headers=JSON_HEADERS)
    assert (reply.status, reply.text) == NOBODY


def test_a_packed_body_is_unpacked(port: int) -> None:
    headers = {**JSON_HEADERS, "Content-Encoding": "gzip"}
    reply = request(port, body=gzip.compress(CALL), headers=headers)
    assert (reply.status, reply.text) == NOBODY


def test_a_body_of_12_mb_is_read(port: int) -> None:
    call = {"type": "TEARDOWN", "framework_id": {"value": "nobody"}, "invented": "x" * 12_000_000}
    reply = request(port, body=json.dumps(call), headers=JSON_HEADERS)
    assert (reply.status, reply.text) == NOBODY


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_what_is_not_allowed_is_said(port: int, method: str) -> None:
    reply = request(port, method, headers=JSON_HEADERS)
    expected = f"405 Method Not Allowed. Expecting one of {{ 'POST' }}, but received '{method}'."
    assert (reply.status, reply.text, reply.headers["allow"]) == (405, expected, "POST")


def test_what_is_not_there_is_said(port: int) -> None:
    reply = request(port, "GET", "/nothing/here")
    assert (reply.status, reply.text) == (404, "404 Not Found.")


def test_the_version_is_that_of_a_full_master(port: int, is_real: bool) -> None:
    body = '{"type":"GET_VERSION"}'
    answer = request(port, path="/api/v1", body=body, headers=JSON_HEADERS)
    version = answer.json["get_version"]["version_info"]
    assert version["version"] == "1.11.0"
    if is_real:
        pytest.skip("the private host of the real Mesos has no /version; a full master has it")
    assert request(port, "GET", "/version").json == version
    assert {"build_date", "build_time", "build_user"} <= version.keys()


CONVERSION = "Failed to convert JSON into Call protobuf: "


@pytest.mark.parametrize(
    ("call", "text"),
    [
        # Fields are looked at by their names, and what is missing only after all of them.
        ({"type": 1, "framework_id": 1}, "Not expecting a JSON number for field 'framework_id'"),
        ({"accept": {"operations": [[1]]}}, "Not expecting a JSON number for field 'operations'"),
        ({"kill": {"agent_id": {}}}, "Missing required fields: kill.task_id, kill.agent_id.value"),
        (
            {"accept": {"operations": {"launch": {"task_infos": {"limits": {"cpus": {}}}}}}},
            (
                "Missing required fields: accept.operations[0].launch.task_infos[0].name, "
                "accept.operations[0].launch.task_infos[0].task_id, "
                "accept.operations[0].launch.task_infos[0].agent_id, "
                "accept.operations[0].launch.task_infos[0].limits[0].value.value"
            ),
        ),
        (
            {"decline": {"filters": {"refuse_seconds": "7 "}}},
            (
                "Failed to parse '7 ' as a JSON number for field 'refuse_seconds': "
                "Parsed JSON included non-whitespace trailing characters: "
            ),
        ),
        (
            {"message": {"data": "_-8="}},
            "Failed to base64 decode bytes field 'data': Invalid character '_'",
        ),
        (
            {"decline": {"filters": {"refuse_seconds": "[]"}}},
            (
                "Failed to parse '[]' as a JSON number for field 'refuse_seconds': "
                "Unexpected JSON type parsed"
            ),
        ),
        (
            {"accept": {"operations": {"launch_group": {"executor": {"type": "LATER"}}}}},
            (
                "Missing required fields: accept.operations[0].launch_group.task_group, "
                "accept.operations[0].launch_group.executor.executor_id"
            ),
        ),
        (
            {"accept": {"operations": {"reserve": {"resources": {"name": "a", "type": "LATER"}}}}},
            "Failed to find enum for 'LATER'",
        ),
    ],
)
def test_a_wrong_field_is_named(port: int, call: Json, text: str) -> None:
    body = json.dumps({"type": "REVIVE", "framework_id": {"value": "nobody"}, **call})
    reply = request(port, body=body, headers=JSON_HEADERS)
    assert (reply.status, reply.text) == (400, CONVERSION + text)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(
            '{"message":{"data":"aGk","agent_id":{"value":"a"},"executor_id":{"value":"e"}}}'
        ),
        '{"kill":{"task_id":{"value":"t"},"kill_policy":{"grace_period":{"nanoseconds":"1.7"}}}}',
        '{"decline":{"filters":{"refuse_seconds":" 7"}}}',
        '{"revive":{"roles":"one"}}',
        '{"revive":{"roles":[[["one"]],null]}}',
        '{"accept":{"offer_ids":{"value":"o"},"operations":[null]}}',
        '{"subscribe":null,"invented":{"deep":[{"er":1}]}}',
    ],
)
def test_what_mesos_reads_generously_is_taken(port: int, body: str) -> None:
    call = {"type": "REVIVE", "framework_id": {"value": "nobody"}, **json.loads(body)}
    reply = request(port, body=json.dumps(call), headers=JSON_HEADERS)
    assert (reply.status, reply.text) == NOBODY


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"uuid": "AAAA"}, "Not a valid UUID"),
        ({"uuid": fresh_uuid()}, "Expecting 'agent_id' to be present"),
        (
            {"uuid": fresh_uuid(), "resource_provider_id": {"value": "p"}},
            "Expecting 'agent_id' to be present",
        ),
    ],
    ids=["no uuid", "no agent", "a provider of no agent"],
)
def test_an_acknowledgement_of_an_operation_names_its_agent(
    port: int, body: Json, text: str
) -> None:
    kind = "ACKNOWLEDGE_OPERATION_STATUS"
    call = {"type": kind, "framework_id": {"value": "nobody"}}
    call[kind.lower()] = {"operation_id": {"value": "o"}, **body}
    reply = request(port, body=json.dumps(call), headers=JSON_HEADERS)
    assert (reply.status, reply.text) == (400, f"Failed to validate scheduler::Call: {text}")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"a":' * 2000 + b"1" + b"}" * 2000, id="deep"),
        pytest.param(b'{"type":NaN}', id="NaN"),
        pytest.param(b'{"a":1e999}', id="beyond a double"),
        pytest.param(b'{"a":"\\ud800"}', id="half a surrogate"),
        pytest.param(b'{"a":"\x00"}', id="a raw NUL"),
        pytest.param(b"\xef\xbb\xbf{}", id="a byte order mark"),
    ],
)
def test_what_is_no_good_json_is_400(port: int, body: bytes) -> None:
    reply = request(port, body=body, headers=JSON_HEADERS)
    assert reply.status == 400
    assert reply.text.startswith("Failed to parse body into JSON: ")
