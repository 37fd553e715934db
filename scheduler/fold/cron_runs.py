"""When a cron job fires next, and what it remembers of the jobs that it started.

The one thing to know: a run is a job of its own, which lives and ends as every other. Here is only
the list under its cron job: the runs that live, and as many of the ended ones as it keeps.
"""

from heapq import heappush

from msgspec.structs import replace

from scheduler.fold.context import Fold
from scheduler.model.cron import next_firing_ms
from scheduler.model.job import Cron
from scheduler.state import CronRun, CronState, Job


def scheduled(fold: Fold, job: Job) -> Job:
    """The job with its next firing found anew from now on, and a tick that will look at it."""
    kind = job.spec.kind
    assert isinstance(kind, Cron)
    next_at_ms = next_firing_ms(kind.schedule, kind.zone_rule, fold.state.clock.now_ms)
    fold.state.cron_jobs[job.job_id] = None
    if next_at_ms is not None:
        heappush(fold.deadlines, (next_at_ms, "cron", job.job_id))
    cron = job.cron or CronState(next_at_ms=None)
    return replace(job, cron=replace(cron, next_at_ms=next_at_ms))


def run_ended(fold: Fold, run: Job) -> None:
    """Note the end of a job in the list of the cron job that started it, if one did."""
    state = fold.state
    job = state.jobs.get(run.cron_job_id) if run.cron_job_id else None
    if job is None or job.cron is None or not isinstance(job.spec.kind, Cron):
        return
    runs = tuple(
        replace(each, state="Finished", reason=run.reason) if each.job_id == run.job_id else each
        for each in job.cron.runs
    )
    cron = replace(job.cron, runs=_kept(runs, job.spec.kind.runs_kept_max))
    state.jobs[job.job_id] = replace(job, cron=cron)
    fold.touch("job", job.job_id)


def with_run(cron: CronState, run: CronRun, runs_kept_max: int) -> CronState:
    """The state with one run more."""
    return replace(cron, runs=_kept((*cron.runs, run), runs_kept_max))


def _kept(runs: tuple[CronRun, ...], runs_kept_max: int) -> tuple[CronRun, ...]:
    """All that live, and the last of those that ended."""
    over = sum(each.state == "Finished" for each in runs) - runs_kept_max
    kept = []
    for each in runs:
        if each.state == "Finished" and over > 0:
            over -= 1
            continue
        kept.append(each)
    return tuple(kept)
