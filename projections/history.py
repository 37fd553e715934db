"""Histories as people and programs read them: lines with addresses, oldest first.

The one thing to know: every address in a line names an event that stands in the cell log, and
every source a record of an inbound topic. Rounds that refused a job's waiting tasks are laid over
the time in which each task waited, so a task's history shows only the rounds that refused *it*.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import islice
from typing import Final

import msgspec

from projections.cell_view import CellView
from projections.entries import Entry, LaunchFacts, RefusalRun, Spot, StatusFacts, TaskHistory
from scheduler.model.events import ClassRefusal
from scheduler.model.ids import JobId, TaskId

LINES_MAX: Final = 5_000
"""Lines of one answer; a job with thousands of tasks is read task by task."""


class Refused(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """What one rule refused in a round: how many hosts, and which came nearest."""

    rule: str
    hosts: int
    nearest_host_id: str = ""
    nearest_hostname: str = ""
    missing: str = ""


class Line(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """One step of a history; what is empty does not apply."""

    address: str
    at_ms: int
    what: str
    job_id: str
    task_id: str = ""
    state: str = ""
    reason: str = ""
    message: str = ""
    host_id: str = ""
    hostname: str = ""
    actor: str = ""
    source: str = ""
    """The inbound record that said so: ``topic/generation:partition:offset``."""
    cause: str = ""
    """The address of the event that led to this one."""
    proposal_id: str = ""
    proposal: str = ""
    """The address of the proposal."""
    policy_version: int = 0
    mesos_state: str = ""
    mesos_reason: str = ""
    stream_id: str = ""
    has_uuid: bool = False
    observed_at_ms: int = 0
    refusals: tuple[Refused, ...] = ()
    wake: str = ""
    """What could change a refusal, in words."""
    count: int = 1
    last_address: str = ""
    last_at_ms: int = 0


class HistoryOf(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A history, oldest line first, and what of it is no longer here."""

    id: str
    lines: tuple[Line, ...]
    dropped: int = 0
    """Lines that are only in the log: forgotten, or beyond what one answer holds."""


def history_of_task(view: CellView, task_id: TaskId) -> HistoryOf | None:
    """All that happened to the task, with the rounds that refused it; None where it is unknown."""
    history = view.task_history(task_id)
    if history is None:
        return None
    lines = tuple(line for _, line in _lines_of_task(view, history))
    return HistoryOf(id=task_id, lines=lines, dropped=history.dropped)


def history_of_job(
    view: CellView, job_id: JobId, *, is_with_tasks: bool = False
) -> HistoryOf | None:
    """All that happened to the job, and to its tasks if asked for; None where it is unknown."""
    history = view.job_history(job_id)
    if history is None:
        return None
    own = ((entry.spot, line_of(view, entry, job_id)) for entry in history.entries)
    refused = (
        (run_spot(run, 0), refusal_line(view, run, (0, len(run.offsets)), job_id))
        for run in history.refusals
    )
    parts: list[Iterable[tuple[Spot, Line]]] = [own, refused]
    dropped = history.dropped + history.refusals_dropped
    if is_with_tasks:
        for task_id in history.task_ids:
            task = view.task_history(task_id)
            if task is None:
                continue
            dropped += task.dropped
            parts.append((each.spot, line_of(view, each, job_id, task_id)) for each in task.entries)
    everything = merge(*parts, key=lambda pair: pair[0])
    lines = tuple(line for _, line in islice(everything, LINES_MAX))
    return HistoryOf(id=job_id, lines=lines, dropped=dropped + sum(1 for _ in everything))


def _lines_of_task(view: CellView, history: TaskHistory) -> Iterator[tuple[Spot, Line]]:
    own = (
        (each.spot, line_of(view, each, history.job_id, history.task_id))
        for each in history.entries
    )
    refused = (
        (
            run_spot(run, first),
            refusal_line(view, run, (first, last), history.job_id, history.task_id),
        )
        for run, first, last in refusals_of(view, history)
    )
    return merge(own, refused, key=lambda pair: pair[0])


def refusals_of(view: CellView, history: TaskHistory) -> list[tuple[RefusalRun, int, int]]:
    """The runs of rounds that refused this task, each with its part from first to before last."""
    job = view.job_history(history.job_id)
    runs = job.refusals if job else []
    return [
        (run, first, last)
        for begin, ready_at_ms, end in _waits(history)
        for run in runs
        for first, last in (_part(run, begin, ready_at_ms, end),)
        if first < last
    ]


