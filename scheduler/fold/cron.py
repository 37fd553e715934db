"""Cron jobs: at each firing a batch job, or the reason why not.

The one thing to know: the next firing stands in the state and follows from schedule and zone rule
(`scheduler.model.cron`), by the log's clock. A firing is looked at by the first tick behind it. If
that tick comes late, because nobody led meanwhile, the firing was missed, and ``catchUp`` says what
becomes of it.
"""

from datetime import UTC, datetime
from itertools import takewhile
from typing import Final

from msgspec.structs import replace

from scheduler.fold.admission import admission_faults
from scheduler.fold.context import Fold
from scheduler.fold.cron_runs import scheduled, with_run
from scheduler.fold.jobs import stored
from scheduler.fold.killing import end_job
from scheduler.fold.submitting import made_job
from scheduler.model.changes import JobChanged
from scheduler.model.cron import firings
from scheduler.model.ids import JobId
from scheduler.model.job import Cron, JobSpec
from scheduler.state import CronRun, Job

CRON_JOB_ATTRIBUTE: Final = "flumina.cron.job"
FIRING_ATTRIBUTE: Final = "flumina.cron.firing"
"""What a run knows of the job that started it, and the instant that it was started for."""
MISSED_MS_MAX: Final = 7 * 24 * 3_600_000
"""What was missed longer ago is counted nowhere: a week of minutes is 10,080 firings."""


def cron_due(fold: Fold, job_id: JobId) -> None:
    """Let the firings of a cron job that are due start what they have to."""
    now_ms = fold.state.clock.now_ms
    job = fold.state.jobs.get(job_id)
    if job is None or job.cron is None or job.state != "Accepted":
        return
    kind, next_at_ms = job.spec.kind, job.cron.next_at_ms
    if next_at_ms is None or next_at_ms > now_ms or not isinstance(kind, Cron):
        return  # It was given another schedule since.
    since_ms = max(next_at_ms - 1, now_ms - MISSED_MS_MAX)
    coming = firings(kind.schedule, kind.zone_rule, since_ms)
    due = list(takewhile(lambda at_ms: at_ms <= now_ms, coming))
    stored(fold, scheduled(fold, job))
    started = _chosen(fold, kind, due) if job.spec.is_enabled else []
    if len(due) > len(started):
        why = "missed" if job.spec.is_enabled else "the job is disabled"
        _skipped(fold, job_id, len(due) - len(started), due[0], why)
    for at_ms in started:
        _fire(fold, job_id, at_ms)


def _chosen(fold: Fold, kind: Cron, due: list[int]) -> list[int]:
    """Those of the due firings that start something: in time, or made up for."""
    now_ms = fold.state.clock.now_ms
    if kind.starting_deadline_ms:
        due = [at_ms for at_ms in due if now_ms - at_ms <= kind.starting_deadline_ms]
    in_time = [at_ms for at_ms in due if now_ms - at_ms <= fold.state.policy.cron_late_ms]
    missed = due[: len(due) - len(in_time)]
    match kind.catch_up:
        case "none":
            return in_time
        case "one":
            return in_time or missed[-1:]
        case "all":
            return [*missed[-kind.catch_up_max :], *in_time]


def _fire(fold: Fold, job_id: JobId, at_ms: int) -> None:
    """Start the run of one firing, unless a run that lives forbids it or the cell refuses it."""
    job = fold.state.jobs[job_id]
    kind, cron = job.spec.kind, job.cron
    assert isinstance(kind, Cron)
    assert cron is not None
    living = [each.job_id for each in cron.runs if each.state == "Accepted"]
    if living and kind.overlap == "forbid":
        _skipped(fold, job_id, 1, at_ms, f"run {living[-1]} still lives")
        return
    if kind.overlap == "replace":
        for each in living:
            run = fold.state.jobs[each]
            if run.state == "Accepted":
                end_job(fold, run, job_id, "replaced by the next firing")
    run_id, spec = run_id_of(job_id, at_ms), _run_spec(job, kind, at_ms)
    digest = f"cron {job_id} {at_ms}"
    if run_id in fold.state.jobs:
        _skipped(fold, job_id, 1, at_ms, f"a job {run_id} exists")
        return
    faults = admission_faults(fold.state, run_id, digest, spec)
    if faults:
        _skipped(fold, job_id, 1, at_ms, "; ".join(each.text for each in faults))
        return
    made_job(fold, run_id, spec, digest, actor=job.actor, cron_job_id=job_id)
    job = fold.state.jobs[job_id]
    assert job.cron is not None
    begun = CronRun(job_id=run_id, fired_for_ms=at_ms, started_at_ms=fold.state.clock.now_ms)
    stored(fold, replace(job, cron=with_run(job.cron, begun, kind.runs_kept_max)))
    fold.report(JobChanged(job_id=job_id, state=job.state, reason="cronFired", message=run_id))


def run_id_of(job_id: JobId, at_ms: int) -> JobId:
    """The id of the run that a firing starts: the job's id and the instant, in UTC."""
    return JobId(f"{job_id}-{datetime.fromtimestamp(at_ms / 1_000, UTC):%Y%m%dT%H%MZ}")


def _run_spec(job: Job, kind: Cron, at_ms: int) -> JobSpec:
    firing = f"{datetime.fromtimestamp(at_ms / 1_000, UTC):%Y-%m-%dT%H:%M:%SZ}"
    own = {CRON_JOB_ATTRIBUTE: str(job.job_id), FIRING_ATTRIBUTE: firing}
    attributes = tuple(sorted((dict(job.spec.attributes) | own).items()))
    # A sequence names one active job, and that is the cron job.
    return replace(job.spec, kind=kind.batch, attributes=attributes, sequence="")


def _skipped(fold: Fold, job_id: JobId, count: int, at_ms: int, why: str) -> None:
    job = fold.state.jobs[job_id]
    assert job.cron is not None
    firing = f"{datetime.fromtimestamp(at_ms / 1_000, UTC):%Y-%m-%dT%H:%MZ}"
    text = f"{firing}{f' and {count - 1} more' if count > 1 else ''}: {why}"
    cron = replace(job.cron, skipped=job.cron.skipped + count, last_skip=text)
    stored(fold, replace(job, cron=cron))
    fold.report(JobChanged(job_id=job_id, state=job.state, reason="cronSkipped", message=text))
