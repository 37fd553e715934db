"""Where the cell log ends, asked of Kafka now and then: whether a fold is behind, and by how much.

The one thing to know: a lane that hears nothing cannot tell an idle log from a broken connection.
Asking for the end tells both: the answer is the lag, and no answer is a fold that may be stale.
"""

import asyncio
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from connectors.cancelling import to_its_end
from streams.clock import elapsed_s
from streams.kafka.security import client_options

logger = structlog.get_logger(__name__)

ASK_S: Final = 2.0
ANSWER_S_MAX: Final = 5.0


class LogEnd:
    """The end of one partition, as last heard."""

    def __init__(self, bootstrap: str, topic: str, partition: int) -> None:
        self.offset = 0
        """The offset that the next record will get; 0 before the first answer."""
        self._bootstrap = bootstrap
        self._place = TopicPartition(topic, partition)
        self._heard_at_s: float | None = None

    def silent_ms(self) -> int | None:
        """Time since the last answer; None before the first."""
        if self._heard_at_s is None:
            return None
        return int((elapsed_s() - self._heard_at_s) * 1_000)

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            try:
                await self._ask_until_fault()
            except (KafkaError, OSError, TimeoutError) as error:
                logger.warning("the end of the cell log cannot be asked for", why=repr(error))
                await asyncio.sleep(ASK_S)

    async def _ask_until_fault(self) -> None:
        consumer = AIOKafkaConsumer(
            **client_options(self._bootstrap),
            client_id="flumina-log-end",
            enable_auto_commit=False,
            request_timeout_ms=int(ANSWER_S_MAX * 1_000),
        )
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                await consumer.start()
            while True:
                async with asyncio.timeout(ANSWER_S_MAX):
                    ends = await consumer.end_offsets([self._place])
                self.offset = ends[self._place]
                self._heard_at_s = elapsed_s()
                await asyncio.sleep(ASK_S)
        finally:
            await to_its_end(consumer.stop())
