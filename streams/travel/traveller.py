"""Questions about other instants, and their answers: state, diff, timeline, why, causes, effects.

The one thing to know: each answer is a value of the projections, true at the offsets that it
names. Histories that began before the snapshot a state was made from are completed from notes, so
an answer does not depend on where the fold began.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from projections.cell_view import CellView
from projections.entries import Spot
from projections.history import HistoryOf, Line, history_of_job, history_of_task
from projections.notes import JOB, ORPHAN, ROUND, TASK
from projections.summary import Summary, cheap_digest, summary
from projections.travel.diff import Difference, EntityChange, Side, difference
from projections.travel.instants import InstantUnclear, parse_instant
from projections.travel.lines import lines_of_notes, with_refusals
from projections.travel.notes import Note
from projections.travel.overlay import CompletedView
from projections.travel.rebuilt import Rebuilt
from projections.travel.wanted import ENTITY_KINDS, NewestSpots, Wanted
from projections.why import PREDECESSORS_MAX, Unknown, Why, why
from scheduler.machine import Machine
from scheduler.model.address import Address
from scheduler.model.ids import HostId, JobId, TaskId, job_id_of
from scheduler.state import State
from streams.clock import now_ms
from streams.travel.errors import TravelError
from streams.travel.machine import TimeMachine
from streams.travel.notes import NoteSource

LINES_MAX: Final = 1_000
"""Lines of one page of a timeline, and entities of one page of a diff, unless fewer are wanted."""
ADDRESSES_OF_ENTITY_MAX: Final = 5
ROUND_WINDOW_OFFSETS: Final = 4_096
"""Where the last round before a state is looked for first; doubled until one is found."""


class TimelinePage(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """One page of what happened to a job, task or host, oldest first."""

    kind: str
    id: str
    lines: tuple[Line, ...]
    total: int
    """Of all pages."""
    next_skip: int = 0
    """What to skip for the next page; 0: this is the last."""
    lacking: str = ""
    """What is not told of before the first line, and why; empty where nothing is."""


class Traveller:
    """Answers about one cell, at any instant."""

    def __init__(self, machine: TimeMachine, notes: NoteSource) -> None:
        self._machine = machine
        self._notes = notes

    async def end_of(self, text: str) -> int:
        """The offset that is folded next at the instant that the text names."""
        try:
            instant = parse_instant(text, now_ms())
        except InstantUnclear as error:
            raise TravelError("unclear", f"{error}.", "") from error
        return await self._machine.end_of(instant)

    async def begin_of(self, text: str) -> int:
        """The same for the beginning of a stretch: the log's first record where it is older."""
        try:
            instant = parse_instant(text, now_ms())
        except InstantUnclear as error:
            raise TravelError("unclear", f"{error}.", "") from error
        return await self._machine.end_of(instant, is_clamped=True)

    async def state(self, at: str) -> Summary:
        """The cell at an instant, in numbers."""
        view = await self._machine.view_at(await self.end_of(at))
        completed = CompletedView(view)
        await self._see_cell(completed, with_round=False)
        return summary(completed)

    async def diff(self, first: str, second: str, limit: int, skip: int = 0) -> Difference:
        """What is different at the second instant, with the events that made it so.

        A time before the log's first record means that record: in a cell that is two minutes old,
        the last ten are all that it has.
        """
        ends = (await self.begin_of(first), await self.end_of(second))
        before = await self._machine.machine_at(ends[0], is_proving=False)
        return await self.diff_from(before, ends, limit, skip)

    async def diff_from(
        self, before: Machine, ends: tuple[int, int], limit: int, skip: int = 0
    ) -> Difference:
        """What is different at the second of these ends from the machine, which is at the first.

        Of a machine of an earlier generation the first end is 0, of a later one this log's end.
        """
        side_before = _side(before)
        after = await self._machine.machine_at(ends[1], is_proving=False)
        sides = (side_before, _side(after))
        found = difference(before.state, after.state, sides, limit=skip + limit)
        page = found.entities[skip:]
        return msgspec.structs.replace(
            found, entities=await self._with_addresses(after.state, page, min(ends), max(ends))
        )

    async def _with_addresses(
        self, state: State, entities: Sequence[EntityChange], first: int, end: int
    ) -> tuple[EntityChange, ...]:
        """The entities, with the addresses of the events between that say something of them."""
        looked_for = {(each.kind, each.id) for each in entities if each.kind in ENTITY_KINDS}
        newest = NewestSpots(looked_for, ADDRESSES_OF_ENTITY_MAX + 1)
        await self._notes.find(first, end, newest)
        told = []
        for each in entities:
            spots = newest.of((each.kind, each.id)) if each.kind in ENTITY_KINDS else []
            told.append(
                msgspec.structs.replace(
                    each,
                    addresses=tuple(
                        _address(state, spot) for spot in spots[-ADDRESSES_OF_ENTITY_MAX:]
                    ),
                    has_older=len(spots) > ADDRESSES_OF_ENTITY_MAX,
                )
            )
        return tuple(told)

    async def why(self, name: str, at: str) -> Why:
        """Why the job, task or orphan was where it was at an instant."""
        view = await self.completed(await self.end_of(at), name)
        found = why(view, name)
        if isinstance(found, Unknown):
            raise TravelError("unknown", found.text, f"It was not known at {at or 'that instant'}.")
        return found

    async def events(self, name: str, at: str, *, is_with_tasks: bool) -> HistoryOf:
        """The history of a job or task at an instant, as a view that was whole would tell it."""
        end = await self.end_of(at)
        view = await self.completed(end, name)
        if job_id_of(TaskId(name)) is not None:
            found = history_of_task(view, TaskId(name))
        else:
            if is_with_tasks and view.begins_at_offset:
                rows = await self._notes.rows(0, view.begins_at_offset, Wanted(job_id=name))
                view.complete(Rebuilt(await self._machine.first_view()).take(rows))
            found = history_of_job(view, JobId(name), is_with_tasks=is_with_tasks)
        if found is None:
            raise TravelError("unknown", f"No job or task {name!r} was known then.", "")
        return found

    async def completed(self, end: int, name: str) -> CompletedView:
        """The view before record ``end``, with the whole history of a job or task."""
        view = CompletedView(await self._machine.view_at(end, is_proving=False))
        await self.complete(view, name)
        return view

    async def complete(self, view: CompletedView, name: str) -> None:
        """Complete what a view knows of a job or task, and of the cell, from before its begin."""
        begins = view.begins_at_offset
        if begins == 0:
            return
        job_id = job_id_of(TaskId(name))
        task_id = TaskId(name) if job_id else None
        first = _first_of(view.state, JobId(job_id or name), task_id)
        rebuilt = Rebuilt(await self._machine.first_view())
        of_jobs = [job_id or name]
        task = view.task(task_id) if task_id else None
        if task is not None and task.job_id != job_id:
            # It was moved here, and may be older than the job that has its first one's name now.
            first, of_jobs = 0, [job_id or name, task.job_id]
        for each in of_jobs:
            wanted = Wanted(job_id=each, kind=JOB)
            rebuilt.take(await self._notes.rows(first, begins, wanted))
        for _ in range(PREDECESSORS_MAX + 1):
            if task_id is None:
                break
            rebuilt.take(await self._notes.rows(first, begins, Wanted(task_id=task_id, kind=TASK)))
            task = view.task(task_id)
            if task is None and task_id in rebuilt.tasks:
                task = rebuilt.tasks[task_id].task
            task_id = task.resubmit_of if task else None
        view.complete(rebuilt)
        await self._see_cell(view)

    async def _see_cell(self, view: CompletedView, *, with_round: bool = True) -> None:
        """Fill in the last round and where orphans were first seen, where they are older."""
        begins = view.begins_at_offset
        window = ROUND_WINDOW_OFFSETS
        end = begins if with_round and view.timeline.last_round is None else 0
        while end > 0:
            first = max(0, end - window)
            rows = await self._notes.rows(first, end, Wanted(kind=ROUND))
            view.see(rows)
            end, window = (0, 0) if rows else (first, 2 * window)
        if begins and view.has_late_orphans:
            view.see(await self._notes.rows(0, begins, Wanted(kind=ORPHAN)))

    async def timeline(
        self, name: str, first: str, second: str, limit: int, skip: int = 0
    ) -> TimelinePage:
        """What happened to a job, task or host between two instants, oldest first."""
        begin = 0 if not first else await self.begin_of(first)
        end = await self.end_of(second)
        view = await self._machine.view_at(end)
        kind, rows = await self._rows_of(view, name, begin, end)
        lines = list(lines_of_notes(view, rows))
        if not lines and not rows and begin == 0:
            raise TravelError(
                "unknown",
                f"Nothing ever happened to a job, task or host {name!r}.",
                "`flumina jobs`, `flumina tasks` and `flumina state` show the names.",
            )
        page = tuple(lines[skip : skip + limit])
        following = skip + len(page)
        return TimelinePage(
            kind, name, page, len(lines), following if following < len(lines) else 0
        )

    async def _rows_of(
        self, view: CellView, name: str, first: int, end: int
    ) -> tuple[str, list[Note]]:
        job_id = job_id_of(TaskId(name))
        if job_id is not None:
            rows = await self._notes.rows(first, end, Wanted(task_id=name))
            job_rows = await self._notes.rows(first, end, Wanted(job_id=job_id, kind=JOB))
            return "task", with_refusals(rows, job_rows)
        if rows := await self._notes.rows(first, end, Wanted(job_id=name, kind=JOB)):
            return "job", rows
        if rows := await self._notes.rows(first, end, Wanted(task_id=name)):
            return "task", rows  # An orphan's name is anybody's.
        host_ids = [
            host_id
            for host_id, facts in view.state.hosts.items()
            if name in (host_id, facts.hostname)
        ] or [HostId(name)]
        found = [
            row
            for host_id in host_ids
            for row in await self._notes.rows(first, end, Wanted(host_id=host_id))
        ]
        found.sort(key=lambda row: (row.offset, row.index))
        return "host", found


def _first_of(state: State, job_id: JobId, task_id: TaskId | None) -> int:
    """Where the history begins of a job or task; 0 where the state does not know it any more.

    An older job of that name, and its tasks, are no part of it.
    """
    job = state.jobs.get(job_id)
    if job is None or (task_id is not None and task_id not in state.tasks):
        return 0
    return max(0, job.accepted_offset)


def _side(machine: Machine) -> Side:
    state = machine.state
    return Side(
        address=_address(state, (state.next_offset - 1, 0)),
        offset=state.next_offset - 1,
        at_ms=state.clock.now_ms,
        digest=cheap_digest(machine),
    )


def _address(state: State, spot: Spot) -> str:
    return str(Address(state.cell, state.generation, *spot))
