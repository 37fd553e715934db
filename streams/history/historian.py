"""Archives a cell's log: follows it with a fold of its own, and keeps every range that closes.

The one thing to know: the raw records go to the archive whatever the fold makes of them; what
follows from them (changes, notes) goes there as far as the fold has come, and catches up when a
halted fold goes on.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
import structlog
from aiokafka.errors import KafkaError

from connectors.archive.archive import Archive, DamagedRange
from connectors.archive.ranges import Series
from connectors.archive.rows import ArchivedChange
from connectors.cancelling import end_all
from connectors.ports import NoSuchObject
from scheduler.chain import Chain
from scheduler.model.events import CellRecord
from streams.cell.follower import Changes, Follower, LogRecord
from streams.clock import now_ms
from streams.history.archived_log import ArchivedLog
from streams.history.derived import Derived
from streams.history.joined_log import AnotherLog, JoinedLog, generation_in_kafka
from streams.history.kafka_log import Ends, KafkaLog
from streams.history.range_writer import ArchivingStopped, RangeWriter
from streams.history.reading import LogHole
from streams.history.resuming import NO_CHAIN, resume_at
from streams.history.starting import Begun, Starter
from streams.history.tracks import RecordTrack, Track

logger = structlog.get_logger(__name__)

POLL_S: Final = 0.5
RETRY_S: Final = 1.0
STOPPED_RETRY_S: Final = 60.0
CHUNK_RECORDS: Final = 10_000
"""Read at a time, so that the log's end and the open ranges' age are looked at in between."""


class CellPlace(msgspec.Struct, frozen=True):
    """Which cell, and where its log is."""

    bootstrap: str
    topic: str
    partition: int
    cell: str


Derive = Callable[[Follower, int, CellRecord, Changes], Sequence[ArchivedChange]]
"""Makes the rows of one derived series from what the fold made of the record at an offset."""


class CellHistorian:
    """Archives one cell until cancelled."""

    def __init__(
        self,
        place: CellPlace,
        writer: RangeWriter,
        starter: Starter,
        derived: Mapping[Derived, Derive],
    ) -> None:
        self.place = place
        self.writer = writer
        self.kafka = KafkaLog(place.bootstrap, place.topic, place.partition)
        self.log: JoinedLog | None = None
        """The whole log, once it is known which one it is."""
        self.records: RecordTrack | None = None
        self.follower: Follower | None = None
        self._starter = starter
        self._derive = derived
        self._derived: dict[Derived, Track] = {}
        self._rows: dict[Derived, list[ArchivedChange]] = {}
        self._hole_end = 0
        """Below this offset nobody has the next record any more; it has been paged."""
        self._lagging_since_ms: int | None = None
        self._beside: asyncio.Task[None] | None = None
        """Takes snapshots of the fold and tests them."""

    @property
    def _archive(self) -> Archive:
        return self.writer.archive

    def tracks(self) -> list[Track]:
        """The open range of each series; none before it is known which log this is."""
        return [] if self.records is None else [self.records, *self._derived.values()]

    async def run(self) -> None:
        """Archive until cancelled; faults of Kafka and of the store are waited for."""
        try:
            while True:
                try:
                    await self._open()
                    while True:
                        await self.step()
                except (AnotherLog, ArchivingStopped) as error:
                    self.writer.page("archive-stopped", str(error))
                    await asyncio.sleep(STOPPED_RETRY_S)
                except (KafkaError, OSError, NoSuchObject, DamagedRange) as error:
                    logger.warning("the cell log cannot be archived now", why=repr(error))
                    await asyncio.sleep(RETRY_S)
        finally:
            await self._end_beside()
            await self.kafka.close()

    async def _end_beside(self) -> None:
        if self._beside is not None:
            await end_all(self._beside)
            self._beside = None

    async def _open(self) -> None:
        """Find out which log this is, and where to go on; nothing if that is known."""
        while self.records is None:
            ends = await self.kafka.ends()
            generation = await generation_in_kafka(self._archive, self.place.cell, self.kafka)
            if not generation:
                await asyncio.sleep(POLL_S)  # No cell has begun here.
                continue
            await self._begin(generation, ends)

    async def _begin(self, generation: str, ends: Ends) -> None:
        archived = ArchivedLog(self._archive, self.place.cell, generation)
        await archived.refresh()
        derived = {
            kind: await self._track_of(Series(kind, self.place.cell, generation), ends)
            for kind in self._derive
        }
        resume = await asyncio.to_thread(
            resume_at, self._archive, archived.series, ends.begin, ends.end
        )
        chain = Chain.restored(resume.chain) if resume.chain != NO_CHAIN else Chain()
        records = RecordTrack(archived.series, resume.next_offset, resume.at_ms_max, chain)
        if resume.chain == NO_CHAIN:
            records.jump(resume.next_offset)
        needed = min([records.next_offset, *(each.next_offset for each in derived.values())])
        self.log = JoinedLog(archived, self.kafka)
        await self._end_beside()
        begun = await self._starter.begin(self.place.topic, self.place.partition, self.log, needed)
        follower = begun.follower
        follower.listeners.append(self._folded)
        if follower.halt is not None:
            self._hole_end = records.next_offset
        self._beside = asyncio.create_task(_run(begun))
        self._derived, self.follower, self.records = derived, follower, records
        self._rows = {name: [] for name in derived}
        logger.info(
            "archiving",
            generation=generation,
            next_offset=records.next_offset,
            fold_from=follower.wanted_offset,
        )

    async def _track_of(self, series: Series, ends: Ends) -> Track:
        """A derived track: it can go on wherever records are, in Kafka or archived."""
        resume = await asyncio.to_thread(resume_at, self._archive, series, 0, ends.end)
        return Track(series, resume.next_offset, resume.at_ms_max)

    async def step(self) -> bool:
        """Read and archive what there is, or wait a little; whether there was anything."""
        log, records, follower = self.log, self.records, self.follower
        assert log is not None
        assert records is not None
        assert follower is not None
        if self._beside is not None and self._beside.done():
            self._beside.result()
        ends = await self.kafka.ends()
        if ends.end < records.next_offset:
            self._lost_its_end(ends)
        await follower.begun()
        first = max(min(records.next_offset, follower.wanted_offset), self._hole_end)
        has_more = first < ends.end
        try:
            async for batch in log.records(first, min(ends.end, first + CHUNK_RECORDS)):
                wanted = follower.wanted_offset
                self._take(batch)
                await self._close_due()
                if follower.wanted_offset < wanted:
                    break  # An operator's skip: the fold begins anew.
                await asyncio.sleep(0)
        except LogHole as hole:
            await self._pass_hole(first, hole)
        await self._close_due()
        self._measure()
        if not has_more:
            await asyncio.sleep(POLL_S)
        return has_more

    def _take(self, batch: Sequence[LogRecord]) -> None:
        records, follower = self.records, self.follower
        assert records is not None
        assert follower is not None
        records.take([each for each in batch if each.offset >= records.next_offset], now_ms())
        follower.take([each for each in batch if each.offset >= follower.wanted_offset])
        folded_end = follower.halt.offset if follower.halt else follower.wanted_offset
        for name, track in self._derived.items():
            if folded_end > track.next_offset:
                track.add(self._rows[name], folded_end, now_ms())
                self._rows[name] = []

    def _folded(self, offset: int, record: CellRecord, changes: Changes) -> None:
        assert self.follower is not None
        for name, track in self._derived.items():
            rows = self._derive[name](self.follower, offset, record, changes)
            if offset >= track.next_offset:
                self._rows[name] += rows

    async def _close_due(self) -> None:
        for track in self.tracks():
            if track.is_due(self.writer.limits, now_ms()):
                await self.writer.close(track)
                if track is self.records:
                    assert self.log is not None
                    await self.log.archived.refresh()

    def is_archived_to(self, end: int) -> bool:
        """Whether every record below this offset is archived, with all that can follow from it."""
        records, follower = self.records, self.follower
        if records is None or follower is None:
            return end == 0
        foldable = min(end, follower.halt.offset) if follower.halt else end
        derived = [each.first_offset for each in self._derived.values()]
        return records.first_offset >= end and all(each >= foldable for each in derived)

    async def _pass_hole(self, offset: int, hole: LogHole) -> None:
        """Go on behind records that nobody has any more, and say so."""
        records, follower = self.records, self.follower
        assert records is not None
        assert follower is not None
        ends = await self.kafka.ends()
        if ends.begin <= offset:
            return  # It was there after all; or Kafka has nothing at all, and we wait.
        follower.stop_at_hole(ends.begin, ends.end)
        self._hole_end = ends.begin
        if records.next_offset >= ends.begin:
            return
        lost = ends.begin - records.next_offset
        self.writer.metrics.lost_records.labels(*self._labels).inc(lost)
        self.writer.page(
            "history-lost",
            f"Kafka dropped records {records.next_offset} to {ends.begin - 1} of "
            f"{self.place.topic}[{self.place.partition}] before they were archived ({hole}). "
            "What comes after is archived; look at the topic's retention and at the store",
        )
        if records.rows:
            await self.writer.close(records)
        records.jump(ends.begin)

    def _lost_its_end(self, ends: Ends) -> None:
        """Begin anew: the log is shorter than what was read of it."""
        assert self.records is not None
        next_offset = self.records.next_offset
        self.records, self.log, self.follower = None, None, None
        raise AnotherLog(
            f"{self.place.topic}[{self.place.partition}] ends at {ends.end}, and records up to "
            f"{next_offset - 1} were read from it: Kafka lost acknowledged records, or the topic "
            "was made anew. What is archived is whole; continue the cell from it"
        )

    @property
    def _labels(self) -> tuple[str, str]:
        return self.place.topic, str(self.place.partition)

    def _measure(self) -> None:
        records, follower, metrics = self.records, self.follower, self.writer.metrics
        assert records is not None
        assert follower is not None
        metrics.archived_offset.labels(*self._labels).set(records.first_offset - 1)
        metrics.fold_halted.set(follower.halt is not None)
        for name, track in self._derived.items():
            metrics.derived_offset.labels(name).set(track.first_offset - 1)

    def lag(self, ends: Ends, at_ms: int) -> tuple[int, int]:
        """Records that are not archived, and how long the oldest of them has waited, in ms."""
        archived_end = 0 if self.records is None else self.records.first_offset
        if ends.end <= archived_end:
            self._lagging_since_ms = None
            return 0, 0
        if self._lagging_since_ms is None:
            self._lagging_since_ms = at_ms
        waited = 0 if self.records is None else self.records.open_ms(at_ms)
        return ends.end - archived_end, max(waited, 0 if waited else at_ms - self._lagging_since_ms)


async def _run(begun: Begun) -> None:
    await begun.run_beside()
