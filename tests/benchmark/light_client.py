"""HTTP/1.1 over kept connections for as little of the processor as Python can: bytes in, bytes out.

The one thing to know: one request at a time on each connection; who asks while all are taken waits
for the next that is free, and that wait is part of what the caller measures. Connections take
turns, and one that the server closes while nothing is under way (servers do so after some idle
seconds) is replaced by another.
"""

import asyncio
import re
from collections import deque

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class _Connection(asyncio.Protocol):
    def __init__(self, pool: "LightClient") -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._answer: asyncio.Future[tuple[int, int]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what was under way."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("the server hung up"))
        self._pool.lost(self)

    def ask(self, data: bytes, answer: "asyncio.Future[tuple[int, int]]") -> None:
        """Send a request."""
        assert self._transport is not None
        self._answer = answer
        self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        """Tell status and length of the body once all of it is there."""
        self._buffer = self._buffer + data if self._buffer else data
        end = self._buffer.find(b"\r\n\r\n") + 4
        if end < 4:
            return
        head = self._buffer[:end]
        status, length = _STATUS.match(head), _LENGTH.search(head)
        assert status is not None, head
        assert length is not None, head
        if len(self._buffer) < end + int(length[1]):
            return
        self._buffer = b""
        answer, self._answer = self._answer, None
        assert answer is not None, "an answer that nobody asked for"
        answer.set_result((int(status[1]), int(length[1])))
        self._pool.free(self)

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


class LightClient:
    """Some connections to one server."""

    def __init__(self, address: str) -> None:
        self._host, _, port = address.partition(":")
        self._port = int(port)
        self._all: list[_Connection] = []
        self._free: deque[_Connection] = deque()
        self._opening: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self._waiting: deque[tuple[bytes, asyncio.Future[tuple[int, int]]]] = deque()

    async def open(self, connections: int) -> "LightClient":
        """Connect that often."""
        for _ in range(connections):
            await self._open_one()
        return self

    async def _open_one(self) -> None:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: _Connection(self), self._host, self._port
        )
        self._all.append(connection)
        self.free(connection)

    def lost(self, connection: _Connection) -> None:
        """The server has closed the connection; another takes its place."""
        if self._is_closed:
            return
        self._all.remove(connection)
        if connection in self._free:
            self._free.remove(connection)
        opening = asyncio.get_running_loop().create_task(self._open_one())
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)

    def ask(
        self, method: str, target: str, body: bytes = b"", headers: str = ""
    ) -> "asyncio.Future[tuple[int, int]]":
        """Status of the answer, and the length of its body; not before a connection is free."""
        kind = "Content-Type: application/json\r\n" if body else ""
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        head = f"{method} {target} HTTP/1.1\r\nHost: {self._host}\r\n{kind}{length}{headers}\r\n"
        answer = asyncio.get_running_loop().create_future()
        if self._free:
            self._free.popleft().ask(head.encode() + body, answer)
        else:
            self._waiting.append((head.encode() + body, answer))
        return answer

    def free(self, connection: _Connection) -> None:
        """The connection has its answer."""
        if self._waiting:
            connection.ask(*self._waiting.popleft())
        else:
            self._free.append(connection)

    def close(self) -> None:
        """Hang up everywhere."""
        self._is_closed = True
        for opening in self._opening:
            opening.cancel()
        for connection in self._all:
            connection.close()
