"""What jobs demand of time: when a batch job must be done, how soon a service's tasks must start.

The one thing to know: nothing here hurries anything but the queue, where waiting tasks of a group
stand in the order of their slack. The rest are alarms, once when something is at risk or missed and
once when it is well again; a cell without such jobs pays one look at an empty dict.
"""

from heapq import heappush
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from scheduler.model.changes import JobSlaChanged
from scheduler.model.ids import JobId, TaskId
from scheduler.model.job import Batch, Service
from scheduler.model.manner import manner_of
from scheduler.model.sla import PREFIX, SlaKind, SlaStand, SlaStanding, SlaStart, sla_of
from scheduler.model.task import Disconnected, Finished, KillInitiated, Queued, Started, Task
from scheduler.state import Job, State

if TYPE_CHECKING:
    from scheduler.fold.context import Fold

COMPLETION: Final = "sla"
START: Final = "slaStart"
"""Kinds of deadlines: of a job, of a task."""
GUESS_PARTS: Final = 5
"""Where nothing predicts how long a task runs, a fifth of the time for the whole job is taken."""
FIRST: Final = 1 << 60
"""Places in the queue that stand before every place in the log."""


def sla_began(fold: "Fold", job: Job) -> None:
    """Take up what a new job demands; called before its first tasks wait."""
    attributes = job.spec.attributes
    if not any(name.startswith(PREFIX) for name, _ in attributes):
        return
    sla, now_ms = sla_of(attributes, is_lenient=True), fold.state.clock.now_ms
    found = SlaStanding()
    if isinstance(job.spec.kind, Batch) and sla.complete_ms is not None:
        predicted_ms = manner_of(attributes, is_lenient=True).runtime_ms
        run_ms = sla.complete_ms // GUESS_PARTS if predicted_ms is None else predicted_ms
        deadline_ms = now_ms + sla.complete_ms
        found = SlaStanding(deadline_ms, max(now_ms, deadline_ms - run_ms), run_ms)
        heappush(fold.deadlines, (found.latest_start_ms, COMPLETION, job.job_id))
    elif isinstance(job.spec.kind, Service) and sla.start_ms is not None:
        found = SlaStanding(start_ms=sla.start_ms)
    if found != SlaStanding():
        _put(fold, job.job_id, found)


def sla_queued(fold: "Fold", task: Task) -> None:
    """Note since when a task waits whose job demands that it starts soon."""
    found = fold.state.slas.get(task.job_id)
    if found is None or not found.start_ms:
        return
    assert isinstance(task.state, Queued)
    # A retry's delay is the job's own, and no waiting.
    since_ms = max(task.state.since_ms, task.state.ready_at_ms)
    fold.state.sla_starts[task.task_id] = SlaStart(since_ms)
    fold.touch("slaStart", task.task_id)
    heappush(fold.deadlines, (since_ms + found.start_ms, START, task.task_id))


def sla_moved(fold: "Fold", task: Task) -> None:
    """A task that was waited for has started, or has ended without."""
    state = fold.state
    waited = state.sla_starts.pop(task.task_id)
    fold.touch("slaStart", task.task_id)
    found = state.slas.get(task.job_id)
    if found is None:
        return
    late_waiting = found.late_waiting - waited.is_late
    if isinstance(task.state, Started):
        took_ms = max(0, state.clock.now_ms - waited.since_ms)
        found = replace(
            found,
            starts=found.starts + 1,
            late_starts=found.late_starts + (took_ms > found.start_ms),
            slowest_start_ms=max(found.slowest_start_ms, took_ms),
        )
    _put(fold, task.job_id, replace(found, late_waiting=late_waiting))
    if waited.is_late and not late_waiting:
        _report(fold, task.job_id, "start", "met", "every task that was late has started or ended")


def sla_start_due(fold: "Fold", task_id: TaskId) -> None:
    """A task should have started by now: alarm if it is the first of its job."""
    state = fold.state
    waited, task = state.sla_starts.get(task_id), state.tasks.get(task_id)
    if waited is None or waited.is_late or task is None:
        return
    found = state.slas.get(task.job_id)
    if found is None:
        return
    state.sla_starts[task_id] = replace(waited, is_late=True)
    fold.touch("slaStart", task_id)
    _put(fold, task.job_id, replace(found, late_waiting=found.late_waiting + 1))
    if not found.late_waiting:
        text = f"{task_id} has not started within {found.start_ms} ms"
        _report(fold, task.job_id, "start", "missed", text)


def sla_due(fold: "Fold", job_id: JobId) -> None:
    """The latest start or the deadline of a batch job is there: see how it stands."""
    state = fold.state
    found, job = state.slas.get(job_id), state.jobs.get(job_id)
    if found is None or job is None or job.state == "Finished":
        return
    now_ms = state.clock.now_ms
    stand: SlaStand
    if now_ms >= found.deadline_ms:
        stand, text = "missed", f"{job.open_indexes} of its tasks are not done"
    else:
        heappush(fold.deadlines, (found.deadline_ms, COMPLETION, job_id))
        late = _expected_late(state, job_id, found)
        stand = "atRisk" if late else "met"
        text = f"{late} of its tasks are expected to end after the deadline"
    if stand != found.completion:
        _put(fold, job_id, replace(found, completion=stand))
        _report(fold, job_id, "completion", stand, text)


def _expected_late(state: State, job_id: JobId, found: SlaStanding) -> int:
    """Tasks that are too late for the deadline, by how long they are expected to run."""
    late = 0
    for task_id in state.indexes[job_id].values():
        task_state = state.tasks[task_id].state
        match task_state:
            case Started():
                since_ms: int | None = task_state.since_ms
            case Disconnected() | KillInitiated():
                since_ms = task_state.started_at_ms
            case _:
                since_ms = None
        begun_ms = state.clock.now_ms if since_ms is None else since_ms
        is_over = isinstance(task_state, Finished)
        late += not is_over and (since_ms is None or begun_ms + found.run_ms > found.deadline_ms)
    return late


def sla_ended(fold: "Fold", job: Job) -> None:
    """The job is over: say whether it was done in time, and forget what it demanded."""
    found = fold.state.slas.pop(job.job_id, None)
    if found is None:
        return
    fold.touch("sla", job.job_id)
    if found.completion == "atRisk" and fold.state.clock.now_ms <= found.deadline_ms:
        _report(fold, job.job_id, "completion", "met", "it ended before the deadline")


def queue_order(state: State, job: Job) -> tuple[int, int]:
    """The job's place among the waiting ones of its group: by slack, then by the log."""
    found = state.slas.get(job.job_id) if state.slas else None
    if found is None or not found.latest_start_ms:
        return job.accepted_offset, job.accepted_index
    # What is left until the latest start shrinks for all of them alike: their order stays.
    return found.latest_start_ms - FIRST, job.accepted_index


def _put(fold: "Fold", job_id: JobId, found: SlaStanding) -> None:
    fold.state.slas[job_id] = found
    fold.touch("sla", job_id)


def _report(fold: "Fold", job_id: JobId, kind: SlaKind, stand: SlaStand, text: str) -> None:
    found = fold.state.slas.get(job_id) or SlaStanding()
    fold.report(
        JobSlaChanged(
            job_id=job_id,
            kind=kind,
            stand=stand,
            message=text,
            deadline_ms=found.deadline_ms,
            start_ms=found.start_ms,
        )
    )
