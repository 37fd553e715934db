"""What registries say of tasks' health, kept for the budgets that name them.

The one thing to know: only tasks that live are kept. Each word of the registry drops those that
have ended since the last one.
"""

from scheduler.fold.context import Fold
from scheduler.model.address import Source
from scheduler.model.changes import RequestAccepted
from scheduler.model.ids import TaskId
from scheduler.model.registry_health import RegistryHealth, RegistryHealthNoted
from scheduler.model.task import Finished
from scheduler.state import State


def registry_health_noted(fold: Fold, source: Source, body: RegistryHealthNoted) -> None:
    """Keep what the registry says; of tasks that the cell does not have it is nothing."""
    state, now_ms = fold.state, fold.state.clock.now_ms
    for key in [each for each in state.registry_health if not _lives(state, each)]:
        del state.registry_health[key]
        fold.touch("registry health", key)
    for names, is_healthy in ((body.healthy, True), (body.unhealthy, False)):
        for task_id in names:
            key = (body.registry, task_id)
            if _lives(state, key):
                state.registry_health[key] = RegistryHealth(is_healthy, now_ms)
                fold.touch("registry health", key)
    fold.report(RequestAccepted(source=source, what="note registry health"))


def _lives(state: State, key: tuple[str, TaskId]) -> bool:
    task = state.tasks.get(key[1])
    return task is not None and not isinstance(task.state, Finished)
