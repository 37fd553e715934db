"""A master that does what a test tells it, byte by byte: what no real one does when asked.

The one thing to know: it knows nothing of Mesos. Each test gives it the answers; whether a real
master answers so is shown by the contract tests, which run the same client against one.

`scripted_master` reads requests and hands each to a handler; `raw_endpoint` does not even speak
HTTP. Nothing here sleeps: handlers wait for events, and the time of each request is the server's.
"""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

STREAM_HEAD = (
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    "Mesos-Stream-Id: {stream}\r\nTransfer-Encoding: chunked\r\n\r\n"
)


@dataclass
class Request:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: Any
    at_s: float
    """When it had come, by the endpoint's clock."""


@dataclass
class Exchange:
    """One request and the way to answer it."""

    request: Request
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def answer(self, status: int, said: str = "", **headers: str) -> None:
        """Answer with a complete response."""
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(said.encode())}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.writer.write("\r\n".join([*lines, "", said]).encode())
        await self.writer.drain()

    async def open_stream(self, stream: str = "s1", *, interval_s: float = 15.0) -> None:
        """Answer a SUBSCRIBE with a stream and its first event."""
        self.writer.write(STREAM_HEAD.format(stream=stream).encode())
        await self.event(subscribed(self.request.body["framework_id"]["value"], interval_s))

    async def event(self, event: object) -> None:
        """Send one event as one chunk."""
        await self.chunk(framed(event))

    async def chunk(self, data: bytes) -> None:
        """Send bytes as one chunk of the stream."""
        self.writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        await self.writer.drain()

    async def end(self) -> None:
        """Close the stream as a master does that is done with it."""
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()

    async def raw(self, data: bytes) -> None:
        """Send bytes as they are, outside of any chunk."""
        self.writer.write(data)
        await self.writer.drain()

    def drop(self) -> None:
        """Break the connection off."""
        self.writer.close()

    def reset(self) -> None:
        """Break the connection off with a reset, so that what was not read yet is lost."""
        reset(self.writer)

    def half_close(self) -> None:
        """Say that nothing more comes, and go on listening."""
        self.writer.write_eof()

    async def gone(self) -> None:
        """Wait until the other side has closed the connection."""
        while await self.reader.read(65_536):
            pass


Handler = Callable[[Exchange], Awaitable[None]]


@dataclass
class ScriptedMaster:
    """A listening master, what it has heard, and its handlers."""

    on_subscribe: Handler
    on_call: Handler
    address: str = ""
    heard: list[Request] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the first connection that carried a SUBSCRIBE has ended."""
    server: asyncio.Server | None = None

    @property
    def calls(self) -> list[str]:
        """The types of all calls but SUBSCRIBE, in the order they came."""
        return [each.body["type"] for each in self.heard if each.body["type"] != "SUBSCRIBE"]

    def stop_listening(self) -> None:
        """Refuse new connections; open ones go on."""
        assert self.server is not None
        self.server.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        was_stream = False
        try:
            # The client going away is what some tests are about.
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while head := await _head(reader):
                    path, headers = head
                    body = json.loads(await reader.readexactly(int(headers["content-length"])))
                    at_s = asyncio.get_running_loop().time()
                    exchange = Exchange(Request(path, headers, body, at_s), reader, writer)
                    self.heard.append(exchange.request)
                    was_stream = body["type"] == "SUBSCRIBE"
                    await (self.on_subscribe if was_stream else self.on_call)(exchange)
        finally:
            if was_stream:
                self.closed.set()
            writer.close()


async def accepted(exchange: Exchange) -> None:
    """Answer a call as a master does that has read it."""
    await exchange.answer(202)


async def opened(exchange: Exchange) -> None:
    """Open a stream and leave it open."""
    await exchange.open_stream()


@asynccontextmanager
async def scripted_master(
    on_subscribe: Handler = opened, on_call: Handler = accepted
) -> AsyncIterator[ScriptedMaster]:
    """A master on a free port of loopback."""
    master = ScriptedMaster(on_subscribe, on_call)
    async with raw_endpoint(master.serve) as server:
        master.server = server
        master.address = address_of(server)
        yield master


RawHandler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_endpoint(handler: RawHandler) -> AsyncIterator[asyncio.Server]:
    """A server on a free port of loopback that hands every connection to ``handler``."""
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        task.add_done_callback(connections.discard)
        try:
            # The test is over, or the client went away: what some tests are about.
            with suppress(asyncio.CancelledError, ConnectionError):
                await handler(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server
    finally:
        server.close()
        for each in list(connections):
            each.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


def address_of(server: asyncio.Server) -> str:
    """``host:port`` of a listening server."""
    return f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with a TCP reset."""
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def framed(event: object) -> bytes:
    """An event as RecordIO."""
    data = json.dumps(event).encode()
    return b"%d\n%b" % (len(data), data)


def subscribed(framework_id: str, interval_s: float = 15.0) -> dict[str, object]:
    """The first event of a stream."""
    return {
        "type": "SUBSCRIBED",
        "subscribed": {
            "framework_id": {"value": framework_id},
            "heartbeat_interval_seconds": interval_s,
        },
    }


async def _head(reader: asyncio.StreamReader) -> tuple[str, dict[str, str]] | None:
    """Path and headers of the next request, or None when there is none."""
    try:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    headers = dict(line.split(": ", 1) for line in lines[1:] if line)
    return lines[0].split(" ")[1], {name.lower(): value for name, value in headers.items()}
