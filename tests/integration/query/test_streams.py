"""Perpetual queries on a real Kafka: written by REST's own store, killed in the middle, carried on.

How: the parts of the query process in this process; a kill is a task that ends without a word, in
the middle of writing. What is in the stream's topic afterwards is each row once, in order.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from prometheus_client import CollectorRegistry

from projections.query.kept import Kept, Sink, ToMetric, ToTopic
from streams.clock import now_ms
from streams.kafka.topic_admin import ensure_topics
from streams.query.derived import DerivedStreams
from streams.query.derived_sinks import ID_HEADER, ROW_HEADER
from streams.query.kafka import Kafka
from streams.query.keeping import Keeping
from streams.query.masking import EventMasker
from streams.query.ports import NoHistory
from streams.query.serving import Serving
from streams.settings import Settings, settings_of

pytestmark = pytest.mark.integration
DEADLINE_S = 60.0
BUSY = "select task_id, cpu_milli from metrics where cpu_milli > 100"
COUNTED = "select host, count(*) as 'n' from metrics window |10| group by host"


class World:
    """An installation's topics, and as many query processes' keepings as a test opens."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        assert settings.kafka_brokers is not None
        self.kafka = Kafka(settings.kafka_brokers, settings.topic_prefix, 1)
        self.written = 0

    @asynccontextmanager
    async def keeping(self) -> AsyncIterator[tuple[Keeping, CollectorRegistry]]:
        serving = Serving(self.kafka, NoHistory(), EventMasker(self.settings.masked_keys))
        registry = CollectorRegistry()
        async with Keeping(self.settings, serving, registry) as keeping:
            yield keeping, registry
        await serving.close_all()

    async def sample(self, count: int) -> None:
        """Write so many samples of tasks; each has a number of its own."""
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka.bootstrap, linger_ms=5)
        await producer.start()
        try:
            for _ in range(count):
                number, self.written = self.written, self.written + 1
                event = {"type": "TaskUsage", "task_id": f"t-{number}", "cpu_milli": 50 + number}
                topic = self.kafka.prefix + "metrics"
                await producer.send(topic, json.dumps(event).encode(), partition=number % 2)
            await producer.flush()
        finally:
            await producer.stop()

    async def rows(self, name: str) -> list[tuple[dict[str, Any], dict[str, str]]]:
        """The rows of a stream's topic with their headers."""
        lane_topic = f"{self.kafka.prefix}derived-{name}"
        async with self.kafka.consumer() as consumer:
            from aiokafka import TopicPartition  # noqa: PLC0415 - beside its use

            place = TopicPartition(lane_topic, 0)
            consumer.assign([place])
            end = (await consumer.end_offsets([place]))[place]
            await consumer.seek_to_beginning(place)
            found: list[tuple[dict[str, Any], dict[str, str]]] = []
            while len(found) < end:
                for each in (await consumer.getmany(place, timeout_ms=500)).get(place, ()):
                    headers = {key: bytes(value).decode() for key, value in each.headers}
                    found.append((json.loads(each.value or b"{}"), headers))
        return found


def stream(name: str, mql: str, sink: Sink) -> Kept:
    return Kept(
        sort="stream", name=name, actor="ann", at_ms=now_ms(), mql=mql, start="begin", sink=sink
    )


async def until(condition: Callable[[], Any], what: str) -> None:
    """Wait for something; it may be a coroutine."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                found = condition()
                if await found if asyncio.iscoroutine(found) else found:
                    return
                await asyncio.sleep(0.05)
    except TimeoutError:
        pytest.fail(what)


def rows_of(streams: DerivedStreams, name: str) -> int:
    return int(streams.status(name).get("rows", 0))


def test_streams_survive_a_kill_and_write_each_row_once(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    found = {"KAFKA_BROKERS": kafka, "FLUMINA_TOPIC_PREFIX": topic_prefix}
    settings = settings_of({**found, "FLUMINA_DATA": str(tmp_path)})

    async def story() -> None:
        await ensure_topics(kafka, settings)
        world = World(settings)
        await world.sample(200)
        async with world.keeping() as (first, registry):
            assert await first.kept.entries("saved") == []
            version = await first.kept.put(stream("busy", BUSY, ToTopic()))
            await first.kept.put(stream("counted", COUNTED, ToTopic()))
            await first.kept.put(stream("seen", BUSY, ToMetric("busy_samples")))
            await until(lambda: rows_of(first.streams, "busy") == 149, "rows of what was there")
            await until(lambda: rows_of(first.streams, "counted") == 20, "windows")
            await until(lambda: rows_of(first.streams, "seen") == 149, "a metric")
            assert registry.get_sample_value("flumina_stream_busy_samples_total") == 149
            # Killed while it reads on: nothing is committed of what it has written since.
            writing = asyncio.create_task(world.sample(300))
            await until(lambda: rows_of(first.streams, "busy") > 160, "some more")
            killed = [task for _, task in list(first.streams._streams.values())]
            for task in killed:
                task.cancel()
            # What they hold is closed before all of them are told to end a second time.
            await asyncio.gather(*killed, return_exceptions=True)
            await writing
        async with world.keeping() as (second, _):
            await world.sample(50)
            await until(lambda: rows_of(second.streams, "busy") > 0, "it goes on")

            async def is_whole() -> bool:
                return len(await world.rows("busy")) >= 499

            await until(is_whole, "all rows")
            rows = await world.rows("busy")
            assert len({row["task_id"] for row, _ in rows}) == len(rows) == 499
            numbers = [headers[ROW_HEADER] for _, headers in rows]
            assert numbers == [f"busy@{version}:{number + 1}" for number in range(499)]
            assert len({headers[ID_HEADER] for _, headers in rows}) == 499

            async def has_windows() -> bool:
                return len(await world.rows("counted")) >= 55

            await until(has_windows, "all windows")
            windows = await world.rows("counted")
            assert [row["n"] for row, _ in windows] == [10] * 55
            # Stopped by its name: what comes is not written any more.
            gone = Kept(sort="stream", name="busy", actor="bob", at_ms=now_ms())
            await second.kept.put(gone)
            await until(lambda: "rows" not in second.streams.status("busy"), "it stops")
            kept = [each.kept.name for each in await second.kept.entries("stream")]
            assert kept == ["counted", "seen"]

    asyncio.run(story())
