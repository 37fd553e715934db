"""Snapshots of a cell whose log is in a real Kafka: the commands, and processes that begin at them.

The log is that of a cell in memory, written to the topic as its own. What is begun at a snapshot is
compared with the fold from zero, byte by byte.
"""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from connectors.objects.directory import DirectoryStore
from projections.cell_view import CellView
from scheduler.digest import canonical_bytes
from streams.api.followed_cell import FollowedCell, ViewFold
from streams.cell.follower import BareFold, Follower, LogRecord
from streams.cell.lane import Lane
from streams.cell.writer import our_producer
from streams.errors import OperatorError
from streams.history.kafka_log import KafkaLog
from streams.kafka.topic_admin import ensure_topics
from streams.settings import settings_of
from streams.snapshots.opening import Beginnings
from tests.support.cell import CellInMemory, running_cell, service
from tests.support.command_line import Done, flumina

pytestmark = pytest.mark.integration
DEADLINE_S = 30.0
CELL = "test"


class Place:
    """A cell's log in Kafka, and the store beside it."""

    def __init__(self, kafka: str, prefix: str, home: Path) -> None:
        self.kafka, self.prefix, self.home = kafka, prefix, home
        self.store = DirectoryStore(home / "store")
        self.environment = {
            "KAFKA_BROKERS": kafka,
            "FLUMINA_TOPIC_PREFIX": prefix,
            "FLUMINA_CELL": CELL,
            "FLUMINA_STORE": str(home / "store"),
        }
        settings = settings_of({**self.environment, "FLUMINA_DATA": str(home)})
        asyncio.run(ensure_topics(kafka, settings))
        self.written = 0

    def write(self, log: Sequence[bytes]) -> None:
        """Write what is new of the cell's log."""

        async def send() -> None:
            producer = our_producer(self.kafka, "test")
            await producer.start()
            try:
                for each in log[self.written :]:
                    await producer.send(self.prefix + "cell", each, partition=0)
                await producer.flush()
            finally:
                await producer.stop()

        asyncio.run(send())
        self.written = len(log)

    async def drop(self, before: int) -> None:
        """Let Kafka drop every record below this offset, as its retention does."""
        client = AIOKafkaAdminClient(bootstrap_servers=self.kafka)
        await client.start()
        try:
            place = TopicPartition(self.prefix + "cell", 0)
            await client.delete_records({place: RecordsToDelete(before_offset=before)})
        finally:
            await client.close()

    def run(self, *words: str) -> Done:
        return flumina(self.home, "snapshots", *words, **self.environment)

    def json(self, *words: str) -> Any:
        done = self.run(*words, "--json")
        assert done.returncode == 0, done
        return json.loads(done.stdout)

    def beginnings(self, prefix: str = "", tail_records: int = 0) -> Beginnings:
        kafka = KafkaLog(self.kafka, (prefix or self.prefix) + "cell", 0)
        wrap = ViewFold if tail_records else BareFold
        return Beginnings(kafka, self.store, CELL, wrap, tail_records)


def a_cell() -> CellInMemory:
    cell = running_cell(hosts=3)
    cell.run(service(desired=3), "alpha")
    cell.tick(1_000, times=20)
    return cell


