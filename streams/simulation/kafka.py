"""Kafka in memory: partitions with offsets, and clients whose messages are late, or do not come.

The one thing to know: what a broker has appended stays, in order, whether its writer ever hears of
it or not. A writer that hears nothing for 15 s gets an error, and must not know more than a real
one would: its record may be there.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any, Final

import msgspec
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError, OffsetOutOfRangeError

from streams.simulation.loop import VirtualLoop

REQUEST_TIMEOUT_S: Final = 15.0
"""As `streams.cell.writer.our_producer` sets it."""
RETRY_S: Final = 0.5


class Stored(msgspec.Struct, frozen=True, gc=False):
    """A record as consumers see it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class Written(msgspec.Struct, frozen=True, gc=False):
    """What a producer is told of its record."""

    offset: int


class Partition:
    """One partition: its records from ``begins`` on."""

    def __init__(self) -> None:
        self.begins = 0
        self.records: list[Stored] = []
        self.waiting: list[asyncio.Future[None]] = []

    @property
    def ends(self) -> int:
        """The offset of the next record."""
        return self.begins + len(self.records)

    def append(self, timestamp: int, key: bytes | None, value: bytes | None) -> int:
        """The offset of the record, which is durable now."""
        offset = self.ends
        self.records.append(Stored(offset, timestamp, key, value))
        return offset

    def drop_below(self, offset: int) -> None:
        """Forget the oldest records, as retention does."""
        del self.records[: max(0, offset - self.begins)]
        self.begins = max(self.begins, offset)


class Client:
    """What Kafka knows of a process that speaks to it."""

    is_dead = False
    kafka_cut_until_s = 0.0
    is_cut_one_way = False
    """While it is cut off: what it sends gets there, and nothing comes back."""
    cut_topic = ""
    """The only topic that it is cut off from, since each has a broker of its own; empty: all."""

    def cut_from_until_s(self, topic: str) -> float:
        """Until when nothing comes from the broker that has this topic."""
        only = self.cut_topic
        return self.kafka_cut_until_s if not only or only == topic else 0.0


class Broker:
    """All partitions, and what is wrong with the way to them."""

    def __init__(self, loop: VirtualLoop, chance: Random, wall_ms: Callable[[], int]) -> None:
        self.loop = loop
        self.chance = chance
        self._wall_ms = wall_ms
        self._partitions: dict[str, Partition] = {}
        self.stalled_until_s = 0.0
        self.late_until_s = 0.0
        self.late_s_max = 0.0

    def partition(self, topic: str) -> Partition:
        """The one partition of a topic, which is made at its first use."""
        found = self._partitions.get(topic)
        if found is None:
            found = self._partitions[topic] = Partition()
        return found

    def latency_s(self) -> float:
        """How long one message takes: some milliseconds, in bad times many seconds."""
        usual = 0.001 + 0.004 * self.chance.random()
        if self.loop.now_s < self.late_until_s and self.chance.random() < 0.3:
            return usual + self.late_s_max * self.chance.random()
        return usual

    def publish(self, topic: str, value: bytes | None, key: bytes | None = None) -> int:
        """Append a record of somebody else; its offset."""
        partition = self.partition(topic)
        offset = partition.append(self._wall_ms(), key, value)
        self._wake(partition)
        return offset

    def _wake(self, partition: Partition) -> None:
        if not partition.waiting:
            return
        waiting, partition.waiting = partition.waiting, []
        for each in waiting:
            self.loop.later(self.latency_s(), settle, each)


def settle(future: "asyncio.Future[None]") -> None:
    """Let whoever waits go on."""
    if not future.done():
        future.set_result(None)


