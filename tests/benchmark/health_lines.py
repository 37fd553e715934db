"""How fast hosts are judged by their lines: from topic to verdict, templates alone, and memory.

The lines are loghub's in file order with fresh variables: every digit is another one each time.
They are of six systems with many faults, so a fourth of them sound bad, which is far more than a
well fleet's do. The process measured is the one that `flumina up` starts, on a topic of twelve
partitions, with a hundred rules. Peers in the same run: a plain consumer of the same single lines
with `re`, Faust used naively, and drain3. Processor time is what can be compared: the machine is
shared.
"""

import asyncio
import contextlib
import gc
import re
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from statistics import median

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from projections.health.blocks import LineRecord
from projections.health.judging import HealthFold
from projections.health.rules import Rule, RuleSet
from projections.health.templates import TemplateMiner
from streams.cell.writer import our_producer
from streams.health.main import PARTITIONS, HealthProcess
from streams.health.records import HostLines, encode_lines
from streams.health.rule_file import DEFAULT, PLACE, rules_of
from streams.kafka.embedded import EmbeddedKafka
from streams.kafka.generations import ensure_generations
from streams.kafka.topic_admin import ensure_topics
from streams.logs import configure_logging
from streams.settings import Settings, settings_of
from tests.benchmark.drain_peer import drained
from tests.benchmark.figures import IS_QUICK, Peer, percentile, print_figure
from tests.benchmark.health_peers import by_faust, plainly
from tests.benchmark.kafka_peer import Spent
from tests.support.loghub import FOLDER, SYSTEMS, rows

BATCHES = 24 if IS_QUICK else 400
"""Records of 1,000 lines."""
SINGLES = 500 if IS_QUICK else 60_000
REPEATS = 1 if IS_QUICK else 3
TEMPLATE_LINES = 12_000 if IS_QUICK else 240_000
DRAINED_LINES = 2_000 if IS_QUICK else 24_000
MEMORY_LINES = 50_000 if IS_QUICK else 10_000_000
MEMORY_HOSTS = 100 if IS_QUICK else 10_000
PROBES = 5 if IS_QUICK else 100
RULES = 100
LINES_PER_S_MIN = 300_000
SINGLES_PER_S_MIN = 20_000
TEMPLATES_PER_S_MIN = 40_000
VERDICT_MS_MAX = 5_000
GROWTH_MIB_MAX = 64


def fresh_lines(count: int, seed: int) -> Iterator[str]:
    """So many lines in file order, each digit drawn anew."""
    lines = [row["Content"] for system in SYSTEMS for row in rows(system)]
    draw = Random(seed).randrange
    digit = re.compile(r"\d")
    for number in range(count):
        yield digit.sub(lambda _: str(draw(10)), lines[number % len(lines)])


def rules_yaml() -> str:
    """The usual rules, and patterns of the same kind that match nothing here, to a hundred."""
    more = [
        f"  - {{id: made-up-{n}, pattern: 'unit {n}: [a-z]+ fault \\d+', severity: suspect}}\n"
        for n in range(RULES - len(rules_of(DEFAULT).rules))
    ]
    text = DEFAULT.read_text("utf-8")
    head, _, rest = text.partition("\n# What needs no pattern")
    return f"{head}\n{''.join(more)}\n# What needs no pattern{rest}"


async def _quietly(process: HealthProcess, stop: asyncio.Event) -> None:
    """Run it without its words between the figures."""
    with contextlib.redirect_stdout(sys.stderr):
        await process.run(stop)


