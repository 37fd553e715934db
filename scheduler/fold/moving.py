"""What moving a task from one service to another does.

The one thing to know: the move is one event, so both sizes and the task change together or not at
all. The task goes on running under its id; only whose it is changes.
"""

from typing import Final

from msgspec.structs import replace

from scheduler.fold.context import Fold
from scheduler.fold.jobs import changeable, changed_job, no_task, refuse
from scheduler.fold.scaling import process_fault
from scheduler.model.address import Source
from scheduler.model.changes import JobChanged, RequestAccepted, TaskChanged
from scheduler.model.ids import JobId
from scheduler.model.inbound import Fault
from scheduler.model.job import JobSpec, RetryPolicy, Service
from scheduler.model.job_requests import TaskMoveAsked
from scheduler.model.task import Started, Task
from scheduler.state import Job, State
from scheduler.versions import is_mixed

_RUNNING: Final = ("titus.", "flumina.")
"""Attributes that begin so say how a job runs; all others only describe it."""
_DESCRIBING: Final = "flumina.provenance."
"""Where an image came from; that it is the same one, the image itself says."""


def task_move_asked(fold: Fold, source: Source, body: TaskMoveAsked) -> None:
    """Move a started task: its service wants one less, the other one more."""
    state = fold.state
    fault = _move_fault(state, body)
    if fault is not None:
        refuse(fold, source, body.source_job_id, fault)
        return
    fold.report(RequestAccepted(source=source, what="move task", job_id=body.source_job_id))
    task = state.tasks[body.task_id]
    before, target = state.jobs[body.source_job_id], state.jobs[body.target_job_id]
    _resized(fold, before, -1, f"{task.task_id} moves to {target.job_id}")
    after = _resized(fold, target, +1, f"{task.task_id} moves here from {before.job_id}")
    _rehome(fold, task, before.job_id, after)


def _move_fault(state: State, body: TaskMoveAsked) -> Fault | None:
    """Why the task cannot be moved, or None."""
    task = state.tasks.get(body.task_id)
    if task is None:
        return no_task(body.task_id)
    if body.source_job_id == body.target_job_id:
        return Fault(field="targetJobId", text="is the source job: nothing would move")
    before = changeable(state, body.source_job_id, body.if_version)
    if isinstance(before, Fault):
        return before if before.field == "ifVersion" else replace(before, field="sourceJobId")
    target = changeable(state, body.target_job_id, None)
    if isinstance(target, Fault):
        return replace(target, field="targetJobId")
    if task.job_id != before.job_id:
        text = f"task {task.task_id} is of job {task.job_id}"
        return Fault(field="sourceJobId", text=text, hint="name that job as the source")
    for field, job in (("sourceJobId", before), ("targetJobId", target)):
        if job.spec.is_persistent:
            text = f"job {job.job_id} has volumes or addresses, which stay with its indexes"
            return Fault(field, text, "such tasks are not moved")
        if is_mixed(job):
            text = f"job {job.job_id} has tasks of several kinds: it is updated, or has sets"
            return Fault(field, text, "wait for the end of its update", code="state")
    return (
        _size_fault("sourceJobId", before, -1)
        or _size_fault("targetJobId", target, +1)
        or _task_fault(state, task)
        or _compatible_fault(before, target)
    )


def _size_fault(field: str, job: Job, step: int) -> Fault | None:
    """Why the job's size cannot change by ``step``."""
    kind = job.spec.kind
    if not isinstance(kind, Service):
        text = f"job {job.job_id} is no service"
        return Fault(field=field, text=text, hint="tasks move between services only")
    if step < 0 and kind.desired <= kind.minimum:
        text = f"job {job.job_id} wants {kind.desired} tasks, its minimum"
        return Fault(field=field, text=text, hint="lower its minimum first")
    if step > 0 and kind.desired >= kind.maximum:
        text = f"job {job.job_id} wants {kind.desired} tasks, its maximum"
        return Fault(field=field, text=text, hint="raise its maximum first")
    fault = process_fault(job, kind.desired, kind.desired + step)
    return None if fault is None else replace(fault, field=field)


def _task_fault(state: State, task: Task) -> Fault | None:
    if isinstance(task.state, Started) and task.task_id not in state.missing:
        return None
    text = f"task {task.task_id} is {type(task.state).__name__}, and not Started"
    return Fault(field="taskId", text=text, hint="only a task that runs is moved", code="state")


def _compatible_fault(before: Job, target: Job) -> Fault | None:
    """Demand that the task would run the same in the target, name and size apart."""
    ours, theirs = _comparable(before.spec), _comparable(target.spec)
    for name in JobSpec.__struct_fields__:
        if getattr(ours, name) != getattr(theirs, name):
            return Fault(
                field="targetJobId",
                text=f"job {target.job_id} is not compatible with job {before.job_id}: "
                f"they differ in {name}",
                hint="owner, names, budget, capacity, retries and attributes of their own may "
                "differ; all else must be the same",
            )
    return None


def _comparable(spec: JobSpec) -> JobSpec:
    """The spec without what may differ between two jobs of which tasks move (Titus S22)."""
    attributes = tuple(
        each
        for each in spec.attributes
        if each[0].startswith(_RUNNING) and not each[0].startswith(_DESCRIBING)
    )
    return JobSpec(
        owner_email="",
        application_name="",
        container=spec.container,
        kind=Service(minimum=0, desired=0, maximum=0),
        retry=RetryPolicy(kind="immediate", retries=0),
        capacity_group=spec.capacity_group,
        attributes=attributes,
    )


def _resized(fold: Fold, job: Job, step: int, why: str) -> Job:
    kind = job.spec.kind
    assert isinstance(kind, Service)
    desired = kind.desired + step
    sized = replace(job.spec, kind=replace(kind, desired=desired))
    after = changed_job(
        fold,
        replace(
            job,
            spec=sized,
            open_indexes=job.open_indexes + step,
            next_number=job.next_number + (step > 0),
        ),
    )
    fold.report(
        JobChanged(job_id=job.job_id, state=job.state, reason="moved", message=why, desired=desired)
    )
    return after


def _rehome(fold: Fold, task: Task, source_id: JobId, target: Job) -> None:
    """Give the task the lowest free index of its new job, and count it there."""
    state = fold.state
    taken = state.indexes[target.job_id]
    index = next(each for each in range(len(taken) + 1) if each not in taken)
    del state.indexes[source_id][task.index]
    fold.touch("index", (source_id, task.index))
    taken[index] = task.task_id
    fold.touch("index", (target.job_id, index))
    assert isinstance(task.state, Started)
    moved = replace(
        task,
        job_id=target.job_id,
        index=index,
        number=target.next_number - 1,
        version=task.version + 1,
        moved_from=source_id,
        spec_version=target.spec_version,
    )
    state.tasks[task.task_id] = moved
    fold.touch("task", task.task_id)
    host_id = task.state.place.host_id
    left = state.on_hosts[source_id] - 1
    if left:
        state.on_hosts[source_id] = left
    else:
        del state.on_hosts[source_id]
    state.on_hosts[target.job_id] = state.on_hosts.get(target.job_id, 0) + 1
    state.jobs_changed[source_id] = None
    state.jobs_changed[target.job_id] = None
    state.hosts_changed[host_id] = None
    fold.report(
        TaskChanged(
            job_id=target.job_id,
            task_id=task.task_id,
            state="Started",
            step="moved",
            message=f"from job {source_id}",
            host_id=host_id,
            hostname=state.hostname(host_id),
            moved_from=source_id,
        )
    )