class Batch:
    """Records that are handed over together; there is always room for one more."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes, bytes]] = []

    def append(self, *, timestamp: None, key: bytes, value: bytes, headers: object) -> int:
        """The number of records with this one."""
        del timestamp, headers
        self.records.append((key, value))
        return len(self.records)


class Producer:
    """An idempotent producer of one process: in order, nothing twice."""

    def __init__(self, broker: Broker, client: Client) -> None:
        self._broker = broker
        self._client = client
        self._arrives_s: dict[str, float] = {}
        self._waiting: dict[str, deque[tuple[bytes, bytes | None, asyncio.Future[Written], float]]]
        self._waiting = {}

    async def send(
        self,
        topic: str,
        value: bytes,
        key: bytes | None = None,
        partition: int = 0,
        headers: object = None,
    ) -> "asyncio.Future[Written]":
        """A future that is done when all replicas have the record, or that says that it is late."""
        del partition, headers
        broker = self._broker
        told: asyncio.Future[Written] = broker.loop.create_future()
        if self._client.is_dead:
            return told
        now_s = broker.loop.now_s
        arrives_s = now_s + broker.latency_s()
        # In order: what was sent earlier arrives earlier.
        arrives_s = max(arrives_s, self._arrives_s.get(topic, 0.0))
        self._arrives_s[topic] = arrives_s
        queue = self._waiting.get(topic)
        if queue is None:
            queue = self._waiting[topic] = deque()
        queue.append((value, key, told, now_s + REQUEST_TIMEOUT_S))
        broker.loop.at(arrives_s, self._arrive, topic)
        return told

    async def send_and_wait(
        self,
        topic: str,
        value: bytes,
        key: bytes | None = None,
        partition: int = 0,
        headers: object = None,
    ) -> Written:
        """What became of the record, once all replicas have it."""
        return await (await self.send(topic, value, key, partition, headers))

    async def partitions_for(self, topic: str) -> set[int]:
        """The partitions of a topic: one cell has one."""
        del topic
        return {0}

    def create_batch(self) -> "Batch":
        """A batch that is still empty."""
        return Batch()

    async def send_batch(
        self, batch: "Batch", topic: str, *, partition: int
    ) -> "asyncio.Future[Any]":
        """Hand the records of a batch over; done when all replicas have the last."""
        sent = [await self.send(topic, value, key, partition) for key, value in batch.records]
        if len(sent) > 1:
            return asyncio.gather(*sent)
        # Most changes come alone; `gather` takes as many turns for one, and five times as long.
        told: asyncio.Future[Any] = self._broker.loop.create_future()
        sent[0].add_done_callback(partial(_hand_on, told))
        return told

    def _arrive(self, topic: str) -> None:
        queue = self._waiting[topic]
        if not queue:
            return
        broker = self._broker
        now_s = broker.loop.now_s
        blocked_until_s = max(broker.stalled_until_s, self._client.cut_from_until_s(topic))
        if self._client.is_cut_one_way and now_s >= broker.stalled_until_s:
            blocked_until_s = now_s  # What it sends gets there; it only hears nothing.
        value, key, told, deadline_s = queue[0]
        if now_s < blocked_until_s:
            if now_s >= deadline_s:
                queue.popleft()
                fail(told, KafkaTimeoutError())
                broker.loop.later(0.0, self._arrive, topic)
            else:
                broker.loop.at(min(deadline_s, blocked_until_s), self._arrive, topic)
            return
        queue.popleft()
        partition = broker.partition(topic)
        offset = partition.append(broker._wall_ms(), key, value)  # noqa: SLF001 - its own client
        broker._wake(partition)  # noqa: SLF001 - its own client
        broker.loop.later(broker.latency_s(), self._acknowledge, topic, told, offset, deadline_s)

    def _acknowledge(
        self, topic: str, told: "asyncio.Future[Written]", offset: int, deadline_s: float
    ) -> None:
        now_s, until_s = self._broker.loop.now_s, self._client.cut_from_until_s(topic)
        if now_s >= deadline_s and now_s < until_s:
            fail(told, KafkaTimeoutError())
        elif now_s < until_s:
            at_s = min(deadline_s, until_s)
            self._broker.loop.at(at_s, self._acknowledge, topic, told, offset, deadline_s)
        elif not told.done():
            told.set_result(Written(offset))


def _hand_on(told: "asyncio.Future[Any]", sent: "asyncio.Future[Written]") -> None:
    """Say of the one what became of the other."""
    if told.done():
        return
    error = sent.exception()
    if error is None:
        told.set_result([sent.result()])
    else:
        told.set_exception(error)


def fail(future: "asyncio.Future[Any]", error: Exception) -> None:
    """Tell whoever waits that it did not go well."""
    if not future.done():
        future.set_exception(error)
        future.exception()  # Where nobody waits any more, nobody has to be told.


class Consumer:
    """A reader of one partition from an offset of its own."""

    def __init__(self, broker: Broker, client: Client) -> None:
        self._broker = broker
        self._client = client
        self._position = 0

    async def start(self) -> None:
        """Connect."""
        await self._reach(KafkaConnectionError, "")

    async def stop(self) -> None:
        """Disconnect; nothing is committed, so nothing is lost."""

    def assign(self, places: list[TopicPartition]) -> None:
        """Read this partition."""
        (_,) = places

    def seek(self, place: TopicPartition, offset: int) -> None:
        """Go on at this offset."""
        del place
        self._position = offset

    def highwater(self, place: TopicPartition) -> int:
        """The offset of the next record."""
        return self._broker.partition(place.topic).ends

    async def beginning_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        """The first offset that is still there."""
        await self._reach(KafkaConnectionError, places[0].topic)
        return {each: self._broker.partition(each.topic).begins for each in places}

    async def end_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset of the next record."""
        await self._reach(KafkaConnectionError, places[0].topic)
        return {each: self._broker.partition(each.topic).ends for each in places}

    async def getone(self, place: TopicPartition) -> Stored:
        """The next record."""
        while True:
            found = await self.getmany(place, timeout_ms=0, max_records=1)
            if found:
                return found[place][0]

    async def getmany(
        self, place: TopicPartition, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[Stored]]:
        """The next records, as soon as there are any.

        A real one comes back with nothing after ``timeout_ms``, and is asked again; hours of that
        would only cost time.
        """
        del timeout_ms
        topic = place.topic
        partition = self._broker.partition(topic)
        loop, client = self._broker.loop, self._client
        while True:
            # A cut is seldom, and whether it is about this topic is the longer question.
            if loop.now_s < client.kafka_cut_until_s:
                await self._reach(None, topic)
            at = self._position - partition.begins
            if at < 0 or at > len(partition.records):
                raise OffsetOutOfRangeError({place: self._position})
            if client.is_dead:
                await loop.create_future()
            if at < len(partition.records):
                records = partition.records[at : at + max_records]
                self._position += len(records)
                return {place: records}
            news: asyncio.Future[None] = loop.create_future()
            partition.waiting.append(news)
            await news

    async def _reach(self, error: type[Exception] | None, topic: str) -> None:
        """Return when the brokers answer; a question gives up after a while, a fetch does not."""
        loop = self._broker.loop
        given_up_s = loop.time() + REQUEST_TIMEOUT_S
        while loop.time() < self._client.cut_from_until_s(topic):
            if error is not None and loop.time() >= given_up_s:
                raise error
            await asyncio.sleep(RETRY_S + 1.0)
