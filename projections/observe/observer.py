"""What each record of the cell log tells the streams: one event for each thing that it changed.

The one thing to know: an event shows the thing as it was when the whole record had been folded, and
its place is the record's offset and its number among the record's events of that stream. Both
follow from the log, so every process that folds it tells the same events at the same places, and
a reader may go on at any of them.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from projections import disruption, scheduling
from projections.cell_view import CellView
from projections.history import refused_rules
from projections.leaders import Leadership
from projections.members import known_leaders, member_json
from projections.observe.agents import Agents
from projections.observe.names import Stream
from projections.observe.ring import Told
from projections.v3 import job_json, seen_task, task_written
from scheduler.model.changes import (
    Change,
    EvictionDecided,
    JobChanged,
    JobScaled,
    RelocationEnded,
    RelocationPlanned,
    TaskChanged,
)
from scheduler.model.events import CellRecord, ClassRefusal, RoundRecord
from scheduler.model.ids import JobId, TaskId
from scheduler.task_table import Input

Json = dict[str, Any]
Changes = Sequence[tuple[int, Change]]
_OF_JOBS: Final = frozenset((JobChanged, JobScaled, TaskChanged))
_OF_PLANS: Final = frozenset((RelocationPlanned, RelocationEnded))


class Observer:
    """Told of each record in order, once it is folded; says what the streams are told of it."""

    def __init__(self) -> None:
        self._agents = Agents()
        self._leadership: tuple[int, bool] = (-1, False)

    def begin(self, view: CellView) -> None:
        """Take all that is there for told."""
        self._agents.begin(view)
        self._leadership = _leadership(view)

    def told(
        self, view: CellView, offset: int, record: CellRecord, changes: Changes
    ) -> dict[Stream, list[Told]]:
        """The events of this record, which the view has just folded."""
        if record.epoch != view.state.epoch and _leadership(view) == self._leadership:
            return {}  # Of a writer that does not lead: nothing was changed.
        found: dict[Stream, list[Told]] = {}
        if changes:
            only = [change for _, change in changes]
            kinds = {type(change) for change in only}
            if not kinds.isdisjoint(_OF_JOBS):
                found["jobs"] = _jobs_and_tasks(view, only)
            if EvictionDecided in kinds:
                found["eviction"] = _evictions(view, only)
            if not kinds.isdisjoint(_OF_PLANS):
                found["relocation"] = _relocations(view, only)
            found["scheduler"] = [
                *_refusals(view, offset, record),
                *(_launches(view, only) if TaskChanged in kinds else ()),
            ]
        else:
            found["scheduler"] = _refusals(view, offset, record)
        found["agents"] = [
            event(kind, said, about=name) for kind, said, name in self._agents.news(view, record)
        ]
        found["membership"] = self._members(view)
        for told in found.values():
            for number, each in enumerate(told):
                each.offset, each.number = offset, number
        return {stream: told for stream, told in found.items() if told}

    def _members(self, view: CellView) -> list[Told]:
        """Who leads since this record, and who did before it."""
        now = _leadership(view)
        if now == self._leadership:
            return []
        is_elected, self._leadership = now[0] != self._leadership[0], now
        return [member_told(view, each) for each in known_leaders(view)[-2 if is_elected else -1 :]]


def _leadership(view: CellView) -> tuple[int, bool]:
    return view.state.epoch, view.state.clock.is_judging


def event(kind: str, said: Json, *, job_id: str = "", task_id: str = "", about: str = "") -> Told:
    """An event that says this; its place is given later."""
    return Told(0, 0, kind, msgspec.json.encode(said), job_id, task_id, about=about)


def _jobs_and_tasks(view: CellView, changes: Sequence[Change]) -> list[Told]:
    """Each job before its tasks, but one that has ended behind them.

    Who waits for a job's end, and leaves with it, has been told how each of its tasks ended.
    """
    jobs = _jobs(view, changes)
    live = [each for each in jobs if not each.is_over]
    ended = [each for each in jobs if each.is_over]
    return [*live, *_tasks(view, changes), *ended]


def _jobs(view: CellView, changes: Sequence[Change]) -> list[Told]:
    named = {
        change.job_id: None for change in changes if isinstance(change, JobChanged | JobScaled)
    }
    return [told for job_id in named if (told := job_told(view, job_id)) is not None]


def job_told(view: CellView, job_id: JobId) -> Told | None:
    """A job as it is now; None where it is unknown."""
    job, shown = view.job(job_id), job_json(view, job_id)
    if job is None or shown is None:
        return None
    is_over = job.state == "Finished"
    said = msgspec.json.encode({"job": shown, "archived": is_over})
    return Told(0, 0, "JobUpdate", said, str(job_id), job=job, is_over=is_over)


def _tasks(view: CellView, changes: Sequence[Change]) -> list[Told]:
    last: dict[TaskId, None] = {}
    moved: dict[TaskId, JobId] = {}
    for change in changes:
        if type(change) is not TaskChanged:
            continue
        last.pop(change.task_id, None)  # Each task where it stands last.
        last[change.task_id] = None
        if change.moved_from is not None:
            moved[change.task_id] = change.moved_from
    told = [task_told(view, task_id, moved.get(task_id)) for task_id in last]
    return [each for each in told if each is not None]


def task_told(view: CellView, task_id: TaskId, moved_from: JobId | None = None) -> Told | None:
    """A task as it is now, to be written out by `data_of`; None where it is unknown."""
    seen = seen_task(view, task_id)
    if seen is None:
        return None
    task = seen.task
    return Told(
        0,
        0,
        "TaskUpdate",
        b"",
        str(task.job_id),
        str(task_id),
        seen.job,
        task,
        is_over=seen.state == "Finished",
        moved_from=moved_from,
        needs_migration=seen.migration_since_ms is not None,
        seen=seen,
    )


def data_of(view: CellView, told: Told) -> bytes:
    """The event's JSON, written out for the first who asks and kept for all who follow."""
    if told.seen is not None and not told.data:
        said = {
            "task": task_written(view, told.seen),
            "movedFromAnotherJob": told.moved_from is not None,
            "archived": told.is_over,
        }
        told.data = msgspec.json.encode(said)
    return told.data


