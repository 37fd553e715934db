"""What users change of a job or task that lives, besides its size: attributes and switches.

The one thing to know: a request that leaves everything as it is is taken and changes no version,
so that asking twice is asking once.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from scheduler.disruption.marks import has_mark
from scheduler.fold.context import Fold
from scheduler.fold.jobs import (
    changeable,
    changed_job,
    no_service,
    no_task,
    refuse,
    version_fault,
)
from scheduler.model.address import Source
from scheduler.model.changes import JobChanged, RequestAccepted, TaskChanged
from scheduler.model.ids import JobId, job_id_of
from scheduler.model.inbound import Fault
from scheduler.model.job import Cron, JobSpec, Service
from scheduler.model.job_requests import (
    JobAttributesAsked,
    JobEnabledAsked,
    JobProcessesAsked,
    TaskAttributesAsked,
)
from scheduler.model.manner import MANNER_ATTRIBUTES
from scheduler.model.task import Finished, place_of, titus_state
from scheduler.model.v3.limits import ATTRIBUTES_BYTES_MAX, ATTRIBUTES_MAX

Pairs = tuple[tuple[str, str], ...]


def job_enabled_asked(fold: Fold, source: Source, body: JobEnabledAsked) -> None:
    """Take a service in or out of service."""
    job = changeable(fold.state, body.job_id, body.if_version)
    if isinstance(job, Fault):
        refuse(fold, source, body.job_id, job)
        return
    if not isinstance(job.spec.kind, Service | Cron):
        refuse(fold, source, body.job_id, no_service(job, "is always in service"))
        return
    fold.report(RequestAccepted(source=source, what="enable", job_id=body.job_id))
    word = "enabled" if body.is_enabled else "disabled"
    _respecify(fold, job.job_id, replace(job.spec, is_enabled=body.is_enabled), word, body.why)


def job_processes_asked(fold: Fold, source: Source, body: JobProcessesAsked) -> None:
    """Stop or let go on what raises or lowers a service's desired size."""
    job = changeable(fold.state, body.job_id, body.if_version)
    if isinstance(job, Fault):
        refuse(fold, source, body.job_id, job)
        return
    if not isinstance(job.spec.kind, Service):
        refuse(fold, source, body.job_id, no_service(job, "has a fixed size"))
        return
    fold.report(RequestAccepted(source=source, what="processes", job_id=body.job_id))
    up, down = body.is_increase_disabled, body.is_decrease_disabled
    spec = replace(
        job.spec,
        is_increase_disabled=job.spec.is_increase_disabled if up is None else up,
        is_decrease_disabled=job.spec.is_decrease_disabled if down is None else down,
    )
    _respecify(fold, job.job_id, spec, "processes", body.why)


def job_attributes_asked(fold: Fold, source: Source, body: JobAttributesAsked) -> None:
    """Set and remove attributes of a job, but none by which placement has judged it already."""
    job = changeable(fold.state, body.job_id, body.if_version)
    if isinstance(job, Fault):
        refuse(fold, source, body.job_id, job)
        return
    attributes = _merged(job.spec.attributes, body.attributes, body.removed)
    fault = _attributes_fault(attributes) or _manner_fault(job.spec.attributes, attributes)
    if fault is not None:
        refuse(fold, source, body.job_id, fault)
        return
    fold.report(RequestAccepted(source=source, what="attributes", job_id=body.job_id))
    spec = replace(job.spec, attributes=attributes)
    _respecify(fold, job.job_id, spec, "attributes", body.why)


def _respecify(fold: Fold, job_id: JobId, spec: JobSpec, word: str, why: str) -> None:
    """Keep what the job is now, if it is another than before."""
    job = fold.state.jobs[job_id]
    if spec == job.spec:
        return
    changed_job(fold, replace(job, spec=spec))
    fold.report(JobChanged(job_id=job_id, state=job.state, reason=word, message=why))


def task_attributes_asked(fold: Fold, source: Source, body: TaskAttributesAsked) -> None:
    """Set and remove attributes of a task that has not ended."""
    task = fold.state.tasks.get(body.task_id)
    if task is None:
        refuse(fold, source, job_id_of(body.task_id), no_task(body.task_id))
        return
    fault = version_fault(f"task {task.task_id}", task.version, body.if_version)
    if isinstance(task.state, Finished):
        text = f"task {task.task_id} is Finished and is not changed"
        fault = Fault(field="taskId", text=text, code="state")
    attributes = _merged(task.attributes, body.attributes, body.removed)
    fault = fault or _attributes_fault(attributes)
    if fault is not None:
        refuse(fold, source, task.job_id, fault)
        return
    fold.report(RequestAccepted(source=source, what="task attributes", job_id=task.job_id))
    if attributes == task.attributes:
        return
    version = task.version + 1
    fold.state.tasks[task.task_id] = replace(task, attributes=attributes, version=version)
    if has_mark(attributes):
        fold.state.moving_tasks[task.task_id] = None
    else:
        fold.state.moving_tasks.pop(task.task_id, None)
    fold.touch("task", task.task_id)
    place = place_of(task.state)
    fold.report(
        TaskChanged(
            job_id=task.job_id,
            task_id=task.task_id,
            state=titus_state(task.state),
            step="attributes",
            message=body.why,
            host_id=place.host_id if place else None,
            hostname=fold.state.hostname(place.host_id) if place else "",
        )
    )


def _merged(had: Pairs, set_to: Pairs, removed: Iterable[str]) -> Pairs:
    """The attributes after the change: first set, then removed, as one request can say both."""
    merged = dict(had) | dict(set_to)
    for name in removed:
        merged.pop(name, None)
    return tuple(sorted(merged.items()))


def _attributes_fault(attributes: Pairs) -> Fault | None:
    """Many small requests must not make a record that one request could not."""
    total = sum(len(name.encode()) + len(value.encode()) for name, value in attributes)
    if len(attributes) <= ATTRIBUTES_MAX and total <= ATTRIBUTES_BYTES_MAX:
        return None
    return Fault(
        field="attributes",
        text=f"would be {len(attributes)} of {total} bytes in all",
        hint=f"at most {ATTRIBUTES_MAX} of {ATTRIBUTES_BYTES_MAX} bytes are kept: remove some",
    )


def _manner_fault(had: Pairs, attributes: Pairs) -> Fault | None:
    """A gang, or room that was taken as opportunistic, cannot become another under its tasks."""
    was, now = dict(had), dict(attributes)
    for name in MANNER_ATTRIBUTES:
        if was.get(name) != now.get(name):
            return Fault(
                field=f"attributes.{name}",
                text="says how the job is placed, and stays what it was at submission",
                hint="submit another job",
            )
    return None
