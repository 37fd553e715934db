"""What submissions, scalings and kills do to jobs, and what a job does when a task has ended.

The one thing to know: a job never touches Mesos. It makes tasks that wait, or asks that tasks be
killed; placement and kills follow from the tasks' states.
Rules are those of Titus S19 (job manager) unless a comment says otherwise.
"""

from collections import deque
from hashlib import blake2b
from heapq import heapify, heappop, heappush

from msgspec.structs import replace

from scheduler.fold.admission import admission_faults, limit_fault
from scheduler.fold.context import Fold, moved_task, new_task
from scheduler.model.address import Source
from scheduler.model.changes import (
    JobAccepted,
    JobChanged,
    JobRejected,
    RequestAccepted,
    TaskChanged,
)
from scheduler.model.ids import HostId, JobId, TaskId, job_id_of, task_id_of
from scheduler.model.inbound import (
    Fault,
    JobKillAsked,
    JobScaleAsked,
    JobSubmitted,
    TaskKillAsked,
)
from scheduler.model.job import (
    RETRY_DELAY_MS_MIN,
    RETRY_RESET_MS,
    SYSTEM_RETRY_DELAY_MS_MAX,
    Batch,
    JobSpec,
    RetryPolicy,
    Service,
)
from scheduler.model.task import (
    SYSTEM_REASONS,
    Disconnected,
    Finished,
    FinishReason,
    KillInitiated,
    Launched,
    Placed,
    Queued,
    Started,
    StartInitiated,
    Task,
    TaskState,
)
from scheduler.state import Job, State
from scheduler.task_table import Given, Input


def job_submitted(fold: Fold, source: Source, body: JobSubmitted) -> None:
    """Make the submission a job, repeat the answer to one that is known, or refuse it."""
    known = fold.state.jobs.get(body.job_id)
    if known is not None and known.digest == body.digest:
        fold.report(JobAccepted(job_id=body.job_id, source=source, is_repeated=True))
        return
    faults = admission_faults(fold.state, body.job_id, body.digest, body.spec)
    if faults:
        fold.report(JobRejected(source=source, faults=faults, job_id=body.job_id))
        return
    spec = body.spec
    job = Job(
        job_id=body.job_id,
        spec=spec,
        digest=body.digest,
        accepted_at_ms=fold.state.clock.now_ms,
        accepted_offset=fold.offset,
        accepted_index=fold.index,
        next_number=fold.state.number_floors.get(_name_class(body.job_id), 1),
        open_indexes=0,
        actor=body.actor,
    )
    _store(fold, job)
    fold.state.active_jobs += 1
    fold.state.exclusive_jobs += _is_exclusive(spec)
    if spec.group_name:
        fold.state.group_names[spec.group_name] = job.job_id
    fold.report(JobAccepted(job_id=job.job_id, source=source))
    fold.report(JobChanged(job_id=job.job_id, state="Accepted", desired=spec.desired))
    _fill(fold, job.job_id)


def job_scale_asked(fold: Fold, source: Source, body: JobScaleAsked) -> None:
    """Change a service's bounds; a bound that is moved past ``desired`` drags it along."""
    job = fold.state.jobs.get(body.job_id)
    fault = _scale_fault(fold.state, body, job)
    if fault is not None:
        fold.report(JobRejected(source=source, faults=(fault,), job_id=body.job_id))
        return
    assert job is not None
    assert isinstance(job.spec.kind, Service)
    kind = _rescaled(job.spec.kind, body)
    fold.report(RequestAccepted(source=source, what="scale", job_id=body.job_id))
    if kind == job.spec.kind:
        return
    spec = replace(job.spec, kind=kind)
    _store(fold, replace(job, spec=spec))
    fold.report(
        JobChanged(
            job_id=job.job_id,
            state=job.state,
            reason="scaled",
            message=body.why,
            desired=kind.desired,
        )
    )
    _shrink(fold, job.job_id)
    _fill(fold, job.job_id)


