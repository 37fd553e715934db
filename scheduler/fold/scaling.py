"""What scaling does to a service, and which tasks a smaller one gives up.

The one thing to know: bounds that are not given keep their value, and a bound that is moved past
``desired`` drags it along; ``desired`` itself must lie within them.
"""

from msgspec.structs import replace

from scheduler.fold.admission import limit_fault, service_size_max
from scheduler.fold.context import Fold, moved_task
from scheduler.fold.jobs import (
    changeable,
    changed_job,
    fill,
    is_scaled_down,
    no_service,
    refuse,
    rename_kill,
    wanted_count,
)
from scheduler.fold.scale_down import given_up
from scheduler.fold.streams import resize_stream
from scheduler.fold.update_steps import resize_updated
from scheduler.model.address import Source
from scheduler.model.changes import JobChanged, RequestAccepted
from scheduler.model.ids import JobId
from scheduler.model.inbound import Fault, JobScaleAsked
from scheduler.model.job import Service, Stream
from scheduler.model.task import KillInitiated
from scheduler.state import Job, State
from scheduler.task_table import Given, Input
from scheduler.volumes.faults import size_storage_fault


def job_scale_asked(fold: Fold, source: Source, body: JobScaleAsked) -> None:
    """Change a service's bounds; a bound that is moved past ``desired`` drags it along."""
    job = changeable(fold.state, body.job_id, body.if_version)
    if isinstance(job, Fault):
        refuse(fold, source, body.job_id, job)
        return
    kind = job.spec.kind
    if isinstance(kind, Stream):
        _scale_stream(fold, source, job, body)
        return
    if not isinstance(kind, Service) or job.spec.sets:
        refuse(fold, source, body.job_id, _fixed(job))
        return
    wanted = _rescaled(kind, body)
    fault = _scale_fault(fold.state, job, kind, wanted)
    if fault is not None:
        refuse(fold, source, body.job_id, fault)
        return
    fold.report(RequestAccepted(source=source, what="scale", job_id=body.job_id))
    rescale(fold, job, wanted, body.why)


def _fixed(job: Job) -> Fault:
    why = "has sets, and so a fixed size" if job.spec.sets else "has a fixed size"
    return no_service(job, why, "only services and streams without sets change their size")


def rescale(fold: Fold, job: Job, wanted: Service, why: str) -> None:
    """Give a living service these bounds, which must be in order; the same bounds do nothing."""
    if wanted == job.spec.kind:
        return
    assert 0 <= wanted.minimum <= wanted.desired <= wanted.maximum, wanted
    changed_job(fold, replace(job, spec=replace(job.spec, kind=wanted)))
    fold.report(
        JobChanged(
            job_id=job.job_id,
            state=job.state,
            reason="scaled",
            message=why,
            desired=wanted.desired,
        )
    )
    if job.update is not None:
        resize_updated(fold, job.job_id)
        return
    shrink(fold, job.job_id)
    fill(fold, job.job_id)


def _scale_stream(fold: Fold, source: Source, job: Job, body: JobScaleAsked) -> None:
    """A stream has one size; bounds that are given must be that, and the lowest indexes stay."""
    given = {each for each in (body.desired, body.minimum, body.maximum) if each is not None}
    most = fold.state.policy.stream_size_max
    if len(given) != 1:
        text = "a stream has one size, and no bounds to scale within"
        refuse(fold, source, job.job_id, Fault(field="capacity", text=text, hint="give desired"))
    elif job.update is not None:
        text = f"update {job.update.number} of stream {job.job_id} is under way"
        hint = "wait for its end, or roll it back"
        refuse(fold, source, job.job_id, Fault("update", text, hint, code="state"))
    elif not 1 <= max(given) <= most:
        refuse(fold, source, job.job_id, limit_fault("desired", "workers", max(given), most))
    elif (storage := size_storage_fault(job.spec, max(given))) is not None:
        refuse(fold, source, job.job_id, replace(storage, field="desired"))
    else:
        fold.report(RequestAccepted(source=source, what="scale", job_id=job.job_id))
        resize_stream(fold, job, max(given), body.why)


def _rescaled(kind: Service, body: JobScaleAsked) -> Service:
    minimum = kind.minimum if body.minimum is None else body.minimum
    maximum = kind.maximum if body.maximum is None else body.maximum
    desired = kind.desired if body.desired is None else body.desired
    if body.desired is None:
        desired = min(max(desired, minimum), maximum)
    return Service(minimum=minimum, desired=desired, maximum=maximum)


def _scale_fault(state: State, job: Job, was: Service, wanted: Service) -> Fault | None:
    if not 0 <= wanted.minimum <= wanted.desired <= wanted.maximum:
        return Fault(
            field="capacity",
            text=f"min {wanted.minimum}, desired {wanted.desired}, max {wanted.maximum} "
            "are out of order",
            hint="give 0 <= min <= desired <= max; bounds that are not given keep their value",
        )
    storage = size_storage_fault(job.spec, wanted.maximum)
    if storage is not None and wanted.maximum > was.maximum:
        return replace(storage, field="capacity.max")
    policy = state.policy
    most = service_size_max(policy, job.spec.capacity_group)
    if wanted.maximum > max(most, was.maximum):
        return limit_fault("capacity.max", "tasks", wanted.maximum, most)
    waiting = state.queued_tasks + wanted.desired - was.desired
    if wanted.desired > was.desired and waiting > policy.queued_tasks_max:
        return limit_fault("capacity.desired", "waiting tasks", waiting, policy.queued_tasks_max)
    return process_fault(job, was.desired, wanted.desired)


def process_fault(job: Job, was: int, desired: int) -> Fault | None:
    """Why a switch of the job forbids this change of ``desired``; bounds are not its matter."""
    if desired > was and job.spec.is_increase_disabled:
        what, switch = f"would rise from {was} to {desired}", "disableIncreaseDesired"
    elif desired < was and job.spec.is_decrease_disabled:
        what, switch = f"would fall from {was} to {desired}", "disableDecreaseDesired"
    else:
        return None
    return Fault(
        field="capacity.desired",
        text=f"{what}, which job {job.job_id} does not let happen: {switch} is set",
        hint="turn the switch off first; bounds that keep desired where it is are taken",
    )


def shrink(fold: Fold, job_id: JobId) -> None:
    """Choose the tasks that a smaller service gives up, and ask that they be killed."""
    state = fold.state
    surplus = wanted_count(fold, job_id) - state.jobs[job_id].spec.desired
    if surplus <= 0:
        return
    there = [state.tasks[task_id] for task_id in state.indexes[job_id].values()]
    given = Given(state.clock.now_ms, reason="scaledDown", message="the job wants fewer tasks")
    for task in given_up(state, [task for task in there if not is_scaled_down(task)], surplus):
        if isinstance(task.state, KillInitiated):
            rename_kill(fold, task, given.message)
        else:
            moved_task(fold, task.task_id, Input.KILL_ASKED, given)
