"""From topic ``metrics`` to a verdict on a real Kafka: the old is learnt from, the new is told.

How: hours of samples of eight hosts are written with the times they would have had; one of the
hosts turns in the last round. The reader runs in this process, as the health process runs it.
"""

import asyncio
from pathlib import Path
from random import Random

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from connectors.mesos.usage import HostUsage
from projections.health.host_series import ROUND_MS
from scheduler.model.codec import decode_verdict
from scheduler.model.health import HostJudged
from streams.clock import now_ms
from streams.health.host_samples import judge_samples
from streams.kafka.topic_admin import ensure_topics
from streams.kafka.topics import METRICS_PARTITIONS
from streams.settings import Settings, settings_of

pytestmark = pytest.mark.integration

HOSTS = [f"h{number}" for number in range(8)]
ROUNDS = 34


def sample(host: str, at_ms: int, load: float) -> bytes:
    usage = HostUsage(
        version=1,
        at_ms=at_ms,
        cell="main",
        host_id=host,
        host=host,
        cpus_milli=4_000,
        load_1min_milli=round(4_000 * load),
    )
    return msgspec.json.encode(usage)


async def write_hours(kafka: str, settings: Settings) -> None:
    """Everybody is alike, and ``h3`` is not in the round of now; then the next round begins."""
    random, this = Random(1), now_ms() // ROUND_MS
    topic = settings.topic_prefix + "metrics"
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        for number in [*range(this - ROUNDS, this + 1), this + 1]:
            for at, host in enumerate(HOSTS):
                at_ms = number * ROUND_MS + 1_000
                load = 5.0 if host == "h3" and number == this else random.gauss(0.5, 0.02)
                await producer.send(
                    topic,
                    sample(host, at_ms, load),
                    partition=at % METRICS_PARTITIONS,
                    timestamp_ms=at_ms,
                )
        await producer.send(topic, b"\xff no JSON", partition=0)


async def first_verdict(kafka: str, settings: Settings) -> HostJudged:
    """The first verdict of the topic, as soon as there is one."""
    place = TopicPartition(settings.topic_prefix + "verdicts", 0)
    async with AIOKafkaConsumer(bootstrap_servers=kafka) as consumer:
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        while True:
            for record in (await consumer.getmany(place, timeout_ms=100)).get(place, []):
                body = decode_verdict(record.value or b"")
                if isinstance(body, HostJudged):
                    return body


def test_a_host_that_turns_is_told_and_its_past_is_only_learnt(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    settings = settings_of({"FLUMINA_TOPIC_PREFIX": topic_prefix, "FLUMINA_DATA": str(tmp_path)})

    async def run() -> HostJudged:
        await ensure_topics(kafka, settings)
        await write_hours(kafka, settings)
        stop = asyncio.Event()
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            reader = group.create_task(judge_samples(settings, kafka, stop))
            found = await first_verdict(kafka, settings)
            stop.set()
            await reader
        return found

    found = asyncio.run(run())
    assert (found.host_id, found.detector, found.standing) == ("h3", "series", "suspect")
    assert "load" in found.evidence[0].text
    assert found.evidence[0].source.startswith("metrics:3:")
