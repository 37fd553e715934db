"""An answer leaves as uvicorn would have sent it, byte for byte, and a short one in one call.

How: the server's own protocol is given requests and writes to a transport that keeps each call;
uvicorn's own protocol beside it answers the same, and both say the same bytes.
"""

import asyncio
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from streams.api.server import ImpatientProtocol

LARGE = b"x" * 100_000
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
OLD = b"GET / HTTP/1.0\r\n\r\n"
Messages = list[dict[str, Any]]


class Kept(asyncio.Transport):
    """Keeps what it is given, call by call."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.calls: list[bytes] = []
        self.is_ended = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.calls.append(bytes(data))

    def close(self) -> None:
        self.is_ended = True

    def is_closing(self) -> bool:
        return self.is_ended

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


def start(*headers: tuple[bytes, bytes], status: int = 200) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(data: bytes, *, is_more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": is_more}


def length(data: bytes) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % len(data)


def said(kind: type[HttpToolsProtocol], request: bytes, messages: Messages) -> Kept:
    """What a protocol writes for this request, when the application says these messages."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        for each in messages:
            await send(each)

    async def run() -> Kept:
        config = uvicorn.Config(app, lifespan="off", ws="none", access_log=False, log_config=None)
        state = ServerState()
        state.default_headers = [(b"date", b"then")]
        protocol, kept = kind(config, state, {}), Kept()
        protocol.connection_made(kept)
        protocol.data_received(request)
        while state.tasks:
            await asyncio.gather(*state.tasks)
        protocol.connection_lost(None)
        return kept

    return asyncio.run(run())


CASES: dict[str, Messages] = {
    "short": [start(length(b"{}"), (b"X-Request-Id", b"1")), body(b"{}")],
    "empty": [start(length(b"")), body(b"")],
    "no content": [start(status=204), body(b"")],
    "in pieces": [start(length(b"abcd")), body(b"ab", is_more=True), body(b"cd")],
    "without a length": [start((b"a", b"b")), body(b"ab", is_more=True), body(b"cd")],
    "that ends its connection": [start(length(b"{}"), (b"connection", b"close")), body(b"{}")],
    "large": [start(length(LARGE)), body(LARGE)],
}


@pytest.mark.parametrize("request_", [GET, HEAD, LAST, OLD], ids=["get", "head", "last", "old"])
@pytest.mark.parametrize("case", CASES)
def test_an_answer_is_what_uvicorn_says(case: str, request_: bytes) -> None:
    ours = said(ImpatientProtocol, request_, CASES[case])
    its = said(HttpToolsProtocol, request_, CASES[case])
    assert b"".join(ours.calls) == b"".join(its.calls)
    assert ours.is_ended == its.is_ended


@pytest.mark.parametrize(("case", "calls"), [("short", 1), ("empty", 1), ("large", 2)])
def test_a_short_answer_is_one_call(case: str, calls: int) -> None:
    assert len(said(ImpatientProtocol, GET, CASES[case]).calls) == calls


@pytest.mark.parametrize(
    "messages",
    [
        [start(length(b"ab")), body(b"abc")],
        [start(length(b"ab")), body(b"a")],
        [start(length(b"ab"), (b"a", b"b\r\nc: d")), body(b"ab")],
        [start(length(b"ab"), (b"a b", b"c")), body(b"ab")],
    ],
    ids=["too long", "too short", "two lines", "no name"],
)
def test_an_answer_that_is_none_is_not_sent(messages: Messages) -> None:
    """Nothing of it leaves (a 500 may), and the connection ends where its head was said."""
    kept = said(ImpatientProtocol, GET, messages)
    assert not any(call.startswith(b"HTTP/1.1 200") for call in kept.calls)
    assert kept.is_ended


def test_requests_behind_each_other_are_answered_in_order() -> None:
    kept = said(ImpatientProtocol, GET + GET, CASES["short"])
    assert [call.count(b"HTTP/1.1 200") for call in kept.calls] == [1, 1]
