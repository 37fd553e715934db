"""What plain Kafka does with the same records, measured in the same run: the peer of every figure.

The one thing to know: topics, producer and consumer are configured as the cell's own (`acks=all`,
idempotent, the lane's fetch size), and nothing of ours stands between them and the broker.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.cell.writer import our_producer
from streams.kafka.topic_admin import ensure_topics
from streams.settings import settings_of

LINGER_RECORDS = 2_000
"""Records that a bulk producer has under way before it waits for them."""


@dataclass(frozen=True)
class Spent:
    """How long something took, on the wall and on our processor."""

    wall_s: float
    processor_s: float

    @classmethod
    def since(cls, wall_s: float, processor_s: float) -> Self:
        """What has passed since these two readings."""
        return cls(time.perf_counter() - wall_s, time.process_time() - processor_s)


async def make_topics(bootstrap: str, prefix: str) -> str:
    """The name of a new topic `cell`, with the settings that the cell's own has."""
    await ensure_topics(bootstrap, settings_of({"FLUMINA_TOPIC_PREFIX": prefix}))
    return f"{prefix}cell"


async def produced(bootstrap: str, topic: str, values: Iterable[bytes]) -> Spent:
    """What it takes to write these records, in order, acknowledged by all replicas."""
    producer = our_producer(bootstrap, "bench")
    await producer.start()
    try:
        began = time.perf_counter(), time.process_time()
        under_way: list[asyncio.Future[object]] = []
        for value in values:
            under_way.append(await producer.send(topic, value, partition=0))
            if len(under_way) == LINGER_RECORDS:
                await asyncio.gather(*under_way)
                under_way.clear()
        await asyncio.gather(*under_way)
        return Spent.since(*began)
    finally:
        await producer.stop()


async def consumed(bootstrap: str, topic: str, records: int) -> Spent:
    """What it takes to read the first so many records of the topic, and to do nothing with them."""
    async with _consumer(bootstrap, topic) as (consumer, place):
        began = time.perf_counter(), time.process_time()
        consumer.seek(place, 0)
        seen = 0
        while seen < records:
            found = await consumer.getmany(place, timeout_ms=1_000, max_records=500)
            seen += len(found.get(place, ()))
        return Spent.since(*began)


class Echo:
    """Writes one record at a time and reads it back, as each hop of the cell does."""

    def __init__(
        self, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer, place: TopicPartition
    ) -> None:
        self._producer = producer
        self._consumer = consumer
        self._place = place

    async def round_trip_ms(self, value: bytes) -> float:
        """Milliseconds until the record is on all replicas and has been read back."""
        began_s = time.perf_counter()
        reading = asyncio.create_task(self._consumer.getone(self._place))
        written = await self._producer.send_and_wait(
            self._place.topic, value, partition=self._place.partition
        )
        read = await reading
        took_ms = (time.perf_counter() - began_s) * 1_000
        assert read.offset == written.offset, "somebody else writes to the echo's topic"
        return took_ms

    async def chain_ms(self, values: Sequence[bytes]) -> float:
        """Milliseconds for these records, each written when the one before it was read back."""
        return sum([await self.round_trip_ms(value) for value in values])


@asynccontextmanager
async def echo(bootstrap: str, topic: str) -> AsyncIterator[Echo]:
    """An echo on a topic that nobody else writes to, warmed up."""
    producer = our_producer(bootstrap, "bench")
    await producer.start()
    try:
        async with _consumer(bootstrap, topic) as (consumer, place):
            end = (await consumer.end_offsets([place]))[place]
            consumer.seek(place, end)
            there = Echo(producer, consumer, place)
            await there.chain_ms([b"warm-up"] * 10)
            yield there
    finally:
        await producer.stop()


@asynccontextmanager
async def _consumer(
    bootstrap: str, topic: str
) -> AsyncIterator[tuple[AIOKafkaConsumer, TopicPartition]]:
    place = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    await consumer.start()
    try:
        consumer.assign([place])
        yield consumer, place
    finally:
        await consumer.stop()
