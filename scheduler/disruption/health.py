"""Which tasks count as healthy, as their job wants that to be judged.

The one thing to know: what is not known is not healthy. A task that has not started, whose host is
away, or of which Mesos has not spoken since the leader changed keeps no floor up.
"""

from scheduler.model.disruption import DisruptionBudget
from scheduler.model.ids import JobId
from scheduler.model.task import Started, Task
from scheduler.state import State


def is_healthy(state: State, task: Task, budget: DisruptionBudget) -> bool:
    """Whether every provider that the job names calls the task healthy; unhealthy by one wins."""
    task_state = task.state
    if not isinstance(task_state, Started) or task.task_id in state.unanswered:
        return False
    return task_state.is_healthy or budget.health == ("alwaysHealthy",)


def healthy_count(state: State, job_id: JobId, budget: DisruptionBudget) -> int:
    """How many tasks of the job are healthy."""
    tasks = state.tasks
    return sum(
        is_healthy(state, tasks[each], budget) for each in state.indexes.get(job_id, {}).values()
    )
