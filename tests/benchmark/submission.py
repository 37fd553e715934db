"""From a submission to a running task: the whole way, and each hop of it.

One submission at a time on a cell at rest: a real Kafka, the dev cluster, a cell process. The clock
starts before the record of topic `jobs` is handed to the producer and stops when a reader of the
cell log has folded the task as Started. Hops are the times in the log's own records, on the same
clock. Peer: one record produced with acks=all and consumed again, on the same broker, in between.
"""

import asyncio
import tempfile
import time
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition

from scheduler.model.events import Copied, EffectEnded, EffectStarted
from scheduler.model.inbound import JobSubmitted
from scheduler.model.mesos import StatusUpdate
from scheduler.model.proposals import LaunchTasks
from scheduler.model.task import Finished, Started
from streams.cell.writer import our_producer
from streams.clock import now_ms
from streams.kafka.embedded import EmbeddedKafka
from streams.supervise.ports import free_block
from tests.benchmark.figures import IS_QUICK, percentile, print_figure
from tests.benchmark.recording import AGENTS, is_at_rest
from tests.support.world import World, batch_of

SUBMISSIONS = 3 if IS_QUICK else 100
P50_MS_MAX, P99_MS_MAX = 150, 500
HOPS = ("copied", "launch accepted", "effect started", "call ended", "RUNNING copied")


def one_submission(world: World, job_id: str) -> tuple[float, dict[str, int]]:
    """Milliseconds until the task was seen running, and when each hop was written."""
    world.until(lambda: is_at_rest(world.machine.state), "the cell is at rest", 60)
    read_from = len(world.records)
    begun_ms, begun_s = now_ms(), time.perf_counter()
    world.submit(job_id, batch_of(1, "sleep 0.3"))
    while not (world.are(job_id, Started, 1) or world.are(job_id, Finished, 1)):
        world.read()
    took_ms = (time.perf_counter() - begun_s) * 1_000
    hops: dict[str, int] = {}
    for record in world.records[read_from:]:
        for event in record.events:
            name = _hop(event)
            if name is not None:
                hops.setdefault(name, record.at_ms - begun_ms)
    world.until(lambda: world.is_normal(job_id), "the job is done", 60)
    return took_ms, hops


def _hop(event: object) -> str | None:
    match event:
        case Copied(body=JobSubmitted()):
            return "copied"
        case LaunchTasks():
            return "launch accepted"
        case EffectStarted():
            return "effect started"
        case EffectEnded():
            return "call ended"
        case Copied(body=StatusUpdate(state="TASK_RUNNING")):
            return "RUNNING copied"
        case _:
            return None


async def round_trips_ms(bootstrap: str, topic: str, count: int) -> list[float]:
    """Milliseconds of records that are produced with acks=all and consumed again, one by one."""
    place = TopicPartition(topic, 0)
    producer = our_producer(bootstrap, "bench")
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await producer.start()
    await consumer.start()
    try:
        consumer.assign([place])
        await consumer.seek_to_end(place)
        await consumer.position(place)
        times = []
        for _ in range(count):
            begun_s = time.perf_counter()
            await producer.send_and_wait(topic, b"x" * 600, partition=0)
            while not await consumer.getmany(place, timeout_ms=1_000):
                pass
            times.append((time.perf_counter() - begun_s) * 1_000)
        return times
    finally:
        await consumer.stop()
        await producer.stop()


def main() -> None:
    """Measure submissions, with round trips of plain Kafka in between."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with EmbeddedKafka(home / "kafka") as kafka:
            world = World(kafka.bootstrap, "bench.", home)
            try:
                world.start_cluster(free_block(AGENTS + 1), agents=AGENTS)
                world.start_cell("cell-1")
                one_submission(world, "warm-up")
                totals, hops, trips = [], [], []
                for number in range(SUBMISSIONS):
                    total, hop = one_submission(world, f"job-{number}")
                    totals.append(total)
                    hops.append(hop)
                    if number % 10 == 0:
                        trips += asyncio.run(round_trips_ms(kafka.bootstrap, "bench.verdicts", 10))
            finally:
                world.close()
    peer = percentile(trips, 0.5)
    for name, share, most in (("p50", 0.5, P50_MS_MAX), ("p99", 0.99, P99_MS_MAX)):
        print_figure(
            "submission",
            f"submission to running, {name}",
            percentile(totals, share),
            "ms",
            ("produce and consume one record, p50", peer),
            most,
            SUBMISSIONS,
        )
    for name in HOPS:
        times = [float(hop[name]) for hop in hops if name in hop]
        print_figure(
            "submission",
            f"until {name}, p50",
            percentile(times, 0.5),
            "ms",
            ("produce and consume one record, p50", peer),
            samples=len(times),
            p99=percentile(times, 0.99),
        )


if __name__ == "__main__":
    main()
