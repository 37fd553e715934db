"""One cell as the api process has it: its fold, fed from Kafka, and a way to publish requests.

The one thing to know: this fold is the api's own. It decides nothing and writes nothing to the
cell log, so any number of api processes may follow the same cell, and each may be killed.
"""

import asyncio
import os
import socket
import uuid
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from connectors.cancelling import TaskGroup
from connectors.web.cell import NotWritten, Progress, Token, Topic
from connectors.web.limits.guarding import request_headers
from connectors.web.observing import Observing
from connectors.web.passing import Passing
from projections.cell_view import CellView
from scheduler.machine import Machine
from scheduler.model.events import CellRecord
from scheduler.state import State
from streams.api.log_end import LogEnd
from streams.cell.follower import Changes, Follower, LogRecord
from streams.cell.lane import Lane
from streams.cell.writer import cloud_event_headers, our_producer
from streams.clock import elapsed_s, now_ms
from streams.garbage import not_looking
from streams.logs import Place
from streams.snapshots.opening import Beginnings
from streams.tracing.of_api import ApiTracing
from streams.tracing.spans import SpanQueue
from streams.upgrade.announcing import announce
from streams.upgrade.reader import reader_here

logger = structlog.get_logger(__name__)

PUBLISH_S_MAX: Final = 5.0
STOP_S_MAX: Final = 5.0
FOLD_S_AT_ONCE: Final = 0.004
"""After so long the loop serves requests: neither the fold of a long log nor that of a few large
records must deafen us. Counted in time, for a record may hold one event or a thousand."""
CLIENT_ID: Final = "flumina-api"


class ViewFold:
    """A cell's view as a follower drives it."""

    def __init__(self, machine: Machine | None = None) -> None:
        """A restored machine's view begins its histories late; see `CellView.restored`."""
        is_late = machine is not None and machine.state.next_offset > 0
        self.view = CellView.restored(machine) if machine and is_late else CellView()

    @property
    def machine(self) -> Machine:
        """The machine that folds."""
        return self.view.machine

    def apply(self, offset: int, record: CellRecord) -> Changes:
        """Fold one record; the changes it made."""
        return list(self.view.apply(offset, record))

    def pass_over(self, offset: int) -> None:
        """Leave one record out."""
        self.view.machine.pass_over(offset)


