"""What all that changes a job has in common: how it is kept, filled with tasks, and found done.

The one thing to know: a job never touches Mesos. It makes tasks that wait, or asks that tasks be
killed; placement and kills follow from the tasks' states. A change of what the job wants goes
through `changed_job`, which counts its version; what only follows from its tasks is `stored`.
Rules are those of Titus S19 (job manager) unless a comment says otherwise.
"""

from hashlib import blake2b

from msgspec.structs import replace

from scheduler.disruption.marks import has_mark
from scheduler.fold.context import Fold, new_task
from scheduler.fold.cron_runs import run_ended
from scheduler.fold.sla import sla_ended
from scheduler.fold.storage import storage_ended
from scheduler.model.address import Source
from scheduler.model.changes import JobChanged, JobRejected, TaskChanged
from scheduler.model.ids import JobId, TaskId, task_id_of
from scheduler.model.inbound import Fault
from scheduler.model.job import Batch, Stream
from scheduler.model.job_updates import UPDATES_KEPT_MAX
from scheduler.model.task import Finished, KillInitiated, Queued, Started, Task
from scheduler.state import Job, State
from scheduler.versions import is_exclusive, version_of_new


def stored(fold: Fold, job: Job) -> None:
    """Keep the job, whose version stays: only what follows from its tasks is another."""
    state, job_id = fold.state, job.job_id
    known = state.jobs.get(job_id)
    if known is None or known.spec is not job.spec:
        if has_mark(job.spec.attributes):
            state.moving_jobs[job_id] = None
        else:
            state.moving_jobs.pop(job_id, None)
    state.jobs[job_id] = job
    state.dirty["job"].add(job_id)


def changed_job(fold: Fold, job: Job) -> Job:
    """The job as it is kept, by the next version: what it wants, or its state, is another."""
    changed = replace(job, version=job.version + 1)
    stored(fold, changed)
    return changed


def refuse(fold: Fold, source: Source, job_id: JobId | None, *faults: Fault) -> None:
    """Answer a request with what is wrong with it."""
    fold.report(JobRejected(source=source, faults=faults, job_id=job_id))


def changeable(state: State, job_id: JobId, if_version: int | None) -> Job | Fault:
    """The job that a request may change, or why it may not: unknown, ending, another version."""
    job = state.jobs.get(job_id)
    if job is None:
        return no_job(job_id)
    if job.state != "Accepted":
        text = f"job {job_id} is {job.state} and is not changed"
        return Fault(field="jobId", text=text, code="state")
    return version_fault(f"job {job_id}", job.version, if_version) or job


def no_job(job_id: JobId) -> Fault:
    """What is wrong where the log knows no such job."""
    hint = "see `flumina jobs`"
    return Fault(field="jobId", text=f"no job {job_id}", hint=hint, code="unknown")


def no_task(task_id: TaskId) -> Fault:
    """What is wrong where the log knows no such task."""
    hint = "see `flumina tasks`"
    return Fault(field="taskId", text=f"no task {task_id}", hint=hint, code="unknown")


def no_service(job: Job, why: str, hint: str = "only service jobs can do this") -> Fault:
    """What is wrong where only a service can be asked for this."""
    kind = type(job.spec.kind).__name__.lower()
    return Fault(
        field="jobId",
        text=f"job {job.job_id} is a {kind} job and {why}",
        hint=hint,
    )


def version_fault(what: str, version: int, if_version: int | None) -> Fault | None:
    """What is wrong with a request that was made for another version; None where nothing is."""
    if if_version is None or if_version == version:
        return None
    return Fault(
        field="ifVersion",
        text=f"{what} has version {version}, and the request is for version {if_version}",
        hint="read it again, and ask again for what still has to change",
        code="version",
    )


def fill(fold: Fold, job_id: JobId) -> None:
    """Give every index that the job wants and nobody holds a first task, lowest index first."""
    state = fold.state
    job = state.jobs[job_id]
    state.indexes.setdefault(job_id, {})
    missing = job.spec.desired - wanted_count(fold, job_id)
    if isinstance(job.spec.kind, Stream) and job.spec.kind.is_start_ordered:
        missing = min(missing, ordered_room(fold, job_id, missing))
    start_tasks(fold, job_id, missing, version_of_new(job))


def ordered_room(fold: Fold, job_id: JobId, missing: int) -> int:
    """How many workers of a stream of ordered start may be started now: one, where all there run.

    A stream that lacks workers is looked at again at each tick, until it has them all.
    """
    state = fold.state
    if missing <= 0:
        state.starting_streams.pop(job_id, None)
        return 0
    state.starting_streams[job_id] = None
    there = (state.tasks[task_id].state for task_id in state.indexes[job_id].values())
    return int(all(isinstance(each, Started) and each.is_healthy for each in there))


