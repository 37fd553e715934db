"""Which jobs are in a crash loop at one offset, the longest first.

The one thing to know: a loop is a state of the job in the fold (`scheduler.fold.crash_loops`), so
this counts nothing by itself; the sentences of one job are `projections.health_words`.
"""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from scheduler.model.crash_loop import CrashLoop
from scheduler.model.ids import JobId
from scheduler.state import Job, State

JOBS_MAX: Final = 1_000


class JobFailing(msgspec.Struct, frozen=True, rename="camel"):
    """One job whose tasks end by themselves again and again."""

    job_id: str
    since_ms: int
    """When the loop began, by the log's clock."""
    failures: int
    """Tasks that ended within the policy's window."""
    last_ms: int
    last_reason: str
    delay_ms: int
    """How long the last replacement waits."""


class FailingGlance(msgspec.Struct, frozen=True, rename="camel"):
    """All jobs in a crash loop, at one offset."""

    at_ms: int
    offset: int
    jobs: int
    items: tuple[JobFailing, ...]
    """At most 1,000 of them."""


def looping(state: State) -> Iterator[tuple[Job, CrashLoop]]:
    """Jobs in a crash loop that are still wanted; what is remembered of others fades."""
    for job_id, loop in state.crash_loops.items():
        job = state.jobs.get(job_id)
        if loop.is_looping and job is not None and job.state == "Accepted":
            yield job, loop


def failing_glance(state: State, is_shown: Callable[[Job], bool] | None = None) -> FailingGlance:
    """Jobs in a crash loop that are shown, that which is in it for the longest time first."""
    found = [
        _job(job.job_id, loop) for job, loop in looping(state) if is_shown is None or is_shown(job)
    ]
    found.sort(key=lambda each: (each.since_ms, each.job_id))
    return FailingGlance(
        at_ms=state.clock.now_ms,
        offset=state.next_offset - 1,
        jobs=len(found),
        items=tuple(found[:JOBS_MAX]),
    )


def _job(job_id: JobId, loop: CrashLoop) -> JobFailing:
    return JobFailing(
        job_id=job_id,
        since_ms=loop.since_ms,
        failures=sum(count for _, count in loop.buckets),
        last_ms=loop.last_ms,
        last_reason=loop.last_reason,
        delay_ms=loop.delay_ms,
    )
