"""What an update is, as state of its job: turned round, paused, over; who moves it is elsewhere.

The one thing to know: ``job.spec`` and ``job.spec_version`` are always where the job is going. So a
rollback exchanges both versions, and everything else goes on as before.
"""

from msgspec.structs import replace

from scheduler.fold.context import Fold
from scheduler.fold.jobs import changed_job
from scheduler.model.changes import JobChanged
from scheduler.model.job import Cron, JobSpec
from scheduler.model.job_updates import UPDATES_KEPT_MAX, JobUpdate, SpecVersion, UpdateState
from scheduler.state import Job
from scheduler.versions import is_exclusive, version_of


def updated_spec(was: JobSpec, asked: JobSpec) -> JobSpec:
    """What a version consists of is as asked; size, switches and budget stay the job's own."""
    return replace(
        was,
        container=asked.container,
        retry=asked.retry,
        attributes=asked.attributes,
        owner_email=asked.owner_email,
        kind=asked.kind if isinstance(was.kind, Cron) else was.kind,
    )


def pause(fold: Fold, job: Job, update: JobUpdate, why: str, *, is_paused: bool) -> None:
    """Let the update make no move any more, or let it go on."""
    now_ms = fold.state.clock.now_ms
    # A deadline does not run while people look at what is wrong.
    since_ms = update.batch_since_ms if is_paused else now_ms
    paused = replace(update, is_paused=is_paused, why=why, batch_since_ms=since_ms)
    if not is_paused:
        paused = replace(paused, failures_at_ms=())
    changed_job(fold, replace(job, update=paused))
    word = "updatePaused" if is_paused else "updateResumed"
    fold.report(told(job, word, f"update {update.number}" + (f": {why}" if why else "")))


def roll_back(fold: Fold, job: Job, update: JobUpdate, why: str) -> None:
    """Turn round: from here on every task goes back to the version before."""
    if update.state == "rollingBack":
        return
    old = version_of(job, update.from_version)
    turned = replace(
        job,
        spec=updated_spec(job.spec, old),
        spec_version=update.from_version,
        specs=(SpecVersion(update.to_version, job.spec),),
        update=replace(
            update,
            state="rollingBack",
            is_paused=False,
            why=why,
            batch_since_ms=fold.state.clock.now_ms,
        ),
    )
    respecified(fold, job, turned)
    fold.report(told(job, "updateRollingBack", f"update {update.number}: {why}"))


def end_update(fold: Fold, job: Job, state: UpdateState) -> None:
    """The update is over; its other version is needed no more, except to go back to."""
    update = job.update
    assert update is not None
    now_ms = fold.state.clock.now_ms
    over = replace(update, state=state, ended_at_ms=now_ms, taken=(), is_paused=False)
    prior = job.prior
    if state == "done":
        prior = SpecVersion(update.from_version, version_of(job, update.from_version))
    past = (*job.past_updates, over)[-UPDATES_KEPT_MAX:]
    # Tasks of a killed job end by the spec that they were started by.
    specs = job.specs if state == "ended" else ()
    fold.state.updating.pop(job.job_id, None)
    respecified(fold, job, replace(job, update=None, past_updates=past, prior=prior, specs=specs))
    words = {"done": "updateDone", "rolledBack": "updateRolledBack"}
    if state in words:
        fold.report(told(job, words[state], f"update {update.number}: version {job.spec_version}"))


def respecified(fold: Fold, before: Job, after: Job) -> None:
    """Keep a job of which another version is wanted, or of which a version is gone."""
    fold.state.exclusive_jobs += is_exclusive(after) - is_exclusive(before)
    changed_job(fold, after)
    fold.state.jobs_changed[after.job_id] = None
    fold.wake_placement()


def told(job: Job, reason: str, message: str) -> JobChanged:
    """What the log's readers are told of an update."""
    return JobChanged(job_id=job.job_id, state=job.state, reason=reason, message=message)
