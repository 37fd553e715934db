"""The batch lane: one partition, read from our own offset, a batch at a time.

The one thing to know: Faust acknowledges a record before our code sees it and cannot be handed a
batch, so a state-bearing topic has a consumer of its own, with manual assignment and no committed
offsets. A batch is one event for whoever folds it, and the lane waits until it has been folded.
"""

from collections.abc import Awaitable, Callable, Sequence

import faust
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from connectors.cancelling import to_its_end
from streams.cell.follower import Follower, LogRecord
from streams.kafka.patience import REQUEST_TIMEOUT_MS
from streams.kafka.security import client_options

logger = structlog.get_logger(__name__)

BATCH_RECORDS_MAX = 500
POLL_MS = 1_000
RETRY_S = 0.5

Deliver = Callable[[Sequence[LogRecord]], Awaitable[None]]


class Lane(faust.Service):
    """Feeds one follower from Kafka, and seeks wherever the follower wants to go on."""

    def __init__(self, follower: Follower, bootstrap: str, deliver: Deliver) -> None:
        super().__init__()
        self._follower = follower
        self._bootstrap = bootstrap
        self._deliver = deliver
        self.end_offset = 0
        """The log's end as last heard; a follower behind it is catching up."""

    @property
    def lag(self) -> int:
        """Records in the log that the follower has not looked at."""
        return max(0, self.end_offset - self._follower.wanted_offset)

    @faust.Service.task
    async def _read(self) -> None:
        while not self.should_stop:
            try:
                await self._read_until_fault()
            except (KafkaError, OSError) as error:
                logger.warning("cell log cannot be read; trying again", why=repr(error))
                await self.sleep(RETRY_S)

    async def _read_until_fault(self) -> None:
        follower = self._follower
        partition = TopicPartition(follower.topic, follower.partition)
        consumer = AIOKafkaConsumer(
            **client_options(self._bootstrap),
            client_id="flumina-lane",
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=4 * 1024 * 1024,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )
        await consumer.start()
        try:
            consumer.assign([partition])
            position = -1
            while not self.should_stop:
                await follower.begun()
                if position != follower.wanted_offset:
                    position = follower.wanted_offset
                    consumer.seek(partition, position)
                position = await self._one_batch(consumer, partition, position)
        finally:
            await to_its_end(consumer.stop())

    async def _one_batch(
        self, consumer: AIOKafkaConsumer, partition: TopicPartition, position: int
    ) -> int:
        try:
            found = await consumer.getmany(
                partition, timeout_ms=POLL_MS, max_records=BATCH_RECORDS_MAX
            )
        except OffsetOutOfRangeError as error:
            await self._out_of_range(consumer, partition, error)
            return position
        records = [
            LogRecord(offset=each.offset, value=each.value or b"")
            for each in found.get(partition, ())
        ]
        self.end_offset = max(consumer.highwater(partition) or 0, position + len(records))
        if records:
            await self._deliver(records)
            position = records[-1].offset + 1
        return position

    async def _out_of_range(
        self,
        consumer: AIOKafkaConsumer,
        partition: TopicPartition,
        error: OffsetOutOfRangeError,
    ) -> None:
        begins = (await consumer.beginning_offsets([partition]))[partition]
        ends = (await consumer.end_offsets([partition]))[partition]
        self._follower.stop_at_hole(begins, ends)
        logger.critical("cell log out of range", begins=begins, ends=ends, why=repr(error))
        await self.sleep(POLL_MS / 1_000)


async def log_end(bootstrap: str, topic: str, partition: int) -> int:
    """The offset that the next record of the partition will get."""
    consumer = AIOKafkaConsumer(**client_options(bootstrap), request_timeout_ms=REQUEST_TIMEOUT_MS)
    await consumer.start()
    try:
        place = TopicPartition(topic, partition)
        ends: dict[TopicPartition, int] = await consumer.end_offsets([place])
        return ends[place]
    finally:
        await to_its_end(consumer.stop())
