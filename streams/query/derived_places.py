"""Where each perpetual query goes on: committed in Kafka, in a group of its own.

The one thing to know: the group's offsets are what Kafka's tools show as lag; the place itself,
with windows and counts, is the metadata of the first partition's. Nothing of it is on this
computer, so any query process goes on with any stream.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from connectors.cancelling import to_its_end
from streams.kafka.security import client_options
from streams.query.kafka import Kafka
from streams.query.places import Lane, Place, place_of

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, TopicPartition
    from aiokafka.structs import OffsetAndMetadata

METADATA_CHARACTERS_MAX: Final = 4_000
"""Kafka takes 4,096 bytes (``offset.metadata.max.bytes``)."""
TIMEOUT_MS: Final = 15_000


def group_of(prefix: str, name: str, version: int) -> str:
    """The group of a stream; one that was written anew begins anew."""
    return f"{prefix}flumina-stream-{name}-{version}"


class Places:
    """The committed place of one stream; `open` it, and `close` it."""

    def __init__(self, kafka: Kafka, group: str, lanes: list[Lane]) -> None:
        self._kafka, self._group = kafka, group
        self._lanes = {lane: kafka.place(lane) for lane in sorted(lanes)}
        self._consumer: AIOKafkaConsumer | None = None
        self.committed = ""

    async def open(self) -> Place | None:
        """The place that was committed last; None where none was. Raises Kafka's errors."""
        from aiokafka import AIOKafkaConsumer  # noqa: PLC0415 - see `Kafka.place`

        consumer = AIOKafkaConsumer(
            **client_options(self._kafka.bootstrap),
            client_id="flumina-stream",
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            request_timeout_ms=TIMEOUT_MS,
        )
        self._consumer = consumer
        await consumer.start()
        consumer.assign(list(self._lanes.values()))
        # It only commits: what it would fetch nobody reads.
        consumer.pause(*self._lanes.values())
        return await self._read()

    async def commit(self, place: Place, text: str) -> None:
        """Commit a place; ``text`` is its id. The same again is nothing."""
        from aiokafka.structs import OffsetAndMetadata as Committed  # noqa: PLC0415 - as above

        if text == self.committed or len(text) > METADATA_CHARACTERS_MAX:
            return
        assert self._consumer is not None
        metadata = text
        offsets: dict[TopicPartition, OffsetAndMetadata] = {}
        for lane, there in self._lanes.items():
            offset = place.spots.get(lane, (0, 0))[0]
            offsets[there] = Committed(offset, metadata)
            metadata = ""
        await self._consumer.commit(offsets)
        self.committed = text

    async def close(self) -> None:
        """Give the connection back."""
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            await to_its_end(consumer.stop())

    async def _read(self) -> Place | None:
        from aiokafka.admin import AIOKafkaAdminClient  # noqa: PLC0415 - as above

        client = AIOKafkaAdminClient(
            **client_options(self._kafka.bootstrap),
            client_id="flumina-stream",
            request_timeout_ms=TIMEOUT_MS,
        )
        try:
            await client.start()
            found: Mapping[
                TopicPartition, OffsetAndMetadata
            ] = await client.list_consumer_group_offsets(self._group)
        finally:
            await to_its_end(client.close())
        first = found.get(next(iter(self._lanes.values())))
        self.committed = first.metadata if first is not None else ""
        return place_of(self.committed) if self.committed else None
