"""How fast a whole cell launches: 10,000 tasks on 500 hosts, from submitted to seen running.

A real Kafka, a cell process, an api process and the simulated dev cluster, all acknowledgements and
durable writes on. The clock starts before the first job is handed to the producer and stops when a
reader of the cell log has folded the last task as Started; then every update's acknowledgement must
be in the dev cluster's journal. Tasks and hosts can be given: `--tasks 1000 --hosts 50`.
Peer: a plain producer that writes the same records to the same broker, as fast as it can.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from connectors.devcluster.journal import read_journal
from connectors.devcluster.simulated.model import weather_of
from scheduler.model.changes import TaskChanged
from scheduler.model.events import CellRecord
from scheduler.model.foreign_records import encode_submit
from scheduler.model.ids import JobId
from streams.cell.follower import BareFold, Changes, Follower, LogRecord
from streams.cell.lane import Lane
from streams.cell.writer import our_producer
from streams.kafka.embedded import EmbeddedKafka
from streams.supervise.ports import free_block
from tests.benchmark.figures import IS_QUICK, Peer, percentile, print_figure
from tests.benchmark.kafka_peer import make_topics, produced
from tests.support.api_process import ApiProcess
from tests.support.world import World, batch_of

PREFIX, PEER_PREFIX = "endtoend.", "peer."
TASKS, HOSTS = (200, 10) if IS_QUICK else (10_000, 500)
JOB_TASKS = 1_000
"""Of one batch job; what the policy allows."""
LAUNCHES_PER_S_MIN = 1_000
RESOURCES = "cpus:32;mem:131072;disk:1000000;ports:[31000-31999]"
# They outlive the run, so that nothing but launching is measured.
SEED = 1
MODEL = """name = "uniform"
[[runs]]
seconds = 3600.0
"""
TIMEOUT_S = 600.0
POLL_S = 0.02
UPDATES_EACH = 2
"""TASK_STARTING and TASK_RUNNING."""


class Watch:
    """Folds the cell log in this process, and notes when each task was first Started."""

    def __init__(self, bootstrap: str) -> None:
        self.follower = Follower(f"{PREFIX}cell", 0, BareFold)
        self.follower.listeners.append(self._folded)
        self._lane = Lane(self.follower, bootstrap, self._deliver)
        self.started_at: dict[str, float] = {}

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch as long as the block runs."""
        await self._lane.start()
        try:
            yield
        finally:
            await self._lane.stop()

    async def _deliver(self, records: Sequence[LogRecord]) -> None:
        self.follower.take(records)

    def _folded(self, _: int, _record: CellRecord, changes: Changes) -> None:
        for _index, change in changes:
            if isinstance(change, TaskChanged) and change.state == "Started":
                self.started_at.setdefault(change.task_id, time.perf_counter())

    async def until_offered(self, hosts: int) -> None:
        """Return when the cell holds an offer of every host."""
        await self._until(
            lambda: (
                len(self.follower.machine.state.offers) >= hosts
                and self.follower.machine.state.clock.is_judging
            )
        )

    async def until_started(self, tasks: int) -> None:
        """Return when so many tasks have been Started."""
        await self._until(lambda: len(self.started_at) >= tasks)

    async def _until(self, condition: Callable[[], bool]) -> None:
        version = -1
        async with asyncio.timeout(TIMEOUT_S):
            while not condition():
                assert self.follower.halt is None, self.follower.halt
                version = await self.follower.newer(version, POLL_S)


class Parts:
    """The processes of the run, and the processor time that each has used."""

    def __init__(self, **pids: int) -> None:
        self._pids = pids
        self._began = {name: cpu_s(pid) for name, pid in pids.items()}

    def spent_s(self) -> dict[str, float]:
        """Seconds of processor time of each part since this was made."""
        return {name: cpu_s(pid) - self._began[name] for name, pid in self._pids.items()}


