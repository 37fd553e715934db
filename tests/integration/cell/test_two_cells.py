"""Two cells, two workers, one dies: the other leads both within 15 s, nothing is launched twice.

Real processes on a real Kafka, and one dev cluster with a framework for each cell. The federation's
front answers all the time and says which cell is stale or failed; it forwards records that name a
cell, and those that do not. The worker that died comes back, and gets a cell without ending the
other one.
"""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from connectors.federation.configuration import Configuration, FederatedCell
from connectors.federation.records import ConfigurationSet
from scheduler.model.foreign_records import encode_submit
from scheduler.model.ids import JobId
from scheduler.model.task import Started
from streams.cell.writer import our_producer
from streams.errors import OperatorError
from streams.federation.journal import Journal
from streams.kafka.topic_admin import ensure_topics
from streams.settings import settings_of
from streams.supervise.ports import free_block
from streams.supervise.up import OF_SHARED_HOSTS
from tests.support.world import World, batch_of, service_of

pytestmark = pytest.mark.integration

TAKEN_OVER_WITHIN_S = 15.0
"""The promise: 6 s of session, and the rest for the group, the election and Mesos."""


class Front:
    """The cells' APIs and the federation's front, as processes, asked without pause."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._processes: list[subprocess.Popen[str]] = []
        self.answers: list[dict[str, Any]] = []
        self.faults: list[str] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._ask_on, daemon=True)
        self.apis = [self._start(f"main-{n}", "api", "--port", "0") for n in (0, 1)]
        urls = [self._ready(each) for each in self.apis]
        named = [word for n, url in enumerate(urls) for word in ("--cell-api", f"main-{n}={url}")]
        self.url = self._ready(self._start("main-0", "federation", "serve", "--port", "0", *named))
        self._thread.start()

    def _start(self, cell: str, *words: str) -> subprocess.Popen[str]:
        world = self._world
        environment = os.environ | world.cell_environment("front") | {"FLUMINA_CELL": cell}
        with (world.home / f"{words[0]}-{cell}.log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "streams.cli.main", *words],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._processes.append(process)
        return process

    @staticmethod
    def _ready(process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("ready "):
                return line.split()[1]
        raise AssertionError("a process of the front ended before it was ready")

    def get(self, path: str) -> dict[str, Any]:
        """The front's answer."""
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:  # noqa: S310 - http
            found: dict[str, Any] = json.loads(answer.read())
            return found

    def _ask_on(self) -> None:
        while not self._is_over.wait(0.2):
            try:
                self.answers.append(self.get("/api/v3/jobs"))
            except OSError as error:
                self.faults.append(repr(error))

    def close(self) -> None:
        """End everything."""
        self._is_over.set()
        self._thread.join(20)
        for each in self._processes:
            each.kill()
            each.communicate()


@pytest.fixture
def cells(kafka: str, topic_prefix: str, tmp_path: Path) -> Iterator[tuple[World, World]]:
    """Two cells of one Kafka and one dev cluster; the first starts processes for both."""
    first, second = (
        World(kafka, topic_prefix, tmp_path, partition=number, cells=2) for number in (0, 1)
    )
    try:
        second.cluster = first.start_cluster(free_block(3))
        yield first, second
    finally:
        second.cluster = None  # It is the first one's to stop.
        second.close()
        first.close()


def test_one_of_two_workers_dies_and_the_other_takes_its_cell(cells: tuple[World, World]) -> None:
    first, second = cells
    first.start_cell("worker-0")
    first.start_cell("worker-1")
    front = Front(first)
    try:
        _one_dies_and_comes_back(first, second, front)
    finally:
        front.close()


