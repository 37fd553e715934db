"""From a submission to a running task: the whole way, and each hop of it.

One submission at a time on a cell at rest: a real Kafka, the dev cluster, a cell process and an api
process. The clock starts before the record of topic `jobs` is handed to the producer (or the POST
is sent), and stops when a reader of the cell log has folded the task as Started; every record on
the way is acknowledged by all replicas and read back. Peer, after each submission: the same records
written to the same broker one after the other, each when the one before it was read back.
"""

import asyncio
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
from aiokafka import AIOKafkaProducer

from scheduler.model.foreign_records import encode_submit
from scheduler.model.ids import JobId, TaskId, job_id_of
from streams.cell.writer import our_producer
from streams.kafka.embedded import EmbeddedKafka
from streams.supervise.ports import free_block
from tests.benchmark.figures import IS_QUICK, Peer, percentile, print_figure
from tests.benchmark.kafka_peer import Echo, echo, make_topics
from tests.benchmark.observer import STARTED, Observer, now_ms
from tests.benchmark.recording import AGENTS
from tests.support.api_process import ApiProcess
from tests.support.world import World, batch_of

PREFIX, PEER_PREFIX = "submission.", "peer."
SUBMISSIONS = 2 if IS_QUICK else 100
"""By each way: as a record of topic `jobs`, and as a POST."""
WARM_UP = 1 if IS_QUICK else 5
P50_MS_MAX, P99_MS_MAX = 150, 500
HOPS = (
    "acknowledged",
    "copied",
    "launch accepted",
    "EffectStarted",
    "call at the master",
    "process started",
    "update in topic mesos",
    STARTED,
)
"""In their order. The call and the process are lines of the dev cluster's journal, in whole ms."""


@dataclass
class Measured:
    """What one way of submitting took, each time."""

    began_ms: dict[JobId, float] = field(default_factory=dict)
    acknowledged_ms: dict[JobId, float] = field(default_factory=dict)


class Bench:
    """One cell, its observer, and the two ways into it."""

    def __init__(self, world: World, api: ApiProcess) -> None:
        self._world = world
        self._api = api
        self.observer = Observer(world.kafka, PREFIX)
        self.by_kafka = Measured()
        self.by_rest = Measured()
        self.chains_ms: list[float] = []
        self.trips_ms: list[float] = []

    async def run(self) -> None:
        """Submit, one at a time, in turn by both ways, with the peer after each."""
        producer = our_producer(self._world.kafka, "bench")
        topic = await make_topics(self._world.kafka, PEER_PREFIX)
        await producer.start()
        try:
            async with (
                aiohttp.ClientSession(f"http://{self._api.address}") as http,
                echo(self._world.kafka, topic) as peer,
                self.observer.watching(),
            ):
                for number in range(WARM_UP + SUBMISSIONS):
                    await self._once(producer, http, peer, number)
        finally:
            await producer.stop()

    async def _once(
        self, producer: AIOKafkaProducer, http: aiohttp.ClientSession, peer: Echo, number: int
    ) -> None:
        is_counted = number >= WARM_UP
        descriptor = batch_of(1, "sleep 0.2")
        for way, measured in (("kafka", self.by_kafka), ("rest", self.by_rest)):
            job_id = JobId(f"{way}-{number}")
            await self.observer.until_idle()
            began_ms = now_ms()
            if way == "kafka":
                await _publish(producer, job_id, descriptor)
            else:
                await _post(http, job_id, descriptor)
            acknowledged_ms = now_ms()
            await self.observer.until_started(job_id)
            await self.observer.until_idle()
            if is_counted:
                measured.began_ms[job_id] = began_ms
                measured.acknowledged_ms[job_id] = acknowledged_ms
        if is_counted:
            values = self.observer.values[JobId(f"kafka-{number}")]
            values = [encode_submit(JobId(f"kafka-{number}"), descriptor), *values]
            self.chains_ms.append(await peer.chain_ms(values))
            self.trips_ms += [await peer.round_trip_ms(value) for value in values]

    def add_journal(self) -> None:
        """Add what the dev cluster's own journal says."""
        for what, hop in (("LAUNCH", "call at the master"), ("STARTED", "process started")):
            for line in self._world.journal(what):
                job_id = job_id_of(TaskId(line["task_id"]))
                assert job_id is not None
                self.observer.hops[job_id][hop] = line["at_ms"] + 0.5


async def _publish(
    producer: AIOKafkaProducer, job_id: JobId, descriptor: Mapping[str, Any]
) -> None:
    value = encode_submit(job_id, descriptor, "bench")
    await producer.send_and_wait(f"{PREFIX}jobs", value, key=job_id.encode(), partition=0)


async def _post(http: aiohttp.ClientSession, job_id: JobId, descriptor: Mapping[str, Any]) -> None:
    async with http.post(f"/api/v3/jobs?jobId={job_id}", json=descriptor) as answer:
        assert answer.status == 201, await answer.text()


def main() -> None:
    """Measure submissions, with plain Kafka after each."""
    with tempfile.TemporaryDirectory(prefix="flumina-bench-") as folder:
        home = Path(folder)
        with EmbeddedKafka(home / "kafka") as kafka:
            world = World(kafka.bootstrap, PREFIX, home)
            try:
                world.start_cluster(free_block(AGENTS + 1), agents=AGENTS)
                world.start_cell("cell-1")
                api = ApiProcess(kafka.bootstrap, PREFIX, home)
                try:
                    api.until_ready().until_healthy()
                    bench = Bench(world, api)
                    asyncio.run(bench.run())
                    bench.add_journal()
                finally:
                    api.close()
            finally:
                world.close()
    _print(bench)


def _print(bench: Bench) -> None:
    hops = bench.observer.hops
    for title, measured in (
        ("submission to running", bench.by_kafka),
        ("POST to running", bench.by_rest),
    ):
        totals = [hops[job][STARTED] - began for job, began in measured.began_ms.items()]
        for name, share, most in (("p50", 0.5, P50_MS_MAX), ("p99", 0.99, P99_MS_MAX)):
            print_figure(
                "submission",
                f"{title}, {name}",
                percentile(totals, share),
                "ms",
                samples=len(totals),
                peer=Peer(
                    f"plain Kafka: the same records, one after another, {name}",
                    percentile(bench.chains_ms, share),
                ),
                target=most,
                round_trip_ms=round(percentile(bench.trips_ms, share), 3),
            )
    _print_hops(bench)
    answers = [
        bench.by_rest.acknowledged_ms[job] - began for job, began in bench.by_rest.began_ms.items()
    ]
    _print_part("POST to its answer", answers, bench)


def _print_hops(bench: Bench) -> None:
    """Each hop of a submission by Kafka: from the one before it."""
    measured, times = bench.by_kafka, bench.observer.hops
    spans: dict[str, list[float]] = {hop: [] for hop in HOPS}
    for job, began_ms in measured.began_ms.items():
        there = {**times[job], "acknowledged": measured.acknowledged_ms[job]}
        before_ms = began_ms
        for hop in HOPS:
            spans[hop].append(there[hop] - before_ms)
            before_ms = there[hop]
    for hop, span in spans.items():
        _print_part(f"hop: {hop}", span, bench)


def _print_part(figure: str, times: list[float], bench: Bench) -> None:
    print_figure(
        "submission",
        f"{figure}, p50",
        median(times),
        "ms",
        samples=len(times),
        peer=Peer("plain Kafka: one record written and read back, p50", median(bench.trips_ms)),
        p99=round(percentile(times, 0.99), 3),
    )


if __name__ == "__main__":
    main()
