"""What a submission does: a job with its first tasks, the same answer again, or a refusal.

The one thing to know: the log orders concurrent submissions. Of two that want one id or one name
the first has it from its own place on, and the second is refused at its own; nothing is reserved.
"""

from scheduler.fold.admission import admission_faults, raised
from scheduler.fold.context import Fold
from scheduler.fold.cron_runs import scheduled
from scheduler.fold.jobs import fill, name_class, stored
from scheduler.fold.sla import sla_began
from scheduler.model.address import Source
from scheduler.model.changes import JobAccepted, JobChanged, JobRejected
from scheduler.model.ids import JobId
from scheduler.model.inbound import JobSubmitted
from scheduler.model.job import Cron, JobSpec
from scheduler.model.provenance import provenance_of
from scheduler.state import Job
from scheduler.versions import is_exclusive


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
    fold.report(JobAccepted(job_id=body.job_id, source=source))
    spec = raised(fold.state.policy, body.spec)
    made_job(fold, body.job_id, spec, body.digest, actor=body.actor, why=body.why)


def made_job(
    fold: Fold,
    job_id: JobId,
    spec: JobSpec,
    digest: str,
    *,
    actor: str,
    why: str = "",
    cron_job_id: JobId | None = None,
) -> None:
    """Make a job that nothing is wrong with, and its first tasks."""
    job = Job(
        job_id=job_id,
        spec=spec,
        digest=digest,
        accepted_at_ms=fold.state.clock.now_ms,
        accepted_offset=fold.offset,
        accepted_index=fold.index,
        next_number=fold.state.number_floors.get(name_class(job_id), 1),
        open_indexes=0,
        actor=actor,
        call_reason=why,
        cron_job_id=cron_job_id,
    )
    stored(fold, job)
    fold.state.active_jobs += 1
    fold.state.exclusive_jobs += is_exclusive(job)
    if spec.group_name:
        fold.state.group_names[spec.group_name] = job.job_id
    fold.report(
        JobChanged(
            job_id=job.job_id,
            state="Accepted",
            desired=spec.desired,
            provenance=provenance_of(spec),
        )
    )
    sla_began(fold, job)
    fill(fold, job.job_id)
    if isinstance(spec.kind, Cron):
        stored(fold, scheduled(fold, fold.state.jobs[job_id]))
