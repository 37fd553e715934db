"""A Kafka with the log of a cell in it, a store in a directory, and the history process beside."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from streams.cell.writer import our_producer
from streams.history.limits import HistoryLimits
from streams.history.main import HistoryProcess
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
        client = AIOKafkaAdminClient(bootstrap_servers=self.kafka)
        await client.start()
        try:
            place = TopicPartition(self.prefix + topic, 0)
            await client.delete_records({place: RecordsToDelete(before_offset=before)})
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
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not await condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE_S:.0f} s: {what}"
        await asyncio.sleep(0.05)


async def until_archived(process: HistoryProcess) -> None:
    """Return when nothing that Kafka has is left to archive."""

    async def is_done() -> bool:
        ends = await process.cell.kafka.ends()
        tracks = process.cell.tracks()
        return (
            bool(tracks)
            and all(each.first_offset == ends.end for each in tracks)
            and all(each.lag(0)[0] == 0 for each in process.messages.lanes.values())
            and process.messages.has_looked
        )

    await until(is_done, "everything is archived")


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
