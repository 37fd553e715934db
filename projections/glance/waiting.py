"""What waits for a host at one offset: by job, the oldest first, with the tier that it waits in.

The one thing to know: this is the state's queue and no history; why a task waits is asked by its
name (`projections.why`).
"""

from typing import Final

import msgspec

from scheduler.model.ids import JobId
from scheduler.model.task import Queued
from scheduler.placement.requests_of_jobs import group_of
from scheduler.state import State

JOBS_MAX: Final = 500
TASKS_OF_JOB_MAX: Final = 20


class JobWaiting(msgspec.Struct, frozen=True, rename="camel"):
    """One job's tasks that wait."""

    job_id: str
    application: str
    group: str
    tier: str
    tasks: int
    retries: int
    """Of them, how many may not be placed before their delay is over."""
    oldest_since_ms: int
    task_ids: tuple[str, ...]
    """The first of them."""


class WaitingGlance(msgspec.Struct, frozen=True, rename="camel"):
    """All that waits, at one offset."""

    at_ms: int
    offset: int
    tasks: int
    jobs: int
    tiers: dict[str, int]
    """Tasks by tier, in the order of the tiers."""
    items: tuple[JobWaiting, ...]


def waiting_glance(state: State) -> WaitingGlance:
    """What waits, the longest wait first."""
    rules = state.policy.placement
    found = [_job(state, job_id) for job_id, there in state.queue.items() if there]
    found.sort(key=lambda each: (each.oldest_since_ms, each.job_id))
    tiers = dict.fromkeys((each.name for each in rules.tiers), 0)
    for each in found:
        tiers[each.tier] = tiers.get(each.tier, 0) + each.tasks
    return WaitingGlance(
        at_ms=state.clock.now_ms,
        offset=state.next_offset - 1,
        tasks=sum(each.tasks for each in found),
        jobs=len(found),
        tiers=tiers,
        items=tuple(found[:JOBS_MAX]),
    )


def _job(state: State, job_id: JobId) -> JobWaiting:
    spec = state.jobs[job_id].spec
    waits = [(task_id, state.tasks[task_id].state) for task_id in state.queue[job_id]]
    since = [(_since_ms(each), task_id) for task_id, each in waits]
    now_ms = state.clock.now_ms
    group = group_of(spec.capacity_group, state.policy.placement)
    return JobWaiting(
        job_id=job_id,
        application=spec.application_name,
        group=group.name,
        tier=group.tier,
        tasks=len(waits),
        retries=sum(isinstance(each, Queued) and each.ready_at_ms > now_ms for _, each in waits),
        oldest_since_ms=min(at_ms for at_ms, _ in since),
        task_ids=tuple(task_id for _, task_id in sorted(since)[:TASKS_OF_JOB_MAX]),
    )


def _since_ms(state: object) -> int:
    """Since when a task could have been placed; a retry from the end of its delay on."""
    assert isinstance(state, Queued), "the queue holds what waits"
    return max(state.since_ms, state.ready_at_ms)
