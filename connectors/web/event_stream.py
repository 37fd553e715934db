"""One stream of server-sent events: a snapshot, its end, then each change, as long as it is read.

The one thing to know: an event's ``id`` is its place in the cell's log, ``cell/generation:offset``
with the number of the event in the record. ``Last-Event-ID`` with any of them goes on behind it, at
this api process or at another: from the ring, or by a walk through the log where the ring begins
later. Where that is too long ago, the stream says so with ``restart`` and begins with a snapshot. A
reader that is too slow is told ``dropped``, and has to come again.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Final, Protocol

import msgspec
import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from connectors.http.while_read import while_read
from connectors.web.api import Api
from connectors.web.edge import LIMIT_IN_SCOPE
from connectors.web.observing import Ended
from connectors.web.secret_views import curtain_of
from connectors.web.standing import standing_of
from connectors.web.travelling import TravelRefused
from connectors.web.walking import Walking
from projections.cell_view import CellView
from projections.observe.names import Stream
from projections.observe.ring import WHOLE_RECORD, Spot, Told
from projections.observe.snapshots import Piece
from projections.observe.walked import WalkedPage, end_of
from scheduler.model.ids import JobId

logger = structlog.get_logger(__name__)

MEDIA: Final = "text/event-stream"
LAST_EVENT_ID: Final = "Last-Event-ID"
RETRY_MS: Final = 1_000
"""When a reader's own client comes again after a break."""
PIECE_BYTES: Final = 64 * 1024
EVENTS_AT_ONCE: Final = 500
PIECES_AT_ONCE: Final = 100
"""Of a snapshot, between two looks at who else wants to run: about a millisecond's work."""
_ID: Final = re.compile(
    r"([a-z0-9][a-z0-9-]*/[0-9a-f]{8}):([0-9]{1,19})(?:\[([0-9]{1,9})\])?", re.ASCII
)


class Place(msgspec.Struct, frozen=True):
    """The place in a log that an event's id names."""

    log: str
    spot: Spot


def place_of(text: str) -> Place | None:
    """The place that an id names, or None."""
    found = _ID.fullmatch(text)
    if found is None:
        return None
    number = WHOLE_RECORD if found[3] is None else int(found[3])
    return Place(found[1], (int(found[2]), number))


class Filter(Protocol):
    """Says what a reader is sent."""

    def data_of(self, view: CellView, told: Told) -> bytes | None:
        """What the reader is to be sent of an event; None where nothing."""
        ...

    def brings(self, view: CellView, told: Told) -> list[Told]:
        """What the reader is to be told as it is now, before the event."""
        ...


class Reading(msgspec.Struct):
    """What one reader wants."""

    stream: Stream
    wanted: Filter
    pieces: list[Piece] | None = None
    """The snapshot that it begins with; None where it goes on behind an event."""
    place: int = 0
    """Where in the ring it reads."""
    walk: Walking | None = None
    """What it is told before it comes to the ring."""
    restart: str = ""
    """Why it does not go on where it wanted to."""
    job_id: JobId | None = None
    """The job with whose end the stream ends."""


