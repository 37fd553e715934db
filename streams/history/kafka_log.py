"""One partition of a topic as Kafka has it now, read as whoever needs all of a log reads it.

The one thing to know: Kafka's part of a log may begin late, and may begin later while it is read.
What it has no more is a `LogHole` here; `JoinedLog` knows where else to look.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from connectors.cancelling import to_its_end
from scheduler.model.codec import Undecodable, decode_record
from scheduler.model.events import CellContinued, CellCreated
from streams.cell.follower import LogRecord
from streams.history.heads import at_ms_of
from streams.history.reading import LogBounds, LogHole
from streams.history.time_index import TimeIndex
from streams.kafka.patience import REQUEST_TIMEOUT_MS
from streams.kafka.security import client_options

logger = structlog.get_logger(__name__)

BATCH_RECORDS_MAX: Final = 2_000
POLL_MS: Final = 500
SILENCE_S_MAX: Final = 30.0
"""Without a record that Kafka said it has, for so long, reading it is given up."""
CONSUMERS_KEPT: Final = 2
NOTHING_NOTED: Final = -(2**62)
"""Below every time: the running maximum before the first record."""


class Ends(msgspec.Struct, frozen=True):
    """Which offsets Kafka has of a partition: from ``begin`` up to, and without, ``end``."""

    begin: int
    end: int


class KafkaLog:
    """Reads one partition of the cell log from Kafka alone."""

    def __init__(self, bootstrap: str, topic: str, partition: int, generation: str = "") -> None:
        self.topic = topic
        self.partition = partition
        self._bootstrap = bootstrap
        self._place = TopicPartition(topic, partition)
        self._generation = generation
        self._idle: list[AIOKafkaConsumer] = []
        self._lent: set[AIOKafkaConsumer] = set()
        self._is_closed = False
        self._times: TimeIndex | None = None
        self._timing = asyncio.Lock()

    async def ends(self) -> Ends:
        """What Kafka has now."""
        async with self._consumer() as consumer:
            begin = (await consumer.beginning_offsets([self._place]))[self._place]
            end = (await consumer.end_offsets([self._place]))[self._place]
        return Ends(begin, end)

    async def bounds(self) -> LogBounds:
        """What there is now; the generation is empty where record 0, which names it, is gone."""
        ends = await self.ends()
        if not self._generation and ends.begin == 0 < ends.end:
            self._generation = await self._named_generation()
        return LogBounds(self._generation, ends.begin, ends.end)

    async def _named_generation(self) -> str:
        async for batch in self.records(0, 1):
            try:
                first = decode_record(batch[0].value).events[0]
            except Undecodable:
                return ""
            if isinstance(first, CellCreated | CellContinued):
                return str(first.generation)
        return ""

    async def records(
        self, first_offset: int, end_offset: int
    ) -> AsyncIterator[Sequence[LogRecord]]:
        """The records of these offsets, in batches; raises `LogHole` where Kafka lacks one."""
        if first_offset >= end_offset:
            return
        async with self._consumer() as consumer:
            consumer.seek(self._place, first_offset)
            position = first_offset
            while position < end_offset:
                batch = await self._batch(consumer, position, end_offset)
                position = batch[-1].offset + 1
                yield batch

    async def _batch(
        self, consumer: AIOKafkaConsumer, position: int, end_offset: int
    ) -> list[LogRecord]:
        """At least one record, the first of them at ``position``."""
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + SILENCE_S_MAX
        wanted = min(BATCH_RECORDS_MAX, end_offset - position)
        while True:
            try:
                found = await consumer.getmany(self._place, timeout_ms=POLL_MS, max_records=wanted)
            except OffsetOutOfRangeError as error:
                raise self._hole(position, repr(error)) from error
            batch = [
                LogRecord(each.offset, each.value or b"") for each in found.get(self._place, ())
            ]
            if batch:
                if batch[0].offset != position:
                    raise self._hole(position, f"the next one there is {batch[0].offset}")
                return batch
            if loop.time() > give_up_s:
                raise TimeoutError(
                    f"{self.topic}[{self.partition}] gave no record {position} within "
                    f"{SILENCE_S_MAX:.0f} s; a broker is away or overloaded, try again"
                )

    def _hole(self, offset: int, why: str) -> LogHole:
        return LogHole(f"Kafka has no record {offset} of {self.topic}[{self.partition}] ({why})")

    async def offset_at(self, at_ms: int) -> int:
        """The first offset at which this time is reached, counted from Kafka's first record."""
        ends = await self.ends()
        if self._times is None or self._times.end_offset < ends.begin:
            await self.note_times(ends.begin, NOTHING_NOTED)
        return await self.offset_reaching(at_ms, ends.end)

    async def note_times(self, first_offset: int, at_ms_max: int) -> None:
        """Begin the index of times here, where all records before reach ``at_ms_max``."""
        async with self._timing:
            if self._times is None or self._times.end_offset <= first_offset:
                self._times = TimeIndex(first_offset, at_ms_max)

    async def offset_reaching(self, at_ms: int, end_offset: int) -> int:
        """The first offset below ``end_offset`` at which this time is reached, or that end."""
        async with self._timing:
            times = self._times
            assert times is not None, "the index is begun before it is asked"
            async for batch in self.records(times.end_offset, end_offset):
                for record in batch:
                    times.note(record.offset, at_ms_of(record.value))
            found = times.before(at_ms)
        if found is None:
            return end_offset
        async for batch in self.records(found[0], end_offset):
            for record in batch:
                if at_ms_of(record.value) >= at_ms:
                    return record.offset
        return end_offset

    @asynccontextmanager
    async def _consumer(self) -> AsyncIterator[AIOKafkaConsumer]:
        """A consumer for as long as somebody reads; a fault of Kafka ends it."""
        consumer = self._idle.pop() if self._idle else await self._new_consumer()
        is_sound = False
        self._lent.add(consumer)
        try:
            yield consumer
            is_sound = True
        except (GeneratorExit, LogHole):
            is_sound = True  # Whoever read has had enough; nothing is wrong with the connection.
            raise
        finally:
            self._lent.discard(consumer)
            if is_sound and not self._is_closed and len(self._idle) < CONSUMERS_KEPT:
                self._idle.append(consumer)
            else:
                await _stopped(consumer)

    async def _new_consumer(self) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            **client_options(self._bootstrap),
            client_id="flumina-history",
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=4 * 1024 * 1024,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )
        try:
            await consumer.start()
        except BaseException:
            await _stopped(consumer)
            raise
        consumer.assign([self._place])
        return consumer

    async def close(self) -> None:
        """Give back every connection; who reads all the same has one for that read only."""
        self._is_closed = True
        # Who broke off reading gives its consumer back when its generator is collected: too late.
        lent, self._lent = self._lent, set()
        for consumer in (*self._idle, *lent):
            await _stopped(consumer)
        self._idle.clear()


async def _stopped(consumer: AIOKafkaConsumer) -> None:
    try:
        await to_its_end(consumer.stop())
    except (KafkaError, OSError) as error:
        logger.warning("a consumer did not stop cleanly", why=repr(error))