def _one_dies_and_comes_back(first: World, second: World, front: Front) -> None:
    first.until(lambda: first.machine.state.leader != "", "a leader of the first cell")
    second.until(
        lambda: second.machine.state.leader not in {"", leader_of(first)}, "one leader for each"
    )
    for each, job_id in ((first, "one"), (second, "two")):
        # They share hosts, so neither may sit on offers that it has no use for.
        each.set_policy(**OF_SHARED_HOSTS)
        each.submit(job_id, service_of(3, "sleep 1000"))
    for each, job_id in ((first, "one"), (second, "two")):
        each.until(partial(each.are, job_id, Started, 3), f"service {job_id} runs")
    assert first.machine.state.cell_uuid != second.machine.state.cell_uuid
    before = [*ids(first, "one"), *ids(second, "two")]
    dead, survivor = leader_of(second), leader_of(first)
    epochs, front_began = first.epochs(), len(front.answers)
    first.kill_cell(dead)
    died_at_s = time.monotonic()
    # The first cell is served throughout; the second as soon as it is taken over.
    federated(first, "late", cell="main-1")
    federated(first, "meanwhile", cell="main-0")
    first.until(lambda: first.is_normal("meanwhile"), "the first cell works on", 90)
    second.until(lambda: leader_of(second) == survivor, "the survivor leads both", 90)
    taken_s = time.monotonic() - died_at_s
    print(f"taken over after {taken_s:.1f} s")
    assert taken_s < TAKEN_OVER_WITHIN_S
    second.until(lambda: second.is_normal("late"), "a job of the cell that was taken over", 90)
    first.start_cell(dead)
    second.until(lambda: leader_of(second) == dead, "the group gives a cell back", 90)
    federated(first, "anywhere")
    first.until(
        lambda: first.is_normal("anywhere") or read(second).is_normal("anywhere"),
        "a record that names no cell comes to one",
        30,
    )
    assert ("anywhere" in first.machine.state.jobs) != ("anywhere" in second.machine.state.jobs)
    assert read(first).cells[survivor].poll() is None, "handing a cell on ends nobody"
    assert first.epochs() == epochs, "the survivor's own cell was led without a break"
    assert [*ids(first, "one"), *ids(second, "two")] == before
    check_front(front, front_began)
    first.check_sound(second)
    second.check_sound(first)


def test_the_federations_topic_is_read_whole_and_followed(kafka: str, topic_prefix: str) -> None:
    # Who follows hears of a new configuration; who comes later reads it; a stranger's record ends.
    configuration = Configuration(cells=(FederatedCell("a", "http://a"),), default="a")
    told = ConfigurationSet(at_ms=1, configuration=configuration, actor="op", why="a test")

    async def test() -> None:
        settings = settings_of({"KAFKA_BROKERS": kafka, "FLUMINA_TOPIC_PREFIX": topic_prefix})
        await ensure_topics(kafka, settings)
        writer, follower, later = (Journal(kafka, topic_prefix) for _ in range(3))
        try:
            await writer.open()
            await follower.open()
            heard = asyncio.Event()
            follower.listeners.append(lambda _: heard.set())
            following = asyncio.create_task(follower.follow())
            await writer.append(told)
            async with asyncio.timeout(10):
                await heard.wait()
            assert follower.configuration == configuration
            following.cancel()
            await later.open()
            assert later.records == [told]
            producer = our_producer(kafka, "stranger")
            await producer.start()
            await producer.send_and_wait(topic_prefix + "federation", b"{}", partition=0)
            await producer.stop()
            with pytest.raises(OperatorError, match=r"Record 1 of topic .* cannot be read"):
                await later.catch_up()
        finally:
            for each in (writer, follower, later):
                await each.close()

    asyncio.run(test())


def federated(world: World, job_id: str, cell: str = "") -> None:
    """Publish a job for whichever cell, or for the one named."""
    headers = [("flumina-cell", cell.encode())] if cell else []
    value = encode_submit(JobId(job_id), batch_of(2, "true"), "test")
    world.publish("federated-jobs", job_id, value, partition=0, headers=headers)


def check_front(front: Front, began: int) -> None:
    """The front answered all the time, and goes on when the API of one cell is gone."""
    assert not front.faults
    during = front.answers[began:]
    assert len(during) > 10
    assert all(each["federation"]["failed"] == [] for each in during)
    stale = {told["cell"] for each in during for told in each["federation"]["stale"]}
    # A cell counts as without a leader after a silence of ten seconds, more than it takes.
    assert stale <= {"main-1"}
    assert {item["id"] for item in during[-1]["items"]} >= {"one", "two"}
    front.apis[1].kill()
    front.apis[1].wait(10)
    told = front.get("/api/v3/jobs")
    assert [each["cell"] for each in told["federation"]["failed"]] == ["main-1"]
    assert {item["cell"] for item in told["items"]} == {"main-0"}


def ids(world: World, job_id: str) -> list[str]:
    """The job's current tasks."""
    return [task.task_id for task in read(world).tasks(job_id)]


def leader_of(world: World) -> str:
    """Who leads the cell, by its log."""
    return read(world).machine.state.leader


def read(world: World) -> World:
    """The world, as its log is now."""
    world.read()
    return world
