"""Archive and Kafka as one log: whoever reads cannot tell where one ends and the other begins.

The one thing to know: both hold the same bytes at the same offsets of the same generation, so it
does not matter which one answers. The archive is asked first, for Kafka's brokers have other work;
what it does not have yet comes from Kafka, and what neither has is a `LogHole`.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence

import structlog

from connectors.archive.archive import Archive, DamagedRange
from connectors.archive.ranges import Span, covering
from connectors.ports import NoSuchObject
from streams.cell.follower import LogRecord
from streams.history.archived_log import ArchivedLog
from streams.history.kafka_log import NOTHING_NOTED, KafkaLog
from streams.history.reading import LogBounds, LogHole, LogReader

logger = structlog.get_logger(__name__)


class AnotherLog(Exception):
    """What Kafka has goes by the archive's name, and is not its log; says what to do."""


class JoinedLog:
    """Reads a generation of a cell's log from the archive, and from Kafka behind its end."""

    def __init__(
        self, archived: ArchivedLog, kafka: KafkaLog, *, is_kafka_first: bool = False
    ) -> None:
        self.archived = archived
        self.kafka = kafka
        self._is_kafka_first = is_kafka_first

    async def bounds(self) -> LogBounds:
        """What there is now, in both together."""
        ends = await self.kafka.ends()
        if not self.archived.generation and ends.end:
            await self._learn_generation()
        archived = await self.archived.bounds()
        generation = self.archived.generation
        if archived.end_offset == 0:
            return LogBounds(generation, ends.begin, ends.end)
        if ends.end == 0:
            return LogBounds(generation, archived.first_offset, archived.end_offset)
        return LogBounds(
            generation,
            min(archived.first_offset, ends.begin),
            max((await self.archived.spans())[-1].last_offset + 1, ends.end),
        )

    async def _learn_generation(self) -> None:
        """Find out which log this is: it was empty when it was opened."""
        generation = (await self.kafka.bounds()).generation
        if generation:
            before = self.archived
            self.archived = ArchivedLog(before.archive, before.series.name, generation)

    async def records(
        self, first_offset: int, end_offset: int
    ) -> AsyncIterator[Sequence[LogRecord]]:
        """The records of these offsets, in batches; raises `LogHole` where neither has one.

        A range that is damaged is read from Kafka, if that still has it; else `DamagedRange`.
        """
        position = first_offset
        sound_from = 0
        while position < end_offset:
            before = position
            reader, end = await self._source(position, end_offset)
            if position < sound_from:
                reader, end = self.kafka, min(sound_from, end_offset)
            try:
                async for batch in reader.records(position, end):
                    position = batch[-1].offset + 1
                    yield batch
            except DamagedRange as damage:
                ends = await self.kafka.ends()
                if reader is self.kafka or not ends.begin <= position < ends.end:
                    raise
                logger.critical(
                    "an archived range is damaged, and read from Kafka",
                    page=True,
                    why=str(damage),
                )
                sound_from = await self.archived.end_of_span_at(position)
            except LogHole as hole:
                # Kafka dropped, or archive gained, what was there when we looked.
                if position == before and await self._is_hole(position):
                    raise LogHole(
                        f"record {position} of cell {self.archived.series.name}/"
                        f"{self.archived.generation} is neither archived nor in Kafka ({hole}). "
                        "Restore the archive from a copy, or begin at a snapshot behind it"
                    ) from hole

    async def _source(self, position: int, end_offset: int) -> tuple[LogReader, int]:
        """Who has the record at this offset, and up to where."""
        if self._is_kafka_first:
            ends = await self.kafka.ends()
            if ends.begin <= position < ends.end:
                return self.kafka, min(end_offset, ends.end)
        end = _covered(await self.archived.spans(), position, end_offset)
        if end > position:
            return self.archived, end
        ends = await self.kafka.ends()
        if ends.begin <= position < ends.end:
            return self.kafka, end_offset
        await self.archived.refresh()
        end = _covered(await self.archived.spans(), position, end_offset)
        return (self.archived, end) if end > position else (self.kafka, end_offset)

    async def _is_hole(self, position: int) -> bool:
        await self.archived.refresh()
        if _covered(await self.archived.spans(), position, position + 1) > position:
            return False
        ends = await self.kafka.ends()
        return not ends.begin <= position < ends.end

    async def offset_at(self, at_ms: int) -> int:
        """The first offset at which this time is reached, or the end of the log."""
        maximum = await self.archived.at_ms_max()
        bounds = await self.archived.known_bounds()
        if maximum is not None and at_ms <= maximum:
            return await self.archived.offset_at(at_ms)
        ends = await self.kafka.ends()
        if ends.end <= bounds.end_offset:
            return bounds.end_offset
        if maximum is None:
            await self.kafka.note_times(ends.begin, NOTHING_NOTED)
        else:
            await self.kafka.note_times(bounds.end_offset, maximum)
        return await self.kafka.offset_reaching(at_ms, ends.end)

    async def close(self) -> None:
        """Give back connections and files."""
        await self.kafka.close()
        await self.archived.close()


def _covered(spans: Sequence[Span], position: int, end_offset: int) -> int:
    """Up to where ranges have every record from here on; ``position`` where they lack it."""
    end = position
    for piece in covering(spans, position, end_offset):
        if piece.first_offset != end:
            break
        end = piece.end_offset
    return end


async def generation_in_kafka(archive: Archive, cell: str, kafka: KafkaLog) -> str:
    """The generation that Kafka's log of a cell belongs to; empty where that log is empty.

    Record 0 names it. Where Kafka has dropped that, it is the archived generation which has the
    same bytes at the place where Kafka begins. Raises `AnotherLog` where none has.
    """
    bounds = await kafka.bounds()
    if bounds.generation or bounds.first_offset == bounds.end_offset == 0:
        return bounds.generation
    if bounds.first_offset == bounds.end_offset:
        raise AnotherLog(
            f"Kafka dropped all {bounds.end_offset} records of {kafka.topic}[{kafka.partition}]: "
            "nothing tells which log it is. Continue the cell on a new topic from its archive"
        )
    first = [each async for each in kafka.records(bounds.first_offset, bounds.first_offset + 1)]
    wanted = first[0][0]
    generations = await asyncio.to_thread(generations_of, archive, cell)
    for generation in generations:
        archived = ArchivedLog(archive, cell, generation)
        if await _has_record(archived, wanted):
            return generation
    raise AnotherLog(
        f"{kafka.topic}[{kafka.partition}] begins at offset {wanted.offset}, and no archived "
        f"generation of cell {cell} ({', '.join(generations) or 'there is none'}) has the same "
        "record there: it is another cell's log, or records were dropped before they were "
        "archived. Look at FLUMINA_CELL, FLUMINA_STORE and FLUMINA_TOPIC_PREFIX"
    )


async def _has_record(archived: ArchivedLog, wanted: LogRecord) -> bool:
    try:
        async for batch in archived.records(wanted.offset, wanted.offset + 1):
            return batch[0].value == wanted.value
    except (LogHole, DamagedRange, NoSuchObject):
        return False
    return False


def generations_of(archive: Archive, cell: str) -> list[str]:
    """The archived generations of a cell, sorted; which came first is in their first records."""
    found = archive.series(f"archive/cells/{cell}/")
    return sorted({each.generation for each in found if each.kind == "records"})
