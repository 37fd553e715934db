"""Tasks of a new version that end by themselves: by them an update is judged.

The one thing to know: it is only counted here. What follows is decided where updates move, at the
next tick.
"""

from typing import Final

from msgspec.structs import replace

from scheduler.fold.context import Fold
from scheduler.model.task import Finished, Task

CRASH_REASONS: Final = (
    "normal",
    "failed",
    "stuckInState",
    "invalidRequest",
    "crashed",
    "localSystemError",
    "unknownSystemError",
)
"""Ends of a service's task that may be its version's fault, an image that cannot be started
included; a lost host, an eviction or a user's kill is not."""


def note_failure(fold: Fold, task: Task) -> None:
    """Count an ended task against the update that brought its version, if one did."""
    job = fold.state.jobs[task.job_id]
    update, state = job.update, task.state
    if update is None or update.state not in {"running", "switched"} or task.next_version:
        return
    if task.spec_version != update.to_version or not isinstance(state, Finished):
        return
    if state.reason not in CRASH_REASONS:
        return
    now_ms = fold.state.clock.now_ms
    since_ms = now_ms - update.plan.failure_window_ms
    kept = [at_ms for at_ms in update.failures_at_ms if at_ms > since_ms]
    failures = tuple([*kept, now_ms][-update.plan.failures_max :])
    update = replace(update, failures_at_ms=failures)
    fold.state.jobs[job.job_id] = replace(job, update=update)
    fold.touch("job", job.job_id)
