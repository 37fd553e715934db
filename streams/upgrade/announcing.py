"""Announcements of readers on topic ``readers``: made by each, heard by a leader.

The one thing to know: partition n is about the log of cell n. An announcement that fails is made
again; who cannot announce for long cannot read its cell's log either.
"""

import asyncio
from contextlib import suppress
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from msgspec.structs import replace

from connectors.cancelling import end_all, to_its_end
from streams.clock import now_ms
from streams.kafka.patience import REQUEST_TIMEOUT_MS
from streams.kafka.security import client_options
from streams.upgrade.reader import (
    ANNOUNCE_S,
    LIVE_S,
    Reader,
    Roll,
    decode_reader,
    encode_reader,
)

logger = structlog.get_logger(__name__)

TOPIC: Final = "readers"
FAREWELL_S: Final = 1.0
BEGIN_S_MAX: Final = 15.0
RETRY_S: Final = 1.0


async def announce(
    producer: AIOKafkaProducer, topic_prefix: str, partition: int, reader: Reader
) -> None:
    """Announce the reader until cancelled, and then say that it is gone."""
    topic, key = topic_prefix + TOPIC, reader.name.encode()
    is_told = False
    try:
        while True:
            try:
                await producer.send_and_wait(
                    topic, encode_reader(reader), key=key, partition=partition
                )
                is_told = False
            except (KafkaError, OSError) as error:
                if not is_told:
                    logger.warning("what this process reads is not announced", why=repr(error))
                is_told = True
            await asyncio.sleep(ANNOUNCE_S)
    finally:
        gone = encode_reader(replace(reader, is_gone=True))
        with suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                await producer.send_and_wait(topic, gone, key=key, partition=partition)


class Listening:
    """Hears the readers of one cell from entering the block to leaving it."""

    def __init__(self, bootstrap: str, topic_prefix: str, partition: int) -> None:
        self.roll = Roll()
        self._bootstrap = bootstrap
        self._place = TopicPartition(topic_prefix + TOPIC, partition)
        self._has_begun = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Roll:
        """The roll, once everything that was announced lately is on it.

        Where that takes too long it is begun as it is: a cell must be led though nobody can be
        heard, and who cannot be heard can hardly read.
        """
        self._task = asyncio.create_task(self._run())
        try:
            async with asyncio.timeout(BEGIN_S_MAX):
                await self._has_begun.wait()
        except TimeoutError:
            logger.warning("readers cannot be heard; this build writes as if there were none")
        except BaseException:
            await self._end()
            raise
        return self.roll

    async def __aexit__(self, *_: object) -> None:
        await self._end()

    async def _end(self) -> None:
        if self._task is not None:
            await end_all(self._task)

    async def _run(self) -> None:
        while True:
            try:
                await self._listen()
            except (KafkaError, OSError) as error:
                logger.warning("readers cannot be heard; trying again", why=repr(error))
            await asyncio.sleep(RETRY_S)

    async def _listen(self) -> None:
        consumer = AIOKafkaConsumer(
            **client_options(self._bootstrap),
            enable_auto_commit=False,
            auto_offset_reset="latest",
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )
        await consumer.start()
        try:
            end = await begin_lately(consumer, self._place)
            while True:
                if await consumer.position(self._place) >= end:
                    self._has_begun.set()
                await hear(consumer, self._place, self.roll)
        finally:
            await to_its_end(consumer.stop())


async def begin_lately(consumer: AIOKafkaConsumer, place: TopicPartition) -> int:
    """Seek to what was announced within `LIVE_S`; the offset at which the topic ends."""
    consumer.assign([place])
    end: int = (await consumer.end_offsets([place]))[place]
    since = now_ms() - int(LIVE_S * 1_000)
    found = (await consumer.offsets_for_times({place: since}))[place]
    consumer.seek(place, end if found is None else found.offset)
    return end


async def hear(consumer: AIOKafkaConsumer, place: TopicPartition, roll: Roll) -> None:
    """Put on the roll what came within half a second."""
    found = await consumer.getmany(place, timeout_ms=500)
    for record in found.get(place, ()):
        reader = decode_reader(record.value)
        if reader is not None:
            roll.note(reader, max(0.0, (now_ms() - record.timestamp) / 1_000))
