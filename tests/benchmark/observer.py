"""Watches one cell from outside: when each hop of a submission was there to be read.

The one thing to know: a hop counts when this process has read its record back from the broker, by
a lane and a fold of its own; only what a host does is taken from the dev cluster's journal, which
stamps whole milliseconds of the same clock.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition

from scheduler.model.changes import TaskChanged
from scheduler.model.codec import decode_mesos, encode_record
from scheduler.model.events import CellRecord, Copied, Tick
from scheduler.model.ids import JobId, job_id_of
from scheduler.model.inbound import JobSubmitted
from scheduler.model.mesos import StatusUpdate
from streams.cell.follower import BareFold, Changes, Follower, LogRecord
from streams.cell.lane import Lane
from tests.benchmark.recording import is_at_rest

POLL_S = 0.02
STILL_MS = 300.0
"""So long nothing but ticks was written when a cell counts as idle."""
TIMEOUT_S = 60.0
STEPS = {"launch accepted": "launch accepted", "effect started": "EffectStarted"}
"""Steps of a task as the fold names them, and what the hop is called here."""
STARTED = "Started folded"


def now_ms() -> float:
    """Wall time with fractions: the dev cluster's journal and Kafka use the same clock."""
    return time.time_ns() / 1e6


class Observer:
    """Follows a cell's log and topic `mesos`, and notes when a job's hops were read."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self._bootstrap = bootstrap
        self._mesos = TopicPartition(f"{prefix}mesos", 0)
        self.follower = Follower(f"{prefix}cell", 0, BareFold)
        self.follower.listeners.append(self._folded)
        self._lane = Lane(self.follower, bootstrap, self._deliver)
        self.hops: dict[JobId, dict[str, float]] = {}
        self.values: dict[JobId, list[bytes]] = {}
        """The records that brought each job on its way, in order."""
        self._worked_at_ms = 0.0

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch as long as the block runs."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, enable_auto_commit=False)
        await consumer.start()
        await self._lane.start()
        try:
            consumer.assign([self._mesos])
            await consumer.seek_to_beginning(self._mesos)
            reading = asyncio.create_task(self._read_mesos(consumer))
            try:
                yield
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
        finally:
            await self._lane.stop()
            await consumer.stop()

    async def _deliver(self, records: Sequence[LogRecord]) -> None:
        self.follower.take(records)

    def _folded(self, _: int, record: CellRecord, changes: Changes) -> None:
        at_ms = now_ms()
        if not all(isinstance(event, Tick) for event in record.events):
            self._worked_at_ms = at_ms
        for event in record.events:
            if isinstance(event, Copied) and isinstance(event.body, JobSubmitted):
                self._note(event.body.job_id, "copied", at_ms, encode_record(record))
        for _, change in changes:
            if isinstance(change, TaskChanged):
                hop = STARTED if change.state == "Started" else STEPS.get(change.step)
                if hop is not None:
                    self._note(change.job_id, hop, at_ms, encode_record(record))

    async def _read_mesos(self, consumer: AIOKafkaConsumer) -> None:
        async for each in consumer:
            at_ms = now_ms()
            record = decode_mesos(each.value)
            if isinstance(record, StatusUpdate) and record.state == "TASK_RUNNING":
                job_id = job_id_of(record.task_id)
                if job_id is not None:
                    self._note(job_id, "update in topic mesos", at_ms, each.value)

    def _note(self, job_id: JobId, hop: str, at_ms: float, value: bytes) -> None:
        hops = self.hops.setdefault(job_id, {})
        if hop not in hops:
            hops[hop] = at_ms
            self.values.setdefault(job_id, []).append(value)

    async def until_started(self, job_id: JobId) -> None:
        """Return when the fold has this job's task as Started."""
        await self._until(lambda: STARTED in self.hops.get(job_id, {}), f"{job_id} runs")

    async def until_idle(self) -> None:
        """Return when all jobs are done, all offers are held again, and nothing moves."""
        await self._until(self._is_idle, "the cell is at rest, with all its offers held")

    def _is_idle(self) -> bool:
        state = self.follower.machine.state
        is_still = now_ms() - self._worked_at_ms > STILL_MS
        return is_still and state.active_jobs == 0 and is_at_rest(state)

    async def _until(self, condition: Callable[[], bool], what: str) -> None:
        version = -1
        async with asyncio.timeout(TIMEOUT_S):
            while not condition():
                assert self.follower.halt is None, f"waiting for this: {what}"
                version = await self.follower.newer(version, POLL_S)