def _rescaled(kind: Service, body: JobScaleAsked) -> Service:
    minimum = kind.minimum if body.minimum is None else body.minimum
    maximum = kind.maximum if body.maximum is None else body.maximum
    desired = kind.desired if body.desired is None else body.desired
    if body.desired is None:
        desired = min(max(desired, minimum), maximum)
    return Service(minimum=minimum, desired=desired, maximum=maximum)


def _scale_fault(state: State, body: JobScaleAsked, job: Job | None) -> Fault | None:
    if job is None:
        return Fault(field="jobId", text=f"no job {body.job_id}", hint="see `flumina jobs`")
    if not isinstance(job.spec.kind, Service):
        return Fault(
            field="jobId",
            text=f"job {body.job_id} is a batch job and has a fixed size",
            hint="only service jobs scale",
        )
    if job.state != "Accepted":
        return Fault(field="jobId", text=f"job {body.job_id} is {job.state} and is not changed")
    kind = _rescaled(job.spec.kind, body)
    if not 0 <= kind.minimum <= kind.desired <= kind.maximum:
        return Fault(
            field="capacity",
            text=f"min {kind.minimum}, desired {kind.desired}, max {kind.maximum} are out of order",
            hint="give 0 <= min <= desired <= max; bounds that are not given keep their value",
        )
    policy, was = state.policy, job.spec.kind
    if kind.maximum > max(policy.service_size_max, was.maximum):
        return limit_fault("capacity.max", "tasks", kind.maximum, policy.service_size_max)
    wanted = state.queued_tasks + kind.desired - was.desired
    if kind.desired > was.desired and wanted > policy.queued_tasks_max:
        return limit_fault("capacity.desired", "waiting tasks", wanted, policy.queued_tasks_max)
    return None


def job_kill_asked(fold: Fold, source: Source, body: JobKillAsked) -> None:
    """End a job: what waits ends at once, what runs is killed; a killed job stays killed."""
    job = fold.state.jobs.get(body.job_id)
    if job is None:
        fault = Fault(field="jobId", text=f"no job {body.job_id}", hint="see `flumina jobs`")
        fold.report(JobRejected(source=source, faults=(fault,), job_id=body.job_id))
        return
    fold.report(RequestAccepted(source=source, what="kill job", job_id=body.job_id))
    if job.state != "Accepted":
        return
    _store(fold, replace(job, state="KillInitiated", reason="killed"))
    fold.report(
        JobChanged(job_id=job.job_id, state="KillInitiated", reason="killed", message=body.why)
    )
    given = Given(fold.state.clock.now_ms, reason="killed", message=_because(body.actor, body.why))
    for task_id in list(fold.state.indexes[job.job_id].values()):
        moved_task(fold, task_id, Input.KILL_ASKED, given)
    _finish_if_done(fold, job.job_id)


def task_kill_asked(fold: Fold, source: Source, body: TaskKillAsked) -> None:
    """End one task; with ``is_shrink`` the service wants one less, else it is replaced."""
    task = fold.state.tasks.get(body.task_id)
    fault = _task_kill_fault(fold, body, task)
    if fault is not None:
        job_id = job_id_of(body.task_id)
        fold.report(JobRejected(source=source, faults=(fault,), job_id=job_id))
        return
    assert task is not None
    fold.report(RequestAccepted(source=source, what="kill task", job_id=task.job_id))
    if isinstance(task.state, Finished):
        return
    is_shrunk = body.is_shrink and _shrunk_by_one(fold, task)
    reason: FinishReason = "scaledDown" if is_shrunk else "killed"
    given = Given(fold.state.clock.now_ms, reason=reason, message=_because(body.actor, body.why))
    if not isinstance(task.state, KillInitiated):
        moved_task(fold, body.task_id, Input.KILL_ASKED, given)
    elif is_shrunk:
        _rename_kill(fold, task, given.message)


