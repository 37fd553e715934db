"""A look into the cell log itself, past the API: for `doctor`, and for the demo's own proof.

The one thing to know: nothing here folds. It says what stands in the log, not what it means.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from scheduler.model.address import Address
from scheduler.model.codec import decode_record
from scheduler.model.events import CellContinued, CellCreated, CellRecord, LeaderElected, Tick
from streams.clock import now_ms
from streams.kafka.security import client_options

REQUEST_TIMEOUT_MS: Final = 5_000
POLL_MS: Final = 200


class Identity(msgspec.Struct, frozen=True):
    """Who a cell is, from the first record of its log."""

    cell: str
    cell_uuid: str
    generation: str

    @property
    def framework_id(self) -> str:
        """As which framework the cell subscribes to Mesos."""
        return f"flumina-{self.cell_uuid}"


class LogMap(msgspec.Struct, frozen=True):
    """Which addresses exist: how many events stand at each offset of one generation."""

    identity: Identity
    events: dict[int, int]

    def has(self, address: Address) -> bool:
        """Whether this event stands in the log."""
        own = (self.identity.cell, self.identity.generation)
        return (address.cell, address.generation) == own and 0 <= address.index < self.events.get(
            address.offset, 0
        )


class Newest(msgspec.Struct, frozen=True):
    """A tick that came while we looked, and when it came by our own clock."""

    record: CellRecord
    offset: int
    arrived_at_ms: int


def _consumer(bootstrap: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        **client_options(bootstrap),
        client_id="flumina-look",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )


async def map_of_log(bootstrap: str, topic: str, partition: int = 0) -> LogMap | None:
    """Every address of the log as it is now; None where there is no cell yet."""
    place = TopicPartition(topic, partition)
    identity: Identity | None = None
    events: dict[int, int] = {}
    async with _consumer(bootstrap) as consumer:
        consumer.assign([place])
        end = (await consumer.end_offsets([place]))[place]
        await consumer.seek_to_beginning(place)
        while await consumer.position(place) < end:
            found = await consumer.getmany(place, timeout_ms=POLL_MS)
            for each in found.get(place, ()):
                record = decode_record(each.value or b"")
                identity = identity or _identity(record)
                events[each.offset] = len(record.events)
    return None if identity is None else LogMap(identity, events)


async def identity_of_log(bootstrap: str, topic: str, partition: int = 0) -> Identity | None:
    """Who the cell is; None where its log is empty."""
    place = TopicPartition(topic, partition)
    async with _consumer(bootstrap) as consumer:
        consumer.assign([place])
        if (await consumer.end_offsets([place]))[place] == 0:
            return None
        await consumer.seek_to_beginning(place)
        return _identity(decode_record((await consumer.getone(place)).value or b""))


async def build_of_leader(bootstrap: str, topic: str, epoch: int, partition: int = 0) -> str:
    """The build of the leader that was elected there, as it said itself; empty where it did not."""
    place = TopicPartition(topic, partition)
    async with _consumer(bootstrap) as consumer:
        consumer.assign([place])
        consumer.seek(place, epoch)
        record = decode_record((await consumer.getone(place)).value or b"")
    first = record.events[0]
    return first.build if isinstance(first, LeaderElected) else ""


async def next_tick(
    bootstrap: str, topic: str, timeout_s: float, partition: int = 0
) -> Newest | None:
    """The next tick of a leader that is written from now on; None if none is within the time."""
    place = TopicPartition(topic, partition)
    async with _consumer(bootstrap) as consumer:
        consumer.assign([place])
        await consumer.seek_to_end(place)
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    found = await consumer.getone(place)
                    arrived_at_ms = now_ms()
                    record = decode_record(found.value or b"")
                    if any(isinstance(each, Tick) for each in record.events):
                        return Newest(record, found.offset, arrived_at_ms)
        except TimeoutError:
            return None


def _identity(record: CellRecord) -> Identity | None:
    first = record.events[0]
    if isinstance(first, CellCreated | CellContinued):
        return Identity(first.cell, first.cell_uuid, first.generation)
    return None


async def ends_of_topics(
    bootstrap: str, prefix: str, topics: Sequence[str], partition: int = 0
) -> dict[str, tuple[str, int]]:
    """The generation and the end of each inbound topic's partition, by the topic's name."""
    found = {}
    async with _consumer(bootstrap) as consumer:
        for topic in topics:
            place = TopicPartition(prefix + topic, partition)
            consumer.assign([place])
            end = (await consumer.end_offsets([place]))[place]
            await consumer.seek_to_beginning(place)
            first = (await consumer.getone(place)).value or b"{}"
            found[topic] = (str(msgspec.json.decode(first).get("generation", "")), end)
    return found
