"""What users' kills do to jobs and tasks; budgets of kills are in `scheduler.fold.kills`.

The one thing to know: a killed task of a service is replaced, unless the kill shrinks the service.
"""

from msgspec.structs import replace

from scheduler.fold.context import Fold, moved_task
from scheduler.fold.jobs import (
    because,
    changed_job,
    finish_if_done,
    is_scaled_down,
    no_job,
    no_task,
    refuse,
    rename_kill,
    version_fault,
)
from scheduler.fold.scaling import process_fault
from scheduler.model.address import Source
from scheduler.model.changes import JobChanged, RequestAccepted
from scheduler.model.ids import job_id_of
from scheduler.model.inbound import Fault, JobKillAsked, TaskKillAsked
from scheduler.model.job import Service
from scheduler.model.task import Finished, FinishReason, KillInitiated, Task
from scheduler.state import Job
from scheduler.task_table import Given, Input


def job_kill_asked(fold: Fold, source: Source, body: JobKillAsked) -> None:
    """End a job: what waits ends at once, what runs is killed; a killed job stays killed."""
    job = fold.state.jobs.get(body.job_id)
    if job is None:
        refuse(fold, source, body.job_id, no_job(body.job_id))
        return
    fault = version_fault(f"job {job.job_id}", job.version, body.if_version)
    if fault is not None:
        refuse(fold, source, body.job_id, fault)
        return
    fold.report(RequestAccepted(source=source, what="kill job", job_id=body.job_id))
    if job.state == "Accepted":
        end_job(fold, job, body.actor, body.why)


def end_job(fold: Fold, job: Job, actor: str, why: str) -> None:
    """Kill a living job: it makes no task any more, and is finished when the last has ended."""
    changed_job(fold, replace(job, state="KillInitiated", reason="killed"))
    fold.report(JobChanged(job_id=job.job_id, state="KillInitiated", reason="killed", message=why))
    given = Given(fold.state.clock.now_ms, reason="killed", message=because(actor, why))
    for task_id in list(fold.state.indexes[job.job_id].values()):
        moved_task(fold, task_id, Input.KILL_ASKED, given)
    finish_if_done(fold, job.job_id)
    for each in job.cron.runs if job.cron else ():
        run = fold.state.jobs.get(each.job_id)
        if run is not None and run.state == "Accepted":
            end_job(fold, run, actor, why)


def task_kill_asked(fold: Fold, source: Source, body: TaskKillAsked) -> None:
    """End one task; with ``is_shrink`` the service wants one less, else it is replaced."""
    task = fold.state.tasks.get(body.task_id)
    if task is None:
        refuse(fold, source, job_id_of(body.task_id), no_task(body.task_id))
        return
    fault = _task_kill_fault(fold, body, task)
    if fault is not None:
        refuse(fold, source, task.job_id, fault)
        return
    fold.report(RequestAccepted(source=source, what="kill task", job_id=task.job_id))
    if isinstance(task.state, Finished):
        return
    is_shrunk = body.is_shrink and _shrunk_by_one(fold, task)
    reason: FinishReason = "scaledDown" if is_shrunk else "killed"
    given = Given(fold.state.clock.now_ms, reason=reason, message=because(body.actor, body.why))
    if not isinstance(task.state, KillInitiated):
        moved_task(fold, body.task_id, Input.KILL_ASKED, given)
    elif is_shrunk:
        rename_kill(fold, task, given.message)


def _shrunk_by_one(fold: Fold, task: Task) -> bool:
    """Whether the task's service wants one less now; not twice for the same task."""
    job = fold.state.jobs[task.job_id]  # There while a task of it lives.
    kind = job.spec.kind
    if not isinstance(kind, Service) or job.state != "Accepted" or is_scaled_down(task):
        return False
    desired = kind.desired - 1
    assert desired >= 0, "a job that wants none has no task that counts"
    kind = replace(kind, desired=desired, minimum=min(kind.minimum, desired))
    changed_job(fold, replace(job, spec=replace(job.spec, kind=kind)))
    fold.report(JobChanged(job_id=job.job_id, state=job.state, reason="scaled", desired=desired))
    return True


def _task_kill_fault(fold: Fold, body: TaskKillAsked, task: Task) -> Fault | None:
    fault = version_fault(f"task {task.task_id}", task.version, body.if_version)
    job = fold.state.jobs.get(task.job_id)
    if fault is not None or job is None or not body.is_shrink:
        return fault
    kind = job.spec.kind
    if not isinstance(kind, Service):
        kind_name = type(kind).__name__.lower()
        return Fault(field="shrink", text=f"{kind_name} job {job.job_id} does not shrink")
    if kind.desired < 1:
        return Fault(field="shrink", text=f"job {job.job_id} already wants no tasks", code="state")
    if isinstance(task.state, Finished) or is_scaled_down(task) or job.state != "Accepted":
        return None  # Nothing shrinks: it was asked for before, or the whole job ends.
    if body.is_minimum_kept and kind.desired <= kind.minimum:
        return Fault(
            field="preventMinSizeUpdate",
            text=f"job {job.job_id} wants {kind.desired} tasks, its minimum: one less would "
            "take the minimum along",
            hint="lower the minimum first, or kill without preventMinSizeUpdate",
            code="state",
        )
    return process_fault(job, kind.desired, kind.desired - 1)
