"""What the witness knows of evictions: whom, when, and whether their budgets had room for them.

The one thing to know: nothing is asked of the quotas under test. Rates are counted here from the
log's own times, and the number of a task's evictions from the tasks that it took the place of.
"""

from collections.abc import Callable

from scheduler.model.changes import EvictionDecided
from scheduler.model.disruption import PerInterval, Relocations
from scheduler.model.ids import JobId, TaskId
from scheduler.state import State


class Evictions:
    """All evictions of one run."""

    def __init__(self) -> None:
        self.task_ids: set[TaskId] = set()
        self._at_ms: dict[JobId, list[int]] = {}
        self._of_original: dict[TaskId, int] = {}

    def allowed(
        self,
        state: State,
        change: EvictionDecided,
        at_ms: int,
        violated: Callable[[str, str], None],
    ) -> None:
        """Look at one that the cell let through."""
        if change.task_id in self.task_ids:
            violated("I3", f"{change.task_id} is evicted twice")
        self.task_ids.add(change.task_id)
        times = self._at_ms.setdefault(change.job_id, [])
        times.append(at_ms)
        task, job = state.tasks.get(change.task_id), state.jobs.get(change.job_id)
        if task is None or job is None:
            violated("I3", f"{change.task_id} is evicted and not known")
            return
        count = self._of_original[task.original_id] = self._of_original.get(task.original_id, 0) + 1
        budget = job.spec.budget
        if budget is None:
            return
        if isinstance(budget.policy, Relocations) and count > budget.policy.relocations_max:
            violated("I3", f"{task.original_id} was moved {count} times, its job allows fewer")
        if isinstance(budget.rate, PerInterval):
            lately = sum(each > at_ms - budget.rate.interval_ms for each in times)
            if lately > budget.rate.evictions_max:
                violated("I3", f"{change.job_id} lost {lately} tasks within its interval")
