"""One reader's stream from its first byte to its last: catching up, live, behind, ended.

The one thing to know: a reader is in one of two ways of reading, and goes from one to the other
without a gap or a repeat, for both know the next offset of each partition. It reads for itself
until it is where the topic's hub is, and then what the hub hands out; one that wants all and is too
slow for the hub reads for itself again.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Final, Literal, Protocol

import structlog

from connectors.web.query.server_sent import PING, begin_text, meta_text, row_text
from projections.query.sampling import Draw
from streams.clock import elapsed_s, now_ms
from streams.query.asked import Asked, unknown_fields
from streams.query.budget import Budget
from streams.query.hub import Hub
from streams.query.inbox import Inbox
from streams.query.kafka import Kafka, OwnReader
from streams.query.matching import Matcher
from streams.query.places import Lane, Place, Spots
from streams.query.ports import History
from streams.query.running import LATE_MS, Batch, Found, QueryRun, Said

logger = structlog.get_logger(__name__)

META_S: Final = 1.0
"""A reader hears at least so often how it stands."""
PART_ROWS: Final = 200
"""Rows that are made before the first of them is sent."""
PIECE_BYTES: Final = 64 * 1024
SECONDS_MAX: Final = 24 * 3_600.0
"""Of one connection; a client that comes again goes on where it was."""
BEHIND_MS: Final = 2_000
WHOLE: Final = ("the end was reached", "its limit is reached")
"""Ends at which what is left in windows is said."""
State = Literal["live", "behind", "catching-up", "ended"]


def parts_of(batch: Batch) -> list[Batch]:
    """The batch in parts of some rows, so that a slow reader has few of them written out."""
    found = batch.found
    cuts = range(0, max(0, len(found) - PART_ROWS), PART_ROWS)
    parts = [Batch(found[cut : cut + PART_ROWS], {}, 0) for cut in cuts]
    return [*parts, batch._replace(found=found[len(parts) * PART_ROWS :])]


class Surroundings(Protocol):
    """What a session has of its process."""

    kafka: Kafka
    history: History
    draw: Draw
    budget: Budget

    async def hubs_of(self, topics: Sequence[str]) -> list[Hub]:
        """The hubs of these topics, each reading."""
        ...

    def matcher(self) -> Matcher:
        """A matcher of a reader's own."""
        ...


