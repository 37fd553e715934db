"""The tail agent: lines of files in batches, whose they are, and what a fault of Kafka costs.

How: real files, and a producer that remembers what it was given instead of Kafka's.
"""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka.errors import KafkaError

from streams.health.records import LINES_MAX, HostLines
from streams.health.shipping import agents_of, id_of_work_dir
from streams.health.tail import RECORD_BYTES_MAX, Source, Tail


class Remembering:
    """Takes what a producer takes; refuses while it is told to."""

    def __init__(self) -> None:
        self.records: list[HostLines] = []
        self.sizes: list[int] = []
        self.is_refusing = False

    async def send_and_wait(self, topic: str, value: bytes, **_: Any) -> None:
        """As aiokafka's producer has it."""
        assert topic == "host-logs"
        if self.is_refusing:
            raise KafkaError
        self.records.append(msgspec.json.decode(value, type=HostLines))
        self.sizes.append(len(value))

    @property
    def lines(self) -> list[str]:
        """All lines that were taken."""
        return [line for each in self.records for line in each.lines]


def tail_of(tmp_path: Path, pattern: str = "*.log") -> Tail:
    sources = [Source(str(tmp_path / pattern), lambda: "h1")]
    return Tail(sources, tmp_path / "marks.json", is_from_start=True)


def rounds(tail: Tail, producer: Remembering, count: int = 1) -> None:
    async def run() -> None:
        for _ in range(count):
            await tail.round(producer, "host-logs")

    asyncio.run(run())


def test_lines_are_shipped_in_batches_with_their_host_file_and_times(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(
        "2027-01-15T08:00:00Z one\n2027-01-15T08:00:01Z two\n" + "x\n" * 2 * LINES_MAX
    )
    producer = Remembering()
    rounds(tail_of(tmp_path), producer)
    assert len(producer.lines) == 2 + 2 * LINES_MAX
    first = producer.records[0]
    assert (first.host_id, first.file) == ("h1", str(tmp_path / "a.log"))
    assert first.times_ms[:2] == [1_800_000_000_000, 1_800_000_001_000]
    assert all(len(each.lines) <= LINES_MAX for each in producer.records)


def test_a_record_is_not_larger_than_a_topic_takes(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(('"' * 10_000 + "\n") * 200)
    producer = Remembering()
    rounds(tail_of(tmp_path), producer)
    assert len(producer.lines) == 200
    assert max(producer.sizes) <= 2 * RECORD_BYTES_MAX


def test_a_restart_ships_what_is_new_and_nothing_twice(tmp_path: Path) -> None:
    path, producer = tmp_path / "a.log", Remembering()
    path.write_text("one\n")
    first = tail_of(tmp_path)
    rounds(first, producer)
    first.close()
    with path.open("a") as file:
        file.write("two\n")
    (tmp_path / "b.log").write_text("new file\n")
    rounds(tail_of(tmp_path), producer)
    assert producer.lines == ["one", "two", "new file"]


@pytest.mark.slow
def test_what_was_not_acknowledged_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("one\n")
    producer, tail = Remembering(), tail_of(tmp_path)
    producer.is_refusing = True

    async def until_it_is_taken() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(tail.run(producer, "host-logs", stop))
        await asyncio.sleep(0)
        producer.is_refusing = False
        async with asyncio.timeout(10):
            while not producer.records:
                await asyncio.sleep(0.01)
        stop.set()
        await running

    asyncio.run(until_it_is_taken())
    assert producer.lines == ["one"]


def test_a_rotated_file_that_its_pattern_names_too_is_shipped_once(tmp_path: Path) -> None:
    path, producer = tmp_path / "a.log", Remembering()
    path.write_text("one\n")
    tail = tail_of(tmp_path, "a.log*")
    rounds(tail, producer)
    path.rename(tmp_path / "a.log.1")
    path.write_text("two\n")
    rounds(tail, producer, 30)
    assert producer.lines == ["one", "two"]
    assert (tmp_path / "marks.json").exists()


def test_nothing_is_shipped_of_a_host_that_has_no_id_yet(tmp_path: Path) -> None:
    work, producer = tmp_path / "work", Remembering()
    (tmp_path / "a.log").write_text("one\n")
    sources = [Source(str(tmp_path / "*.log"), id_of_work_dir(work))]
    tail = Tail(sources, tmp_path / "marks.json", is_from_start=True)
    rounds(tail, producer)
    assert producer.records == []
    agent = work / "meta" / "slaves" / "S7"
    agent.mkdir(parents=True)
    (agent.parent / "latest").symlink_to(agent)
    rounds(tail, producer)
    assert [each.host_id for each in producer.records] == ["S7"]


def test_agents_of_a_dev_cluster_are_known_by_their_own_files(tmp_path: Path) -> None:
    (tmp_path / "agent1" / "meta").mkdir(parents=True)
    (tmp_path / "agent1" / "meta" / "agent.json").write_text('{"agent_id": "S1", "info": {}}')
    first, second = agents_of(tmp_path)[:2]
    assert (first.pattern, first.host_id()) == (str(tmp_path / "agent1.log"), "S1")
    assert second.host_id() is None


@pytest.mark.parametrize("data", [b"", b"{", b'{"files": 7}'])
def test_damaged_marks_are_no_reason_to_stop(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "marks.json").write_bytes(data)
    (tmp_path / "a.log").write_text("one\n")
    producer = Remembering()
    rounds(tail_of(tmp_path), producer)
    assert producer.lines == ["one"]
