"""Heartbeats of tasks: a task that its agent calls running has a container, or it is silent.

The one thing to know: one look proves nothing, for a container may begin or end in between. Three
in a row without it are told, once, and its return as well; what follows is the cell's: it asks.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from scheduler.model.health import TaskSilent
from scheduler.model.ids import TaskId

LOOKS: Final = 3


def running_without_container(
    state: Mapping[str, Any], containers: Iterable[Mapping[str, Any]]
) -> set[str]:
    """Our tasks that run by the agent's ``/state`` and have no container by ``/containers``."""
    there = {str(each.get("executor_id", "")) for each in containers}
    found = set()
    for framework in state.get("frameworks", []):
        for executor in framework.get("executors", []):
            if str(executor.get("id", "")) in there:
                continue
            for task in executor.get("tasks", []):
                labels = {each.get("key") for each in task.get("labels") or []}
                if "flumina.job" in labels and task.get("state") == "TASK_RUNNING":
                    found.add(str(task.get("id", "")))
    return found


class Silence:
    """How often in a row each task of a host was not there."""

    def __init__(self) -> None:
        self._missed: dict[str, dict[str, int]] = {}

    def news(self, host_id: str, missing: set[str], at_ms: int, round_ms: int) -> list[TaskSilent]:
        """What is to be told after one more look at the host."""
        before = self._missed.get(host_id, {})
        now = {task_id: before.get(task_id, 0) + 1 for task_id in missing}
        self._missed[host_id] = now
        begun = [
            TaskSilent(
                TaskId(each),
                silent_ms=LOOKS * round_ms,
                detail="it runs by its agent's word, and has no container",
                observed_at_ms=at_ms,
            )
            for each in sorted(now)
            if now[each] == LOOKS
        ]
        over = [
            TaskSilent(TaskId(each), is_silent=False, observed_at_ms=at_ms)
            for each in sorted(before.keys() - now.keys())
            if before[each] >= LOOKS
        ]
        return [*begun, *over]
