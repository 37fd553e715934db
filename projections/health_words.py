"""Sentences about how a job fares: crash loops, and what it demands of time.

The one thing to know: a sentence is made from the fold's state or from one change of it, so it is
as true as the log.
"""

from collections.abc import Iterator

from projections.words import counted, duration, instant
from scheduler.state import Job, State


def health_sentences(state: State, job: Job) -> Iterator[str]:
    """What there is to say of the job's failures and of what it demands of time."""
    loop = state.crash_loops.get(job.job_id)
    if loop is not None and loop.is_looping:
        failures = sum(count for _, count in loop.buckets)
        yield (
            f"It is in a crash loop since {instant(loop.since_ms)}: "
            f"{counted(failures, 'task')} ended by themselves lately, the last "
            f"{loop.last_reason}. A restart waits {duration(loop.delay_ms)} now."
        )
    sla = state.slas.get(job.job_id)
    if sla is None:
        return
    if sla.deadline_ms:
        stand = {"met": "nothing is late", "atRisk": "at risk", "missed": "missed"}
        yield f"It has to be done by {instant(sla.deadline_ms)}: {stand[sla.completion]}."
        return
    waiting = f", {counted(sla.late_waiting, 'task')} late now" if sla.late_waiting else ""
    yield (
        f"Its tasks should start within {duration(sla.start_ms)}: {sla.late_starts} of "
        f"{counted(sla.starts, 'start')} took longer, the slowest "
        f"{duration(sla.slowest_start_ms)}{waiting}."
    )
