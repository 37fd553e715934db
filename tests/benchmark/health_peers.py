"""What others do with the same single lines: a plain consumer with `re`, and Faust used naively.

The one thing to know: both only look for the patterns and count matches per host; neither finds
templates, has windows, or says anything. confluent-kafka is none of our dependencies, so the plain
consumer is aiokafka's, as our own is. Run as a program, this module is the Faust worker.
"""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import faust
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.health.main import PARTITIONS
from tests.benchmark.figures import ROOT
from tests.benchmark.kafka_peer import Spent


async def plainly(bootstrap: str, topic: str, records: int, patterns: Sequence[str]) -> Spent:
    """What it takes to read the records and look for the patterns with `re`."""
    anywhere = re.compile("|".join(f"(?:{each.removeprefix('(?i)')})" for each in patterns))
    counts: Counter[str] = Counter()
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, number) for number in range(PARTITIONS)])
        await consumer.seek_to_beginning()
        began = time.perf_counter(), time.process_time()
        seen = 0
        while seen < records:
            for found in (await consumer.getmany(timeout_ms=1_000, max_records=2_000)).values():
                for record in found:
                    seen += 1
                    value = json.loads(record.value)
                    for line in value["lines"]:
                        if anywhere.search(line):
                            counts[value["host_id"]] += 1
        return Spent.since(*began)
    finally:
        await consumer.stop()


def by_faust(bootstrap: str, topic: str, records: int, patterns: Sequence[str]) -> Spent:
    """What it takes a Faust worker of its own, without its start."""
    words = json.dumps([bootstrap, topic, records, list(patterns)])
    # Faust makes folders where it runs, also for tables in memory.
    with tempfile.TemporaryDirectory() as there:
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmark.health_peers", words],
            cwd=there,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
    # Its worker draws on the terminal in front of it.
    figures = re.search(r"spent ([0-9.e-]+) ([0-9.e-]+)", done.stdout)
    assert figures is not None, done.stderr[-2_000:]
    return Spent(float(figures[1]), float(figures[2]))


def main() -> None:
    """Be the Faust worker: an agent, a table of counts, one record after the other."""
    bootstrap, name, records, patterns = json.loads(sys.argv[1])
    anywhere = re.compile("|".join(f"(?:{each.removeprefix('(?i)')})" for each in patterns))
    app = faust.App(
        f"{name}-naive",
        broker=f"kafka://{bootstrap}",
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
    )
    topic = app.topic(name, value_serializer="json")
    counts: Any = app.Table("matches", default=int, partitions=PARTITIONS)
    seen = 0
    began = 0.0, 0.0

    @app.agent(topic)
    async def count(stream: Any) -> None:
        nonlocal seen, began
        async for value in stream:
            if seen == 0:
                began = time.perf_counter(), time.process_time()
            seen += 1
            for line in value["lines"]:
                if anywhere.search(line):
                    counts[value["host_id"]] += 1
            if seen == records:
                spent = Spent.since(*began)
                print(f"spent {spent.wall_s} {spent.processor_s}", flush=True)
                os.kill(os.getpid(), signal.SIGTERM)

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    worker = faust.Worker(app, loglevel="ERROR", loop=loop, quiet=True, redirect_stdouts=False)
    worker.execute_from_commandline()


if __name__ == "__main__":
    main()
