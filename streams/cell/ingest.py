"""Ingest: copies a cell's inbound partitions into its log, in order, with nothing lost or doubled.

The one thing to know: it starts from the watermark that the fold has, never from a committed
offset, and reads back what the fold made of its copies. Where the watermark is not what it
expects (another leader wrote meanwhile, a record was lost), it seeks back and copies again; the
fold ignores what it has already taken. A fold that an operator's skip has begun anew knows nothing
for a while: ingest waits until it is whole, and then goes on from its watermark.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from msgspec.structs import replace

from connectors.cancelling import to_its_end
from scheduler.inbound_runs import InboundRuns
from scheduler.model.address import Source
from scheduler.model.codec import Undecodable, decode_hosts, decode_mesos, decode_verdict, digest_of
from scheduler.model.events import CellEvent, Copied
from scheduler.model.foreign import decode_commands_record, decode_jobs_record
from scheduler.model.ids import Generation
from scheduler.model.inbound import Fault, InboundBody, InboundLost, InboundRejected, PartitionBegan
from streams.cell.follower import Follower
from streams.cell.lead import Lead
from streams.cell.points import reached
from streams.cell.surroundings import PRODUCTION, Surroundings
from streams.clock import elapsed_s
from streams.tracing.of_cell import TRACED, CellTracing

logger = structlog.get_logger(__name__)

BATCH_RECORDS_MAX = 1_000
POLL_MS = 1_000
RETRY_S = 0.5
TRUNCATED_RETRY_S = 10.0
UNMARKED = Generation("00000000")
"""The generation of a partition whose first record does not name one (made by hand)."""


class Ingest:
    """Copies one inbound partition of one cell, for one leadership."""

    def __init__(
        self,
        lead: Lead,
        follower: Follower,
        bootstrap: str,
        kind: str,
        topic: str,
        *,
        surroundings: Surroundings = PRODUCTION,
        tracing: CellTracing | None = None,
    ) -> None:
        self._lead = lead
        self._surroundings = surroundings
        self._follower = follower
        self._bootstrap = bootstrap
        self._kind = kind
        self._place = TopicPartition(topic, follower.partition)
        self._copied_offset = -1
        self._generation = UNMARKED
        self._runs: InboundRuns | None = None
        self._tracing = tracing if kind in TRACED else None
        self._halted_at_s: float | None = None
        self._fold = follower.fold
        """The fold whose watermark we went on from."""
        self.is_backlog_copied = asyncio.Event()
        """Set once everything that was there at the election has been copied and read back."""

    async def run(self) -> None:
        """Copy until cancelled; faults of Kafka are retried, everything else ends the leader."""
        while True:
            try:
                await self._run_until_fault()
            except InboundTruncated as error:
                self.is_backlog_copied.set()  # There is nothing to wait for.
                logger.critical("inbound topic lost records", page=True, why=str(error))
                await asyncio.sleep(TRUNCATED_RETRY_S)
            except (KafkaError, OSError) as error:
                logger.warning("inbound topic cannot be read", topic=self._kind, why=repr(error))
                await asyncio.sleep(RETRY_S)

    async def _run_until_fault(self) -> None:
        client_id = f"flumina-ingest-{self._kind}"
        consumer = self._surroundings.open_consumer(self._bootstrap, client_id)
        await consumer.start()
        try:
            consumer.assign([self._place])
            end = (await consumer.end_offsets([self._place]))[self._place]
            await self._seek_to_watermark(consumer)
            while True:
                if self._copied_offset >= end - 1:
                    self.is_backlog_copied.set()
                await self._until_level()
                await self._one_batch(consumer)
        finally:
            await to_its_end(consumer.stop())

    async def _until_level(self) -> None:
        """Wait while the fold has been halted for long; operators' commands are never waited for.

        Records stay in their topic, which keeps them; a copy would only be scanned, and be folded
        later with everything behind it before anybody is answered.
        """
        if self._follower.halt is None or self._kind == "commands":
            self._halted_at_s = None
            return
        if self._halted_at_s is None:
            self._halted_at_s = elapsed_s()
        pace = self._lead.pace
        if elapsed_s() - self._halted_at_s < pace.behind_s_max:
            return
        logger.warning("the fold is halted; nothing more is copied", topic=self._kind)
        version = -1
        while self._follower.halt is not None:
            version = await self._follower.newer(version, pace.tick_s)
        logger.info("the fold goes on, and so does copying", topic=self._kind)

    async def _one_batch(self, consumer: AIOKafkaConsumer) -> None:
        try:
            found = await consumer.getmany(
                self._place, timeout_ms=POLL_MS, max_records=BATCH_RECORDS_MAX
            )
        except OffsetOutOfRangeError:
            await self._seek_to_watermark(consumer)
            return
        records: Sequence[ConsumerRecord[bytes, bytes]] = found.get(self._place, ())
        if not records:
            return
        if self._fold is not self._follower.fold:
            await self._seek_to_watermark(consumer)
            return
        reached("inbound-read", self._kind)
        readable, unreadable = self._readable(records)
        if readable:
            await self._write(readable, consumer)
        if unreadable is not None:
            # The same words wherever it is met: many leaders that it stops are one page.
            logger.critical(
                "a record of an inbound topic cannot be read", page=True, why=str(unreadable)
            )
            raise unreadable

    async def _write(self, records: "Sequence[Read]", consumer: AIOKafkaConsumer) -> None:
        events = self._copies(records)
        if self._tracing is not None:
            # Only what is copied for the first time: what the fold has taken is told no more.
            self._tracing.copying(self._kind, self._generation, [each.record for each in records])
        expected = records[-1].record.offset
        await self._lead.write_and_read_back(events)
        self._copied_offset = expected
        if self._follower.halt is None and self._watermark() != expected:
            logger.warning(
                "copies were not taken; copying again from the fold's watermark",
                topic=self._kind,
                expected=expected,
                found=self._watermark(),
            )
            await self._seek_to_watermark(consumer)

    def _watermark(self) -> int:
        mark = self._follower.machine.state.watermarks.get((self._kind, self._place.partition))
        return -1 if mark is None else mark.offset

    async def _seek_to_watermark(self, consumer: AIOKafkaConsumer) -> None:
        """Go on behind the fold's watermark; name what Kafka dropped before it was copied."""
        await self._follower.until_whole()
        self._fold = self._follower.fold
        mark = self._follower.machine.state.watermarks.get((self._kind, self._place.partition))
        self._copied_offset = -1 if mark is None else mark.offset
        self._generation = UNMARKED if mark is None else mark.generation
        self._runs = None
        begin = (await consumer.beginning_offsets([self._place]))[self._place]
        end = (await consumer.end_offsets([self._place]))[self._place]
        if mark is not None and begin == 0 and end > 0:
            self._generation = await self._generation_of(consumer)
        if mark is not None and self._generation != mark.generation:
            # Another incarnation of the partition: its first record names it, and the fold
            # begins it anew.
            self._copied_offset = -1
        elif self._copied_offset >= end:
            raise InboundTruncated(self._kind, self._copied_offset, end)
        elif begin > self._copied_offset + 1:
            await self._name_the_lost(begin)
        consumer.seek(self._place, self._copied_offset + 1)

    async def _generation_of(self, consumer: AIOKafkaConsumer) -> Generation:
        """What record 0 says of the partition's generation."""
        consumer.seek(self._place, 0)
        first = await consumer.getone(self._place)
        try:
            body = decode_mesos(first.value or b"")
        except Undecodable:
            return UNMARKED
        return Generation(body.generation) if isinstance(body, PartitionBegan) else UNMARKED

    async def _name_the_lost(self, begin: int) -> None:
        lost = InboundLost(first_offset=self._copied_offset + 1, last_offset=begin - 1)
        logger.critical(
            "Kafka dropped inbound records before they were copied",
            page=True,
            topic=self._kind,
            first=lost.first_offset,
            last=lost.last_offset,
        )
        await self._lead.write_and_read_back([self._copy(begin - 1, 0, lost)])

    def _readable(
        self, records: Sequence[ConsumerRecord[bytes, bytes]]
    ) -> "tuple[list[Read], UnreadableInbound | None]":
        """The records before the first that cannot be read, and what is wrong with that one."""
        found = []
        for record in records:
            try:
                found.append(Read(record, self._body(record)))
            except Undecodable as error:
                value = record.value or b""
                return found, UnreadableInbound(
                    self._kind, record.offset, value, record.timestamp, error
                )
        return found, None

    def _body(self, record: ConsumerRecord[bytes, bytes]) -> Any:  # noqa: ANN401 - as its topic
        """What a record says; what foreigners write is rejected, and never unreadable."""
        decode_ours = _OURS.get(self._kind)
        if decode_ours is not None:
            return decode_ours(record.value or b"")
        decode = decode_jobs_record if self._kind == "jobs" else decode_commands_record
        return decode(record.key, record.value)

    def _copies(self, records: "Sequence[Read]") -> list[CellEvent]:
        if self._kind == "mesos":
            return self._mesos_copies(records)
        events: list[CellEvent] = []
        for record, body in records:
            told = self._began(record, body) if isinstance(body, PartitionBegan) else body
            events.append(self._copy(record.offset, record.timestamp, told))
        return events

    def _mesos_copies(self, records: "Sequence[Read]") -> list[CellEvent]:
        """One batch of the stream; what a batch holds of a run of offers becomes one difference."""
        runs = self._runs
        if runs is None:
            runs = self._runs = self._begun_runs()
        events: list[CellEvent] = []
        for record, body in records:
            events += runs.add(record.offset, body, record.timestamp)
        events += runs.flush()
        return events

    def _begun_runs(self) -> InboundRuns:
        """Runs that begin where we are: a halted fold has not taken what was copied since."""
        state = self._follower.machine.state
        mark = state.watermarks.get((self._kind, self._place.partition))
        if mark is not None and mark.generation == self._generation:
            mark = replace(mark, offset=self._copied_offset)
        return InboundRuns(self._place.partition, mark, state.hosts)

    def _began(
        self, record: ConsumerRecord[bytes, bytes], body: PartitionBegan
    ) -> PartitionBegan | InboundRejected:
        """Take the generation from a partition's first record; a later one is a stranger's."""
        if record.offset == 0:
            self._generation = Generation(body.generation)
            self._copied_offset = -1
            return body
        fault = Fault(
            field="type",
            text="PartitionBegan stands only at the beginning of a partition",
            hint="publish SubmitJob, KillJob, ScaleJob or KillTask",
        )
        value = record.value or b""
        return InboundRejected(faults=(fault,), digest=digest_of(value), bytes_total=len(value))

    def _copy(self, offset: int, observed_at_ms: int, body: InboundBody) -> Copied:
        source = Source(
            self._kind, self._generation, self._place.partition, offset, self._copied_offset
        )
        self._copied_offset = offset
        return Copied(source=source, body=body, observed_at_ms=observed_at_ms)


