"""What histories are made of, as values that can be kept elsewhere and played back.

The one thing to know: every change of a history is one note, in the order of the log. Whoever
keeps the notes (a table beside the archive) can make any history again, exactly as the view made
it, also of jobs and tasks that the fold forgot long ago: see `projections.travel.rebuilt`.
"""

from typing import Final

import msgspec

from projections.entries import Entry, RoundFacts
from scheduler.model.events import ClassRefusal
from scheduler.model.ids import HostId, JobId, TaskId
from scheduler.model.task import Task
from scheduler.state import Job


class _Note(msgspec.Struct, frozen=True, tag=True, gc=False, omit_defaults=True):
    """The base of all notes: tagged with the class's name."""


class JobBegan(_Note, frozen=True):
    """A job's history begins."""

    job_id: JobId
    created: int
    job: Job | None


class JobKept(_Note, frozen=True):
    """The job as the fold had it after a change of its state or size."""

    job_id: JobId
    job: Job | None
    is_ended: bool


class JobEntered(_Note, frozen=True):
    """An entry of a job's history."""

    job_id: JobId
    entry: Entry


class JobRefused(_Note, frozen=True):
    """A round found no place for waiting tasks of the job."""

    job_id: JobId
    refusal: ClassRefusal


class TaskBegan(_Note, frozen=True):
    """A task's history begins."""

    job_id: JobId
    task_id: TaskId
    created: int
    task: Task | None
    ready_at_ms: int = 0


class TaskKept(_Note, frozen=True):
    """The task as the fold had it when it ended."""

    job_id: JobId
    task_id: TaskId
    task: Task | None


class TaskEntered(_Note, frozen=True):
    """An entry of a task's history; ``state`` is what the task is in since, empty: as before."""

    job_id: JobId
    task_id: TaskId
    entry: Entry
    state: str = ""


class TaskAddressed(_Note, frozen=True):
    """Mesos told the address of a task."""

    job_id: JobId
    task_id: TaskId
    container_ip: str


class RoundNoted(_Note, frozen=True):
    """A round of placement, as its record tells it."""

    round: RoundFacts


class OrphanNoted(_Note, frozen=True):
    """An orphan was seen for the first time, or is no longer shown."""

    task_id: TaskId
    host_id: HostId | None
    is_seen: bool
    text: str


class HostEntered(_Note, frozen=True):
    """Something happened to a host itself; what its tasks did is in their own entries."""

    host_id: HostId
    what: str
    text: str = ""
    actor: str = ""
    source: str = ""


class CellEntered(_Note, frozen=True):
    """Something happened to the cell as a whole."""

    what: str
    """``leader``, ``policy``, ``safe``, ``paged`` or ``time gap``."""
    text: str = ""
    actor: str = ""
    source: str = ""


HistoryNote = (
    JobBegan
    | JobKept
    | JobEntered
    | JobRefused
    | TaskBegan
    | TaskKept
    | TaskEntered
    | TaskAddressed
    | RoundNoted
    | OrphanNoted
    | HostEntered
    | CellEntered
)
"""All notes."""

JOB: Final = "job"
TASK: Final = "task"
ROUND: Final = "round"
ORPHAN: Final = "orphan"
HOST: Final = "host"
CELL: Final = "cell"
"""Kinds of notes, by what they are about."""