class EventStream(Response):
    """The answer that never ends, or with a job."""

    def __init__(self, api: Api, reading: Reading, address: str) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"}, media_type=MEDIA)
        del self.headers["content-length"]
        self._api, self._reading, self._address = api, reading, address
        self._observing = api.observing
        state = api.cell.view.state
        self._log = f"{state.cell}/{state.generation}"
        self._offset = self._observing.offset
        """Where the snapshot is true; what is told later stands behind it."""
        self._ended: Ended = "client"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the reader leaves, is dropped, or the stream is over."""
        try:
            await self._answered(scope, receive, send)
        finally:
            if self._reading.walk is not None:
                self._reading.walk.close()

    async def _answered(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(head)
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        scope[LIMIT_IN_SCOPE].lift()
        observing, stream = self._observing, self._reading.stream
        observing.open[stream] += 1
        observing.of_address[self._address] += 1
        try:
            await while_read(self._send_all(send), receive)
        finally:
            observing.open[stream] -= 1
            observing.of_address[self._address] -= 1
            if observing.of_address[self._address] <= 0:
                del observing.of_address[self._address]
            observing.ended[self._ended] += 1

    async def _send_all(self, send: Send) -> None:
        curtain = curtain_of(self._api)
        try:
            async for told in self._body():
                piece = told if curtain is None else curtain.events(told)
                async with asyncio.timeout(self._observing.limits.send_s_max):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
        except TimeoutError:
            # It reads nothing at all: it would not hear that it is dropped either.
            self._ended = "dropped"
            return
        await send({"type": "http.response.body", "body": b""})

    async def _body(self) -> AsyncIterator[bytes]:
        reading = self._reading
        yield b"retry: %d\n\n" % RETRY_MS
        told_later: dict[str, int] = {}
        if reading.pieces is not None:
            if reading.restart:
                yield _event("restart", {"reason": reading.restart})
            async for piece in self._snapshot(reading.pieces, told_later):
                yield piece
            reading.pieces = None
            if self._ended != "client":
                return  # Broken off.
            end = {"address": self._id_of(self._offset), "offset": self._offset}
            yield _event("SnapshotEnd", end, self._id_of(self._offset))
        if reading.walk is not None:
            async for piece in self._walked(reading.walk.pages(), told_later):
                yield piece
            if self._ended != "client":
                return
        async for piece in self._changes(told_later):
            yield piece

    async def _walked(
        self, walk: AsyncIterator[WalkedPage], told_later: dict[str, int]
    ) -> AsyncIterator[bytes]:
        """What a reader missed that the ring holds no more, up to where the ring begins."""
        observing, reading = self._observing, self._reading
        view, ring = observing.view, observing.ring(reading.stream)
        over_at: int | None = None
        try:
            async for page in walk:
                if view is None or observing.view is not view:
                    yield self._broken("anew", "the log is being folded anew")
                    return
                events = page.told()
                over_at = next((each.offset for each in events if self._is_end(each)), over_at)
                if written := self._written(view, events, told_later, over_at):
                    yield written
                if over_at is not None and page.next_offset > over_at:
                    yield self._over(over_at)
                    return
                place = ring.place_after(end_of(page))
                if place is not None:
                    reading.place = place
                    self._end_walk()
                    return
        except TravelRefused as error:
            yield self._broken("dropped", f"what it missed cannot be read just now: {error.what}")
            return
        yield self._broken("dropped", "what it missed is much: come again with the last event")

    async def _snapshot(
        self, pieces: list[Piece], told_later: dict[str, int]
    ) -> AsyncIterator[bytes]:
        """The snapshot's events; what was made when the fold had gone on is noted."""
        observing, written = self._observing, bytearray()
        view = observing.view
        for number, piece in enumerate(pieces, start=1):
            assert view is not None
            told = piece(view)
            if told is not None:
                written += self._line(view, told, "")
                if observing.offset > self._offset:
                    told_later[told.name] = observing.offset
            if number % PIECES_AT_ONCE == 0 or len(written) > PIECE_BYTES:
                if written:
                    yield bytes(written)
                    written.clear()
                await asyncio.sleep(0)
                if observing.view is not view:
                    yield self._broken("anew", "the log is being folded anew")
                    return
        if written:
            yield bytes(written)

    async def _changes(self, told_later: dict[str, int]) -> AsyncIterator[bytes]:
        """Each change from the reader's place on, and signs of life where there is none."""
        observing, reading = self._observing, self._reading
        ring, view = observing.ring(reading.stream), observing.view
        loop = asyncio.get_running_loop()
        over_at, keep_alive_s = self._over_at(view), observing.limits.keep_alive_s
        due_s = loop.time() + keep_alive_s
        while True:
            events = ring.read(reading.place, EVENTS_AT_ONCE)
            if observing.view is not view or view is None:
                yield self._broken("anew", "the log is being folded anew")
                return
            if events is None:
                yield self._broken("dropped", "this reader is too slow: what it missed is gone")
                return
            reading.place += len(events)
            if over_at is None:
                over_at = next((told.offset for told in events if self._is_end(told)), None)
            written = self._written(view, events, told_later, over_at)
            if written:
                due_s = loop.time() + keep_alive_s
                yield written
            if over_at is not None and (not events or events[-1].offset > over_at):
                yield self._over(over_at)
                return
            if events:
                continue
            if observing.is_closing:
                yield self._broken("closing", "this api process stops")
                return
            if loop.time() >= due_s:
                due_s = loop.time() + keep_alive_s
                yield self._sign_of_life()
                continue
            await observing.until_news(due_s - loop.time())

    def _written(
        self, view: CellView, events: list[Told], told_later: dict[str, int], over_at: int | None
    ) -> bytes:
        """What the reader is sent of some events."""
        written = bytearray()
        for told in events:
            if over_at is not None and told.offset > over_at:
                break
            if told.offset <= told_later.get(told.name, -1):
                continue  # The snapshot shows what came of it.
            for each in self._reading.wanted.brings(view, told):
                # Without an id: who is broken off here is told them again, with the event.
                written += self._line(view, each, "")
                told_later[each.name] = self._observing.offset
            written += self._line(view, told, self._id_of(*told.spot))
        self._observing.ring(self._reading.stream).count_written(events)
        return bytes(written)

    def _line(self, view: CellView, told: Told, id_: str) -> bytes:
        """The event as the reader is sent it; empty where it is not."""
        data = self._reading.wanted.data_of(view, told)
        if data is None:
            return b""
        self._observing.sent[self._reading.stream] += 1
        return _lines(told.kind, data, id_)

    def _is_end(self, told: Told) -> bool:
        is_job = told.job_id == self._reading.job_id and not told.task_id
        return is_job and told.is_over

    def _over_at(self, view: CellView | None) -> int | None:
        """Where the stream ends whatever comes: the job that it is of has finished already."""
        job_id = self._reading.job_id
        job = view.job(job_id) if view is not None and job_id is not None else None
        return self._observing.offset if job is not None and job.state == "Finished" else None

    def _sign_of_life(self) -> bytes:
        """That all up to the last record was told, whether or not any of it was for the reader."""
        cell, offset = self._api.cell, self._observing.offset
        said: dict[str, object] = {"offset": offset, "atMs": cell.view.state.clock.now_ms}
        stale = standing_of(cell).stale
        if stale:
            said["stale"] = stale
        return _event("KeepAlive", said, self._id_of(offset))

    def _end_walk(self) -> None:
        walk, self._reading.walk = self._reading.walk, None
        if walk is not None:
            walk.close()

    def _over(self, over_at: int) -> bytes:
        self._ended = "over"
        said = {"reason": f"job {self._reading.job_id} has finished"}
        return _event("End", said, self._id_of(over_at))

    def _broken(self, ended: Ended, reason: str) -> bytes:
        self._ended = ended
        kind = "dropped" if ended == "dropped" else "restart" if ended == "anew" else "closing"
        return _event(kind, {"reason": reason})

    def _id_of(self, offset: int, number: int | None = None) -> str:
        return f"{self._log}:{offset}" if number is None else f"{self._log}:{offset}[{number}]"


def _event(kind: str, said: object, id_: str = "") -> bytes:
    return _lines(kind, msgspec.json.encode(said), id_)


def _lines(kind: str, data: bytes, id_: str = "") -> bytes:
    """An event as it is sent; JSON has no line breaks of its own."""
    if id_:
        return b"event: %s\nid: %s\ndata: %s\n\n" % (kind.encode(), id_.encode(), data)
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), data)
