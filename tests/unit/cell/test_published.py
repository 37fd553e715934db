"""What is published has an id of its own, the same whoever publishes it, and is told once."""

import asyncio

import pytest
import structlog
from aiokafka.partitioner import DefaultPartitioner

from scheduler.model.address import parse_address
from scheduler.model.changes import TaskChanged
from scheduler.model.codec import decode_change, decode_record, encode_change
from scheduler.model.events import CellRecord
from scheduler.model.ids import HostId, JobId, TaskId
from streams.cell.follower import BareFold, Changes, Follower, LogRecord
from streams.cell.publisher import TOGETHER_MAX, Publisher, identified
from streams.cell.writer import cloud_event_headers, our_producer
from tests.support.cell import CellInMemory, batch, running_cell


def ids_of(cell: CellInMemory) -> list[str]:
    machine, found = type(cell.machine)(), []
    for offset, data in enumerate(cell.log):
        changes = machine.apply(offset, decode_record(data))
        found += [event_id for event_id, _ in identified(machine.state, offset, changes)]
    return found


def test_changes_that_one_event_made_have_an_id_each_which_names_the_event() -> None:
    cell = running_cell(1)
    cell.submit(batch(3))
    found = ids_of(cell)
    assert len(set(found)) == len(found)
    of_first_task = next(each for each in reversed(found) if each.endswith(".1"))
    event = of_first_task.removesuffix(".1")
    assert [each for each in found if each.startswith(event)] == [
        event,
        *(f"{event}.{number}" for number in range(1, 5)),
    ], "the answer, the job and its three tasks"
    assert parse_address(of_first_task) == parse_address(event)
    assert ids_of(cell) == found


class Kafka:
    """What a producer promises of batches, kept in memory; ``room`` records fit into one."""

    def __init__(self, partitions: int = 1, room: int = 100) -> None:
        self.partitions = set(range(partitions))
        self.room = room
        self.batches: list[tuple[int, list[tuple[bytes, str]]]] = []
        self.is_all_published = asyncio.Event()
        self.awaited = 0

    async def partitions_for(self, topic: str) -> set[int]:
        assert topic == "job-events"
        return self.partitions

    def create_batch(self) -> "Batch":
        return Batch(self.room)

    async def send_batch(
        self, batch: "Batch", topic: str, *, partition: int
    ) -> "asyncio.Future[None]":
        assert topic == "job-events"
        self.batches.append((partition, batch.records))
        if len(self.ids()) >= self.awaited:
            self.is_all_published.set()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def ids(self, partition: int | None = None) -> list[str]:
        return [
            event_id
            for of, records in self.batches
            if partition is None or of == partition
            for _, event_id in records
        ]


class Batch:
    def __init__(self, room: int) -> None:
        self.room = room
        self.records: list[tuple[bytes, str]] = []

    def append(
        self, *, timestamp: None, key: bytes, value: bytes, headers: list[tuple[str, bytes]]
    ) -> object:
        assert timestamp is None
        decode_change(value)
        if len(self.records) >= self.room:
            return None
        self.records.append((key, dict(headers)["ce_id"].decode()))
        return self.records


def followed(cell: CellInMemory) -> tuple[Follower, list[LogRecord]]:
    return Follower("cell", 0, BareFold), [LogRecord(*each) for each in enumerate(cell.log)]


async def published(kafka: Kafka, cell: CellInMemory) -> Publisher:
    """A publisher that has told everything of this cell, and has been stopped."""
    follower, records = followed(cell)
    publisher = Publisher(follower, kafka, "job-events")
    kafka.awaited = len(ids_of(cell))
    running = asyncio.create_task(publisher.run())
    await asyncio.sleep(0)
    follower.take(records)
    async with asyncio.timeout(60):
        await kafka.is_all_published.wait()
        while publisher.published_offset < 0 or len(kafka.ids()) < kafka.awaited:
            await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return publisher


def busy_cell(jobs: int) -> CellInMemory:
    cell = running_cell(1)
    for number in range(jobs):
        cell.submit(batch(1), f"job-{number}")
    return cell