def member_told(view: CellView, each: Leadership) -> Told:
    """A member as it is now."""
    said = {"member": member_json(view, each, is_heard=True)}
    return event("MemberUpdate", said, about=each.candidate)


def _evictions(view: CellView, changes: Sequence[Change]) -> list[Told]:
    found = []
    for change in changes:
        if not isinstance(change, EvictionDecided):
            continue
        said = {
            "taskId": change.task_id,
            "jobId": change.job_id,
            "approved": change.is_allowed,
            "reasonCode": disruption.reason_code(change.limit),
            "reasonMessage": change.message,
            "reason": change.reason,
            "actor": change.actor,
        }
        job_id, task_id = str(change.job_id), str(change.task_id)
        found.append(event("TaskTermination", said, job_id=job_id, task_id=task_id))
    return [*found, quota_told(view)] if found else []


def quota_told(view: CellView) -> Told:
    """How many tasks of the cell may be evicted now."""
    return event("EvictionQuota", {"quota": disruption.system_quota(view)})


def _relocations(view: CellView, changes: Sequence[Change]) -> list[Told]:
    found = []
    for change in changes:
        if not isinstance(change, RelocationPlanned | RelocationEnded):
            continue
        names = {"job_id": str(change.job_id), "task_id": str(change.task_id)}
        plan = disruption.plan_of(view, change.task_id)
        if isinstance(change, RelocationEnded):
            said = {
                "taskId": change.task_id,
                "relocated": change.is_done_by_us,
                "message": change.message,
            }
            found.append(event("TaskRelocationPlanRemove", said, **names))
        elif plan is not None:
            found.append(event("TaskRelocationPlanUpdate", {"plan": plan}, **names))
    return found


def _refusals(view: CellView, offset: int, record: CellRecord) -> list[Told]:
    """What the record's rounds said of jobs whose tasks found no place."""
    return [
        refusal_told(view, (offset, index), refusal)
        for index, event in enumerate(record.events)
        if isinstance(event, RoundRecord)
        for refusal in event.refusals
    ]


def _launches(view: CellView, changes: Sequence[Change]) -> list[Told]:
    """What rounds said of each task that found a place."""
    found = []
    for change in changes:
        if not isinstance(change, TaskChanged) or change.step != Input.LAUNCH_ACCEPTED:
            continue
        said = scheduling.scheduling_result(view, change.task_id)
        if said is not None:
            names = {"job_id": str(change.job_id), "task_id": str(change.task_id)}
            found.append(event("SchedulingResult", said, **names))
    return found


def refusal_told(view: CellView, spot: tuple[int, int], refusal: ClassRefusal) -> Told:
    """Why no waiting task of a job found a place, by the round at a place in the log."""
    said = {
        "jobId": refusal.job_id,
        "waiting": refusal.waiting,
        "round": view.address(spot),
        "failures": [msgspec.to_builtins(each) for each in refused_rules(view, refusal)],
        "wake": refusal.wake,
    }
    return event("SchedulingResult", said, job_id=str(refusal.job_id))
