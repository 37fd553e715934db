"""The words that the webhooks process says to its cell, in topic ``commands``.

The one thing to know: a word that Kafka does not take is dropped. What is said is how it stands,
so it is said again as long as the cell shows something else.
"""

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from scheduler.model.foreign_webhooks import encode_note_webhook
from scheduler.model.webhooks import WebhookStanding
from streams.cell.writer import our_producer
from streams.webhooks.told import Hook

logger = structlog.get_logger(__name__)


class Teller:
    """A producer of one cell's commands."""

    def __init__(self, bootstrap: str, prefix: str, partition: int, actor: str) -> None:
        self._topic = f"{prefix}commands"
        self._partition = partition
        self._actor = actor
        self._producer: AIOKafkaProducer = our_producer(bootstrap, actor)

    async def start(self) -> None:
        """Connect to Kafka."""
        await self._producer.start()

    async def tell(
        self,
        hook: Hook,
        standing: WebhookStanding,
        detail: str,
        test_offset: int,
        *,
        is_good: bool,
    ) -> None:
        """Write one record: how a webhook stands, or how its test went."""
        value = encode_note_webhook(
            hook.name, hook.created_offset, standing, detail, self._actor, test_offset, is_good
        )
        try:
            await self._producer.send_and_wait(self._topic, value, partition=self._partition)
        except (KafkaError, TimeoutError) as error:
            logger.warning("a word was not written", why=repr(error))

    async def close(self) -> None:
        """Give back the connection."""
        await self._producer.stop()
