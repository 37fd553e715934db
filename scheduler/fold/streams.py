"""Streams: ordered workers that are started one after the other where that is asked.

The one thing to know: a stream is filled and kept as a service is. Only its first starts may have
to wait for the workers of lower index, and what it gives up are its highest indexes.
"""

from msgspec.structs import replace

from scheduler.fold.context import Fold, moved_task
from scheduler.fold.jobs import changed_job, fill, is_scaled_down, rename_kill
from scheduler.model.changes import JobChanged
from scheduler.model.job import Stream
from scheduler.model.task import KillInitiated
from scheduler.state import Job
from scheduler.task_table import Given, Input


def look_at_streams(fold: Fold) -> None:
    """Start the next worker of each stream of which all workers so far run."""
    for job_id in sorted(fold.state.starting_streams):
        if fold.state.jobs[job_id].state == "Accepted":
            fill(fold, job_id)
        else:
            del fold.state.starting_streams[job_id]


def resize_stream(fold: Fold, job: Job, workers: int, why: str) -> None:
    """Give a living stream so many workers; those of the lowest indexes stay."""
    kind = job.spec.kind
    assert isinstance(kind, Stream)
    if workers == kind.workers:
        return
    spec = replace(job.spec, kind=replace(kind, workers=workers))
    changed_job(fold, replace(job, spec=spec))
    told = JobChanged(
        job_id=job.job_id, state=job.state, reason="scaled", message=why, desired=workers
    )
    fold.report(told)
    state = fold.state
    given = Given(state.clock.now_ms, reason="scaledDown", message="the job wants fewer workers")
    for index, task_id in sorted(state.indexes[job.job_id].items(), reverse=True):
        task = state.tasks[task_id]
        if index < workers or is_scaled_down(task):
            continue
        if isinstance(task.state, KillInitiated):
            rename_kill(fold, task, given.message)
        else:
            moved_task(fold, task_id, Input.KILL_ASKED, given)
    fill(fold, job.job_id)