class FollowedCell:
    """Follows one partition of the cell log; what `connectors.web.cell.Cell` asks for."""

    def __init__(
        self,
        bootstrap: str,
        topic_prefix: str,
        partition: int,
        beginnings: Beginnings | None = None,
    ) -> None:
        """``beginnings``: snapshots to begin at; without, the log is folded from offset 0."""
        self.partition = partition
        self.passing = Passing()
        self._bootstrap = bootstrap
        self._prefix = topic_prefix
        self._beginnings = beginnings
        find_base = beginnings.find_base if beginnings else None
        self._follower = Follower(topic_prefix + "cell", partition, ViewFold, find_base)
        self._follower.listeners.append(self._folded)
        self.on_changes: Callable[[State, int, CellRecord, Changes], None] | None = None
        """Told of what each record changed: from it pages are sent."""
        self.on_record: Callable[[State, int, CellRecord, Changes], None] | None = None
        """Told of each record, be there changes or not: from it alerts are made."""
        self.observing: Observing | None = None
        """Told of each record once it is folded: from it events are streamed."""
        self.tracing: ApiTracing | None = None
        """Who tells of traces; None: tracing is off."""
        self._lane = Lane(self._follower, bootstrap, self._deliver)
        self._log_end = LogEnd(bootstrap, self._follower.topic, partition)
        self._producer: AIOKafkaProducer | None = None
        self._renewing = asyncio.Lock()

    @property
    def view(self) -> CellView:
        """The fold as it is now; another object after the log was folded anew."""
        fold = self._follower.fold
        assert isinstance(fold, ViewFold)
        return fold.view

    def place(self) -> Place:
        """How far the fold is, for lines of the log."""
        return Place(self._follower.machine.state.epoch, self._follower.seen_offset)

    def trace(self, spans: SpanQueue, share: float) -> ApiTracing:
        """Tell of traces from now on; ``share`` of what comes without one begins one."""
        self.tracing = ApiTracing(spans, share, self._follower)
        return self.tracing

    def progress(self) -> Progress:
        """Whether the fold goes on, and how far behind it is."""
        halt = self._follower.halt
        return Progress(
            halt=halt.sentence() if halt else "",
            halted_at=(halt.offset, halt.digest) if halt else None,
            lag_records=self._lag_records(),
            kafka_silent_ms=self._log_end.silent_ms(),
        )

    def _lag_records(self) -> int:
        end = max(self._lane.end_offset, self._log_end.offset)
        return max(0, end - self._follower.wanted_offset)

    def now_ms(self) -> int:
        """Wall time in milliseconds since 1970."""
        return now_ms()

    async def run(self) -> None:
        """Follow the log until cancelled; raises when the lane ends for any other reason."""
        if self._beginnings is not None:
            with not_looking():
                await self._beginnings.begin(self._follower)
        await self._lane.start()
        try:
            async with TaskGroup() as group:
                group.create_task(self._log_end.run())
                group.create_task(self._watch_lane())
                group.create_task(self._announce())
        finally:
            await self._lane.stop()
            await self._stop_producer()

    async def _announce(self) -> None:
        """Say what this build reads, so that no leader writes what would halt us."""
        name = f"api-{socket.gethostname()}-{os.getpid()}"
        producer = our_producer(self._bootstrap, f"flumina-{name}")
        await producer.start()
        try:
            reader = reader_here(name, "api", version("flumina"))
            await announce(producer, self._prefix, self.partition, reader)
        finally:
            await _stopped(producer)

    async def _watch_lane(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            if self._lane.crashed:
                raise RuntimeError(f"the lane ended: {self._lane.crash_reason!r}")

    async def _deliver(self, records: Sequence[LogRecord]) -> None:
        due_s = elapsed_s() + FOLD_S_AT_ONCE
        for record in records:
            if self._follower.wanted_offset != record.offset:
                return  # Begun anew: the lane seeks to where the fold wants to go on.
            self._follower.take((record,))
            if elapsed_s() >= due_s:
                await asyncio.sleep(0)
                due_s = elapsed_s() + FOLD_S_AT_ONCE

    def _folded(self, offset: int, record: CellRecord, changes: Changes) -> None:
        if changes and self.on_changes is not None:
            self.on_changes(self._follower.machine.state, offset, record, changes)
        if self.on_record is not None:
            self.on_record(self._follower.machine.state, offset, record, changes)
        if self.observing is not None:
            self.observing.folded(self.view, offset, record, changes, self._lag_records)
        marks = self._follower.machine.state.watermarks
        inbound = {lane: mark.offset for lane, mark in marks.items()}
        self.passing.folded(("cell", self.partition), offset, inbound)

    async def publish(self, topic: Topic, key: str, value: bytes) -> Token:
        """Where the record stands, once it is on all in-sync replicas; raises `NotWritten`."""
        headers = cloud_event_headers(f"flumina.{topic}.request", "/flumina/api", uuid.uuid4().hex)
        headers += request_headers()
        span = self.tracing.publishing(topic) if self.tracing is not None else None
        if span is not None:
            headers.append(span.header)
        try:
            async with asyncio.timeout(PUBLISH_S_MAX):
                producer = await self._running_producer()
                written = await producer.send_and_wait(
                    self._prefix + topic,
                    value,
                    key=key.encode(),
                    partition=self.partition,
                    headers=headers,
                )
        except TimeoutError as error:
            # The producer goes on trying: an idempotent one never gives a batch up.
            raise NotWritten(f"no answer within {PUBLISH_S_MAX:.0f} s") from error
        except (KafkaError, OSError) as error:
            # A producer that has failed for good answers every later record with the same error.
            await self._stop_producer()
            raise NotWritten(repr(error)) from error
        if written.offset < 0:
            raise NotWritten("it has the record, and did not say where")
        if span is not None:
            assert self.tracing is not None
            self.tracing.published(span, self.partition, written.offset)
        return Token(topic, self.partition, written.offset)

    async def _running_producer(self) -> AIOKafkaProducer:
        async with self._renewing:
            if self._producer is None:
                producer = our_producer(self._bootstrap, CLIENT_ID)
                await producer.start()
                self._producer = producer
            return self._producer

    async def _stop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await _stopped(producer)


async def _stopped(producer: AIOKafkaProducer) -> None:
    """Stop the producer; where Kafka is away, without what it did not get rid of."""
    try:
        async with asyncio.timeout(STOP_S_MAX):
            await producer.stop()
    except (TimeoutError, KafkaError, OSError) as error:
        logger.warning("the producer did not stop cleanly", why=repr(error))
