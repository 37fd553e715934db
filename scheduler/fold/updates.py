"""What users ask of updates: another spec for a job, and a pause, a resumption, the way back.

The one thing to know: a request only begins or turns an update; the moves are made at ticks, by
`scheduler.fold.update_steps`. An update that is done is rolled back by a new one.
"""

from msgspec.structs import replace

from scheduler.fold.admission import raised, update_faults
from scheduler.fold.context import Fold
from scheduler.fold.cron_runs import scheduled
from scheduler.fold.jobs import changeable, changed_job, refuse
from scheduler.fold.update_states import pause, respecified, roll_back, told, updated_spec
from scheduler.fold.update_steps import look_at_update
from scheduler.model.address import Source
from scheduler.model.changes import RequestAccepted
from scheduler.model.inbound import Fault
from scheduler.model.job import Cron, JobSpec
from scheduler.model.job_updates import (
    JobUpdate,
    JobUpdateAsked,
    JobUpdateOrdered,
    SpecVersion,
)
from scheduler.state import Job


def job_update_asked(fold: Fold, source: Source, body: JobUpdateAsked) -> None:
    """Begin to give a job another spec, or refuse it with every reason."""
    job = changeable(fold.state, body.job_id, body.if_version)
    if isinstance(job, Fault):
        refuse(fold, source, body.job_id, job)
        return
    if job.update is not None and job.update.digest == body.digest:
        fold.report(RequestAccepted(source=source, what="update", job_id=job.job_id))
        return  # The same request again.
    asked = raised(fold.state.policy, body.spec)
    faults = update_faults(fold.state, job, asked, body.plan)
    if faults:
        refuse(fold, source, body.job_id, *faults)
        return
    fold.report(RequestAccepted(source=source, what="update", job_id=job.job_id))
    spec = updated_spec(job.spec, asked)
    if isinstance(job.spec.kind, Cron):
        _replace_template(fold, job, spec, body.why)
    elif spec != job.spec or body.plan.is_restart:
        _begin(fold, job, spec, body)


def _replace_template(fold: Fold, job: Job, spec: JobSpec, why: str) -> None:
    """Runs to come are by the new spec; those that live stay as they are."""
    changed_job(fold, scheduled(fold, replace(job, spec=spec)))
    fold.report(told(job, "updateDone", why or "runs to come are by the new spec"))


def _begin(fold: Fold, job: Job, spec: JobSpec, body: JobUpdateAsked) -> None:
    now_ms, version = fold.state.clock.now_ms, job.last_spec_version + 1
    update = JobUpdate(
        number=1 + (job.past_updates[-1].number if job.past_updates else 0),
        plan=body.plan,
        from_version=job.spec_version,
        to_version=version,
        began_at_ms=now_ms,
        batch_since_ms=now_ms,
        actor=body.actor,
        why=body.why,
        digest=body.digest,
    )
    begun = replace(
        job,
        spec=spec,
        spec_version=version,
        last_spec_version=version,
        specs=(SpecVersion(job.spec_version, job.spec),),
        update=update,
    )
    fold.state.updating[job.job_id] = None
    respecified(fold, job, begun)
    message = f"update {update.number}: version {update.from_version} to {version}"
    fold.report(told(job, "updateBegan", ": ".join(part for part in (message, body.why) if part)))
    look_at_update(fold, job.job_id)


def job_update_ordered(fold: Fold, source: Source, body: JobUpdateOrdered) -> None:
    """Pause, resume or roll back an update; one that is done is rolled back by a new one."""
    job = changeable(fold.state, body.job_id, body.if_version)
    fault = job if isinstance(job, Fault) else _order_fault(job, body)
    if fault is not None:
        refuse(fold, source, body.job_id, fault)
        return
    assert isinstance(job, Job)
    fold.report(RequestAccepted(source=source, what=f"{body.order} update", job_id=job.job_id))
    update = job.update
    if update is None:
        _begin_return(fold, job, body)
    elif body.order == "rollback":
        roll_back(fold, job, update, f"asked for: {body.why}" if body.why else "asked for")
    elif update.is_paused is not (body.order == "pause"):
        pause(fold, job, update, body.why, is_paused=body.order == "pause")
    look_at_update(fold, job.job_id)


def _order_fault(job: Job, body: JobUpdateOrdered) -> Fault | None:
    update = job.update
    if update is None:
        past = job.past_updates[-1] if job.past_updates else None
        if past is None or body.number not in {None, past.number}:
            text = f"job {job.job_id} has no update {body.number or ''}".rstrip()
            return Fault("number", text, f"see `flumina update {job.job_id}`", code="unknown")
        if body.order == "rollback" and past.state == "done" and job.prior is not None:
            return None
        text = f"update {past.number} of job {job.job_id} is {past.state}"
        hint = "nothing of it is under way"
        if body.order == "rollback":
            hint = "only the last one that is done goes back"
        return Fault("number", text, hint, code="state")
    if body.number not in {None, update.number}:
        text = f"update {update.number} of job {job.job_id} is under way, not {body.number}"
        return Fault("number", text, "order what is under way", code="state")
    return None


def _begin_return(fold: Fold, job: Job, body: JobUpdateOrdered) -> None:
    """Update to the version before, by the same plan."""
    prior, past = job.prior, job.past_updates[-1]
    assert prior is not None
    spec = updated_spec(job.spec, prior.spec)
    asked = JobUpdateAsked(
        job_id=job.job_id,
        spec=spec,
        digest="",
        plan=replace(past.plan, is_restart=True),
        actor=body.actor,
        why=f"back to version {prior.version}" + (f": {body.why}" if body.why else ""),
    )
    _begin(fold, job, spec, asked)
