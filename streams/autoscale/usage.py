"""What a job's tasks use, as a metric: read back from topic ``metrics``.

The one thing to know: the usage process measures; here its newest figures are averaged. Without it
there are none, and policies that follow them say so.
"""

from typing import Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from connectors.cancelling import to_its_end
from connectors.metrics.translate import usage_readings
from connectors.ports import AskedMetric, MetricFailed, Reading
from streams.kafka.security import client_options
from streams.usage.newest import REQUEST_TIMEOUT_MS, STALE_INTERVALS, Newest

REFRESH_MS: Final = 500
"""Policies that are due together share one look."""


class UsageSource:
    """The newest figures of the topic; connected when a policy asks first."""

    def __init__(self, bootstrap: str, topic: str, interval_s: int) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._window_ms = STALE_INTERVALS * interval_s * 1_000
        self._consumer: AIOKafkaConsumer | None = None
        self._newest: Newest | None = None
        self._refreshed_ms = 0

    async def read(self, asked: AskedMetric, now_ms: int) -> list[Reading]:
        """The mean over the job's tasks; raises `MetricFailed` where Kafka does not answer."""
        try:
            newest = await self._fresh(now_ms)
        except (KafkaError, TimeoutError, OSError) as error:
            await self.close()
            raise MetricFailed(f"topic {self._topic} cannot be read: {error!r}") from error
        return usage_readings(asked, newest.tasks())

    async def _fresh(self, now_ms: int) -> Newest:
        if self._newest is None:
            consumer = AIOKafkaConsumer(
                **client_options(self._bootstrap),
                client_id="flumina-autoscale",
                enable_auto_commit=False,
                request_timeout_ms=REQUEST_TIMEOUT_MS,
            )
            await consumer.start()
            self._consumer = consumer
            newest = Newest(consumer, self._topic, self._window_ms)
            await newest.begin()
            self._newest = newest
        if now_ms >= self._refreshed_ms + REFRESH_MS:
            self._refreshed_ms = now_ms
            await self._newest.refresh()
        return self._newest

    async def close(self) -> None:
        """Give back every connection."""
        consumer, self._consumer, self._newest = self._consumer, None, None
        if consumer is not None:
            await to_its_end(consumer.stop())