def _shrunk_by_one(fold: Fold, task: Task) -> bool:
    """Whether the task's service wants one less now; not twice for the same task."""
    job = fold.state.jobs[task.job_id]  # There while a task of it lives.
    kind = job.spec.kind
    if not isinstance(kind, Service) or job.state != "Accepted" or _is_scaled_down(task):
        return False
    desired = kind.desired - 1
    kind = replace(kind, desired=desired, minimum=min(kind.minimum, desired))
    _store(fold, replace(job, spec=replace(job.spec, kind=kind)))
    fold.report(JobChanged(job_id=job.job_id, state=job.state, reason="scaled", desired=desired))
    return True


def _task_kill_fault(fold: Fold, body: TaskKillAsked, task: Task | None) -> Fault | None:
    if task is None:
        return Fault(field="taskId", text=f"no task {body.task_id}", hint="see `flumina tasks`")
    job = fold.state.jobs.get(task.job_id)
    if job is None or not body.is_shrink:
        return None
    if not isinstance(job.spec.kind, Service):
        return Fault(field="shrink", text=f"batch job {job.job_id} does not shrink")
    if job.spec.kind.desired < 1:
        return Fault(field="shrink", text=f"job {job.job_id} already wants no tasks")
    return None


def _because(actor: str, why: str) -> str:
    return ": ".join(part for part in (actor, why) if part)


def _store(fold: Fold, job: Job) -> None:
    fold.state.jobs[job.job_id] = job
    fold.touch("job", job.job_id)


def _fill(fold: Fold, job_id: JobId) -> None:
    """Give every index that the job wants and nobody holds a first task, lowest index first."""
    state = fold.state
    job = state.jobs[job_id]
    taken = state.indexes.setdefault(job_id, {})
    missing = job.spec.desired - _wanted_count(fold, job_id)
    index, number = 0, job.next_number
    while missing > 0:
        if index not in taken:
            _start(fold, job_id, index, number)
            number += 1
            missing -= 1
        index += 1
    started = number - job.next_number
    if started:
        _store(fold, replace(job, next_number=number, open_indexes=job.open_indexes + started))


def _start(fold: Fold, job_id: JobId, index: int, number: int) -> None:
    task_id = task_id_of(job_id, index, number)
    new_task(
        fold,
        Task(
            task_id=task_id,
            job_id=job_id,
            index=index,
            number=number,
            original_id=task_id,
            state=Queued(since_ms=fold.state.clock.now_ms),
        ),
    )


def _wanted_count(fold: Fold, job_id: JobId) -> int:
    """How many of the job's indexes are not on their way out."""
    tasks = fold.state.tasks
    return sum(
        not _is_scaled_down(tasks[task_id]) for task_id in fold.state.indexes[job_id].values()
    )


def _is_scaled_down(task: Task) -> bool:
    state = task.state
    return isinstance(state, KillInitiated | Finished) and state.reason == "scaledDown"


def _shrink(fold: Fold, job_id: JobId) -> None:
    """Choose the tasks that a smaller service gives up, and ask that they be killed.

    Titus' order: those being killed, waiting, starting, started; within a class from the most
    crowded host, and there the oldest first.
    """
    state = fold.state
    surplus = _wanted_count(fold, job_id) - state.jobs[job_id].spec.desired
    if surplus <= 0:
        return
    there = [state.tasks[task_id] for task_id in state.indexes[job_id].values()]
    given = Given(state.clock.now_ms, reason="scaledDown", message="the job wants fewer tasks")
    for task in _given_up(state, [task for task in there if not _is_scaled_down(task)], surplus):
        if isinstance(task.state, KillInitiated):
            _rename_kill(fold, task, given.message)
        else:
            moved_task(fold, task.task_id, Input.KILL_ASKED, given)


def _rename_kill(fold: Fold, task: Task, message: str) -> None:
    """A task that is being killed anyway leaves its index for good."""
    assert isinstance(task.state, KillInitiated)
    place = task.state.place
    fold.state.tasks[task.task_id] = replace(task, state=replace(task.state, reason="scaledDown"))
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