class Session:
    """Reads for one connection."""

    def __init__(self, name: str, asked: Asked, around: Surroundings, place: Place) -> None:
        self.name = name
        self.asked = asked
        self.run = QueryRun(asked.query, around.draw, place)
        self._around = around
        self.inbox = Inbox(is_lossy=asked.delivery == "lossy")
        self._hubs: list[Hub] = []
        self._reader: OwnReader | None = None
        self._matcher = around.matcher()
        self._matcher.add(name, asked.query)
        self.bounded: dict[Lane, int] | None = None
        """Where it ends, where that is known already."""
        self.bounds: Mapping[Lane, tuple[int, int]] = {}
        self._parts: deque[Batch] = deque()
        """Of the last batch, what is still to be taken."""
        self.share: Callable[[Found], bool] | None = None
        """Which events are this reader's, where several share a client's."""
        self.is_closing: Callable[[], bool] = lambda: False
        self._began_s = elapsed_s()
        self._meta_due_s = 0.0
        self._read = 0
        self._sent = self._sent_before = 0
        self._metas_s = elapsed_s()
        self._row_due_s = 0.0
        self.sampled_out = 0
        self.reason = ""

    @property
    def sent(self) -> int:
        """Rows that were sent."""
        return self._sent

    @property
    def is_live(self) -> bool:
        """Whether it hears what comes by the hubs."""
        return bool(self._hubs)

    @property
    def state(self) -> State:
        """How it stands."""
        if self.reason:
            return "ended"
        if not self.is_live:
            return "catching-up"
        return "behind" if len(self.inbox) and self._behind_ms() > BEHIND_MS else "live"

    async def pieces(self) -> AsyncIterator[bytes]:
        """What is sent, until the query ends."""
        yield begin_text() + self._meta(unknown=unknown_fields(self.asked.query))
        while not self.reason:
            if self.is_closing() or elapsed_s() - self._began_s > SECONDS_MAX:
                return  # Not the query's end: its reader comes again, with the last id.
            said = await self._step()
            self.reason = self._end_reason()
            if self.reason in WHOLE:
                said += self.run.close()
            async for piece in self._written(said):
                yield piece
            if not self.reason and elapsed_s() >= self._meta_due_s:
                yield self._meta()
        yield self._meta()

    async def step(self) -> list[Said]:
        """The next rows, for one who takes them here; waits a little where there are none.

        At its end windows are not said early: whoever goes on at its place has them whole.
        """
        self._meta_due_s = elapsed_s() + META_S
        said = await self._step()
        self._sent += len(said)
        self.reason = self._end_reason()
        return said

    async def close(self) -> None:
        """Give back everything; again is nothing."""
        self._leave()
        self._around.budget.forget(self.name)
        await self._close_reader()

    async def _step(self) -> list[Said]:
        """Take the next of what there is, or wait for it a little."""
        if self._parts:
            return self._take(self._parts.popleft())
        if self.is_live:
            return await self._step_live()
        await self._join_if_wanted()
        if self.is_live:
            return []
        if self._reader is None:
            await self._open_reader()
        assert self._reader is not None
        records = await self._reader.next()
        if records:
            self._parts.extend(parts_of(self._matcher.found(records, (self.name,))[self.name]))
            await asyncio.sleep(0)
        elif self.bounded is not None:
            self.reason = WHOLE[0]
        return []

    async def _step_live(self) -> list[Said]:
        if self.inbox.is_overrun or not all(each.is_running for each in self._hubs):
            # What waits is read again, for itself: nothing is lost by it.
            self._leave()
            return []
        batch = self.inbox.take()
        if batch is not None:
            self._parts.extend(parts_of(batch))
            return []
        await self.inbox.wait(min(self._meta_due_s - elapsed_s(), META_S))
        return [] if len(self.inbox) else self.run.tick(now_ms() - LATE_MS)

    def _take(self, batch: Batch) -> list[Said]:
        end = self.asked.end
        if end is not None and end.kind == "time":
            batch = batch._replace(found=[each for each in batch.found if each.at_ms < end.at_ms])
        self._read += batch.read
        if self.share is not None:
            batch = batch._replace(found=[each for each in batch.found if self.share(each)])
        said = self.run.take(batch)
        if not self._around.budget.is_within(self.name, self.run.running.held):
            self.reason = "its windows hold more than there is room for: shorten them, or ask less"
        return said

    async def _join_if_wanted(self) -> None:
        if self.bounded is not None or self.run.is_warming or self.is_live:
            return
        if self.join(await self._around.hubs_of(self.asked.topics)):
            await self._close_reader()

    def join(self, hubs: list[Hub]) -> bool:
        """Hear by the hubs from where it is, if they have all from there on."""
        if not hubs or not all(each.can_take(self.run.spots) for each in hubs):
            return False
        self.inbox.begin_again()
        for each in hubs:
            each.add(self.name, self.asked.query, self.run.spots, self.inbox)
        self._hubs = hubs
        return True

    def _leave(self) -> None:
        self._parts.clear()  # They are read again: the spots are still before them.
        for each in self._hubs:
            each.remove(self.name)
        self._hubs = []
        self.inbox.begin_again()

    async def _open_reader(self) -> None:
        spots: Spots = dict(self.run.spots)
        bounds = await self._around.kafka.bounds(list(spots))
        reader = OwnReader(
            self._around.kafka,
            self._around.history.of(self.asked.query),
            spots,
            self.bounded,
        )
        self._reader = reader
        await reader.open(bounds)

    async def _close_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.close()

    def _end_reason(self) -> str:
        if self.reason:
            return self.reason
        if self.run.is_over:
            return WHOLE[1]
        end = self.asked.end
        if end is None or self.bounded is not None:
            return ""
        is_past = end.kind == "time" and now_ms() > end.at_ms + LATE_MS
        waits = len(self.inbox) or self._parts
        return WHOLE[0] if is_past and self.is_live and not waits else ""

    async def _written(self, said: list[Said]) -> AsyncIterator[bytes]:
        piece = bytearray()
        for each in said:
            if not self._is_due():
                continue
            piece += row_text(each.id, each.data)
            self._sent += 1
            if len(piece) > PIECE_BYTES:
                yield bytes(piece)
                piece.clear()
        if piece:
            yield bytes(piece)

    def _is_due(self) -> bool:
        """Whether a reader that wants a row now and then is to have this one."""
        every_ms = self.asked.sample_ms
        if not every_ms:
            return True
        now_s = elapsed_s()
        if now_s < self._row_due_s:
            self.sampled_out += 1
            return False
        self._row_due_s = now_s + every_ms / 1_000
        return True

    def _behind_ms(self) -> int:
        if not self.run.clock_ms or (self.is_live and not len(self.inbox)):
            return 0
        return max(0, now_ms() - self.run.clock_ms)

    def _meta(self, unknown: Sequence[str] = ()) -> bytes:
        now_s = elapsed_s()
        since_s = max(0.001, now_s - self._metas_s)
        rate = (self._sent - self._sent_before) / since_s
        self._metas_s, self._sent_before = now_s, self._sent
        self._meta_due_s = now_s + META_S
        said: dict[str, object] = {
            "state": self.state,
            "behind_ms": self._behind_ms(),
            "dropped": self.inbox.dropped + self.run.running.dropped,
            "read": self._read,
            "matched": self.run.matched,
            "sent": self._sent,
            "sampled_out": self.sampled_out,
            "rate": round(rate, 1),
        }
        if self._matcher.unreadable:
            said["unreadable"] = self._matcher.unreadable
        if unknown:
            said["unknown_fields"] = list(unknown)
        if self.reason:
            said["reason"] = self.reason
        return meta_text(self.run.place_id(), said) + PING
