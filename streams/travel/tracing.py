"""Causes and effects of one event, from the notes of all jobs and tasks that it is about.

The one thing to know: an event that is about more than `TASKS_MAX` tasks is followed for the first
of them only, and the answer says so.
"""

from collections.abc import Iterable

import msgspec

from projections.history import Line
from projections.notes import JOB, TASK, HistoryNote, TaskEntered
from projections.travel.causes import (
    SUCCESSORS_MAX,
    TASKS_MAX,
    Direction,
    Graph,
    Step,
    Trace,
)
from projections.travel.instants import InstantUnclear, Newest, address_of, parse_instant
from projections.travel.lines import lines_of_notes
from projections.travel.notes import Note, decoded_note
from projections.travel.wanted import Wanted
from projections.why import PREDECESSORS_MAX
from scheduler.model.address import Address, parse_address
from scheduler.model.codec import Undecodable, decode_record
from scheduler.model.events import (
    CellEvent,
    Copied,
    EffectEnded,
    EffectStarted,
    LeaderElected,
    RoundRecord,
)
from scheduler.model.ids import TaskId, job_id_of
from streams.travel.errors import TravelError
from streams.travel.machine import TimeMachine
from streams.travel.notes import NoteSource


class Tracer:
    """Follows events of one cell."""

    def __init__(self, machine: TimeMachine, notes: NoteSource) -> None:
        self._machine = machine
        self._notes = notes

    async def trace(self, text: str, direction: Direction) -> Trace:
        """The causes or effects of the event at an address, up to the newest record."""
        address = _address(text)
        instant = parse_instant(text, 0)
        at = await self._machine.end_of(instant)
        end = at if direction == "causes" else await self._machine.end_of(Newest())
        event = await self._event(address)
        view = await self._machine.view_at(end)
        there = await self._notes.rows(address.offset, address.offset + 1)
        is_round = isinstance(event, RoundRecord)
        about = [row for row in there if is_round or row.index == address.index]
        rows_of, dropped = await self._tasks(about, direction, end)
        jobs = dict.fromkeys(row.job_id for row in about if row.job_id)
        jobs.update(dict.fromkeys(job for each in rows_of if (job := job_id_of(TaskId(each)))))
        histories: list[list[Line]] = []
        for job_id in jobs:
            rows = await self._notes.rows(0, end, Wanted(job_id=job_id, kind=JOB))
            histories.append(list(lines_of_notes(view, rows)))
        histories += [list(lines_of_notes(view, rows)) for rows in rows_of.values()]
        told = event_text(event)
        place = view.address((address.offset, address.index))
        graph = Graph(histories)
        trace = graph.trace(place, direction, told, {place: told})
        steps = await self._worded(trace.steps, at_ms={row.offset: row.at_ms for row in there})
        return msgspec.structs.replace(trace, steps=steps, tasks_dropped=dropped)

    async def _tasks(
        self, about: Iterable[Note], direction: Direction, end: int
    ) -> tuple[dict[str, list[Note]], int]:
        """Notes of the tasks that the event is about, of those before them or in their place."""
        wanted = dict.fromkeys(row.task_id for row in about if row.task_id and row.job_id)
        if direction == "effects":
            for job_id in dict.fromkeys(_begun_jobs(about)):
                rows = await self._notes.rows(0, end, Wanted(job_id=job_id, kind=TASK))
                wanted.update(dict.fromkeys(row.task_id for row in rows))
        dropped = max(0, len(wanted) - TASKS_MAX)
        found: dict[str, list[Note]] = {}
        for task_id in list(wanted)[:TASKS_MAX]:
            steps = PREDECESSORS_MAX if direction == "causes" else SUCCESSORS_MAX
            next_id: str | None = task_id
            while next_id is not None and next_id not in found and steps >= 0:
                found[next_id] = await self._notes.rows(0, end, Wanted(task_id=next_id))
                next_id = _relative(map(decoded_note, found[next_id]), direction)
                steps -= 1
        return found, dropped

    async def _event(self, address: Address) -> CellEvent:
        async for batch in self._machine.reader.records(address.offset, address.offset + 1):
            for record in batch:
                try:
                    events = decode_record(record.value).events
                except Undecodable as error:
                    raise TravelError(
                        "unavailable", f"{address} cannot be read: {error}.", "Use a newer build."
                    ) from error
                if address.index < len(events):
                    return events[address.index]
        raise TravelError(
            "unknown", f"There is no event at {address}.", "Its record holds fewer events."
        )

    async def _worded(self, steps: tuple[Step, ...], at_ms: dict[int, int]) -> tuple[Step, ...]:
        """The steps, with words for events that say nothing of one job or task: rounds."""
        told: list[Step] = []
        for step in steps:
            if step.jobs:
                told.append(step)
                continue
            address = parse_address(step.address)
            rows = await self._notes.rows(address.offset, address.offset + 1)
            at = at_ms.get(address.offset) or (rows[0].at_ms if rows else 0)
            words = event_text(await self._event(address))
            told.append(msgspec.structs.replace(step, texts=(words,), at_ms=at))
        return tuple(told)


def _address(text: str) -> Address:
    try:
        return address_of(text)
    except InstantUnclear as error:
        raise TravelError("unclear", f"{error}.", "Copy it from an answer.") from error


def _begun_jobs(about: Iterable[Note]) -> Iterable[str]:
    """Jobs of which the event is about the job itself, and so about all of its tasks."""
    return (row.job_id for row in about if row.job_id and not row.task_id)


def _relative(notes: Iterable[HistoryNote], direction: Direction) -> str | None:
    """The task in whose place this one stands, or for effects the one that stands in its place."""
    for note in notes:
        if not isinstance(note, TaskEntered):
            continue
        message = note.entry.message
        if direction == "effects" and note.entry.what == "replaced":
            return message.removeprefix("by ")
        if direction == "causes" and note.entry.what == "queued":
            _, found, before = message.partition("in place of ")
            return before if found else None
    return None


def event_text(event: CellEvent) -> str:
    """The event's kind, and the gist of what it says, in a few words."""
    kind = type(event).__name__
    match event:
        case Copied():
            return f"{kind} {type(event.body).__name__} of record {event.source}"
        case RoundRecord():
            return (
                f"{kind}: policy {event.policy_version}, {event.waiting} waited, {event.placed} "
                f"placed, {event.hosts} hosts"
            )
        case EffectStarted() | EffectEnded():
            fate = f", {event.fate}" if isinstance(event, EffectEnded) else ""
            return f"{kind} of proposal {event.proposal_id}{fate}"
        case LeaderElected():
            return f"{kind}: {event.candidate}"
        case _:
            return kind