class Bench:
    """One broker, and topics of their own for each measurement."""

    def __init__(self, bootstrap: str, home: Path) -> None:
        self.bootstrap = bootstrap
        self._home = home
        self._number = 0

    async def settings(self) -> Settings:
        """Settings of an installation that has nothing yet, with its rules."""
        self._number += 1
        home = self._home / str(self._number)
        rules = home / PLACE
        rules.parent.mkdir(parents=True)
        rules.write_text(rules_yaml(), "utf-8")
        found = settings_of(
            {
                "KAFKA_BROKERS": self.bootstrap,
                "FLUMINA_TOPIC_PREFIX": f"b{self._number}.",
                "FLUMINA_DATA": str(home),
            }
        )
        await ensure_topics(self.bootstrap, found)
        await ensure_generations(self.bootstrap, found.topic_prefix, found.cells)
        return found

    async def write(self, settings: Settings, values: Sequence[bytes]) -> None:
        """Write records, in turn to all partitions."""
        topic = settings.topic_prefix + "host-logs"
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap, linger_ms=20, max_request_size=1 << 20
        )
        await producer.start()
        try:
            sent = [
                await producer.send(topic, value, partition=number % PARTITIONS)
                for number, value in enumerate(values)
            ]
            await asyncio.gather(*sent)
        finally:
            await producer.stop()

    async def judged(self, settings: Settings, records: int) -> Spent:
        """What it takes one process to read and judge so many records."""
        process = HealthProcess(settings, self.bootstrap, range(PARTITIONS))
        stop = asyncio.Event()
        gc.collect()
        running = asyncio.create_task(_quietly(process, stop))
        while not process.offsets:
            if running.done():
                await running
            await asyncio.sleep(0)
        began = time.perf_counter(), time.process_time()
        while sum(process.offsets.values()) < records:
            if running.done():
                await running
            await asyncio.sleep(0.005)
        spent = Spent.since(*began)
        stop.set()
        await running
        assert not process.fold.memory.totals.quarantined
        return spent

    async def verdict_ms(self) -> list[float]:
        """From a line's record written to its verdict read, again and again, in a quiet process."""
        settings = await self.settings()
        process = HealthProcess(settings, self.bootstrap, range(PARTITIONS))
        stop = asyncio.Event()
        running = asyncio.create_task(_quietly(process, stop))
        place = TopicPartition(settings.topic_prefix + "verdicts", 0)
        producer = our_producer(self.bootstrap, "bench")
        took = []
        async with AIOKafkaConsumer(bootstrap_servers=self.bootstrap) as consumer:
            consumer.assign([place])
            await consumer.seek_to_end(place)
            await producer.start()
            while not process.offsets:
                await asyncio.sleep(0.01)
            for number in range(PROBES):
                value = encode_lines(HostLines(f"h{number}", ["kernel panic: not syncing"]))
                began = time.perf_counter()
                await producer.send_and_wait(settings.topic_prefix + "host-logs", value)
                await consumer.getone(place)
                took.append((time.perf_counter() - began) * 1_000)
            await producer.stop()
        stop.set()
        await running
        return took


async def from_topic_to_verdict(bench: Bench) -> None:
    """Records of 1,000 lines and of one, beside what others do with single lines."""
    lines = list(fresh_lines(BATCHES * 1_000, 1))
    batches = [
        encode_lines(HostLines(f"h{n % 500}", lines[n * 1_000 : (n + 1) * 1_000]))
        for n in range(BATCHES)
    ]
    singles = [encode_lines(HostLines(f"h{n % 500}", [lines[n]])) for n in range(SINGLES)]
    in_batches, alone, plain = [], [], []
    topic = ""
    patterns = [each.pattern for each in rules_of(DEFAULT).rules]
    for _ in range(REPEATS):
        await bench.write(at := await bench.settings(), batches)
        in_batches.append(await bench.judged(at, BATCHES))
        await bench.write(at := await bench.settings(), singles)
        alone.append(await bench.judged(at, SINGLES))
        topic = at.topic_prefix + "host-logs"
        plain.append(await plainly(bench.bootstrap, topic, SINGLES, patterns))
    naive = await asyncio.to_thread(by_faust, bench.bootstrap, topic, SINGLES, patterns)
    of_plain = median(SINGLES / each.processor_s for each in plain)
    print_figure(
        "health_lines",
        "records of 1,000 lines, from topic to verdict, of one core's time",
        median(len(lines) / each.processor_s for each in in_batches),
        "lines/s",
        samples=REPEATS,
        peer=Peer("plain aiokafka and re, single lines, ten patterns, of one core", of_plain),
        target=LINES_PER_S_MIN,
        wall=round(median(len(lines) / each.wall_s for each in in_batches)),
        lines=len(lines),
        rules=RULES,
        megabytes=round(sum(map(len, batches)) / 1e6, 1),
    )
    print_figure(
        "health_lines",
        "records of one line, from topic to verdict, of one core's time",
        median(SINGLES / each.processor_s for each in alone),
        "lines/s",
        samples=REPEATS,
        peer=Peer("plain aiokafka and re, single lines, ten patterns, of one core", of_plain),
        target=SINGLES_PER_S_MIN,
        wall=round(median(SINGLES / each.wall_s for each in alone)),
        lines=SINGLES,
        naive_faust=round(SINGLES / naive.processor_s),
        naive_faust_wall=round(SINGLES / naive.wall_s),
    )


