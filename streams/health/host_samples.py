"""Topic ``metrics`` in, verdicts about hosts out: the part of the health process for series.

The one thing to know: nothing is kept. After a start the last hours of the topic are read again,
which hosts' detectors learn from as if they had been there; verdicts of rounds that ended before
the start are not told again.
"""

import asyncio
import contextlib
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from connectors.cancelling import to_its_end
from connectors.mesos.usage import HostUsage, Usage
from projections.health.host_series import ROUND_MS, HostSample, HostSeriesFold
from scheduler.model.codec import encode_verdict
from scheduler.model.health import HostJudged
from scheduler.model.reading.bad_bytes import BAD_BYTES
from streams.cell.writer import our_producer
from streams.clock import now_ms
from streams.kafka.patience import REQUEST_TIMEOUT_MS
from streams.kafka.security import client_options
from streams.kafka.topics import METRICS_PARTITIONS
from streams.settings import Settings

logger = structlog.get_logger(__name__)

TOPIC: Final = "metrics"
VERDICTS: Final = "verdicts"
LEARN_MS: Final = 3 * 60 * 60 * 1_000
"""How far back a start reads: some 10 million records of 10,000 hosts."""
POLL_MS: Final = 500
RECORDS_MAX: Final = 1_000
LATE_MS: Final = 10_000
"""A round is judged so long after its end: samples are on their way."""
RETRY_S: Final = 1.0
_DECODER: Final = msgspec.json.Decoder(Usage)


async def judge_samples(settings: Settings, bootstrap: str, stop: asyncio.Event) -> None:
    """Read samples, judge hosts and tell until it is stopped; faults of Kafka are waited for."""
    while not stop.is_set():
        try:
            await _run(settings, bootstrap, stop)
        except (KafkaError, OSError) as error:
            logger.warning("metrics cannot be read; trying again", why=repr(error))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), RETRY_S)


def host_sample(value: bytes, source: str) -> HostSample | None:
    """What a record of topic ``metrics`` says of a host; None where it is about something else.

    What does not decode is about something else too: nothing waits for figures.
    """
    try:
        usage = _DECODER.decode(value)
    except BAD_BYTES:
        return None
    if not isinstance(usage, HostUsage):
        return None
    metrics = {}
    if usage.load_1min_milli is not None and usage.cpus_milli:
        metrics["load"] = usage.load_1min_milli / usage.cpus_milli
    if usage.memory_total_bytes and usage.memory_free_bytes is not None:
        metrics["memory"] = 1.0 - usage.memory_free_bytes / usage.memory_total_bytes
    if usage.noise_milli is not None:
        metrics["noise"] = usage.noise_milli / 1_000
    # Alike are hosts of one cell with as many cpus: records name no group.
    group = f"{usage.cell}, {(usage.cpus_milli or 0) // 1_000} cpus"
    return HostSample(usage.host_id, group, usage.at_ms, metrics, source)


async def _run(settings: Settings, bootstrap: str, stop: asyncio.Event) -> None:
    topic = settings.topic_prefix + TOPIC
    consumer = AIOKafkaConsumer(
        **client_options(bootstrap),
        client_id="flumina-health-series",
        enable_auto_commit=False,
        auto_offset_reset="latest",
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )
    producer = our_producer(bootstrap, "flumina-health-series")
    fold, began_ms = HostSeriesFold(), now_ms()
    await consumer.start()
    try:
        await producer.start()
        try:
            places = [TopicPartition(topic, number) for number in range(METRICS_PARTITIONS)]
            await _rewind(consumer, places, began_ms - LEARN_MS)
            reading = _Reading(consumer, places)
            while not stop.is_set():
                samples = await reading.next_samples()
                verdicts = fold.take(samples)
                if reading.is_at_end and not samples:
                    verdicts += fold.passed(now_ms() - LATE_MS)
                fresh = [each for each in verdicts if each.observed_at_ms > began_ms - ROUND_MS]
                await _tell(settings, producer, fresh)
        finally:
            await producer.stop()
    finally:
        await to_its_end(consumer.stop())


class _Reading:
    """Reads partitions side by side, so that samples come in the order of their times."""

    def __init__(self, consumer: AIOKafkaConsumer, places: Sequence[TopicPartition]) -> None:
        self._consumer = consumer
        self._clocks = dict.fromkeys(places, 0)
        self._behind = list(places)
        self._waiting: list[HostSample] = []

    @property
    def is_at_end(self) -> bool:
        """Whether all partitions were read to their ends."""
        return not self._behind

    async def next_samples(self) -> list[HostSample]:
        """The next samples that no partition can have older ones of."""
        first = min((self._clocks[place] for place in self._behind), default=0)
        ahead = {place for place in self._behind if self._clocks[place] > first + LATE_MS}
        found = await self._consumer.getmany(
            *(place for place in self._clocks if place not in ahead),
            timeout_ms=POLL_MS,
            max_records=RECORDS_MAX,
        )
        for place, records in found.items():
            self._clocks[place] = records[-1].timestamp
            for each in records:
                source = f"{TOPIC}:{each.partition}:{each.offset}"
                sample = host_sample(each.value or b"", source)
                if sample is not None:
                    self._waiting.append(sample)
        self._behind = [place for place in self._clocks if await self._is_behind(place)]
        until_ms = min((self._clocks[place] for place in self._behind), default=None)
        self._waiting.sort(key=lambda each: each.at_ms)
        count = len(self._waiting)
        if until_ms is not None:
            count = bisect_right(self._waiting, until_ms, key=lambda each: each.at_ms)
        released, self._waiting = self._waiting[:count], self._waiting[count:]
        return released

    async def _is_behind(self, place: TopicPartition) -> bool:
        end = self._consumer.highwater(place)
        return end is None or await self._consumer.position(place) < end


async def _rewind(
    consumer: AIOKafkaConsumer, places: Sequence[TopicPartition], since_ms: int
) -> None:
    """Begin at this time in each partition; at its end where nothing is so new."""
    consumer.assign(places)
    found = await consumer.offsets_for_times(dict.fromkeys(places, since_ms))
    ends = await consumer.end_offsets(places)
    for place in places:
        first = found.get(place)
        consumer.seek(place, ends[place] if first is None else first.offset)


async def _tell(
    settings: Settings, producer: AIOKafkaProducer, verdicts: Sequence[HostJudged]
) -> None:
    """Publish verdicts to every cell: each takes those of its own hosts."""
    topic = settings.topic_prefix + VERDICTS
    sent = [
        await producer.send(topic, encode_verdict(each), key=each.host_id.encode(), partition=cell)
        for each in verdicts
        for cell in range(settings.cells)
    ]
    await asyncio.gather(*sent)
    for each in verdicts:
        logger.info("verdict", host=each.host_id, detector=each.detector, standing=each.standing)
