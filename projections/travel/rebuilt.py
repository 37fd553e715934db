"""Histories made again from notes, and joined to what a view remembers itself.

The one thing to know: a view that was restored from a snapshot remembers what it folded since;
what came before is played back from notes, and the entries are joined as if one view had folded
all of it: what says again what was said before the seam is counted, and the limits are the same.
"""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from projections.cell_view import CellView
from projections.entries import (
    ENTRIES_KEPT_FROM_THE_BEGINNING,
    ENTRIES_OF_JOB_MAX,
    ENTRIES_OF_TASK_MAX,
    REFUSAL_RUNS_OF_JOB_MAX,
    ROUNDS_OF_REFUSAL_RUN_MAX,
    Entry,
    History,
    JobHistory,
    RefusalRun,
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


def joined_task(before: TaskHistory | None, after: TaskHistory | None) -> TaskHistory | None:
    """One task's history, of which a view remembers only what came after a place."""
    if before is None or after is None:
        return before or after
    joined = TaskHistory(
        task_id=before.task_id,
        job_id=after.job_id,
        created=before.created,
        state=after.state,
        task=after.task or before.task,
        ready_at_ms=before.ready_at_ms,
        container_ip=after.container_ip or before.container_ip,
        replaced_by=after.replaced_by or before.replaced_by,
    )
    _join(joined, before, after, ENTRIES_OF_TASK_MAX)
    for place, entry in enumerate(joined.entries):
        if entry.what == "kill proposed":
            entry.cause = kill_cause(joined.entries[:place]) or entry.cause
    return joined


def joined_job(before: JobHistory | None, after: JobHistory | None) -> JobHistory | None:
    """One job's history, of which a view remembers only what came after a place."""
    if before is None or after is None:
        return before or after
    joined = JobHistory(
        job_id=before.job_id,
        created=before.created,
        job=after.job or before.job,
        task_ids={**before.task_ids, **after.task_ids},
        tasks_dropped=after.tasks_dropped,
        refusals=[*before.refusals],
        refusals_dropped=before.refusals_dropped + after.refusals_dropped,
    )
    _join(joined, before, after, ENTRIES_OF_JOB_MAX)
    for run in after.refusals:
        _join_run(joined, run)
    return joined


def _join_run(joined: JobHistory, run: RefusalRun) -> None:
    """Append a run, its first rounds to the last run before it where they say the same."""
    taken = 0
    last = joined.refusals[-1] if joined.refusals else None
    if last is not None and last.refusal.gist == run.refusal.gist:
        taken = max(0, min(len(run.offsets), ROUNDS_OF_REFUSAL_RUN_MAX - len(last.offsets)))
        both = RefusalRun(run.refusal if taken == len(run.offsets) else last.refusal)
        for name in ("offsets", "indexes", "times_ms"):
            getattr(both, name).extend(getattr(last, name))
            getattr(both, name).extend(getattr(run, name)[:taken])
        joined.refusals[-1] = both
    if taken < len(run.offsets):
        rest = RefusalRun(run.refusal)
        for name in ("offsets", "indexes", "times_ms"):
            getattr(rest, name).extend(getattr(run, name)[taken:])
        joined.refusals.append(rest)
    while len(joined.refusals) > REFUSAL_RUNS_OF_JOB_MAX:
        del joined.refusals[0]
        joined.refusals_dropped += 1


def _join(joined: History, before: History, after: History, most: int) -> None:
    """Entries of both, repetitions across the seam counted, the limit kept as in one history."""
    joined.entries = [replace(entry) for entry in before.entries]
    joined.dropped = before.dropped + after.dropped
    for entry in after.entries:
        _add(joined, replace(entry))
    while len(joined.entries) > most:
        del joined.entries[ENTRIES_KEPT_FROM_THE_BEGINNING]
        joined.dropped += 1


def _add(joined: History, entry: Entry) -> None:
    before = joined.repeated(entry)
    if before is None:
        joined.entries.append(entry)
        return
    is_many = entry.count > 1
    before.count += entry.count
    before.last_offset = entry.last_offset if is_many else entry.offset
    before.last_index = entry.last_index if is_many else entry.index
    before.last_at_ms = entry.last_at_ms if is_many else entry.at_ms
