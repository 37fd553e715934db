"""Jobs that are traced, followed along the cell log: which step of which task came when.

The one thing to know: the fold knows nothing of traces. A request's context comes beside the log,
with the inbound record that it was in; from the copy of that record on, the steps are those that
the fold tells, and a span's id follows from the address of the record that made the step.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from scheduler.model.address import Address
from scheduler.model.changes import Change, JobAccepted, RequestAccepted, TaskChanged
from scheduler.model.events import CellRecord, Copied
from scheduler.model.ids import JobId, TaskId
from scheduler.state import State
from streams.cell.follower import Changes
from streams.tracing.context import TraceContext, span_id_of

JOBS_MAX: Final = 10_000
"""Jobs that are followed at once; of more, those that began longest ago are forgotten."""
TASKS_OF_JOB_MAX: Final = 20
"""Tasks of a job that have spans: all do alike, and a trace of ten thousand tasks shows nobody."""
INBOUND_MAX: Final = 10_000
"""Inbound records whose copy has not been folded yet."""
FOLDED_MAX: Final = 64
FOLD: Final = "fold"
FILLED_IN: Final = "filled in"
"""A state that a task must have passed although nobody said so: there is no time that it took."""
ENDED: Final = frozenset({"Started", "Finished"})
"""States of a task with which its part of the trace ends; with its last task a job is forgotten."""
Key = TypeVar("Key")
Value = TypeVar("Value")
Place = tuple[str, int, int]
"""Topic without prefix, partition and offset of an inbound record."""


class Step(msgspec.Struct, frozen=True):
    """A record made a step of something that is traced."""

    context: TraceContext
    """Of the step before it."""
    span_id: int
    kind: str
    """`fold`, or the word of a task's step, such as ``effect started``."""
    address: str
    begun_at_ms: float
    """When the step before it was folded; of a `fold`, when the inbound record was written."""
    stamped_at_ms: int
    """The time that the leader wrote into the record."""
    job_id: str = ""
    change: TaskChanged | None = None


class _Task(msgspec.Struct):
    context: TraceContext
    at_ms: float


class _Job(msgspec.Struct):
    context: TraceContext
    at_ms: float
    tasks: dict[TaskId, _Task] = {}
    count: int = 0


class TracedJobs:
    """Follows what is traced in one fold, and tells each step; a `Listener` of a follower."""

    def __init__(
        self,
        state: Callable[[], State],
        now_ms: Callable[[], float],
        tell: Callable[[Step], None],
        *,
        is_told_late: bool = False,
    ) -> None:
        """``is_told_late``: a copy may be folded before `inbound` is told of its record."""
        self._state = state
        self._now_ms = now_ms
        self._tell = tell
        self._is_told_late = is_told_late
        self._inbound: OrderedDict[Place, tuple[TraceContext, int]] = OrderedDict()
        self._jobs: OrderedDict[JobId, _Job] = OrderedDict()
        self._folded: OrderedDict[Place, tuple[int, int, CellRecord, Changes]] = OrderedDict()
        """The last copies that nobody had asked about: who writes may be told later than we."""

    def inbound(self, place: Place, context: TraceContext, written_at_ms: int) -> None:
        """Note that this inbound record is traced; what it leads to is told from now on."""
        if not context.is_sampled:
            return
        folded = self._folded.pop(place, None)
        if folded is None:
            _put(self._inbound, place, (context, written_at_ms), INBOUND_MAX)
            return
        offset, index, record, changes = folded
        behind = self._copied(offset, index, record, context, written_at_ms)
        for each, change in changes:
            if each == index:
                self._change(offset, record, each, change, behind)

    def listen(self, offset: int, record: CellRecord, changes: Changes) -> None:
        """Tell what this record, which was folded just now, means for what is traced."""
        begun: dict[int, TraceContext] = {}
        if (self._inbound or self._is_told_late) and type(record.events[0]) is Copied:
            begun = self._copies(offset, record, changes)
        if not (begun or self._jobs):
            return
        for index, change in changes:
            self._change(offset, record, index, change, begun.get(index))

    def _copies(self, offset: int, record: CellRecord, changes: Changes) -> dict[int, TraceContext]:
        """What is traced from these copies on, by the index of their events."""
        found = {}
        for index, event in enumerate(record.events):
            if not isinstance(event, Copied) or event.source.topic not in {"jobs", "commands"}:
                continue
            place = (event.source.topic, event.source.partition, event.source.offset)
            known = self._inbound.pop(place, None)
            if known is None:
                if not self._is_told_late:
                    continue
                _put(self._folded, place, (offset, index, record, changes), FOLDED_MAX)
                continue
            found[index] = self._copied(offset, index, record, *known)
        return found

    def _copied(
        self, offset: int, index: int, record: CellRecord, context: TraceContext, written_at_ms: int
    ) -> TraceContext:
        address = self._address(offset, index)
        span_id = span_id_of(context.trace_id, FOLD, address)
        self._tell(Step(context, span_id, FOLD, address, written_at_ms, record.at_ms))
        return context.at(span_id)

    def _change(
        self,
        offset: int,
        record: CellRecord,
        index: int,
        change: Change,
        context: TraceContext | None,
    ) -> None:
        if isinstance(change, JobAccepted | RequestAccepted):
            if context is not None and change.job_id is not None:
                job = _Job(context, self._now_ms())
                _put(self._jobs, change.job_id, job, JOBS_MAX)
        elif isinstance(change, TaskChanged) and change.step != FILLED_IN:
            traced = self._jobs.get(change.job_id)
            if traced is not None:
                self._task(traced, self._address(offset, index), record.at_ms, change)

    def _task(self, job: _Job, address: str, stamped_at_ms: int, change: TaskChanged) -> None:
        task = job.tasks.get(change.task_id)
        if task is None:
            if job.count >= TASKS_OF_JOB_MAX or change.state in ENDED:
                return
            job.count += 1
            task = job.tasks[change.task_id] = _Task(job.context, job.at_ms)
        span_id = span_id_of(
            job.context.trace_id, change.step, f"{address} {change.task_id} {change.state}"
        )
        self._tell(
            Step(
                task.context,
                span_id,
                change.step,
                address,
                task.at_ms,
                stamped_at_ms,
                change.job_id,
                change,
            )
        )
        task.context, task.at_ms = task.context.at(span_id), self._now_ms()
        if change.state in ENDED:
            del job.tasks[change.task_id]
            if not job.tasks:
                del self._jobs[change.job_id]

    def _address(self, offset: int, index: int) -> str:
        state = self._state()
        return str(Address(state.cell, state.generation, offset, index))


def _put(kept: OrderedDict[Key, Value], key: Key, value: Value, size_max: int) -> None:
    kept[key] = value
    if len(kept) > size_max:
        kept.popitem(last=False)