def test_commands_and_processes_begin_at_snapshots(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    place, cell = Place(kafka, topic_prefix, tmp_path), a_cell()
    place.write(cell.log)
    first = place.json("take")
    assert first["nextOffset"] == len(cell.log)
    assert first["counts"]["tasks"] == 3
    cell.run(service(desired=2), "beta")
    cell.tick(1_000, times=20)
    place.write(cell.log)
    second = place.json("take")
    assert second["digest"] == cell.machine.digest.value()
    cell.tick(1_000, times=20)
    place.write(cell.log)

    items = place.json("list")["items"]
    assert [each["key"] for each in items] == [first["key"], second["key"]]
    proven = place.json("verify", "--all", "--fold")["items"]
    assert [each["outcome"] for each in proven] == ["equal", "equal"]
    rescue = place.json("restore", "--to", str(tmp_path / "rescue"))
    assert rescue["digest"] == cell.machine.digest.value()
    assert rescue["recordsFolded"] == 20
    assert list(DirectoryStore(tmp_path / "rescue").facts("snapshots/test/"))
    at = place.json("restore", "--at", str(first["nextOffset"] - 3))
    assert at["origin"] == "the log's beginning"
    rehearsed = place.json("rehearse", "--from", str(tmp_path / "store"), "--cell", "staging")
    assert (rehearsed["verdict"], rehearsed["cell"]) == ("passed", "staging")
    assert rehearsed["counts"]["tasks"] == 5

    asyncio.run(_a_follower_begins_and_goes_on(place, cell))
    asyncio.run(_a_view_begins_further_back(place, cell, first["nextOffset"], 25))
    longer = len(cell.log) - first["nextOffset"] + 5  # Than the oldest snapshot allows.
    asyncio.run(_a_view_begins_further_back(place, cell, first["nextOffset"], longer))
    needed = first["nextOffset"] + 3  # By alerts, which were kept up to there.
    asyncio.run(_a_view_begins_further_back(place, cell, first["nextOffset"], 1, needed))
    _damaged_ones_are_named_and_passed_over(place, first["key"], second["key"])
    asyncio.run(_another_log_under_the_name_is_refused(place, kafka, f"{topic_prefix}other."))
    asyncio.run(_where_kafka_begins_late(place))


async def _a_follower_begins_and_goes_on(place: Place, cell: CellInMemory) -> None:
    beginnings = place.beginnings()
    follower = Follower(place.prefix + "cell", 0, BareFold, beginnings.find_base)
    seen: list[int] = []

    async def deliver(records: Sequence[LogRecord]) -> None:
        seen.extend(each.offset for each in records)
        follower.take(records)

    await beginnings.check()
    await beginnings.begin(follower)
    lane = Lane(follower, place.kafka, deliver)
    await lane.start()
    try:
        async with asyncio.timeout(DEADLINE_S):
            await follower.until(len(cell.log) - 1)
    finally:
        await lane.stop()
    assert seen == list(range(len(cell.log) - 20, len(cell.log))), "only the tail was read"
    assert canonical_bytes(follower.machine.state) == canonical_bytes(cell.state)


async def _a_view_begins_further_back(
    place: Place,
    cell: CellInMemory,
    begins: int,
    tail_records: int,
    needed_offset: int | None = None,
) -> None:
    """Its snapshot is old enough that the tail it wants is folded with histories."""
    beginnings = place.beginnings(tail_records=tail_records)
    beginnings.needed_offset = needed_offset
    followed = FollowedCell(place.kafka, place.prefix, 0, beginnings)
    running = asyncio.create_task(followed.run())
    try:
        async with asyncio.timeout(DEADLINE_S):
            while followed.view.next_offset < len(cell.log):
                await asyncio.sleep(0.02)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    view: CellView = followed.view
    assert view.begins_at_offset == begins
    assert canonical_bytes(view.state) == canonical_bytes(cell.state)


def _damaged_ones_are_named_and_passed_over(place: Place, first: str, second: str) -> None:
    path = place.home / "store" / second
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    done = place.run("verify", "--all")
    assert done.returncode == 1
    assert "half an upload" in done.stdout.replace("\n", " ")
    beginnings = place.beginnings()
    follower = Follower(place.prefix + "cell", 0, BareFold)
    asyncio.run(beginnings.begin(follower))
    assert f"{follower.wanted_offset:015d}" in first
    path.write_bytes(whole)


async def _another_log_under_the_name_is_refused(place: Place, kafka: str, prefix: str) -> None:
    """A topic that was made anew is never begun as an empty cell beside running tasks."""
    settings = settings_of({**place.environment, "FLUMINA_TOPIC_PREFIX": prefix})
    await ensure_topics(kafka, settings)
    with pytest.raises(OperatorError, match="the topic was made anew"):
        await place.beginnings(prefix).check()


async def _where_kafka_begins_late(place: Place) -> None:
    """A snapshot behind Kafka's first record is begun at; without one nothing is."""
    names = [each.key for each in place.store.facts("snapshots/")]
    newest = int(names[-1].rpartition("/")[2].partition("-")[0])
    await place.drop(newest - 2)
    follower = Follower(place.prefix + "cell", 0, BareFold)
    with pytest.raises(OperatorError, match="cannot be followed"):
        # Record 0 is gone, and no archive says whose log this is.
        await place.beginnings().begin(follower)


def test_a_snapshot_of_a_cell_that_has_just_moved_is_one_of_where_it_is(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    """Neither a snapshot nor the archive has anything of the new generation yet."""
    place, cell = Place(kafka, topic_prefix, tmp_path), a_cell()
    place.write(cell.log)
    before = place.json("take")
    archived = flumina(tmp_path, "archive", "now", **place.environment)
    assert archived.returncode == 0, archived
    moved = Place(kafka, f"{topic_prefix}moved.", tmp_path)
    done = flumina(tmp_path, "continue", **moved.environment)
    assert done.returncode == 0, done
    taken = moved.json("take")
    assert taken["generation"] != before["generation"]
    assert 0 < taken["nextOffset"] < before["nextOffset"]
    for what in ("jobs", "tasks", "tasks_on_hosts", "hosts"):
        assert taken["counts"][what] == before["counts"][what]
    verified = moved.run("verify", "--all", "--fold")
    assert verified.returncode == 0, verified
    assert verified.stdout.count("equal") == 2
