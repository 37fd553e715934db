"""Server-sent events as they are written, and the answer that goes on as long as it is read.

The one thing to know: the answer takes from its source only what the connection takes from it, so
a slow reader slows its own source and nobody else's.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from connectors.http.while_read import while_read

MEDIA: Final = "text/event-stream"
RETRY_MS: Final = 1_000
"""When a reader's own client comes again after a break."""


def row_text(id_: str, data: bytes) -> bytes:
    """A row as it is sent; JSON has no line breaks of its own."""
    return b"id: %s\nevent: row\ndata: %s\n\n" % (id_.encode(), data)


def meta_text(id_: str, said: dict[str, object]) -> bytes:
    """A message about the stream itself; its id is where the reader is now."""
    return b"id: %s\nevent: meta\ndata: %s\n\n" % (id_.encode(), orjson.dumps(said))


def begin_text() -> bytes:
    """What stands before everything else."""
    return b"retry: %d\n\n" % RETRY_MS


PING: Final = b": ping\n\n"


class ServerSent(Response):
    """An answer made of pieces, until they end or the reader leaves."""

    def __init__(self, pieces: AsyncIterator[bytes], close: Callable[[], Awaitable[None]]) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"}, media_type=MEDIA)
        del self.headers["content-length"]
        self._pieces, self._close = pieces, close

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send all pieces; `close` is called however it ends."""
        try:
            await while_read(self._send_all(send), receive)
        finally:
            await self._close()

    async def _send_all(self, send: Send) -> None:
        head = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(head)
        async for piece in self._pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
