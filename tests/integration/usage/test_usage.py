"""A task that burns cpu and fills memory, on a real Kafka and dev cluster: what `metrics` says.

How: a whole cell runs a service with one busy task; the usage process is started as `up` starts it,
and what it publishes is compared with what the task is known to do.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from connectors.mesos.usage import HostUsage, TaskUsage
from scheduler.model.task import Started
from streams.supervise.ports import free_block
from streams.usage.newest import newest_usage
from tests.processes import wait_until
from tests.support.world import World

pytestmark = pytest.mark.integration

MIB = 1 << 20
BUSY = "x = b'x' * (48 << 20)\nwhile True: pass"
DIGEST = "sha256:" + "ab" * 32
JOB: dict[str, Any] = {
    "owner": {"teamEmail": "a@example.com"},
    "applicationName": "busy",
    "container": {
        "resources": {"cpu": 0.5, "memoryMB": 128, "diskMB": 16},
        "command": [sys.executable, "-S", "-c", BUSY],
        "image": {"name": "team/busy", "digest": DIGEST},
    },
    "service": {"capacity": {"min": 1, "desired": 1, "max": 1}},
}


@pytest.fixture
def world(kafka: str, topic_prefix: str, tmp_path: Path) -> Iterator[World]:
    """A cell with one host that runs the busy job."""
    there = World(kafka, topic_prefix, tmp_path)
    try:
        there.start_cluster(free_block(2), agents=1)
        there.start_cell("cell-1")
        there.submit("busy", JOB)
        yield there
    finally:
        there.close()


@pytest.fixture
def usage(world: World) -> Iterator[subprocess.Popen[str]]:
    """The usage process of the busy world."""
    with usage_process(world) as process:
        yield process


@contextmanager
def usage_process(world: World) -> Iterator[subprocess.Popen[str]]:
    """The usage process, looking each second."""
    process = subprocess.Popen(
        [sys.executable, "-m", "streams.cli.main", "usage"],
        env=os.environ | variables(world),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith("ready ")
        yield process
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def variables(world: World) -> dict[str, str]:
    """The environment of processes of this world."""
    return {
        "KAFKA_BROKERS": world.kafka,
        "MESOS_MASTER": world.master,
        "FLUMINA_TOPIC_PREFIX": world.prefix,
        "FLUMINA_USAGE_INTERVAL_S": "1",
        "FLUMINA_DATA": str(world.home / "elsewhere"),
    }


def top(world: World, option: str) -> str:
    """What `flumina top` prints."""
    return subprocess.run(
        [sys.executable, "-m", "streams.cli.main", "top", option],
        env=os.environ | variables(world),
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    ).stdout


def newest(world: World) -> tuple[list[TaskUsage], list[HostUsage]]:
    """What the topic says now."""

    async def read() -> tuple[list[TaskUsage], list[HostUsage]]:
        async with newest_usage(world.kafka, world.prefix + "metrics", 2) as found:
            return found.tasks(), found.hosts()

    return asyncio.run(read())


def test_what_a_busy_task_uses(world: World, usage: subprocess.Popen[str]) -> None:
    wait_until(
        lambda: any((t.cpu_milli or 0) > 100 for t in newest(world)[0]), "the task is seen busy", 60
    )
    (task,), (host,) = newest(world)
    # The tags: whose it is.
    assert (task.job_id, task.task_id, task.index) == ("busy", "busy-worker-0-1", 0)
    assert (task.host, task.cell, task.image) == ("agent1", "main", f"team/busy@{DIGEST}")
    assert task.host_id == host.host_id
    # The figures: one process that spins on at most one cpu, and holds 48 MiB and an interpreter.
    assert 100 < (task.cpu_milli or 0) <= 1_100
    assert task.cpu_limit_milli == 500
    assert (task.cpu_user_ms_total or 0) > 100
    assert 48 * MIB < (task.memory_rss_bytes or 0) < 80 * MIB
    assert task.memory_limit_bytes == 128 * MIB
    assert task.disk_limit_bytes == 16 * MIB
    assert task.disk_used_bytes is not None
    assert (task.processes, task.threads) == (1, 1)
    assert task.network_sent_bytes_total is None  # The network is the host's: nobody can tell.
    assert host.tasks_running == 1
    assert host.allocated_cpus_milli == 500
    assert (host.cpus_milli or 0) >= 1_000
    assert 0 < (host.memory_free_bytes or 0) < (host.memory_total_bytes or 0)

    told = json.loads(top(world, "--json"))
    assert [each["task_id"] for each in told["tasks"]] == ["busy-worker-0-1"]
    rows = [line.split() for line in top(world, "--once").splitlines()]
    assert ["agent1", "1"] in [row[:2] for row in rows]
    assert ["busy-worker-0-1", "agent1"] in [row[:2] for row in rows]

    # Nothing depends on it: killed alone, the cell goes on.
    usage.kill()
    world.submit("after", {**JOB, "applicationName": "after"})
    world.until(lambda: world.are("after", Started, 1), "a job after it runs")


def test_noise_of_a_host_reaches_the_log_of_the_cell(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    """Twice as many loops as threads wait for each other; an agent that divides threads sees it."""
    count = 2 * len(os.sched_getaffinity(0))
    loops = "".join(["while :; do :; done & "] * count) + "wait"
    crowd = {**JOB, "applicationName": "crowd"}
    crowd["container"] = {**JOB["container"], "command": ["/bin/sh", "-c", loops]}
    there = World(kafka, topic_prefix, tmp_path)
    try:
        there.start_cluster(free_block(2), agents=1, cpu_sets=True)
        there.start_cell("cell-1")
        there.submit("crowd", crowd)
        there.until(lambda: there.are("crowd", Started, 1), "the loops run")
        with usage_process(there):
            there.until(lambda: bool(there.machine.state.host_noise), "the cell knows it")
        ((host_id, noise_milli),) = there.machine.state.host_noise.items()
        assert host_id in there.machine.state.hosts
        assert 100 <= noise_milli <= 1_000
    finally:
        there.close()
