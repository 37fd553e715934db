"""A cell log in memory as readers of the whole log expect it, with snapshots and notes beside it.

Snapshots are machines that were copied at some offsets; notes are those of a fold from the
beginning. What is made from both must not differ from a fold from zero.
"""

from collections.abc import AsyncIterator, Sequence

from projections.travel.notes import Note, Noted
from projections.travel.wanted import EVERYTHING, NewestSpots, Wanted
from scheduler.machine import Machine
from scheduler.model.codec import decode_record
from streams.cell.follower import LogRecord
from streams.history.reading import LogBounds, LogHole
from streams.travel.sources import SnapshotPlace

BATCH = 500


class LogInMemory:
    """A `LogReader` over a list."""

    def __init__(self, log: Sequence[bytes], generation: str = "0a0b0c0d") -> None:
        self.log = log
        self.generation = generation
        self.records_read = 0

    async def bounds(self) -> LogBounds:
        return LogBounds(self.generation, 0, len(self.log))

    async def records(
        self, first_offset: int, end_offset: int
    ) -> AsyncIterator[Sequence[LogRecord]]:
        if end_offset > len(self.log):
            raise LogHole(f"record {len(self.log)} is missing")
        for first in range(first_offset, end_offset, BATCH):
            last = min(end_offset, first + BATCH)
            self.records_read += last - first
            yield [LogRecord(offset, self.log[offset]) for offset in range(first, last)]

    async def offset_at(self, at_ms: int) -> int:
        for offset, data in enumerate(self.log):
            if decode_record(data).at_ms >= at_ms:
                return offset
        return len(self.log)

    async def close(self) -> None:
        return


class SnapshotsInMemory:
    """Machines at some offsets, copied as a snapshot is captured."""

    def __init__(self, log: Sequence[bytes], ends: Sequence[int]) -> None:
        self._machines: dict[int, Machine] = {}
        machine = Machine()
        for offset, data in enumerate(log):
            if offset in ends:
                self._machines[offset] = Machine.restored(machine.kept())
            machine.apply(offset, decode_record(data))
        if len(log) in ends:
            self._machines[len(log)] = machine

    async def places(self) -> Sequence[SnapshotPlace]:
        return [
            SnapshotPlace(end, machine.state.clock.now_ms, f"at-{end}")
            for end, machine in self._machines.items()
        ]

    async def load(self, place: SnapshotPlace) -> Machine | None:
        return Machine.restored(self._machines[place.next_offset].kept())


class NotesInMemory:
    """The table of notes up to an offset; ``restarts`` is where its fold began at a snapshot."""

    def __init__(self, log: Sequence[bytes], end: int) -> None:
        noted = Noted()
        self._end = end
        self.rows: list[Note] = []
        for offset, data in enumerate(log[:end]):
            self.rows += noted.take(offset, decode_record(data))

    async def notes(
        self, first_offset: int, end_offset: int, wanted: Wanted = EVERYTHING
    ) -> Sequence[Note]:
        return [
            each
            for each in self.rows
            if first_offset <= each.offset < end_offset and wanted.has(each)
        ]

    async def find(self, first_offset: int, end_offset: int, newest: NewestSpots) -> None:
        newest.take_notes(await self.notes(first_offset, end_offset))

    async def notes_end(self) -> int:
        return self._end
