"""A request's answer as uvicorn writes it, with less of the processor: head and body in one piece.

The one thing to know: uvicorn looks at each header of each answer anew and writes head and body one
after the other, each a call of the kernel and a packet; both together were a third of what a short
read costs. Here the lines of headers that come again and again are remembered, and a head whose
body has a known length leaves with the first of it. Everything else is left to uvicorn.
"""

from functools import lru_cache
from itertools import chain
from typing import Final

from uvicorn._types import ASGISendEvent, HTTPResponseBodyEvent, HTTPResponseStartEvent
from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    RequestResponseCycle,
)

Header = tuple[bytes, bytes]

_JOINED_BYTES_MAX: Final = 64 * 1024
"""Larger bodies are not copied to stand behind a head: there the second call costs little."""
_LINES_MAX: Final = 1_024
"""Some 100 bytes each. What is on every answer stays among them, whatever else comes and goes."""
_ANEW: Final = frozenset({b"x-request-id", b"x-flumina-offset", b"x-flumina-token", b"location"})
"""Headers whose values do not come again."""
_FRAMING: Final = frozenset({b"connection", b"transfer-encoding"})
"""What an answer says itself of how its body is told from the next answer: uvicorn's business."""


class WholeAnswer(RequestResponseCycle):
    """One request and its answer; made of uvicorn's own before it begins (see `server`)."""

    _head = b""
    """The head, while the first of its body is not there."""

    async def send(self, message: ASGISendEvent) -> None:
        """Send a part of the answer."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if message["type"] == "http.response.start" and not self.response_started:
            if self._begin(message):
                return
        elif message["type"] == "http.response.body" and self._head:
            self._go_on(message)
            return
        await super().send(message)

    def _begin(self, message: HTTPResponseStartEvent) -> bool:
        """Whether the head is one that leaves with its body."""
        length, lines = -1, [STATUS_LINE[message["status"]]]
        for header in chain(self.default_headers, message.get("headers", ())):
            name, value = header
            if name == b"content-length":
                length = int(value)
            elif name in _FRAMING:
                return False
            lines.append(_line(name, value) if name in _ANEW else _known_line(name, value))
        if length < 0:
            return False
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        lines.append(b"\r\n")
        self.response_started, self.waiting_for_100_continue = True, False
        self.chunked_encoding, self.expected_content_length = False, length
        self._head = b"".join(lines)
        return True

    def _go_on(self, message: HTTPResponseBodyEvent) -> None:
        """Send the head with the first piece of the body, which may be all of it."""
        body, head = message.get("body", b""), self._head
        is_whole = not message.get("more_body", False)
        if self.scope["method"] == "HEAD":
            body, self.expected_content_length = b"", 0
        left = self.expected_content_length - len(body)
        if left < 0 or (is_whole and left):
            raise RuntimeError(f"an answer has {-left} bytes more than it said")
        self._head, self.expected_content_length = b"", left
        if len(body) <= _JOINED_BYTES_MAX:
            self.transport.write(head + body)
        else:
            self.transport.write(head)
            self.transport.write(body)
        if is_whole:
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive:
                self.transport.close()
            self.on_response()


def _line(name: bytes, value: bytes) -> bytes:
    """A line of a head; raises `RuntimeError` where it would be more than one."""
    if HEADER_RE.search(name) or HEADER_VALUE_RE.search(value):
        raise RuntimeError(f"no header: {name!r}: {value!r}")
    return b"%b: %b\r\n" % (name.lower(), value)


_known_line = lru_cache(_LINES_MAX)(_line)
