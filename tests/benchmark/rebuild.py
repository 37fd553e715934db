"""How long a cell of 100,000 tasks takes to rebuild from its log on a real broker.

The log (the demo's, repeated) is written to topic `cell`, and read through the real lane and
follower, as a process does that starts. Peer: a plain consumer that reads the same partition.
"""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.cell.follower import BareFold, Follower, LogRecord
from streams.cell.lane import Lane
from streams.cell.writer import our_producer
from streams.kafka.embedded import EmbeddedKafka
from streams.kafka.topic_admin import ensure_topics
from streams.settings import settings_of
from tests.benchmark.copies import CopiedLog, copied_log
from tests.benchmark.figures import IS_QUICK, print_figure
from tests.benchmark.recording import record_demo

TASKS = 200 if IS_QUICK else 100_000
TASKS_OF_A_DEMO = 27
"""20 of the batch job, 5 of the service, 2 of the job that fails once."""
REBUILD_S_MAX = 30.0
PREFIX = "rebuild."


async def write_log(bootstrap: str, log: list[bytes]) -> float:
    """Write the records in order; megabytes a second."""
    producer = our_producer(bootstrap, "bench")
    await producer.start()
    begun_s = time.perf_counter()
    try:
        last = None
        for data in log:
            last = await producer.send(f"{PREFIX}cell", data, partition=0)
        assert last is not None
        await producer.flush()
        await last
    finally:
        await producer.stop()
    return sum(map(len, log)) / 1e6 / (time.perf_counter() - begun_s)


async def rebuild_s(bootstrap: str, copied: CopiedLog) -> float:
    """Seconds from nothing to the whole state, through lane and follower."""
    follower = Follower(f"{PREFIX}cell", 0, BareFold)

    async def deliver(records: Sequence[LogRecord]) -> None:
        follower.take(records)

    lane = Lane(follower, bootstrap, deliver)
    begun_s = time.perf_counter()
    await lane.start()
    try:
        await follower.until(len(copied.log) - 1)
        took_s = time.perf_counter() - begun_s
    finally:
        await lane.stop()
    assert follower.halt is None, follower.halt
    assert follower.events_folded == copied.events
    return took_s


async def consume_s(bootstrap: str, records: int) -> float:
    """Seconds for a plain consumer to read the partition."""
    place = TopicPartition(f"{PREFIX}cell", 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, max_partition_fetch_bytes=4_194_304)
    begun_s = time.perf_counter()
    await consumer.start()
    try:
        consumer.assign([place])
        consumer.seek(place, 0)
        seen = 0
        while seen < records:
            found = await consumer.getmany(place, timeout_ms=1_000)
            seen += len(found.get(place, ()))
        return time.perf_counter() - begun_s
    finally:
        await consumer.stop()


def main() -> None:
    """Measure the rebuild and its peer on one broker."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with EmbeddedKafka(home / "kafka") as kafka:
            bootstrap = kafka.bootstrap
            recording = record_demo(bootstrap, "bench.", home)
            copied = copied_log(recording, -(-TASKS // TASKS_OF_A_DEMO))
            settings = settings_of({"FLUMINA_TOPIC_PREFIX": PREFIX})
            asyncio.run(ensure_topics(bootstrap, settings))
            written = asyncio.run(write_log(bootstrap, copied.log))
            took_s = asyncio.run(rebuild_s(bootstrap, copied))
            plain_s = asyncio.run(consume_s(bootstrap, len(copied.log)))
    tasks = copied.copies * TASKS_OF_A_DEMO
    print_figure(
        "rebuild",
        f"state of {tasks} tasks from the log",
        took_s,
        "s",
        ("plain consumer of the same partition", plain_s),
        REBUILD_S_MAX,
        events=copied.events,
        records=len(copied.log),
        events_per_s=round(copied.events / took_s),
    )
    print_figure("rebuild", "writing that log, acks=all", written, "MB/s", None)


if __name__ == "__main__":
    main()
