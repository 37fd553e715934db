"""A leader's surroundings in memory: a log whose records are read back when the test says so.

No Kafka: what an outbox does between an acknowledgement and a read-back is only seen where the
test holds the records in between. The cluster manager obeys the same port as the real one.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence

from scheduler.model.codec import RECORD_VERSION, encode_record
from scheduler.model.effects import Called, Effect
from scheduler.model.events import CellEvent, CellRecord
from scheduler.model.ids import StreamId
from scheduler.model.mesos import MesosRecord, StatusUpdate, Unrecognised
from streams.cell.follower import BareFold, Follower, LogRecord
from streams.cell.lead import Lead
from tests.support.cell import CellInMemory


class HeldLog:
    """A log that acknowledges at once; the follower sees records only through `read_back`."""

    def __init__(self, cell: CellInMemory) -> None:
        self.follower = Follower("cell", 0, BareFold)
        self.records = [LogRecord(at, data) for at, data in enumerate(cell.log)]
        self.now_ms = cell.now_ms
        self.read_back()

    async def append(self, epoch: int, events: Sequence[CellEvent]) -> int:
        """Acknowledge the record; nobody has read it yet."""
        return self.add(epoch, *events)

    def add(self, epoch: int, *events: CellEvent) -> int:
        """Put a record of any writer behind the others; its offset."""
        record = CellRecord(
            version=RECORD_VERSION, epoch=epoch, at_ms=self.now_ms, events=tuple(events)
        )
        offset = len(self.records)
        self.records.append(LogRecord(offset, encode_record(record)))
        return offset

    def read_back(self) -> None:
        """Let the follower read all that is there."""
        self.follower.take(self.records[self.follower.wanted_offset :])

    def lead(self, epoch: int) -> Lead:
        """The lead of that epoch over this log."""
        lead = Lead(self.follower, self, epoch)
        self.follower.hearers.append(lead.heard)
        return lead


class WitnessManager:
    """A cluster manager that answers every call with ``sent`` and keeps what it was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[Effect, StreamId]] = []
        self.acknowledged: list[StatusUpdate | Unrecognised] = []

    async def subscribe(self, epoch: int) -> AsyncIterator[MesosRecord]:
        """No records: the test writes them into the log itself."""
        del epoch
        nothing: tuple[MesosRecord, ...] = ()
        for record in nothing:
            yield record

    async def carry_out(self, effect: Effect, stream_id: StreamId) -> Called:
        """Note the call."""
        self.calls.append((effect, stream_id))
        return Called("sent", stream_id)

    async def acknowledge(self, update: StatusUpdate | Unrecognised, stream_id: StreamId) -> Called:
        """Note the acknowledgement."""
        self.acknowledged.append(update)
        return Called("sent", stream_id)

    async def acknowledge_all(
        self, updates: Sequence[StatusUpdate | Unrecognised], stream_id: StreamId
    ) -> list[Called]:
        """Note the acknowledgements."""
        return [await self.acknowledge(each, stream_id) for each in updates]

    async def close(self) -> None:
        """Nothing to end."""


async def turns(count: int = 20) -> None:
    """Let everything that can go on go on."""
    for _ in range(count):
        await asyncio.sleep(0)
