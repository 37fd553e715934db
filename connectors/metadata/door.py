"""The small HTTP server in front of one task's answers.

The one thing to know: whoever connects is a task, which is not trusted: few connections, few bytes,
a few seconds, one request each. Where the task has no network of its own, its address holds a
secret of its own (`prefix`), and whoever does not know it is told nothing.
"""

import asyncio
import hmac
import socket
from typing import Final

from connectors.metadata.answers import Reply, TaskAnswers

REQUEST_BYTES_MAX: Final = 8 * 1024
REQUEST_S_MAX: Final = 5.0
ANSWER_S_MAX: Final = 20.0
"""STS is asked meanwhile."""
CONNECTIONS_MAX: Final = 16
REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    503: "Service Unavailable",
}


class Door:
    """Serves one task on a socket that listens."""

    def __init__(self, answers: TaskAnswers, prefix: str = "") -> None:
        """``prefix``: what every path has to begin with, as ``/SECRET``."""
        self._answers = answers
        self._prefix = prefix
        self._open = 0
        self._server: asyncio.Server | None = None

    async def begin(self, listener: socket.socket) -> None:
        """Serve there until `close`."""
        self._server = await asyncio.start_server(
            self._came, sock=listener, limit=REQUEST_BYTES_MAX
        )

    def close(self) -> None:
        """Serve no more; twice is once."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open > CONNECTIONS_MAX:
                reply, is_head = Reply(503, "Service Unavailable"), False
            else:
                reply, is_head = await self._replied(reader)
            writer.write(_written(reply, is_head=is_head))
            async with asyncio.timeout(REQUEST_S_MAX):
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # Who asks and does not listen gets no answer.
        finally:
            self._open -= 1
            writer.close()

    async def _replied(self, reader: asyncio.StreamReader) -> tuple[Reply, bool]:
        try:
            async with asyncio.timeout(REQUEST_S_MAX):
                head = await reader.readuntil(b"\r\n\r\n")
            method, target, headers = _read(head)
        except (asyncio.LimitOverrunError, ValueError):
            return Reply(400, "Bad Request"), False
        if self._prefix:
            given = target[: len(self._prefix)]
            if not hmac.compare_digest(given.encode(), self._prefix.encode()):
                return Reply(404, "Not Found"), False
            target = target[len(self._prefix) :]
        async with asyncio.timeout(ANSWER_S_MAX):
            reply = await asyncio.to_thread(self._answers.answer, method, target, headers)
        return reply, method == "HEAD"


def _read(head: bytes) -> tuple[str, str, dict[str, str]]:
    """Method, target and headers of a request; raises ValueError."""
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, version = first.split(" ")
    if not version.startswith("HTTP/1.") or not target.startswith("/"):
        raise ValueError(first)
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or name != name.strip() or name.lower() in headers:
            raise ValueError(line)
        headers[name.lower()] = value.strip()
    return method, target, headers


def _written(reply: Reply, *, is_head: bool) -> bytes:
    body = reply.text.encode()
    lines = [
        f"HTTP/1.1 {reply.status} {REASONS[reply.status]}",
        f"Content-Type: {reply.content_type}",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Connection: close",
        *(f"{name}: {value}" for name, value in reply.headers),
    ]
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    return head if is_head else head + body
