"""An HTTP response that never ends by itself: RecordIO records, one to a chunk, while events last.

The one thing to know: the reader's disconnection is noticed at once, not at the next write; Mesos
takes back a framework's offers the moment its connection is gone.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from starlette.types import Receive, Scope, Send

from connectors.devcluster.wire import codec, recordio
from connectors.devcluster.wire.codec import (
    ContentType,
)
from connectors.devcluster.words import Json
from connectors.http.while_read import while_read

# A reader that lets this much pile up is as good as gone; its connection is ended.
BACKLOG_BYTES_MAX = 64 * 1024 * 1024

# The ASGI extension by which a server sends many chunks of a body that has begun, at once: called
# with them it answers whether it has; if not, they must be sent one by one.
CHUNKS = "flumina.chunks"


class EventStream:
    """A queue of records for one connection, and the ASGI response that sends them."""

    def __init__(
        self,
        headers: Mapping[str, str],
        on_closed: Callable[[], None],
        message: str = "",
        content_type: ContentType = codec.JSON,
    ) -> None:
        """With the name of a message of the table, ``send`` writes such messages."""
        self._message = message
        self._content_type = content_type
        headers = {"Content-Type": content_type, **headers}
        self._headers = [(k.lower().encode(), v.encode()) for k, v in headers.items()]
        self._on_closed = on_closed
        self._records: deque[bytes] = deque()
        self._backlog = 0
        self._backlog_max: int | None = None
        self._wake = asyncio.Event()
        self._ended = False

    def send(self, event: Json) -> None:
        """Queue an event as the reader asked for it; nothing once the stream has ended."""
        if not self._ended:
            self.write(codec.encode(self._message, self._content_type, event))

    def write(self, record: bytes) -> None:
        """Queue a record; nothing once the stream has ended."""
        if self._ended:
            return
        self._records.append(recordio.encode(record))
        self._backlog += len(record)
        if self._backlog_max is None:
            # An operator's first event holds the whole state, however large that is.
            self._backlog_max = BACKLOG_BYTES_MAX + len(record)
        if self._backlog > self._backlog_max:
            self._records.clear()
            self._ended = True
        self._wake.set()

    def end(self) -> None:
        """End the response after what is queued."""
        self._ended = True
        self._wake.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the stream ends or the reader goes."""
        chunks = scope.get("extensions", {}).get(CHUNKS, _one_by_one)
        try:
            await while_read(self._send_all(send, chunks), receive)
        finally:
            self._ended = True
            self._on_closed()

    async def _send_all(self, send: Send, chunks: Callable[[Iterable[bytes]], bool]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        while True:
            while self._records:
                record = self._records.popleft()
                self._backlog -= len(record)
                await send({"type": "http.response.body", "body": record, "more_body": True})
                # The first one also sends the head, and waits for a reader who is slow.
                if self._records and chunks(self._records):
                    self._records.clear()
                    self._backlog = 0
            if self._ended:
                break
            self._wake.clear()
            await self._wake.wait()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _one_by_one(_records: Iterable[bytes]) -> bool:
    return False
