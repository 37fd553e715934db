"""The health process: topic ``host-logs`` in, verdicts about hosts out, until a signal.

The one thing to know: it may be killed at any time. It reads on from its own offsets, kept with
its fold; verdicts are told at least once, and telling one twice changes nothing.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from connectors.cancelling import TaskGroup, to_its_end
from projections.health.blocks import LineRecord
from projections.health.judging import HealthFold
from scheduler.model.codec import encode_verdict
from scheduler.model.health import HostJudged
from streams.cell.writer import our_producer
from streams.clock import now_ms
from streams.errors import OperatorError
from streams.health.counts import HealthCounts
from streams.health.host_samples import judge_samples
from streams.health.keeping import Kept, read_kept, write_kept
from streams.health.records import Unreadable, line_records
from streams.health.rule_file import PLACE, followed
from streams.health.shipping import MARKS, agents_of, ship_logs
from streams.kafka.generations import ensure_generations
from streams.kafka.patience import REQUEST_TIMEOUT_MS
from streams.kafka.security import client_options
from streams.kafka.topic_admin import ensure_topics
from streams.kafka.topics import TOPICS
from streams.metrics_server import metrics_served
from streams.probes import Probes, probed
from streams.settings import Settings
from streams.stopping import stop_event

if TYPE_CHECKING:
    from streams.health.metrics import HealthCollector

logger = structlog.get_logger(__name__)

TOPIC: Final = "host-logs"
VERDICTS: Final = "verdicts"
DEAD_LETTERS: Final = "dead-letters"
WHY_HEADER: Final = "flumina-why"
PARTITIONS: Final = next(each.partitions or 0 for each in TOPICS if each.name == TOPIC)
POLL_MS: Final = 500
RECORDS_MAX: Final = 2_000
FOLDED_LINES_MAX: Final = 20_000
"""Lines between two looks at signals and connections: some tens of milliseconds."""
FETCH_BYTES: Final = 4 * 1024 * 1024
KEEP_MS: Final = 10_000
LOOK_MS: Final = 1_000
"""How often the file of rules is looked at."""
PASS_MS: Final = 5_000
"""How often time passes for partitions without records."""
QUIET_MS: Final = 5_000
"""So far behind the clock time passes there: what is on its way is not late yet."""
FIRST_MS: Final = 60 * 60 * 1_000
"""How far back the very first start begins."""
RETRY_S: Final = 1.0


async def judge_hosts(
    settings: Settings,
    partitions: Sequence[int],
    dev_cluster: Path | None = None,
    metrics_port: int | None = None,
) -> None:
    """Read and judge until SIGTERM or SIGINT; raises `OperatorError` where it cannot begin.

    ``dev_cluster`` is the directory of a dev cluster, whose agents' logs are shipped as well.
    """
    if settings.kafka_brokers is None:
        raise OperatorError(
            "The health process needs a Kafka.",
            "KAFKA_BROKERS is not set; `flumina up` starts one and sets it.",
            "Set it to host:port, or use `flumina up`.",
        )
    await ensure_topics(settings.kafka_brokers, settings)
    await ensure_generations(settings.kafka_brokers, settings.topic_prefix, settings.cells)
    stop = stop_event()
    counts = HealthCounts()
    async with probed(settings.probe_address, counts.why_behind) as probes:
        with metrics_served(metrics_port, partial(_collector, counts)):
            await _run(settings, partitions, dev_cluster, (stop, counts, probes))


async def _run(
    settings: Settings,
    partitions: Sequence[int],
    dev_cluster: Path | None,
    shared: tuple[asyncio.Event, HealthCounts, Probes],
) -> None:
    stop, counts, probes = shared
    assert settings.kafka_brokers is not None
    async with TaskGroup() as group:
        process = HealthProcess(settings, settings.kafka_brokers, partitions, probes)
        process.counts = counts
        group.create_task(_judge(process, stop))
        if 0 in partitions:  # One of several processes looks at metrics.
            group.create_task(judge_samples(settings, settings.kafka_brokers, stop))
        if dev_cluster is not None:
            marks = settings.data_dir / MARKS
            group.create_task(ship_logs(settings, agents_of(dev_cluster), marks, stop))


def _collector(counts: HealthCounts) -> "HealthCollector":
    from streams.health.metrics import HealthCollector  # noqa: PLC0415 - only who is scraped

    return HealthCollector(counts)


async def _judge(process: "HealthProcess", stop: asyncio.Event) -> None:
    """Judge until it is stopped; faults of Kafka are waited for."""
    while not stop.is_set():
        try:
            await process.run(stop)
        except (KafkaError, OSError) as error:
            logger.warning("host logs cannot be read; trying again", why=repr(error))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), RETRY_S)


class HealthProcess:
    """One reader of some partitions, with its fold; `run` may be called again after a fault."""

    def __init__(
        self,
        settings: Settings,
        bootstrap: str,
        partitions: Sequence[int],
        probes: Probes | None = None,
    ) -> None:
        self._settings = settings
        self._bootstrap = bootstrap
        self._topic = settings.topic_prefix + TOPIC
        self._places = [TopicPartition(self._topic, number) for number in partitions]
        name = "-".join(map(str, partitions)) if len(partitions) < PARTITIONS else "all"
        self._path = settings.data_dir / "health" / f"kept-{name}.bin"
        self._rule_file = followed(settings.data_dir / PLACE)
        self._kept_at_ms = 0
        self._looked_at_ms = 0
        self._passed_at_ms = 0
        self._probes = probes or Probes()
        self.counts = HealthCounts()
        self.offsets: dict[int, int] = {}
        """The next record of each partition."""
        self.fold = HealthFold(self._rule_file.rules)

    async def run(self, stop: asyncio.Event) -> None:
        """Read, judge and tell until it is stopped; raises aiokafka's errors."""
        kept = await asyncio.to_thread(read_kept, self._path) or Kept()
        self.offsets = dict(kept.offsets)
        self._rule_file.refresh()
        self.fold = HealthFold(self._rule_file.rules, kept.memory)
        consumer = AIOKafkaConsumer(
            **client_options(self._bootstrap),
            client_id="flumina-health",
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=FETCH_BYTES,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )
        producer = our_producer(self._bootstrap, "flumina-health")
        await consumer.start()
        try:
            await producer.start()
            try:
                await self._begin(consumer)
                while not stop.is_set():
                    await self._step(consumer, producer)
                await self._keep()
            finally:
                await producer.stop()
        finally:
            await to_its_end(consumer.stop())

    async def _begin(self, consumer: AIOKafkaConsumer) -> None:
        """Go to where each partition goes on: by what was kept, or an hour ago."""
        consumer.assign(self._places)
        ends = await consumer.end_offsets(self._places)
        new = [each for each in self._places if each.partition not in self.offsets]
        since = dict.fromkeys(new, now_ms() - FIRST_MS)
        found = await consumer.offsets_for_times(since) if new else {}
        for place in self._places:
            offset = self.offsets.get(place.partition)
            if offset is None:
                first = found.get(place)
                offset = ends[place] if first is None else first.offset
            elif offset > ends[place]:
                logger.warning("partition is another than before", partition=place.partition)
                offset = 0
            self.offsets[place.partition] = offset
            consumer.seek(place, offset)
        if not self._probes.is_started:
            self._probes.begun(f"ready {self._topic}")

    async def _step(self, consumer: AIOKafkaConsumer, producer: AIOKafkaProducer) -> None:
        """Read once, judge, tell; then whatever is due."""
        try:
            found = await consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS_MAX)
        except OffsetOutOfRangeError:
            await self._catch_up(consumer)
            return
        for place, records in found.items():
            await self._take(place, records, producer)
        at_ms = now_ms()
        if at_ms - self._looked_at_ms >= LOOK_MS:
            self._looked_at_ms = at_ms
            if self._rule_file.refresh():
                self.fold.set_rules(self._rule_file.rules)
        if at_ms - self._passed_at_ms >= PASS_MS:
            self._passed_at_ms = at_ms
            await self._pass_time(consumer, producer, at_ms)
        if at_ms - self._kept_at_ms >= KEEP_MS:
            self._kept_at_ms = at_ms
            await self._keep()

    async def _take(
        self,
        place: TopicPartition,
        records: Sequence["ConsumerRecord[bytes, bytes]"],
        producer: AIOKafkaProducer,
    ) -> None:
        """Judge the records of one partition, a bounded number of lines at a time."""
        batch: list[LineRecord] = []
        lines = 0
        self.counts.records += len(records)
        for record in records:
            try:
                read = _read(record)
            except Unreadable as error:
                await self._bury(producer, record, str(error))
                continue
            batch += read
            found = sum(len(each.lines) for each in read)
            lines += found
            self.counts.lines += found
            if lines >= FOLDED_LINES_MAX:
                await self._judge(producer, batch)
                batch, lines = [], 0
                self.offsets[place.partition] = record.offset + 1
                # What the fold took no coroutine could run in.
                await asyncio.sleep(0)
        if batch:
            await self._judge(producer, batch)
        self.offsets[place.partition] = records[-1].offset + 1

    async def _judge(self, producer: AIOKafkaProducer, batch: Sequence[LineRecord]) -> None:
        await self._tell(producer, self.fold.take(batch))
        for each in self.fold.appeared:
            logger.info(
                "line never seen before",
                host=each.host_id,
                source=each.source,
                template=each.template.text,
                severity=round(each.severity, 2),
            )

    async def _tell(self, producer: AIOKafkaProducer, verdicts: Sequence[HostJudged]) -> None:
        """Publish verdicts to every cell: each takes those of its own hosts."""
        topic = self._settings.topic_prefix + VERDICTS
        sent = [
            await producer.send(
                topic, encode_verdict(each), key=each.host_id.encode(), partition=cell
            )
            for each in verdicts
            for cell in range(self._settings.cells)
        ]
        await asyncio.gather(*sent)
        for each in verdicts:
            self.counts.verdicts[each.standing] += 1
            logger.info(
                "verdict", host=each.host_id, standing=each.standing, score=each.score_milli
            )

    async def _bury(
        self, producer: AIOKafkaProducer, record: "ConsumerRecord[bytes, bytes]", why: str
    ) -> None:
        logger.warning("record cannot be read", partition=record.partition, offset=record.offset)
        source = f"{TOPIC}:{record.partition}:{record.offset}"
        self.counts.dead_letters += 1
        await producer.send_and_wait(
            self._settings.topic_prefix + DEAD_LETTERS,
            record.value,
            key=f"{record.topic}/{record.partition}".encode(),
            headers=[(WHY_HEADER, why.encode()), ("flumina-source", source.encode())],
        )

    async def _pass_time(
        self, consumer: AIOKafkaConsumer, producer: AIOKafkaProducer, at_ms: int
    ) -> None:
        """Let time pass for partitions that were read to their end, so that hosts get well."""
        quiet = []
        for place in self._places:
            end = consumer.highwater(place)
            if end is not None:
                self.counts.lag[place.partition] = max(0, end - self.offsets[place.partition])
            if end is not None and self.offsets[place.partition] >= end:
                quiet.append(str(place.partition))
        await self._tell(producer, self.fold.passed(quiet, at_ms - QUIET_MS))

    async def _catch_up(self, consumer: AIOKafkaConsumer) -> None:
        """Go on where a partition begins that has lost what was not read in time."""
        begins = await consumer.beginning_offsets(self._places)
        for place in self._places:
            lost = begins[place] - self.offsets[place.partition]
            if lost > 0:
                self.counts.lost += lost
                logger.error("records were deleted unread", partition=place.partition, lost=lost)
                self.offsets[place.partition] = begins[place]
                consumer.seek(place, begins[place])

    async def _keep(self) -> None:
        """Write down what is known; the fold stands still meanwhile."""
        kept = Kept(self.offsets, self.fold.kept())
        await asyncio.to_thread(write_kept, self._path, kept)
        self.counts.kept_at_ms = now_ms()


def _read(record: "ConsumerRecord[bytes, bytes]") -> list[LineRecord]:
    """The lines of a record; raises `Unreadable`."""
    lane = str(record.partition)
    source = f"{TOPIC}:{lane}:{record.offset}"
    return line_records(record.value or b"", record.key, source, lane, record.timestamp)
