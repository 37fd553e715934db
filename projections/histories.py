"""The histories of all jobs and tasks: made, written into, and forgotten in the end.

The one thing to know: a history lasts at least as long as the fold knows its job or task, and a
while longer. The fold's own limits are in its `Policy`; beyond those, `TASKS_BEYOND_FOLD_MAX` and
`JOBS_BEYOND_FOLD_MAX` ended ones are kept, the oldest dropped first. The log still has them.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final, TypeVar, cast

import msgspec
from msgspec.structs import replace

from projections.creation_order import OrderByState
from projections.entries import (
    ENTRIES_OF_JOB_MAX,
    ENTRIES_OF_TASK_MAX,
    JOBS_BEYOND_FOLD_MAX,
    REFUSAL_RUNS_OF_JOB_MAX,
    TASKS_BEYOND_FOLD_MAX,
    Entry,
    JobHistory,
    LaunchFacts,
    RefusalRun,
    Spot,
    StatusFacts,
    TaskHistory,
    What,
)
from projections.notes import (
    HistoryNote,
    JobBegan,
    JobEntered,
    JobKept,
    JobRefused,
    TaskAddressed,
    TaskBegan,
    TaskEntered,
    TaskKept,
)
from projections.obeyed import Place
from scheduler.model.address import Source
from scheduler.model.changes import JobChanged, TaskChanged
from scheduler.model.events import ClassRefusal
from scheduler.model.ids import JobId, ProposalId, TaskId
from scheduler.model.task import Finished, FinishReason, Queued, place_of, titus_state
from scheduler.state import Job, State

_DROPPED_MIN: Final = 64
"""So many histories one record may drop, and an eighth of those that are too many beside."""
_LOOKS_A_DROP: Final = 16
"""So many ended ones it may look at to find one of them that the fold does not know."""

_Id = TypeVar("_Id", bound=str)


class Origin(msgspec.Struct, frozen=True, gc=False):
    """Where something comes from and what it says of itself, as its event tells it."""

    source: Source | None = None
    actor: str = ""
    cause: Spot | None = None
    proposal_id: ProposalId | None = None
    fact: LaunchFacts | StatusFacts | None = None
    reason: str = ""
    message: str = ""


def creation_place(offset: int, index: int, number: int = 0) -> int:
    """One number that orders what was created: by offset, index, and number inside the event."""
    return offset << 32 | index << 20 | number


class Histories:
    """Jobs and tasks in the order of their creation, each with its history."""

    def __init__(self, state: State) -> None:
        self.jobs: dict[JobId, JobHistory] = {}
        self.tasks: dict[TaskId, TaskHistory] = {}
        self.jobs_by_state: OrderByState[JobId] = OrderByState()
        self.tasks_by_state: OrderByState[TaskId] = OrderByState()
        """The same, as lists ask for them."""
        self.jobs_of_owner: dict[str, dict[JobId, None]] = {}
        """By the owner whom the job's spec names."""
        self.jobs_dropped = 0
        self.tasks_dropped = 0
        self.on_note: Callable[[Place, HistoryNote], None] | None = None
        """Told of each change of a history, so that the same can be made again from notes."""
        self._state = state
        self._made_at, self._made_there = -1, 0
        """Where the last job was made, and how many before it at the same place."""
        # The first is taken out again and again, for which a plain dict looks past all that went.
        self._ended_jobs: OrderedDict[JobId, None] = OrderedDict()
        self._ended_tasks: OrderedDict[TaskId, None] = OrderedDict()

    def begin_late(self) -> None:
        """Begin the histories of all that the fold knows already; they have no entries yet.

        When a task was made exactly, the state does not say: tasks keep the order in which it has
        them, which is that, and count as made just before the first record that is folded here.
        """
        state, last = self._state, creation_place(self._state.next_offset, 0)
        for job_id, job in state.jobs.items():
            created = self._job_created(job.accepted_offset, job.accepted_index)
            new = JobHistory(job_id=job_id, created=created, state=job.state, job=job)
            self.jobs[job_id] = new
            self.jobs_by_state.add(created, job_id, job.state)
            self._owned(job_id, None, job)
        for number, (task_id, task) in enumerate(state.tasks.items()):
            waits = task.state if isinstance(task.state, Queued) else None
            created, shown_state = last - len(state.tasks) + number, titus_state(task.state)
            self.tasks[task_id] = TaskHistory(
                task_id=task_id,
                job_id=task.job_id,
                created=created,
                state=shown_state,
                task=task,
                ready_at_ms=waits.ready_at_ms if waits else 0,
            )
            self.tasks_by_state.add(created, task_id, shown_state)
            job_history = self.jobs.get(task.job_id)  # An ended task may outlive its job.
            if job_history is not None:
                job_history.task_ids[task_id] = None
            if task.resubmit_of in self.tasks:
                self.tasks[task.resubmit_of].replaced_by = task_id
        # Oldest first: those that were replaced, then those that their jobs still show.
        ended = [each for each, task in state.tasks.items() if isinstance(task.state, Finished)]
        self._ended_tasks = OrderedDict.fromkeys([*state.finished_tasks, *ended])
        over = [each for each, job in state.jobs.items() if job.state == "Finished"]
        self._ended_jobs = OrderedDict.fromkeys([*state.finished_jobs, *over])

    def new_job(self, place: Place, job_id: JobId) -> None:
        """Begin a job's history; an older job of that name, forgotten by the fold, goes."""
        self._drop_job(job_id)
        history = JobHistory(
            job_id=job_id,
            created=self._job_created(place.offset, place.index),
            job=self._state.jobs.get(job_id),
        )
        self.jobs[job_id] = history
        self.jobs_by_state.add(history.created, job_id, history.state)
        self._owned(job_id, None, history.job)
        if self.on_note:
            self.on_note(place, JobBegan(job_id, history.created, history.job))

    def _owned(self, job_id: JobId, before: Job | None, now: Job | None) -> None:
        """Note who owns a job that is new, has changed, or is forgotten (``now`` is None)."""
        was = before.spec.owner_email if before is not None else None
        owner = now.spec.owner_email if now is not None else None
        if owner == was:
            return
        if was is not None:
            del self.jobs_of_owner[was][job_id]
            if not self.jobs_of_owner[was]:
                del self.jobs_of_owner[was]
        if owner is not None:
            self.jobs_of_owner.setdefault(owner, {})[job_id] = None

    def _job_created(self, offset: int, index: int) -> int:
        """A number for a new job; a tick may make several, as many as firings are due."""
        place = creation_place(offset, index)
        self._made_there = self._made_there + 1 if place == self._made_at else 0
        self._made_at = place
        return place + self._made_there

    def new_task(self, place: Place, change: TaskChanged, number: int) -> None:
        """Begin a task's history; ``number`` orders the tasks that one event made."""
        task_id = change.task_id
        task = self._state.tasks.get(task_id)
        waits = task.state if task and isinstance(task.state, Queued) else None
        self._drop_task(task_id)
        self.tasks[task_id] = new = TaskHistory(
            task_id=task_id,
            job_id=change.job_id,
            created=creation_place(place.offset, place.index, number),
            task=task,
            ready_at_ms=waits.ready_at_ms if waits else 0,
        )
        self.tasks_by_state.add(new.created, task_id, new.state)
        if self.on_note:
            self.on_note(
                place, TaskBegan(change.job_id, task_id, new.created, task, new.ready_at_ms)
            )
        job = self.jobs.get(change.job_id)
        if job is not None:
            job.task_ids[task_id] = None
        before = self.tasks.get(task.resubmit_of) if task and task.resubmit_of else None
        if before is not None:
            before.replaced_by = task_id
            self.note_task(place, before.task_id, "replaced", Origin(message=f"by {task_id}"))

    def task_moved(self, place: Place, change: TaskChanged) -> None:
        """Go on with the task's history under the job that has it from now on."""
        history = self.tasks.get(change.task_id)
        if history is None:
            return
        if (before := self.jobs.get(history.job_id)) is not None:
            before.task_ids.pop(change.task_id, None)
        job = self.jobs.get(change.job_id)
        history.job_id = change.job_id
        history.task = self._state.tasks.get(change.task_id) or history.task
        if job is not None:
            job.task_ids[change.task_id] = None
        if self.on_note:
            # The second beginning of a task is its move; its notes stand by the new job from here.
            began = TaskBegan(change.job_id, change.task_id, history.created, history.task, 0)
            self.on_note(place, began)

    def job_changed(self, place: Place, change: JobChanged) -> None:
        """Keep what the fold has of the job now, for the time when it has it no longer."""
        history = self.jobs.get(change.job_id)
        if history is None:
            return
        known = self._state.jobs.get(change.job_id)
        if known is None and history.job is not None:
            # Ended and forgotten within one record: what it was, with what is said of its end.
            state = "KillInitiated" if change.state == "KillInitiated" else "Finished"
            known = replace(
                history.job, state=state, reason=change.reason, finished_at_ms=place.at_ms
            )
        self._owned(change.job_id, history.job, known)
        history.job = known
        self.jobs_by_state.move(history.created, change.job_id, history.state, change.state)
        history.state = change.state
        is_ended = change.state == "Finished"
        if is_ended:
            self._ended_jobs[change.job_id] = None
        if self.on_note:
            self.on_note(place, JobKept(change.job_id, known, is_ended))

    def task_ended(self, place: Place, change: TaskChanged) -> None:
        """Keep what the fold has of the ended task, for the time when it has it no longer."""
        history = self.tasks.get(change.task_id)
        if history is None:
            return
        known = self._state.tasks.get(change.task_id)
        if known is None and history.task is not None:
            # Ended and forgotten within one record: what it was, with what is said of its end.
            ended = Finished(
                since_ms=place.at_ms,
                reason=cast("FinishReason", change.reason),
                message=change.message,
                place=place_of(history.task.state),
            )
            known = replace(history.task, state=ended)
        history.task = known
        self._ended_tasks[change.task_id] = None
        if self.on_note:
            self.on_note(place, TaskKept(change.job_id, change.task_id, known))

    def task_addressed(self, place: Place, history: TaskHistory, container_ip: str) -> None:
        """Keep the address that Mesos tells of a task, where it is news."""
        if not container_ip or container_ip == history.container_ip:
            return
        history.container_ip = container_ip
        if self.on_note:
            note = TaskAddressed(history.job_id, history.task_id, container_ip)
            self.on_note(place, note)

    def note_job(
        self, place: Place, job_id: JobId, what: What, origin: Origin, state: str = ""
    ) -> None:
        """Write an entry into the job's history, if there is one."""
        history = self.jobs.get(job_id)
        if history is None:
            return
        entry = Entry(
            place.offset,
            place.index,
            place.at_ms,
            what=what,
            state=state,
            reason=origin.reason,
            message=origin.message,
            actor=origin.actor,
            source=origin.source,
        )
        history.add(entry, ENTRIES_OF_JOB_MAX)
        if self.on_note:
            self.on_note(place, JobEntered(job_id, entry))

    def note_task(
        self,
        place: Place,
        task_id: TaskId,
        what: What,
        origin: Origin,
        change: TaskChanged | None = None,
    ) -> None:
        """Write an entry into the task's history, if there is one."""
        history = self.tasks.get(task_id)
        if history is None:
            return
        if change is not None and change.state != history.state:
            self.tasks_by_state.move(history.created, task_id, history.state, change.state)
            history.state = change.state
        # One is made for each step of each task: by position, for names take half as long again.
        entry = Entry(
            place.offset,
            place.index,
            place.at_ms,
            what,
            change.state if change else "",
            (change.reason if change else "") or origin.reason,
            (change.message if change else "") or origin.message,
            change.host_id if change else None,
            origin.actor,
            origin.source,
            origin.cause,
            origin.proposal_id,
            origin.fact,
        )
        history.add(entry, ENTRIES_OF_TASK_MAX)
        if self.on_note:
            state = change.state if change else ""
            self.on_note(place, TaskEntered(history.job_id, task_id, entry, state))

    def note_refusal(self, place: Place, refusal: ClassRefusal) -> None:
        """Take a round that refused a job's waiting tasks into the job's last run of such."""
        history = self.jobs.get(refusal.job_id)
        if history is None:
            return
        add_refusal(history, place, refusal)
        if self.on_note:
            self.on_note(place, JobRefused(refusal.job_id, refusal))

    def forget(self) -> None:
        """Drop the oldest histories that the fold no longer knows, where there are too many."""
        jobs, tasks = self._state.jobs, self._state.tasks
        surplus = len(self.jobs) - len(jobs) - JOBS_BEYOND_FOLD_MAX
        if surplus > 0:
            _drop_oldest(self._ended_jobs, jobs, surplus, self._drop_job)
        surplus = len(self.tasks) - len(tasks) - TASKS_BEYOND_FOLD_MAX
        if surplus > 0:
            _drop_oldest(self._ended_tasks, tasks, surplus, self._drop_task)

    def _drop_job(self, job_id: JobId) -> None:
        history = self.jobs.pop(job_id, None)
        self._ended_jobs.pop(job_id, None)
        if history is None:
            return
        self.jobs_dropped += 1
        self.jobs_by_state.remove(history.created, history.state)
        self._owned(job_id, history.job, None)
        for task_id in list(history.task_ids):
            if task_id not in self._state.tasks:
                self._drop_task(task_id)

    def _drop_task(self, task_id: TaskId) -> None:
        history = self.tasks.pop(task_id, None)
        self._ended_tasks.pop(task_id, None)
        if history is None:
            return
        self.tasks_dropped += 1
        self.tasks_by_state.remove(history.created, history.state)
        job = self.jobs.get(history.job_id)
        if job is not None and task_id in job.task_ids:
            del job.task_ids[task_id]
            job.tasks_dropped += 1


def add_refusal(history: JobHistory, place: Place, refusal: ClassRefusal) -> None:
    """Take a round into the job's last run of refusals by the same rules, or begin another."""
    runs = history.refusals
    if not runs or not runs[-1].continues_with(refusal):
        runs.append(RefusalRun(refusal))
    runs[-1].add(place, refusal)
    if len(runs) > REFUSAL_RUNS_OF_JOB_MAX:
        del runs[0]
        history.refusals_dropped += 1


def _drop_oldest(
    ended: OrderedDict[_Id, None],
    known: Mapping[_Id, object],
    surplus: int,
    drop: Callable[[_Id], None],
) -> None:
    """Drop some of the ended that are not ``known`` to the fold, oldest first, all in the end.

    Those that the fold still knows go to the end of the line, so that the next record finds
    others. The more there are too many, the more one record drops: so they cannot grow without
    end, and no record takes long.
    """
    left = min(surplus, _DROPPED_MIN + surplus // 8)
    for _ in range(min(_LOOKS_A_DROP * left, len(ended))):
        oldest = next(iter(ended))
        if oldest in known:
            ended.move_to_end(oldest)
            continue
        drop(oldest)
        left -= 1
        if not left:
            return