def cpu_s(pid: int) -> float:
    """Processor time of a process and of the children that it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Measured:
    """What one run took."""

    seconds: float
    each_s: list[float]
    acknowledged_s: float
    spent_s: dict[str, float]


async def _submit(bootstrap: str, tasks: int) -> None:
    producer = our_producer(bootstrap, "bench")
    await producer.start()
    try:
        for number, first in enumerate(range(0, tasks, JOB_TASKS)):
            job_id = JobId(f"load-{number}")
            descriptor = batch_of(min(JOB_TASKS, tasks - first), "simulated", cpu=1)
            value = encode_submit(job_id, descriptor, "bench")
            await producer.send_and_wait(f"{PREFIX}jobs", value, key=job_id.encode(), partition=0)
    finally:
        await producer.stop()


async def _measure(world: World, parts: dict[str, int], tasks: int, hosts: int) -> Measured:
    watch = Watch(world.kafka)
    async with watch.watching():
        await watch.until_offered(hosts)
        spent = Parts(**parts, bench=os.getpid())
        began = time.perf_counter()
        await _submit(world.kafka, tasks)
        await watch.until_started(tasks)
        seconds = time.perf_counter() - began
        spent_s = spent.spent_s()
        acknowledged_s = await _until_acknowledged(world, tasks, began)
    each = [at - began for at in watch.started_at.values()]
    return Measured(seconds, each, acknowledged_s, spent_s)


async def _until_acknowledged(world: World, tasks: int, began: float) -> float:
    """The time when the journal had every acknowledgement, and each launch exactly once."""
    assert world.cluster is not None
    path = world.cluster.config.root / "journal.jsonl"
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            lines = read_journal(path)
            seen = len({line["uuid"] for line in lines if line["what"] == "ACKNOWLEDGE"})
            if seen >= UPDATES_EACH * tasks:
                break
            await asyncio.sleep(POLL_S * 10)
    launches = Counter(line["task_id"] for line in lines if line["what"] == "LAUNCH")
    assert len(launches) == tasks, f"{len(launches)} tasks were launched"
    assert set(launches.values()) == {1}, "a task was launched twice"
    last_ms = max(line["at_ms"] for line in lines if line["what"] == "ACKNOWLEDGE")
    # The journal has wall time; the run began at a reading of the steady clock.
    return float(last_ms / 1_000 - (time.time() - (time.perf_counter() - began)))


def main() -> None:
    """Measure one run, then plain Kafka with the run's records."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=TASKS)
    parser.add_argument("--hosts", type=int, default=HOSTS)
    asked, _ = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="flumina-bench-") as folder:
        home = Path(folder)
        with EmbeddedKafka(home / "kafka") as kafka:
            world = World(kafka.bootstrap, PREFIX, home)
            try:
                measured, title = _run(world, kafka, home, asked.tasks, asked.hosts)
                records = [v for topic in ("jobs", "mesos", "cell") for v in world.all_of(topic)]
            finally:
                world.close()
            topic = asyncio.run(make_topics(kafka.bootstrap, PEER_PREFIX))
            plain = asyncio.run(produced(kafka.bootstrap, topic, records))
    peer = Peer("plain Kafka: the same records, in bulk", asked.tasks / plain.wall_s)
    facts = {"hosts": asked.hosts, "simulated": title, "records": len(records)}
    _print(measured, asked.tasks, peer, facts)


def _run(
    world: World, kafka: EmbeddedKafka, home: Path, tasks: int, hosts: int
) -> tuple[Measured, str]:
    model = home / "model.toml"
    model.write_text(MODEL)
    cluster = world.start_cluster(
        free_block(1),
        agents=0,
        simulate=hosts,
        tasks_model=str(model),
        seed=SEED,
        resources=RESOURCES,
    )
    cell = world.start_cell("cell-1")
    api = ApiProcess(kafka.bootstrap, PREFIX, home)
    try:
        api.until_ready().until_healthy()
        parts = {
            "kafka": kafka.pid,
            "cell": cell.pid,
            "api": api.process.pid,
            "dev_cluster": cluster.status()["nodes"][0]["pid"],
        }
        measured = asyncio.run(_measure(world, parts, tasks, hosts))
    finally:
        api.close()
    return measured, weather_of(model, SEED).title


def _print(measured: Measured, tasks: int, peer: Peer, facts: dict[str, object]) -> None:
    shares = {name: round(s / measured.seconds, 3) for name, s in measured.spent_s.items()}
    print_figure(
        "end_to_end",
        "launches, submitted to seen running",
        tasks / measured.seconds,
        "tasks/s",
        samples=tasks,
        peer=peer,
        target=LAUNCHES_PER_S_MIN,
        seconds=round(measured.seconds, 3),
        cores_used=shares,
        **facts,
    )
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        print_figure(
            "end_to_end",
            f"first submission to a task seen running, {name}",
            percentile(measured.each_s, share),
            "s",
            samples=tasks,
        )
    print_figure(
        "end_to_end",
        "first submission to the last acknowledgement at the master",
        measured.acknowledged_s,
        "s",
        samples=UPDATES_EACH * tasks,
    )
    for name, seconds in measured.spent_s.items():
        print_figure(
            "end_to_end",
            f"processor time of {name} for a launch",
            seconds / tasks * 1_000,
            "ms",
            samples=tasks,
            cores_used=shares[name],
        )


if __name__ == "__main__":
    main()
