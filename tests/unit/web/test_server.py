"""The server's own limits, on a real socket of this computer: heads, bodies, time, strangers.

Each test writes bytes as a careless or hostile client would, and looks at what comes back; the
next good request on a new connection is always answered.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from starlette.types import Message, Receive, Scope, Send

from connectors.web import requests
from streams.api import server as limits
from streams.api.server import listening_socket, server_for, url_of
from streams.errors import OperatorError
from tests.support.web_cell import WebCell, descriptor

DEADLINE_S = 10.0
POST = b"POST /api/v3/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
Client = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bytes]]


def _served(client: Client) -> bytes:
    """What the client makes of a connection to a server that serves a cell in memory."""

    async def run() -> bytes:
        started = asyncio.Event()
        listener = listening_socket("127.0.0.1", 0)
        port = listener.getsockname()[1]
        server = server_for(WebCell().app, started.set)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            async with asyncio.timeout(DEADLINE_S):
                await started.wait()
                found = await _connected(port, client)
                good = await _connected(port, _say(HEALTH + b"Connection: close\r\n\r\n"))
                assert good.startswith(b"HTTP/1.1 200 ")
                return found
        finally:
            server.should_exit = True
            await serving
            listener.close()

    return asyncio.run(run())


async def _connected(port: int, client: Client) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        return await client(reader, writer)
    finally:
        writer.close()


def test_a_reader_that_takes_nothing_of_its_stream_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its window is full; the connection is given up and not kept for as long as it likes."""
    monkeypatch.setattr(limits.ImpatientProtocol, "stuck_s_max", 0.2)
    closed = asyncio.Event()

    class Endless:
        async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while (await _soon(receive())) is None:
                await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
            closed.set()

    async def run() -> None:
        listener = listening_socket("127.0.0.1", 0)
        started = asyncio.Event()
        server = server_for(Endless(), started.set)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            async with asyncio.timeout(DEADLINE_S):
                await started.wait()
                port = listener.getsockname()[1]
                _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
                writer.write(HEALTH + b"\r\n")
                await closed.wait()
                writer.close()
        finally:
            server.should_exit = True
            await serving
            listener.close()

    asyncio.run(run())


async def _soon(message: Awaitable[Message]) -> Message | None:
    """The message, if it is there already."""
    try:
        return await asyncio.wait_for(message, 0.001)
    except TimeoutError:
        return None


def _say(*pieces: bytes) -> Client:
    """Write these pieces, then read to the end."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await reader.read()

    return client


def _post(body: bytes, *more: bytes) -> bytes:
    head = [POST, b"Content-Length: %d\r\n" % len(body), b"Connection: close\r\n", *more]
    return b"".join(head) + b"\r\n" + body


def test_a_good_request_is_answered() -> None:
    body = json.dumps(descriptor()).encode()
    assert _served(_say(_post(body))).startswith(b"HTTP/1.1 201 ")


def test_a_client_that_sends_2_mb_gets_its_413() -> None:
    """The body is not kept, and yet the answer reaches a client that reads only in the end."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        size = 2 * 1024 * 1024
        writer.write(POST + b"Content-Length: %d\r\n\r\n" % size)
        for _ in range(32):
            writer.write(b"x" * (size // 32))
            await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        first = head + await reader.readexactly(length)
        # The connection is good for another request: the body was skipped, not mistaken for one.
        writer.write(HEALTH + b"Connection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        return first

    answer = _served(client)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"at most 512000" in answer


def test_a_client_that_asks_first_is_told_before_it_sends() -> None:
    head = POST + b"Content-Length: 2000000\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    assert _served(_say(head)).startswith(b"HTTP/1.1 413 ")


def test_a_body_without_a_length_is_cut_off() -> None:
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(10):
            writer.write(chunk)
        return await reader.readuntil(b"\r\n\r\n")

    assert _served(client).startswith(b"HTTP/1.1 413 ")


def test_a_slow_body_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "BODY_S_MAX", 0.1)

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(POST + b"Content-Length: 100\r\n\r\n{")
        return await reader.readuntil(b"\r\n\r\n")

    assert _served(client).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("said", [b"", b"GET /health HTT", HEALTH])
def test_a_head_that_does_not_come_ends_the_connection(
    said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HEAD_S_MAX", 0.1)
    assert _served(_say(said)) == b""


def test_a_second_head_that_does_not_come_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "HEAD_S_MAX", 0.1)

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(HEALTH + b"\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"GET /hea")
        rest = await reader.read()
        assert b"HTTP/1.1" not in rest
        return head

    assert _served(client).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",  # TLS
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 70_000,
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ],
    ids=["TLS", "no HTTP", "head of 70 KB", "two lengths"],
)
def test_what_is_no_request_is_400(said: bytes) -> None:
    assert _served(_say(said)).startswith(b"HTTP/1.1 400 ")


def test_requests_behind_each_other_are_all_answered() -> None:
    last = HEALTH + b"Connection: close\r\n\r\n"
    answers = _served(_say((HEALTH + b"\r\n") * 3 + last))
    assert answers.count(b"HTTP/1.1 200 ") == 4


def test_a_port_that_is_taken_is_a_sentence() -> None:
    with listening_socket("127.0.0.1", 0) as first:
        first.listen()
        port = first.getsockname()[1]
        with pytest.raises(OperatorError, match=f"cannot listen on 127.0.0.1 port {port}"):
            listening_socket("127.0.0.1", port)


def test_addresses_are_written_as_a_browser_takes_them() -> None:
    with listening_socket("127.0.0.1", 0) as listener:
        assert url_of(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"
    with listening_socket("0.0.0.0", 0) as listener:  # noqa: S104 - only bound, never listened
        assert url_of(listener).startswith("http://127.0.0.1:")


@pytest.mark.slow
@pytest.mark.parametrize("piece", [200, 7_000])
def test_a_head_that_grows_for_ever_ends_in_400_or_the_connection(piece: int) -> None:
    """In one line that never ends, or in whole lines."""
    lines = b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: "
    for said in (lines + b"x" * 40_000, lines + (b"x" * 90 + b"\r\nX: ") * 400):

        async def client(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, said: bytes = said
        ) -> bytes:
            try:
                for begin in range(0, len(said), piece):
                    writer.write(said[begin : begin + piece])
                    await writer.drain()
                return await reader.readuntil(b"\r\n\r\n")
            except ConnectionError:
                return b""  # Who still writes when it is closed may not get to read why.

        assert _served(client)[:13] in {b"HTTP/1.1 400 ", b""}


def test_an_offer_to_speak_another_protocol_is_passed_over() -> None:
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(HEALTH + offer + b"\r\n")
        return await reader.readuntil(b"\r\n\r\n")

    assert _served(client).startswith(b"HTTP/1.1 200 ")