def _given_up(state: State, tasks: list[Task], count: int) -> list[Task]:
    """The tasks that go first: by class, then one by one from what is the fullest host by then."""
    crowds: dict[HostId | None, int] = {}
    classes: dict[int, dict[HostId | None, deque[Task]]] = {}
    for task in sorted(tasks, key=lambda each: each.number):
        rank, host_id = _shrink_class(task.state)
        crowds[host_id] = len(state.host_tasks.get(host_id, ())) if host_id else 0
        classes.setdefault(rank, {}).setdefault(host_id, deque()).append(task)
    chosen: list[Task] = []
    for _, by_host in sorted(classes.items()):
        heap = [(-crowds[host_id], there[0].number, host_id) for host_id, there in by_host.items()]
        heapify(heap)
        while heap and len(chosen) < count:
            _, _, host_id = heappop(heap)
            chosen.append(by_host[host_id].popleft())
            crowds[host_id] -= host_id is not None
            if by_host[host_id]:
                oldest = by_host[host_id][0].number
                heappush(heap, (-crowds[host_id], oldest, host_id))
    return chosen


def _shrink_class(state: TaskState) -> tuple[int, HostId | None]:
    """The class in Titus' order, and the host that counts as crowded."""
    match state:
        case KillInitiated():
            return 0, state.place.host_id
        case Queued() | Placed() | Disconnected() | Finished():
            return 1, None
        case Launched() | StartInitiated():
            return 2, state.place.host_id
        case Started():
            return 3, state.place.host_id


def task_finished(fold: Fold, before: Task, task: Task) -> None:
    """Replace an ended task, or close its index; then see whether its job is done."""
    state = fold.state
    job = state.jobs[task.job_id]
    assert state.indexes[job.job_id][task.index] == task.task_id, "only current tasks can end"
    assert isinstance(task.state, Finished)
    if job.state == "Accepted" and _is_restarted(job, task, task.state):
        ran_ms = state.clock.now_ms - _started_at_ms(before.state, state.clock.now_ms)
        state.finished_tasks[task.task_id] = None
        _replace(fold, job, task, task.state, is_steady=ran_ms >= RETRY_RESET_MS)
    else:
        _store(fold, replace(job, open_indexes=job.open_indexes - 1))
        if task.state.reason == "scaledDown":
            state.finished_tasks[task.task_id] = None
            del state.indexes[job.job_id][task.index]
            fold.touch("index", (job.job_id, task.index))
        _finish_if_done(fold, job.job_id)


def _is_restarted(job: Job, task: Task, ended: Finished) -> bool:
    if isinstance(job.spec.kind, Service):
        return ended.reason != "scaledDown"
    if ended.reason == "normal":
        return False
    if ended.reason in SYSTEM_REASONS:
        return True
    if ended.reason == "runtimeLimitExceeded" and not job.spec.kind.is_retried_on_runtime_limit:
        return False
    return task.resubmit_number - task.system_resubmit_number < job.spec.retry.retries


def _replace(fold: Fold, job: Job, task: Task, ended: Finished, *, is_steady: bool) -> None:
    now_ms = fold.state.clock.now_ms
    is_system = ended.reason in SYSTEM_REASONS
    user_failures = 0 if is_steady else task.user_failures_in_a_row
    system_failures = 0 if is_steady else task.system_failures_in_a_row
    if is_system:
        system_failures += 1
    else:
        user_failures += 1
    delay_ms = _delay_ms(job.spec.retry, user_failures, system_failures, is_system=is_system)
    task_id = task_id_of(job.job_id, task.index, job.next_number)
    _store(fold, replace(job, next_number=job.next_number + 1))
    new_task(
        fold,
        Task(
            task_id=task_id,
            job_id=job.job_id,
            index=task.index,
            number=job.next_number,
            original_id=task.original_id,
            state=Queued(since_ms=now_ms, ready_at_ms=now_ms + delay_ms),
            resubmit_of=task.task_id,
            resubmit_number=task.resubmit_number + 1,
            system_resubmit_number=task.system_resubmit_number + is_system,
            system_failures_in_a_row=system_failures,
            user_failures_in_a_row=user_failures,
        ),
    )


