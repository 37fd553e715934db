"""Topic ``federation``, folded: the configuration of the moment and the records behind it.

The one thing to know: it is read whole at the start and followed from there. A record that this
build cannot read ends the process: a route that was not understood would send jobs elsewhere.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from connectors.federation.configuration import Configuration
from connectors.federation.records import ConfigurationSet, FederationRecord, decode, encode
from scheduler.model.reading.bad_bytes import BAD_BYTES
from streams.cell.writer import our_producer
from streams.errors import OperatorError
from streams.kafka.patience import REQUEST_TIMEOUT_MS
from streams.kafka.security import client_options

logger = structlog.get_logger(__name__)

TOPIC: Final = "federation"
POLL_MS: Final = 500
RETRY_S: Final = 1.0
READ_S_MAX: Final = 30.0


class Journal:
    """The topic as one process has it: `open`, then `follow` until cancelled, `close`."""

    def __init__(self, bootstrap: str, topic_prefix: str) -> None:
        self._bootstrap = bootstrap
        self._place = TopicPartition(topic_prefix + TOPIC, 0)
        self._consumer: AIOKafkaConsumer | None = None
        self._producer: AIOKafkaProducer | None = None
        self.records: list[FederationRecord] = []
        self.configuration: Configuration | None = None
        """As it was set last; None: never."""
        self.listeners: list[Callable[[FederationRecord], None]] = []

    async def open(self) -> None:
        """Read all that stands there; raises `OperatorError` where that cannot be."""
        consumer = AIOKafkaConsumer(
            **client_options(self._bootstrap),
            client_id="flumina-federation",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )
        try:
            await consumer.start()
            self._consumer = consumer
            consumer.assign([self._place])
            consumer.seek(self._place, 0)
            async with asyncio.timeout(READ_S_MAX):
                await self.catch_up()
        except (KafkaError, OSError, TimeoutError) as error:
            raise OperatorError(
                f"Topic {self._place.topic} cannot be read: {error!r}.",
                "Kafka does not answer, or the topic was never made.",
                "Check KAFKA_BROKERS; `flumina up` and `flumina cell` make the topics.",
            ) from error

    async def catch_up(self) -> None:
        """Fold what has come since the last look."""
        assert self._consumer is not None
        end = (await self._consumer.end_offsets([self._place]))[self._place]
        while len(self.records) < end:
            await self._some()

    async def follow(self) -> None:
        """Fold what comes until cancelled."""
        while True:
            try:
                await self._some()
            except (KafkaError, OSError) as error:
                logger.warning("topic federation cannot be read now", why=repr(error))
                await asyncio.sleep(RETRY_S)

    async def _some(self) -> None:
        assert self._consumer is not None
        found = await self._consumer.getmany(self._place, timeout_ms=POLL_MS)
        for each in found.get(self._place, ()):
            self._take(each.offset, each.value or b"")

    def _take(self, offset: int, value: bytes) -> None:
        try:
            record = decode(value)
        except BAD_BYTES as error:
            raise OperatorError(
                f"Record {offset} of topic {self._place.topic} cannot be read: {error}.",
                "Another release of flumina wrote it, or a stranger.",
                "Run the release that wrote it.",
            ) from error
        self.records.append(record)
        if isinstance(record, ConfigurationSet):
            self.configuration = record.configuration
        for listener in self.listeners:
            listener(record)

    async def append(self, *records: FederationRecord) -> None:
        """Write the records, durable and in order, and fold them."""
        if self._producer is None:
            producer = our_producer(self._bootstrap, "flumina-federation")
            await producer.start()
            self._producer = producer
        for record in records:
            await self._producer.send_and_wait(
                self._place.topic, encode(record), partition=self._place.partition
            )
        await self.catch_up()

    async def close(self) -> None:
        """Give the connections back."""
        for each in (self._consumer, self._producer):
            if each is not None:
                await each.stop()
        self._consumer = self._producer = None
