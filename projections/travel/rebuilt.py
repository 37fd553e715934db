"""Histories made again from notes.

The one thing to know: a view of an instant is restored from the state of that instant and has
folded nothing itself, so all that happened to its jobs and tasks is played back from notes. How
they stand, the state knows better: it is newer than any note.
"""

from collections.abc import Iterable, Sequence

from projections.cell_view import CellView
from projections.entries import (
    ENTRIES_OF_JOB_MAX,
    ENTRIES_OF_TASK_MAX,
    Entry,
    JobHistory,
    TaskHistory,
)
from projections.histories import add_refusal
from projections.notes import (
    JobBegan,
    JobEntered,
    JobKept,
    JobRefused,
    TaskAddressed,
    TaskBegan,
    TaskEntered,
    TaskKept,
)
from projections.travel.notes import Note, decoded_note
from scheduler.model.ids import JobId, TaskId


class Rebuilt:
    """Histories of the jobs and tasks that the notes are about."""

    def __init__(self, first: CellView | None = None) -> None:
        """``first`` knows what was there before the first note; histories of that begin with it."""
        self.jobs: dict[JobId, JobHistory] = {}
        self.tasks: dict[TaskId, TaskHistory] = {}
        self._first = first

    def take(self, notes: Iterable[Note]) -> "Rebuilt":
        """Play these notes back, in the order of the log; this."""
        for row in notes:
            self._take(row)
        return self

    def _take(self, row: Note) -> None:  # noqa: C901 - one arm a kind of note
        match note := decoded_note(row):
            case JobBegan():
                self.jobs[note.job_id] = JobHistory(
                    job_id=note.job_id, created=note.created, job=note.job
                )
            case JobKept():
                if job := self._job(note.job_id):
                    job.job = note.job
            case JobEntered():
                if job := self._job(note.job_id):
                    job.add(note.entry, ENTRIES_OF_JOB_MAX)
            case JobRefused():
                if job := self._job(note.job_id):
                    add_refusal(job, row.place, note.refusal)
            case TaskBegan():
                self._task_began(note)
            case TaskKept():
                if task := self._task(note.task_id):
                    task.task = note.task
            case TaskEntered():
                self._task_entered(note)
            case TaskAddressed():
                if task := self._task(note.task_id):
                    task.container_ip = note.container_ip
            case _:
                pass  # Of the cell or of a host.

    def _task_began(self, note: TaskBegan) -> None:
        known = self.tasks.get(note.task_id)
        if known is not None and known.job_id != note.job_id:  # It was moved from another job.
            if before := self._job(known.job_id):
                before.task_ids.pop(note.task_id, None)
            known.job_id, known.task = note.job_id, note.task
            if job := self._job(note.job_id):
                job.task_ids[note.task_id] = None
            return
        self.tasks[note.task_id] = TaskHistory(
            task_id=note.task_id,
            job_id=note.job_id,
            created=note.created,
            task=note.task,
            ready_at_ms=note.ready_at_ms,
        )
        if job := self._job(note.job_id):
            job.task_ids[note.task_id] = None

    def _job(self, job_id: JobId) -> JobHistory | None:
        """The history so far; one that began before the first note has no entry of then."""
        found = self.jobs.get(job_id)
        late = self._first.job_history(job_id) if self._first and found is None else None
        if late is not None:
            found = self.jobs[job_id] = JobHistory(
                job_id=job_id, created=late.created, job=late.job, task_ids=dict(late.task_ids)
            )
        return found

    def _task(self, task_id: TaskId) -> TaskHistory | None:
        found = self.tasks.get(task_id)
        late = self._first.task_history(task_id) if self._first and found is None else None
        if late is not None:
            found = self.tasks[task_id] = TaskHistory(
                task_id=task_id,
                job_id=late.job_id,
                created=late.created,
                state=late.state,
                task=late.task,
                ready_at_ms=late.ready_at_ms,
            )
        return found

    def _task_entered(self, note: TaskEntered) -> None:
        history = self._task(note.task_id)
        if history is None:
            return
        entry = note.entry
        if note.state:
            history.state = note.state
        if entry.what == "replaced":
            history.replaced_by = TaskId(entry.message.removeprefix("by "))
        if entry.what == "kill proposed":
            entry.cause = kill_cause(history.entries) or entry.cause
        history.add(entry, ENTRIES_OF_TASK_MAX)


def kill_cause(entries: Sequence[Entry]) -> tuple[int, int] | None:
    """Where it was decided that the task has to end, as the timeline finds it.

    Whoever began to fold behind the decision, or behind the first of its repetitions, found
    another place or none.
    """
    for entry in reversed(entries):
        if entry.what in {"kill asked", "deadline"} or entry.state == "Finished":
            return entry.spot
    return None


def at_the_end(told: TaskHistory, late: TaskHistory | None) -> TaskHistory:
    """A task's history as notes tell it, with what the state of the end knows better."""
    if late is not None:
        told.job_id, told.state = late.job_id, late.state
        told.task = late.task or told.task
        told.replaced_by = late.replaced_by or told.replaced_by
    return told


def job_at_the_end(told: JobHistory, late: JobHistory | None) -> JobHistory:
    """A job's history as notes tell it, with what the state of the end knows better."""
    if late is not None:
        told.job = late.job or told.job
        told.task_ids |= late.task_ids
    return told
