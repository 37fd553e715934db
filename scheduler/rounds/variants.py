"""The tasks of a job that differ, counted variant by variant, as a round of placement needs them.

The one thing to know: this looks at every task of the job, so it is done for jobs only that are
updated or have sets; all others are counted as they change.
"""

from dataclasses import dataclass

from scheduler.model.task import Queued
from scheduler.state import Job, State
from scheduler.versions import Variant, variant_of


@dataclass(slots=True)
class Group:
    """Tasks of one variant: how many hold a host, how many could be placed, since when."""

    on_hosts: int = 0
    ready: int = 0
    since_ms: int = 0


def variants_of(state: State, job: Job) -> dict[Variant, Group]:
    """What waits and runs of each variant of the job, those without either left out."""
    found: dict[Variant, Group] = {}
    resting = state.resting.get(job.job_id, {})
    for _, task_id in sorted(state.indexes.get(job.job_id, {}).items()):
        task = state.tasks[task_id]
        task_state = task.state
        is_waiting = isinstance(task_state, Queued)
        place = getattr(task_state, "place", None)
        is_there = place is not None and task_id in state.host_tasks.get(place.host_id, ())
        if not is_there and (not is_waiting or task_id in resting):
            continue
        group = found.setdefault(variant_of(job, task), Group())
        group.on_hosts += is_there
        if isinstance(task_state, Queued):
            group.ready += 1
            since_ms = max(task_state.since_ms, task_state.ready_at_ms)
            group.since_ms = min(group.since_ms or since_ms, since_ms)
    return found
