"""A transport that sends an answer's head together with what follows it.

The one thing to know: uvicorn writes a head and a body one after the other, and each write is a
call of the kernel and a packet, which was a quarter of what a short read costs. So a head is held
until the next write of the same turn of the loop; one that stays alone goes at the turn's end.
"""

import asyncio
from typing import Any, Final

_HEAD: Final = b"HTTP/1.1 "
_JOINED_BYTES_MAX: Final = 64 * 1024
"""Larger bodies are not copied to stand behind a head: there the second call costs little."""


class OneSend:
    """Stands before a transport; everything but writing and ending is the transport's own."""

    __slots__ = ("_head", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""

    def write(self, data: bytes) -> None:
        """Send these bytes behind all before them; a head waits for its body."""
        head, self._head = self._head, b""
        if head:
            if len(data) <= _JOINED_BYTES_MAX:
                self._transport.write(head + data)
                return
            self._transport.write(head)
        elif data.startswith(_HEAD):
            self._head = data
            self._loop.call_soon(self._flush)
            return
        self._transport.write(data)

    def _flush(self) -> None:
        head, self._head = self._head, b""
        if head:
            self._transport.write(head)

    def close(self) -> None:
        """End the connection once all is sent."""
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the transport has there
        return getattr(self._transport, name)