def _started_at_ms(state: TaskState, default_ms: int) -> int:
    """When the ended task had started, or ``default_ms`` where it never did."""
    match state:
        case Started():
            return state.since_ms
        case Disconnected() | KillInitiated():
            return default_ms if state.started_at_ms is None else state.started_at_ms
        case Queued() | Placed() | Launched() | StartInitiated() | Finished():
            return default_ms


def _delay_ms(retry: RetryPolicy, user: int, system: int, *, is_system: bool) -> int:
    """How long a replacement waits: Titus' max(policy, system retryer), at least a second."""
    system_ms = min(RETRY_DELAY_MS_MIN << min(max(system - 1, 0), 20), SYSTEM_RETRY_DELAY_MS_MAX)
    if is_system:
        return system_ms
    policy_ms = min(retry.delay_ms << min(max(user - 1, 0), 20), retry.delay_ms_max)
    return max(policy_ms, RETRY_DELAY_MS_MIN)


def _is_exclusive(spec: JobSpec) -> bool:
    """Whether the job's tasks want a host for themselves."""
    return any(each.kind == "exclusiveHost" for each in spec.container.hard_constraints)


def _finish_if_done(fold: Fold, job_id: JobId) -> None:
    """A batch job with every index closed is done; so is a killed job without a live task."""
    state = fold.state
    job = state.jobs[job_id]
    if job.open_indexes > 0 or job.state == "Finished":
        return
    if job.state == "Accepted" and not isinstance(job.spec.kind, Batch):
        return
    reason = job.reason or _batch_reason(fold, job_id)
    _store(fold, replace(job, state="Finished", reason=reason, finished_at_ms=state.clock.now_ms))
    state.active_jobs -= 1
    state.exclusive_jobs -= _is_exclusive(job.spec)
    if job.spec.group_name:
        state.group_names.pop(job.spec.group_name, None)
    state.finished_jobs[job_id] = None
    state.tasks_of_finished_jobs += len(state.indexes[job_id])
    fold.report(JobChanged(job_id=job_id, state="Finished", reason=reason))


def _batch_reason(fold: Fold, job_id: JobId) -> str:
    """``normal`` where every index ended so, else the reason of the lowest index that did not."""
    state = fold.state
    for _, task_id in sorted(state.indexes[job_id].items()):
        ended = state.tasks[task_id].state
        assert isinstance(ended, Finished)
        if ended.reason != "normal":
            return ended.reason
    return "normal"


def forget_oldest(fold: Fold) -> None:
    """Drop the oldest ended tasks and jobs beyond the policy; the log still has them.

    Called between events: within one, who ended a task may still have to look at its job.
    """
    state = fold.state
    policy = state.policy
    while len(state.finished_jobs) > policy.finished_jobs_max:
        _forget_job(fold, next(iter(state.finished_jobs)))
    while len(state.finished_tasks) + state.tasks_of_finished_jobs > policy.finished_tasks_max:
        if state.finished_tasks:
            task_id = next(iter(state.finished_tasks))
            del state.finished_tasks[task_id]
            _forget_task(fold, task_id)
        else:
            _forget_job(fold, next(iter(state.finished_jobs)))


def _forget_job(fold: Fold, job_id: JobId) -> None:
    state = fold.state
    del state.finished_jobs[job_id]
    if not state.is_planned:
        state.jobs_changed.pop(job_id, None)
    floor = state.jobs.pop(job_id).next_number
    name_class = _name_class(job_id)
    state.number_floors[name_class] = max(floor, state.number_floors.get(name_class, 1))
    fold.touch("job", job_id)
    for index, task_id in state.indexes.pop(job_id).items():
        fold.touch("index", (job_id, index))
        _forget_task(fold, task_id)
        state.tasks_of_finished_jobs -= 1


def _name_class(job_id: JobId) -> int:
    """One of 1,024 classes of names; the same name is always in the same."""
    return int.from_bytes(blake2b(job_id.encode(), digest_size=2).digest()) % 1_024


def _forget_task(fold: Fold, task_id: TaskId) -> None:
    del fold.state.tasks[task_id]
    fold.state.killing.pop(task_id, None)
    fold.state.unanswered.pop(task_id, None)
    fold.touch("task", task_id)