def start_tasks(fold: Fold, job_id: JobId, count: int, version: int) -> None:
    """Give the lowest indexes that nobody holds a first task of this version of the spec."""
    job = fold.state.jobs[job_id]
    taken = fold.state.indexes[job_id]
    index, number, limit = 0, job.next_number, job.spec.index_limit
    while count > 0 and (limit is None or index < limit):
        if index not in taken:
            _start(fold, job_id, index, number, version)
            number += 1
            count -= 1
        index += 1
    started = number - job.next_number
    job = fold.state.jobs[job_id]  # With what a new index has brought along.
    if started:
        stored(fold, replace(job, next_number=number, open_indexes=job.open_indexes + started))


def _start(fold: Fold, job_id: JobId, index: int, number: int, version: int) -> None:
    task_id = task_id_of(job_id, index, number)
    new_task(
        fold,
        Task(
            task_id,
            job_id,
            index,
            number,
            task_id,
            Queued(fold.state.clock.now_ms),
            spec_version=version,
        ),
    )


def wanted_count(fold: Fold, job_id: JobId) -> int:
    """How many of the job's indexes are not on their way out."""
    tasks = fold.state.tasks
    return sum(
        not is_scaled_down(tasks[task_id]) for task_id in fold.state.indexes[job_id].values()
    )


def is_scaled_down(task: Task) -> bool:
    """Whether the task leaves its index for good, so that it counts no more."""
    state = task.state
    return isinstance(state, KillInitiated | Finished) and state.reason == "scaledDown"


def rename_kill(fold: Fold, task: Task, message: str) -> None:
    """A task that is being killed anyway leaves its index for good."""
    assert isinstance(task.state, KillInitiated)
    place = task.state.place
    state = replace(task.state, reason="scaledDown")
    fold.state.tasks[task.task_id] = replace(task, state=state, version=task.version + 1)
    fold.touch("task", task.task_id)
    fold.report(
        TaskChanged(
            job_id=task.job_id,
            task_id=task.task_id,
            state="KillInitiated",
            step="not to be replaced",
            reason="scaledDown",
            message=message,
            host_id=place.host_id,
            hostname=fold.state.hostname(place.host_id),
        )
    )


def finish_if_done(fold: Fold, job_id: JobId) -> None:
    """A batch job with every index closed is done; so is a killed job without a live task."""
    state = fold.state
    job = state.jobs[job_id]
    if job.open_indexes > 0 or job.state == "Finished":
        return
    if job.state == "Accepted" and not isinstance(job.spec.kind, Batch):
        return
    reason = job.reason or _batch_reason(fold, job_id)
    ended = replace(job, state="Finished", reason=reason, finished_at_ms=state.clock.now_ms)
    changed_job(fold, ended)
    state.active_jobs -= 1
    state.exclusive_jobs -= is_exclusive(job)
    if job.update is not None:
        over = replace(job.update, state="ended", ended_at_ms=state.clock.now_ms, taken=())
        past = (*job.past_updates, over)[-UPDATES_KEPT_MAX:]
        ended = replace(state.jobs[job_id], update=None, past_updates=past)
        stored(fold, ended)
    for special in (state.updating, state.cron_jobs, state.starting_streams):
        special.pop(job_id, None)
    if job.spec.group_name:
        state.group_names.pop(job.spec.group_name, None)
    if state.load_balancers.pop(job_id, None) is not None:
        fold.touch("load balancers", job_id)
    if ended.spec.is_persistent:
        storage_ended(fold, job_id)
    state.finished_jobs[job_id] = None
    state.tasks_of_finished_jobs += len(state.indexes[job_id])
    fold.report(JobChanged(job_id=job_id, state="Finished", reason=reason))
    if state.slas:
        sla_ended(fold, ended)
    run_ended(fold, ended)


def _batch_reason(fold: Fold, job_id: JobId) -> str:
    """``normal`` where every index ended so, else the reason of the lowest index that did not."""
    state = fold.state
    for _, task_id in sorted(state.indexes[job_id].items()):
        ended = state.tasks[task_id].state
        assert isinstance(ended, Finished)
        if ended.reason != "normal":
            return ended.reason
    return "normal"


def name_class(job_id: JobId) -> int:
    """One of 1,024 classes of names; the same name is always in the same."""
    return int.from_bytes(blake2b(job_id.encode(), digest_size=2).digest()) % 1_024


def because(actor: str, why: str) -> str:
    """Who asked and why, in one line."""
    return ": ".join(part for part in (actor, why) if part)
