"""Archives every topic beside the cell log, partition by partition, before Kafka drops it.

The one thing to know: one consumer reads all of them and stops while a range is being put into the
store, so memory is bounded by the open ranges. A partition that was made anew is told by its first
record, or by another record in the place of the last archived one, and begins a series of its own.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from connectors.archive.archive import DamagedRange
from connectors.cancelling import to_its_end
from connectors.ports import NoSuchObject
from streams.clock import now_ms
from streams.history.partitions import (
    ARCHIVED_TOPICS,
    Message,
    archived_message,
    series_in_kafka,
)
from streams.history.range_writer import ArchivingStopped, RangeWriter
from streams.history.resuming import resume_at
from streams.history.tracks import Track
from streams.kafka.patience import REQUEST_TIMEOUT_MS
from streams.kafka.security import client_options
from streams.kafka.topics import TOPICS, Topic

logger = structlog.get_logger(__name__)

POLL_MS: Final = 500
BATCH_RECORDS_MAX: Final = 2_000
RETRY_S: Final = 1.0
STOPPED_RETRY_S: Final = 60.0
OPEN_BYTES_MAX: Final = 32 * 1024 * 1024
"""Of all open ranges together; beyond it the largest is closed before its time."""
LOOK_S: Final = 10.0
"""Between two looks at the ends of all partitions."""
FETCH_S_MAX: Final = 15.0


class Lane:
    """One partition, and its open range once it is known which series it is."""

    def __init__(self, name: str, place: TopicPartition) -> None:
        self.name = name
        self.place = place
        self.track: Track | None = None
        self.begin = 0
        self.end = 0
        self.lagging_since_ms: int | None = None
        self.shorter_at = -1
        """The end below what was read that was paged last."""

    @property
    def labels(self) -> tuple[str, str]:
        """How metrics name it."""
        return self.place.topic, str(self.place.partition)

    def lag(self, at_ms: int) -> tuple[int, int]:
        """Records that are not archived, and how long the oldest of them has waited, in ms."""
        archived_end = self.begin if self.track is None else self.track.first_offset
        if self.end <= archived_end:
            self.lagging_since_ms = None
            return 0, 0
        if self.lagging_since_ms is None:
            self.lagging_since_ms = at_ms
        waited = 0 if self.track is None else self.track.open_ms(at_ms)
        return self.end - archived_end, waited or at_ms - self.lagging_since_ms


def _partitions(topic: Topic, partition: int) -> Sequence[int]:
    """Those that one cell's process archives, so that each partition has one who does."""
    if topic.partitions is None:
        return (partition,)
    return range(topic.partitions) if partition == 0 else ()