def test_everything_is_published_once_in_order_however_full_the_batches_are() -> None:
    cell, kafka = busy_cell(4), Kafka(room=3)
    publisher = asyncio.run(published(kafka, cell))
    assert kafka.ids() == ids_of(cell)
    assert {len(records) for _, records in kafka.batches} <= {1, 2, 3}
    assert publisher.published_offset < len(cell.log)


def test_what_is_behind_is_published_in_pieces_and_how_far_is_told_after_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.cell.publisher.TOGETHER_MAX", 4)
    monkeypatch.setattr("streams.cell.publisher.REST_S", 0.0)
    cell, kafka = busy_cell(6), Kafka()
    asyncio.run(published(kafka, cell))
    assert kafka.ids() == ids_of(cell)
    assert len(kafka.batches) > 2
    assert max(len(records) for _, records in kafka.batches) < len(ids_of(cell))


def test_a_jobs_changes_are_all_in_the_partition_of_its_id_as_the_producer_has_it() -> None:
    cell, kafka = busy_cell(8), Kafka(partitions=3)
    asyncio.run(published(kafka, cell))
    assert sorted(kafka.ids()) == sorted(ids_of(cell))
    of_keys: dict[bytes, set[int]] = {}
    for partition, records in kafka.batches:
        for key, _ in records:
            of_keys.setdefault(key, set()).add(partition)
    choose = DefaultPartitioner()
    assert of_keys == {key: {choose(key, [0, 1, 2], [0, 1, 2])} for key in of_keys}
    assert len(set().union(*of_keys.values())) > 1


def test_a_log_that_is_folded_anew_is_not_told_again() -> None:
    async def run() -> None:
        cell, kafka = busy_cell(2), Kafka()
        follower, records = followed(cell)
        publisher = Publisher(follower, kafka, "job-events")
        folded: list[tuple[int, CellRecord, Changes]] = []
        follower.listeners.append(lambda *each: folded.append(each))
        follower.take(records)
        for each in folded.copy():
            follower.listeners[0](*each)
        kafka.awaited = len(ids_of(cell))
        running = asyncio.create_task(publisher.run())
        async with asyncio.timeout(60):
            await kafka.is_all_published.wait()
        for _ in range(10):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert kafka.ids() == ids_of(cell)

    asyncio.run(run())


def test_a_piece_goes_in_one_batch_for_each_batch_waits_for_the_one_before() -> None:
    async def taken() -> int:
        producer = our_producer("127.0.0.1:1", "test")
        there = producer.create_batch()
        for number in range(TOGETHER_MAX):
            task_id = TaskId(f"a-job-of-the-load-{number}-worker-{number}-1")
            change = TaskChanged(
                JobId(f"a-job-of-the-load-{number}"),
                task_id,
                "Started",
                "TASK_RUNNING",
                host_id=HostId(f"host-{number}"),
                hostname=f"host-{number}.example.org",
            )
            event_id = f"cell/0a0b0c0d:1000000.{number}"
            headers = cloud_event_headers("flumina.TaskChanged", "/flumina/cells/cell", event_id)
            key, value = change.job_id.encode(), encode_change(change)
            if there.append(timestamp=None, key=key, value=value, headers=headers) is None:
                break
        await producer.stop()
        return int(there.record_count())

    assert asyncio.run(taken()) == TOGETHER_MAX


def test_what_nobody_takes_is_kept_up_to_a_number_of_changes_and_then_it_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cell = busy_cell(6)
    wanted = len(ids_of(cell)) // 2
    monkeypatch.setattr("streams.cell.publisher.UNPUBLISHED_MAX", wanted)
    follower, records = followed(cell)
    publisher = Publisher(follower, Kafka(), "job-events")
    with structlog.testing.capture_logs() as lines:
        follower.take(records)
    kept = [each for _, changes in publisher._unpublished for each in changes]
    assert 0 < len(kept) <= wanted
    assert [each["event"] for each in lines] == ["changes are dropped unpublished"]
    assert "more than" in lines[0]["why"]