async def verdict_latency(bench: Bench) -> None:
    """How long after its line a verdict is there."""
    took = await bench.verdict_ms()
    print_figure(
        "health_lines",
        "from a line written to its verdict read, p99",
        percentile(took, 0.99),
        "ms",
        samples=len(took),
        target=VERDICT_MS_MAX,
        median_ms=round(median(took), 1),
    )


def templates_alone() -> None:
    """Templates of blocks and of single lines, beside drain3 where it is installed."""
    lines = list(fresh_lines(TEMPLATE_LINES, 2))
    blocks = [lines[n : n + 1_000] for n in range(0, len(lines), 1_000)]
    miner = TemplateMiner()
    began = time.process_time()
    for block in blocks:
        miner.all_of(block, "\n".join(block).encode())
    of_blocks = len(lines) / (time.process_time() - began)
    single = TemplateMiner()
    began = time.process_time()
    for line in lines:
        single.template(line)
    of_singles = len(lines) / (time.process_time() - began)
    print_figure(
        "health_lines",
        "templates in file order with fresh variables, of one core's time",
        of_blocks,
        "lines/s",
        samples=len(lines),
        peer=drained(lines[:DRAINED_LINES]),
        target=TEMPLATES_PER_S_MIN,
        one_by_one=round(of_singles),
        cache_hits=round(1 - miner.masked_lines / len(lines), 4),
        templates=len(miner.templates),
    )


def memory_over_many_lines() -> None:
    """How much the fold grows over its last three quarters, with as many hosts."""
    rules = tuple(Rule(f"r{n}", f"unit {n}: fault", "sick") for n in range(9))
    disk = Rule("refused", "refused|No route", "sick", threshold=50)
    fold = HealthFold(RuleSet((*rules, disk)))
    lines = list(fresh_lines(60_000, 3))
    blocks = [lines[n : n + 1_000] for n in range(0, len(lines), 1_000)]
    quarter, first_mib = MEMORY_LINES // 1_000 // 4, 0.0
    now, began = 1_800_000_000_000, time.process_time()
    for number in range(MEMORY_LINES // 1_000):
        at_ms = now + number * 100
        host = f"h{number % MEMORY_HOSTS}"
        source = f"host-logs:0:{number}"
        fold.take([LineRecord(host, blocks[number % len(blocks)], [at_ms], source, "0", at_ms)])
        if number == quarter:
            gc.collect()
            first_mib = resident_mib()
    spent_s = time.process_time() - began
    gc.collect()
    print_figure(
        "health_lines",
        f"growth of memory over the last three quarters of {MEMORY_LINES:,} lines",
        max(0.0, resident_mib() - first_mib),
        "MiB",
        samples=MEMORY_LINES,
        target=GROWTH_MIB_MAX,
        hosts=MEMORY_HOSTS,
        resident_mib=round(resident_mib()),
        peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1_024,
        kept_bytes=len(msgspec.msgpack.encode(fold.kept())),
        fold_lines_per_s=round(MEMORY_LINES / spent_s),
    )


def resident_mib() -> float:
    """What of this process is in memory now."""
    pages = int(Path("/proc/self/statm").read_text("utf-8").split()[1])
    return pages * resource.getpagesize() / (1 << 20)


async def on_kafka(bootstrap: str, home: Path) -> None:
    """What needs a broker."""
    bench = Bench(bootstrap, home)
    await from_topic_to_verdict(bench)
    await verdict_latency(bench)


def main() -> None:
    """Measure all of it."""
    if not FOLDER.exists():
        sys.exit("needs the loghub lines in ../shared/data, which are not here")
    configure_logging("bench")
    templates_alone()
    memory_over_many_lines()
    with tempfile.TemporaryDirectory(prefix="flumina-bench-") as folder:
        home = Path(folder)
        with EmbeddedKafka(home / "kafka") as kafka:
            asyncio.run(on_kafka(kafka.bootstrap, home))


if __name__ == "__main__":
    main()