class MessageHistorian:
    """Archives all topics but the cell log, until cancelled."""

    def __init__(
        self,
        bootstrap: str,
        prefix: str,
        partition: int,
        writer: RangeWriter,
        poll_ms: int = POLL_MS,
    ) -> None:
        """``partition``: that of our cell; the first cell's has what belongs to no cell, too."""
        self._bootstrap = bootstrap
        self._writer = writer
        self._poll_ms = poll_ms
        self.lanes = {
            place: Lane(topic.name, place)
            for topic in TOPICS
            if topic.name in ARCHIVED_TOPICS
            for number in _partitions(topic, partition)
            for place in (TopicPartition(prefix + topic.name, number),)
        }
        self._looked_at_s = float("-inf")

    @property
    def has_looked(self) -> bool:
        """Whether it knows where every partition ends, as of a moment ago."""
        return self._looked_at_s > float("-inf")

    async def run(self) -> None:
        """Archive until cancelled; faults of Kafka and of the store are waited for."""
        while True:
            try:
                await self._run_until_fault()
            except ArchivingStopped as error:
                logger.critical("archiving of topics stopped", why=str(error))
                await asyncio.sleep(STOPPED_RETRY_S)
            except (KafkaError, OSError, NoSuchObject, DamagedRange) as error:
                logger.warning("topics cannot be archived now", why=repr(error))
                await asyncio.sleep(RETRY_S)

    async def _run_until_fault(self) -> None:
        consumer = AIOKafkaConsumer(
            **client_options(self._bootstrap),
            client_id="flumina-history",
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=2 * 1024 * 1024,
            fetch_max_bytes=16 * 1024 * 1024,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )
        await consumer.start()
        try:
            consumer.assign(list(self.lanes))
            self._looked_at_s = float("-inf")
            for lane in self.lanes.values():
                # A partition that is paused wants a position all the same.
                consumer.seek(lane.place, lane.track.next_offset if lane.track else 0)
                if lane.track is None:
                    consumer.pause(lane.place)  # It has nothing, as far as we know.
            while True:
                await self._step(consumer)
        finally:
            await to_its_end(consumer.stop())

    async def _step(self, consumer: AIOKafkaConsumer) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() - self._looked_at_s >= LOOK_S:
            await self._look(consumer)
            self._looked_at_s = loop.time()
        try:
            found = await consumer.getmany(timeout_ms=self._poll_ms, max_records=BATCH_RECORDS_MAX)
        except OffsetOutOfRangeError as error:
            for place in error.args[0]:
                await self._dropped(consumer, self.lanes[place])
            return
        for place, records in found.items():
            self._take(self.lanes[place], records)
        await self._close_due()

    def _take(self, lane: Lane, records: Sequence[Message]) -> None:
        track = lane.track
        assert track is not None, "a partition is read when its series is known"
        rows = [archived_message(each) for each in records if each.offset >= track.next_offset]
        if rows:
            track.add(rows, rows[-1].offset + 1, now_ms())

    async def _close_due(self) -> None:
        open_ = [lane.track for lane in self.lanes.values() if lane.track and lane.track.rows]
        for track in open_:
            if track.is_due(self._writer.limits, now_ms()):
                await self._writer.close(track)
        open_.sort(key=lambda each: each.bytes_total)
        while open_ and sum(each.bytes_total for each in open_) > OPEN_BYTES_MAX:
            await self._writer.close(open_.pop())

    async def _look(self, consumer: AIOKafkaConsumer) -> None:
        """Learn where partitions end, and which series those are that have begun since."""
        places = list(self.lanes)
        begins = await consumer.beginning_offsets(places)
        ends = await consumer.end_offsets(places)
        for place, lane in self.lanes.items():
            lane.begin, lane.end = begins[place], ends[place]
            track = lane.track
            if track is not None and ends[place] < track.next_offset:
                await self._shorter(lane)
            if lane.track is None and begins[place] < ends[place]:
                await self._begin(consumer, lane, begins[place], ends[place])

    async def _shorter(self, lane: Lane) -> None:
        """Forget which series it was: Kafka has less of it than was read."""
        assert lane.track is not None
        if lane.shorter_at == lane.end:
            lane.track = None
            return  # It was said, and nothing has come since.
        lane.shorter_at = lane.end
        self._writer.page(
            "topic-shorter",
            f"{lane.place.topic}[{lane.place.partition}] ends at {lane.end}, and records up to "
            f"{lane.track.next_offset - 1} were read from it: it was made anew, or Kafka lost "
            "records. What was archived is whole; what comes now is archived as a new series",
        )
        lane.track = None

    async def _begin(self, consumer: AIOKafkaConsumer, lane: Lane, begin: int, end: int) -> None:
        """Find out which series the partition is, and go on behind what is archived of it."""
        series = await series_in_kafka(
            self._writer.archive,
            (lane.name, lane.place.partition),
            (begin, end),
            lambda offset: self._message(consumer, lane.place, offset),
        )
        resume = await asyncio.to_thread(resume_at, self._writer.archive, series, begin, end)
        lane.track = Track(series, resume.next_offset, resume.at_ms_max)
        consumer.seek(lane.place, resume.next_offset)
        consumer.resume(lane.place)

    async def _message(
        self, consumer: AIOKafkaConsumer, place: TopicPartition, offset: int
    ) -> Message:
        """The first record at or behind this offset, which Kafka has."""
        consumer.seek(place, offset)
        consumer.resume(place)
        try:
            async with asyncio.timeout(FETCH_S_MAX):
                return await consumer.getone(place)
        finally:
            consumer.pause(place)

    async def _dropped(self, consumer: AIOKafkaConsumer, lane: Lane) -> None:
        """Go on where Kafka still has records, and say what nobody has any more."""
        track = lane.track
        assert track is not None
        begin = (await consumer.beginning_offsets([lane.place]))[lane.place]
        if begin <= track.next_offset:
            self._looked_at_s = float("-inf")  # It ends below what was read: look which it is.
            return
        self._writer.metrics.lost_records.labels(*lane.labels).inc(begin - track.next_offset)
        self._writer.page(
            "history-lost",
            f"Kafka dropped records {track.next_offset} to {begin - 1} of {lane.place.topic}"
            f"[{lane.place.partition}] before they were archived. Give the topic a longer "
            "retention, or look at why the store was away",
        )
        if track.rows:
            await self._writer.close(track)
        track.jump(begin)
        consumer.seek(lane.place, begin)
