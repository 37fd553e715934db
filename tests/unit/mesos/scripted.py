"""A master that does what a test tells it, byte by byte: what no real one does when asked.

The one thing to know: it knows nothing of Mesos. Each test gives it the answers; whether a real
master answers so is shown by the contract tests, which run the same client against one.
"""

import asyncio
import json
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


@dataclass
class Exchange:
    """One request and the way to answer it."""

    request: Request
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

    def drop(self) -> None:
        """Break the connection off."""
        self.writer.close()

    async def gone(self) -> None:
        """Wait until the other side has closed the connection."""
        await self.writer.wait_closed()


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
                    exchange = Exchange(Request(path, headers, body), writer)
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
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        task.add_done_callback(connections.discard)
        with suppress(asyncio.CancelledError):  # the test is over
            await master.serve(reader, writer)

    master.server = await asyncio.start_server(serve, "127.0.0.1", 0)
    master.address = f"127.0.0.1:{master.server.sockets[0].getsockname()[1]}"
    try:
        yield master
    finally:
        master.server.close()
        for each in list(connections):
            each.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


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
