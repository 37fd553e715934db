"""The short way takes what it knows whole, cut anywhere, and leaves the rest to the long way."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from connectors.devcluster.master.front import head_of, quick_protocol
from connectors.devcluster.master.scheduler_calls import Answer
from connectors.devcluster.wire.calls import parse_call, parse_frequent_call
from connectors.devcluster.wire.event_stream import EventStream

UUID = "AAAAAAAAQACAAAAAAAAAAA=="
ACKNOWLEDGE: dict[str, Any] = {
    "type": "ACKNOWLEDGE",
    "framework_id": {"value": "f"},
    "acknowledge": {"agent_id": {"value": "a"}, "task_id": {"value": "t"}, "uuid": UUID},
}


def request(body: bytes, *lines: str, path: str = "/api/v1/scheduler") -> bytes:
    """The bytes of a call with these further header lines."""
    head = [f"POST {path} HTTP/1.1", "Host: here", *lines, f"Content-Length: {len(body)}"]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


JSON = "Content-Type: application/json"


def test_a_call_in_json_is_read_with_its_stream_id() -> None:
    data = request(b"{}", JSON, "mesos-stream-id: s1")
    assert head_of(data) == (len(data) - 2, len(data), "s1")
    assert head_of(data[:-1]) == (len(data) - 2, len(data), "s1")


@pytest.mark.parametrize(
    "data",
    [
        request(b"{}"),
        request(b"{}", "Content-Type: application/x-protobuf"),
        request(b"{}", "Content-Type: application/json; charset=utf-8"),
        request(b"{}", JSON, "Transfer-Encoding: chunked"),
        request(b"{}", JSON, "Content-Encoding: gzip"),
        request(b"{}", JSON, "Expect: 100-continue"),
        request(b"{}", JSON, "Connection: close"),
        request(b"{}", JSON, "Content-Length: 2"),
        request(b"{}", JSON, path="/api/v1"),
        request(b"{}", JSON).replace(b"POST", b"GET"),
        request(b"{}", JSON).replace(b"Length: 2", b"Length: -2"),
        request(b"{}", JSON)[:40],
    ],
)
def test_everything_else_goes_the_long_way(data: bytes) -> None:
    assert head_of(data) is None


@pytest.mark.parametrize(
    "call",
    [
        ACKNOWLEDGE,
        ACKNOWLEDGE | {"acknowledge": ACKNOWLEDGE["acknowledge"] | {"uuid": UUID.rstrip("=")}},
        {"type": "DECLINE", "framework_id": {"value": "f"}, "decline": {"offer_ids": []}},
        {"type": "ACCEPT", "framework_id": {"value": "f"}, "accept": {"filters": None}},
    ],
)
def test_a_frequent_call_is_read_as_the_long_way_reads_it_or_not_at_all(
    call: dict[str, object],
) -> None:
    body = json.dumps(call).encode()
    assert parse_frequent_call(body) in (None, parse_call(body))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"type": "ACKNOWLEDGE"}',
        b'{"type": "ACCEPT", "framework_id": {"value": 5}}',
        json.dumps(ACKNOWLEDGE | {"more": 1}).encode(),
        json.dumps(ACKNOWLEDGE).replace(UUID, "AAAA").encode(),
        json.dumps(ACKNOWLEDGE).replace(UUID, "no base64").encode(),
        b'{"type": "KILL", "framework_id": {"value": "f"}, "kill": {"task_id": {"value": "t"}}}',
    ],
)
def test_what_is_seldom_or_wrong_is_left_to_the_long_way(body: bytes) -> None:
    assert parse_frequent_call(body) is None


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self, wrote: Callable[[str], None]) -> None:
        super().__init__()
        self.written = b""
        self._wrote = wrote

    def write(self, data: object) -> None:
        """Keep it."""
        assert isinstance(data, bytes)
        self.written += data
        self._wrote("written")

    def is_closing(self) -> bool:
        """Whether it is about to end; never."""
        return False

    def close(self) -> None:
        """End it, which changes nothing here."""

    def pause_reading(self) -> None:
        """Nothing is read here."""

    def resume_reading(self) -> None:
        """Nothing is read here."""


async def _long_way(_scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive())["more_body"]:
        pass
    head = [(b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 201, "headers": head})
    await send({"type": "http.response.body", "body": b""})


def _quick(stream_id: str | None, body: bytes) -> Answer | None:
    if body == b"long":
        return None
    return Answer(202) if body == b"short" else Answer(400, f"{stream_id} {body.decode()}")


async def _one_chunk_each(_scope: Scope, receive: Receive, send: Send) -> None:
    stream = EventStream({}, lambda: None)
    for record in (b"one", b"two", b"three"):
        stream.write(record)
    stream.end()
    await stream(_scope, receive, send)


def _answers(
    pieces: list[bytes], app: ASGIApp = _long_way, wrote: Callable[[str], None] = lambda _: None
) -> bytes:
    """What is written when these pieces come one after the other."""

    async def run() -> bytes:
        config = uvicorn.Config(
            app,
            date_header=False,
            server_header=False,
            lifespan="off",
            access_log=False,
            log_config=None,
        )
        config.load()
        server = uvicorn.Server(config)
        protocol = quick_protocol(HttpToolsProtocol, _quick, lambda: wrote("settled"))(
            config=config, server_state=server.server_state, app_state={}
        )
        wire = Wire(wrote)
        protocol.connection_made(wire)
        for piece in pieces:
            protocol.data_received(piece)
            # Enough turns of the loop for an answer, if the request is whole.
            for _ in range(5):
                await asyncio.sleep(0)
        protocol.connection_lost(None)
        return wire.written

    return asyncio.run(run())


SHORT = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"
LONG = b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n"
REFUSED = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-length: 8\r\n"
    b"content-type: text/plain; charset=utf-8\r\n\r\ns1 wrong"
)


def test_both_ways_answer_on_one_connection_in_order_however_requests_are_cut() -> None:
    calls = [
        request(b"short", JSON),
        request(b"long", JSON),
        request(b"wrong", JSON, "Mesos-Stream-Id: s1"),
        request(b"x" * 10, "Content-Type: text/plain"),
        request(b"short", JSON),
    ]
    wanted = [SHORT, LONG, REFUSED, LONG, SHORT]
    assert _answers(calls) == b"".join(wanted)
    for number, call in enumerate(calls):
        body_at = call.index(b"\r\n\r\n") + 4
        for cut in range(1, len(call), 3):
            pieces = [*calls[:number], call[:cut], call[cut:], *calls[number + 1 :]]
            # Who cuts a head is not in a hurry: that one goes the long way.
            answer = wanted[number] if cut >= body_at else LONG
            expected = [*wanted[:number], answer, *wanted[number + 1 :]]
            assert _answers(pieces) == b"".join(expected), (number, cut)


def test_short_calls_in_one_piece_are_all_answered() -> None:
    assert _answers([request(b"short", JSON) * 5]) == SHORT * 5


def test_what_calls_have_left_to_do_is_done_once_before_their_answers_are_sent() -> None:
    steps: list[str] = []
    _answers([request(b"short", JSON) * 5], wrote=steps.append)
    assert steps == ["settled", "written"]


def test_records_that_are_sent_together_are_a_chunk_each() -> None:
    steps: list[str] = []
    text = _answers([request(b"x", "Content-Type: text/plain")], _one_chunk_each, steps.append)
    chunks = b"5\r\n3\none\r\n5\r\n3\ntwo\r\n7\r\n5\nthree\r\n0\r\n\r\n"
    assert text.partition(b"\r\n\r\n")[2] == chunks
    # The head, the first record, the others, the end.
    assert steps.count("written") <= 4


def test_a_body_that_looks_like_a_call_is_a_body() -> None:
    inner = request(b"short", JSON)
    outer = request(inner, "Content-Type: text/plain")
    cut = len(outer) - len(inner)
    assert _answers([outer[:cut], outer[cut:]]) == LONG
