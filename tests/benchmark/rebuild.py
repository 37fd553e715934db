"""How long a cell of 100,000 running tasks takes to rebuild from its log on a real broker.

The log is that of a real cell that ran a service of five, repeated under other names until 100,000
tasks run (see `tests.benchmark.copies`), so nothing in it is short-lived or forgotten. It is
written to a topic as the cell's own, and read through the real lane and follower; and once more by
a cell process, from its start to its word that it is ready. Peer, in turn with it: a plain consumer
that reads the same partition.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from scheduler.machine import Machine
from scheduler.model.task import Started
from streams.cell.follower import BareFold, Follower, LogRecord
from streams.cell.lane import Lane
from streams.kafka.embedded import EmbeddedKafka
from streams.kafka.ports import free_ports
from tests.benchmark.copies import CopiedLog, copied_log
from tests.benchmark.figures import IS_QUICK, ROOT, Peer, print_figure
from tests.benchmark.kafka_peer import consumed, make_topics, produced
from tests.benchmark.recording import SERVICE_TASKS, record_service

TASKS = 200 if IS_QUICK else 100_000
REPEATS = 1 if IS_QUICK else 3
REBUILD_S_MAX = 30.0
PREFIX = "rebuild."


async def followed_s(bootstrap: str, topic: str, copied: CopiedLog) -> float:
    """Seconds from nothing to the whole state, through lane and follower."""
    follower = Follower(topic, 0, BareFold)

    async def deliver(records: Sequence[LogRecord]) -> None:
        follower.take(records)

    lane = Lane(follower, bootstrap, deliver)
    began_s = time.perf_counter()
    await lane.start()
    try:
        await follower.until(len(copied.log) - 1)
        took_s = time.perf_counter() - began_s
    finally:
        await lane.stop()
    assert follower.halt is None, follower.halt
    _check(follower.machine)
    return took_s


def _check(machine: Machine) -> None:
    """Assert that the rebuilt cell is the one that was meant."""
    kinds = Counter(type(task.state) for task in machine.state.tasks.values())
    assert kinds == {Started: TASKS}, kinds
    assert IS_QUICK or machine.marks, "the log is too short for a mark"


def process_s(bootstrap: str, home: Path, number: int) -> float:
    """Seconds from the start of a cell process until it says that it has caught up."""
    environment = os.environ | {
        "KAFKA_BROKERS": bootstrap,
        # Nobody listens there: the process is ended before it would ask Mesos anything.
        "MESOS_MASTER": f"127.0.0.1:{free_ports(1)[0]}",
        "FLUMINA_TOPIC_PREFIX": PREFIX,
        "FLUMINA_CANDIDATE": f"cell-{number}",
        "FLUMINA_DATA": str(home / f"cell-{number}"),
        "PYTHONPATH": str(ROOT),
    }
    log = home / f"cell-{number}.log"
    began_s = time.perf_counter()
    with (
        log.open("w") as words,
        subprocess.Popen(
            [sys.executable, "-m", "streams.cli.main", "cell"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=words,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.split()[:1] == ["ready"]:
                    return time.perf_counter() - began_s
        finally:
            process.kill()
    raise AssertionError(f"the cell process was never ready: {log.read_text('utf-8')}")


def main() -> None:
    """Measure rebuild and peer in turn, on one broker."""
    lanes, processes, reads = [], [], []
    with tempfile.TemporaryDirectory(prefix="flumina-bench-") as folder:
        home = Path(folder)
        with EmbeddedKafka(home / "kafka") as kafka:
            bootstrap = kafka.bootstrap
            recording = record_service(bootstrap, "service.", home)
            copied = copied_log(recording, TASKS // SERVICE_TASKS)
            topic = asyncio.run(make_topics(bootstrap, PREFIX))
            written = asyncio.run(produced(bootstrap, topic, copied.log))
            for number in range(REPEATS):
                lanes.append(asyncio.run(followed_s(bootstrap, topic, copied)))
                reads.append(asyncio.run(consumed(bootstrap, topic, len(copied.log))).wall_s)
                processes.append(process_s(bootstrap, home, number))
    peer = Peer("plain consumer of the same partition", median(reads))
    log = {"events": copied.events, "records": len(copied.log), "bytes": copied.bytes_total}
    for figure, took in (
        ("lane and follower", lanes),
        ("cell process from its start until it is ready", processes),
    ):
        print_figure(
            "rebuild",
            f"{TASKS} running tasks, {figure}",
            median(took),
            "s",
            samples=REPEATS,
            peer=peer,
            target=REBUILD_S_MAX,
            events_per_s=round(copied.events / median(took)),
            **log,
        )
    print_figure(
        "rebuild",
        "plain producer of that log, acks=all",
        written.wall_s,
        "s",
        samples=1,
        peer=peer,
        megabytes_per_s=round(copied.bytes_total / 1e6 / written.wall_s, 1),
    )


if __name__ == "__main__":
    main()
