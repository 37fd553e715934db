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
    if not budget.health:
        return task_state.is_healthy
    return all(_said(state, task, task_state, name) is True for name in budget.health)


def is_sick(state: State, task: Task, budget: DisruptionBudget) -> bool:
    """Whether a provider that the job names calls the started task unhealthy.

    A registry that is silent makes nobody sick: else its silence would open every budget.
    """
    task_state = task.state
    if not isinstance(task_state, Started) or task.task_id in state.unanswered:
        return False
    names = budget.health or ("mesos",)
    return any(_said(state, task, task_state, name) is False for name in names)


def _said(state: State, task: Task, started: Started, provider: str) -> bool | None:
    """What a provider says of the task; None where it says nothing."""
    if provider == "mesos":
        return started.is_healthy
    if provider == "alwaysHealthy":
        return True
    said = state.registry_health.get((provider, task.task_id))
    if said is None or state.clock.now_ms >= said.at_ms + state.policy.registry_health_ms:
        return None
    return said.is_healthy


def healthy_count(state: State, job_id: JobId, budget: DisruptionBudget) -> int:
    """How many tasks of the job are healthy."""
    tasks = state.tasks
    return sum(
        is_healthy(state, tasks[each], budget) for each in state.indexes.get(job_id, {}).values()
    )
