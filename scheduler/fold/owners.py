"""What owners of jobs are told of their tasks: out of memory, evicted, in a crash loop.

The one thing to know: each job and kind is told of once an hour, as a change like any other, so it
is in topic ``job-events`` and reaches webhooks. How a single task ended stands in its own history.
"""

from typing import Final

from scheduler.fold.context import Fold
from scheduler.fold.safe import is_news
from scheduler.model.changes import OwnerAlerted, OwnerAlertKind
from scheduler.model.ids import JobId, TaskId
from scheduler.model.task import Finished, FinishReason, Task

OF_INTEREST: Final[frozenset[FinishReason]] = frozenset(
    ("failed", "crashed", "localSystemError", "evicted")
)
"""Ends among which are those that owners are told of."""
_STEPS: Final[tuple[tuple[str, OwnerAlertKind, str], ...]] = (
    ("CONTAINER_LIMITATION_MEMORY", "oomKilled", "used more memory than it had asked for"),
    ("CONTAINER_LIMITATION_DISK", "diskFull", "used more disk than it had asked for"),
)
"""Words of Mesos in the step by which a task ended."""


def tell_owner(fold: Fold, task: Task, step: str) -> None:
    """Tell the job's owner how the task ended, if that is of his concern and is news."""
    ended = task.state
    assert isinstance(ended, Finished)
    if ended.reason == "evicted":
        alert_owner(fold, task.job_id, task.task_id, "evicted", ended.message or "it was evicted")
        return
    for word, kind, text in _STEPS:
        if word in step:
            said = f"{text}: {ended.message}" if ended.message else text
            alert_owner(fold, task.job_id, task.task_id, kind, f"task {task.task_id} {said}")


def alert_owner(
    fold: Fold, job_id: JobId, task_id: TaskId | None, kind: OwnerAlertKind, message: str
) -> None:
    """Tell the job's owner, unless he was told of the same within the hour."""
    job = fold.state.jobs.get(job_id)
    if job is None or not is_news(fold, f"owner {kind}", job_id):
        return
    fold.report(OwnerAlerted(job_id, task_id, kind, job.spec.owner_email, message[:500]))
