"""Journal, configuration, the stream of events, and the words of the command line."""

import asyncio
import json
import secrets
from pathlib import Path
from typing import Any

import pytest
import typer

from connectors.devcluster.journal import Journal, read_journal
from connectors.devcluster.node import ClusterConfig, loopback_error
from connectors.devcluster.wire.event_stream import BACKLOG_BYTES_MAX, EventStream
from streams.cli.dev_cluster_common import parse_duration


def test_a_journal_is_read_up_to_its_last_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "a" / "journal.jsonl"
    assert read_journal(path) == []
    journal = Journal(path)
    journal.write("LAUNCH", task_id="t", odd="ü\n")
    journal.close()
    with path.open("ab") as file:
        file.write(b'{"at_ms": 1, "wh')
    (line,) = read_journal(path)
    assert (line["what"], line["task_id"], line["odd"]) == ("LAUNCH", "t", "ü\n")
    assert line["at_ms"] > 1_600_000_000_000


def test_two_writers_of_one_journal_do_not_mix_lines(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    one, two = Journal(path), Journal(path)
    for number in range(50):
        (one if number % 2 else two).write("X", number=number)
    assert [line["number"] for line in read_journal(path)] == list(range(50))
    one.close()
    two.close()


def test_the_configuration_is_for_its_owner_only_and_comes_back(tmp_path: Path) -> None:
    config = ClusterConfig(data_dir=str(tmp_path), token=secrets.token_hex(4), agents=3, port=7000)
    path = config.write()
    assert path.stat().st_mode & 0o777 == 0o600
    assert ClusterConfig.read(tmp_path) == config
    assert config.node_names() == ["master", "agent1", "agent2", "agent3"]
    assert [config.port_of(n) for n in config.node_names()] == [7000, 7001, 7002, 7003]
    assert config.attributes_of("agent3") == "zone:z3"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.1", "localhost", "::1"])  # noqa: S104
def test_only_loopback_is_listened_on(host: str) -> None:
    assert loopback_error(host)
    assert loopback_error("127.0.0.1") is None
    assert loopback_error("127.0.0.7") is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1.0), ("250ms", 0.25), ("10mins", 600.0), ("15secs", 15.0), ("2", 2.0), ("1h", 3600)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1s", "0s", "1 fortnight", "1e3s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not a duration"):
        parse_duration(text)


class Reader:
    """The other end of an event stream."""

    def __init__(self) -> None:
        self.closed: list[str] = []
        self.stream = EventStream({"Content-Type": "x"}, lambda: self.closed.append("closed"))
        self.sent: list[dict[str, Any]] = []
        self.gone = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(dict(message))

    async def run(self) -> None:
        await self.stream({}, self.receive, self.send)


def test_each_record_is_a_chunk_of_its_own_and_the_end_comes_last() -> None:
    async def story() -> Reader:
        reader = Reader()
        reader.stream.write(b"{}")
        running = asyncio.create_task(reader.run())
        await asyncio.sleep(0)
        reader.stream.write(json.dumps({"type": "HEARTBEAT"}).encode())
        reader.stream.end()
        await running
        return reader

    reader = asyncio.run(story())
    assert [m.get("body") for m in reader.sent[1:]] == [b"2\n{}", b'21\n{"type": "HEARTBEAT"}', b""]
    assert reader.closed == ["closed"]


def test_a_reader_that_leaves_is_noticed_at_once() -> None:
    async def story() -> Reader:
        reader = Reader()
        running = asyncio.create_task(reader.run())
        await asyncio.sleep(0)
        reader.gone.set()
        await running
        reader.stream.write(b"too late")
        return reader

    assert asyncio.run(story()).closed == ["closed"]


def test_a_reader_that_does_not_read_is_given_up() -> None:
    async def story() -> Reader:
        reader = Reader()
        # The first record is the one that may be of any size.
        reader.stream.write(b"first")
        reader.stream.write(b"x" * BACKLOG_BYTES_MAX)
        reader.stream.write(b"y")
        await reader.run()
        return reader

    reader = asyncio.run(story())
    assert [m.get("body") for m in reader.sent[1:]] == [b""]