def _waits(history: TaskHistory) -> Iterator[tuple[Spot, int, Spot | None]]:
    """When the task waited for a host: from where, not ready before when, and until where."""
    begin: Spot | None = None
    ready_at_ms = 0
    for entry in history.entries:
        if entry.what in {"queued", "requeued"}:
            begin = entry.spot
            ready_at_ms = history.ready_at_ms if entry.what == "queued" else 0
        elif begin is not None and entry.state:
            yield begin, ready_at_ms, entry.spot
            begin = None
    if begin is not None:
        yield begin, ready_at_ms, None


def _part(run: RefusalRun, begin: Spot, ready_at_ms: int, end: Spot | None) -> tuple[int, int]:
    """The rounds of the run that stand in this wait, as a half-open range of their numbers.

    A round that placed the task stands before its launch in the same record, and did not refuse
    it: the wait counts up to the record of its end, and not into it.
    """
    first = bisect_left(run.offsets, begin[0] + 1)
    last = len(run.offsets) if end is None else bisect_left(run.offsets, end[0])
    return max(first, bisect_left(run.times_ms, ready_at_ms)), last


def run_spot(run: RefusalRun, number: int) -> Spot:
    """Where a round of the run stands."""
    return (run.offsets[number], run.indexes[number])


def refused_rules(view: CellView, refusal: ClassRefusal) -> tuple[Refused, ...]:
    """What each rule refused, with the hosts' names."""
    return tuple(
        Refused(
            rule=each.rule,
            hosts=each.hosts,
            nearest_host_id=each.nearest_host_id or "",
            nearest_hostname=view.hostname(each.nearest_host_id),
            missing=each.missing,
        )
        for each in refusal.refusals
    )


def refusal_line(
    view: CellView, run: RefusalRun, part: tuple[int, int], job_id: JobId, task_id: str = ""
) -> Line:
    """One line for a part of a run; hosts and what was missing are those of its last round."""
    first, last = part
    count = last - first
    waiting = run.refusal.waiting
    return Line(
        address=view.address(run_spot(run, first)),
        at_ms=run.times_ms[first],
        what="round refused",
        job_id=job_id,
        task_id=task_id,
        message=f"{waiting} task{'' if waiting == 1 else 's'} of the job could not be placed",
        refusals=refused_rules(view, run.refusal),
        wake=run.refusal.wake,
        count=count,
        last_address=view.address(run_spot(run, last - 1)) if count > 1 else "",
        last_at_ms=run.times_ms[last - 1] if count > 1 else 0,
    )


def line_of(view: CellView, entry: Entry, job_id: JobId, task_id: str = "") -> Line:
    """An entry as a line."""
    fact = entry.fact
    status = fact if isinstance(fact, StatusFacts) else None
    launch = fact if isinstance(fact, LaunchFacts) else None
    is_repeated = entry.count > 1
    return Line(
        address=view.address(entry.spot),
        at_ms=entry.at_ms,
        what=entry.what,
        job_id=job_id,
        task_id=task_id,
        state=entry.state,
        reason=entry.reason,
        message=entry.message,
        host_id=entry.host_id or "",
        hostname=view.hostname(entry.host_id),
        actor=entry.actor,
        source=str(entry.source or ""),
        cause=view.address(entry.cause) if entry.cause else "",
        proposal_id=entry.proposal_id or "",
        proposal=view.proposal_address(entry.proposal_id) if entry.proposal_id else "",
        policy_version=launch.round.policy_version if launch and launch.round else 0,
        mesos_state=status.state if status else "",
        mesos_reason=status.reason if status else "",
        stream_id=status.stream_id if status else "",
        has_uuid=status.has_uuid if status else False,
        observed_at_ms=status.observed_at_ms if status else 0,
        count=entry.count,
        last_address=view.address((entry.last_offset, entry.last_index)) if is_repeated else "",
        last_at_ms=entry.last_at_ms if is_repeated else 0,
    )


class StateMark(msgspec.Struct, frozen=True):
    """A state of Titus' life cycle that began, and where the log says so."""

    state: str
    at_ms: int
    spot: Spot
    reason: str
    message: str


def state_marks(entries: Iterable[Entry]) -> list[StateMark]:
    """The states that a job or task went through, oldest first, each once in a row.

    What Mesos left out and must have been, as that what runs was starting, the fold has said.
    """
    marks: list[StateMark] = []
    for entry in entries:
        if not entry.state:
            continue
        if marks and marks[-1].state == entry.state:
            if entry.state in {"KillInitiated", "Finished"} and entry.reason != marks[-1].reason:
                marks[-1] = msgspec.structs.replace(marks[-1], reason=entry.reason)
            continue
        marks.append(StateMark(entry.state, entry.at_ms, entry.spot, entry.reason, entry.message))
    return marks
