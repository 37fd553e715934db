"""Asks the sources for what is due and writes their answers to topic ``commands``.

The one thing to know: a record that Kafka does not take is dropped. The next values come in a
moment, and the fold takes a metric that is silent for what it is.
"""

from collections.abc import Sequence
from typing import Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from connectors.metrics.aws import CloudWatch, Queues
from connectors.metrics.prometheus import Prometheus
from connectors.ports import MetricSource
from scheduler.model.autoscaling import (
    PROMETHEUS_NAMESPACE,
    SQS_NAMESPACE,
    USAGE_NAMESPACE,
    MetricFailure,
    MetricPoint,
)
from scheduler.model.foreign_scaling import POINTS_MAX, encode_note_metrics
from streams.autoscale.poller import CLOUDWATCH, Poller
from streams.autoscale.usage import UsageSource
from streams.cell.writer import our_producer
from streams.settings import Settings

logger = structlog.get_logger(__name__)

ACTOR: Final = "flumina-autoscale"
FAILURES_MAX: Final = 200
"""Of a record: a failure has up to half a kilobyte of reasons."""


def sources_of(settings: Settings) -> dict[str, MetricSource]:
    """The sources that these settings name, by namespace."""
    assert settings.kafka_brokers is not None
    topic = settings.topic_prefix + "metrics"
    sources: dict[str, MetricSource] = {
        CLOUDWATCH: CloudWatch(),
        SQS_NAMESPACE: Queues(),
        USAGE_NAMESPACE: UsageSource(settings.kafka_brokers, topic, settings.usage_interval_s),
    }
    if settings.prometheus_url is not None:
        sources[PROMETHEUS_NAMESPACE] = Prometheus(settings.prometheus_url)
    return sources


class Teller:
    """Sources, poller and producer together; `round` asks and writes."""

    def __init__(self, settings: Settings) -> None:
        assert settings.kafka_brokers is not None
        self._sources = sources_of(settings)
        self.poller = Poller(self._sources)
        self._topic = settings.topic_prefix + "commands"
        self._partition = settings.partition
        self._producer: AIOKafkaProducer = our_producer(settings.kafka_brokers, ACTOR)
        self._told = ""

    async def start(self) -> None:
        """Connect to Kafka."""
        await self._producer.start()

    async def round(self, now_ms: int) -> None:
        """Ask for what is due, and tell the cell."""
        points, failures = await self.poller.round(now_ms)
        for first in range(0, len(points), POINTS_MAX):
            await self._write(points[first : first + POINTS_MAX], ())
        for first in range(0, len(failures), FAILURES_MAX):
            await self._write((), failures[first : first + FAILURES_MAX])
        said = "; ".join(f"{name}: {why}" for name, why in sorted(self.poller.failing.items()))
        if said != self._told:
            # Once for each change: a source that stays away is no news.
            logger.warning("metrics are incomplete", why=said) if said else logger.info("all read")
            self._told = said

    async def _write(
        self, points: Sequence[MetricPoint], failures: Sequence[MetricFailure]
    ) -> None:
        value = encode_note_metrics(points, failures, ACTOR)
        try:
            await self._producer.send_and_wait(self._topic, value, partition=self._partition)
        except (KafkaError, TimeoutError) as error:
            logger.warning("metrics were not written", why=repr(error))

    async def close(self) -> None:
        """Give back every connection."""
        await self._producer.stop()
        for source in self._sources.values():
            await source.close()
