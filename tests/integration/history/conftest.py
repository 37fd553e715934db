"""A Kafka with the log of a cell in it, a store in a directory, and the history process beside."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.admin.records_to_delete import RecordsToDelete

from connectors.archive.sql import SqlAnswer, SqlLimits
from connectors.cancelling import end_all
from streams.cell.writer import our_producer
from streams.history.asking import ask
from streams.history.limits import HistoryLimits
from streams.history.main import HistoryProcess
from streams.history.opening import open_archive
from streams.kafka.topic_admin import ensure_topics
from streams.settings import Settings, settings_of
from tests.support.cell import CellInMemory, running_cell, service

LIMITS = HistoryLimits(range_records_max=40, range_age_ms=300, page_age_ms=60_000)
DEADLINE_S = 30.0


class Place:
    """One installation's Kafka and store."""

    def __init__(self, kafka: str, prefix: str, home: Path, store: str = "") -> None:
        self.settings: Settings = settings_of(
            {
                "KAFKA_BROKERS": kafka,
                "FLUMINA_TOPIC_PREFIX": prefix,
                "FLUMINA_CELL": "test",
                "FLUMINA_DATA": str(home),
                "FLUMINA_STORE": store,
            }
        )
        self.kafka = kafka
        self.prefix = prefix
        self.pages: list[tuple[str, str]] = []

    async def begin(self) -> None:
        await ensure_topics(self.kafka, self.settings)

    async def publish(self, topic: str, values: Sequence[bytes], key: bytes | None = None) -> None:
        producer = our_producer(self.kafka, "test")
        await producer.start()
        try:
            sent = [
                await producer.send(
                    self.prefix + topic, each, key=key, partition=0, headers=[("h", b"\xff")]
                )
                for each in values
            ]
            await asyncio.gather(*sent)
        finally:
            await producer.stop()

    async def drop(self, topic: str, before: int) -> None:
        """Let Kafka drop every record below this offset, as its retention does."""
        async with self._admin() as client:
            place = TopicPartition(self.prefix + topic, 0)
            await client.delete_records({place: RecordsToDelete(before_offset=before)})

    async def set_config(self, topic: str, values: dict[str, str]) -> None:
        """Change a topic's settings, as somebody does with Kafka's own tools."""
        async with self._admin() as client:
            await client.alter_configs(
                [ConfigResource(ConfigResourceType.TOPIC, self.prefix + topic, values)]
            )

    async def remove(self, topic: str) -> None:
        """Remove a topic, and return when it is gone."""
        name = self.prefix + topic
        async with self._admin() as client:
            await client.delete_topics([name])

            async def is_gone() -> bool:
                return all(each["topic"] != name for each in await client.describe_topics())

            await until(is_gone, f"{name} is gone")

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        client = AIOKafkaAdminClient(bootstrap_servers=self.kafka)
        await client.start()
        try:
            yield client
        finally:
            await client.close()

    def process(self, limits: HistoryLimits = LIMITS) -> HistoryProcess:
        return HistoryProcess(
            self.settings, limits, lambda what, why: self.pages.append((what, why))
        )

    @asynccontextmanager
    async def running(self, limits: HistoryLimits = LIMITS) -> AsyncIterator[HistoryProcess]:
        """The history process, in this loop, until the block ends."""
        process = self.process(limits)
        running = asyncio.create_task(process.run())
        try:
            yield process
        finally:
            await end_all(running)


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not await condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE_S:.0f} s: {what}"
        await asyncio.sleep(0.05)


async def until_archived(process: HistoryProcess) -> None:
    """Return when nothing that Kafka has is left to archive."""

    async def is_done() -> bool:
        ends = await process.cell.kafka.ends()
        return (
            process.cell.is_archived_to(ends.end)
            and all(each.lag(0)[0] == 0 for each in process.messages.lanes.values())
            and process.messages.has_looked
        )

    await until(is_done, "everything is archived")


async def question(place: Place, sql: str) -> SqlAnswer:
    return await ask(place.settings, open_archive(place.settings), sql, SqlLimits())


@pytest.fixture
def place(kafka: str, topic_prefix: str, tmp_path: Path) -> Place:
    return Place(kafka, topic_prefix, tmp_path)


def a_day(hours: int = 3) -> CellInMemory:
    """A cell that has worked: services that scale, end, and whose tasks fail."""
    cell = running_cell(hosts=4)
    for hour in range(hours):
        task_ids = cell.run(service(desired=3), f"job-{hour}")
        cell.tick(2_000, times=20)
        cell.status(task_ids[0], "TASK_FAILED")
        cell.decide_and_carry_out()
        cell.tick(1_000, times=5)
        if hour % 2:
            cell.kill_job(f"job-{hour}")
    return cell