_OURS: Final[Mapping[str, Callable[[bytes], object]]] = {
    "mesos": decode_mesos,
    "hosts": decode_hosts,
    "verdicts": decode_verdict,
}
"""Topics that only our own processes write: what does not decode there ends the leader."""


class Read(NamedTuple):
    """A record as Kafka gave it, and what it says."""

    record: "ConsumerRecord[bytes, bytes]"
    body: Any
    """Of topic ``mesos`` a `MesosRecord`, of others an `InboundBody`; or `PartitionBegan`."""


class InboundTruncated(OSError):
    """Kafka has less of a partition than was copied from it: acknowledged records are gone."""

    def __init__(self, topic: str, copied_offset: int, end: int) -> None:
        super().__init__(
            f"topic {topic} ends at {end}, but records up to {copied_offset} were copied from it: "
            "Kafka lost acknowledged records. New ones are not copied until it has grown past "
            "that offset; restore the topic, or begin it anew"
        )


class UnreadableInbound(Exception):
    """A record of our own inbound topic that this build cannot read: the leader must not go on."""

    def __init__(
        self, topic: str, offset: int, value: bytes, written_at_ms: int, error: Exception
    ) -> None:
        self.written_at_ms = written_at_ms
        super().__init__(
            f"record {offset} of topic {topic} (digest {digest_of(value)}) cannot be read: "
            f"{error}. Another build or a stranger wrote it; run the build that knows it"
        )
