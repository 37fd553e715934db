"""Whether a group of tasks may be launched: one bad task refuses them all.

The one thing to know: the group's executor must bring enough for itself (0.01 cpus, 32 MB of
memory, some disk), and its tasks are the default executor's, which runs no Docker containers.
"""

from connectors.devcluster.master.executors import incompatibility
from connectors.devcluster.master.validation import (
    Place,
    executor_info_error,
    fit_error,
    task_info_error,
)
from connectors.devcluster.resources import (
    MIN_OFFER_CPUS_MILLI,
    MIN_OFFER_MEM_MILLI,
    from_json,
    scalar_text,
)
from connectors.devcluster.words import Json


def group_error(executor: Json, tasks: list[Json], place: Place) -> str | None:
    """Why the group is refused, or None."""
    for task in tasks:
        problem = task_info_error(task, place) or _group_task_error(task)
        if problem is not None:
            return f"Task '{task['task_id']['value']}' is invalid: {problem}"
    executor_id = executor["executor_id"]["value"]
    for task in tasks:
        if "executor" in task and task["executor"] != executor:
            return (
                f"The `ExecutorInfo` of task '{task['task_id']['value']}' is different from "
                f"executor '{executor_id}'"
            )
    return _executor_error(executor, place) or _fit_error(executor, tasks, place)


def _group_task_error(task: Json) -> str | None:
    container = task.get("container", {})
    if container.get("type") == "DOCKER":
        return "Docker ContainerInfo is not supported on the task"
    return None


def _executor_error(executor: Json, place: Place) -> str | None:
    if "type" not in executor:
        return "'ExecutorInfo.type' must be set"
    if "framework_id" not in executor:
        return executor_info_error(executor, place) or "'ExecutorInfo.framework_id' must be set"
    return executor_info_error(executor, place) or _needs_error(executor)


def _needs_error(executor: Json) -> str | None:
    executor_id = executor["executor_id"]["value"]
    amounts = from_json(executor.get("resources", [])).quantities
    cpus, mem = amounts.get("cpus"), amounts.get("mem")
    if (cpus or 0) < MIN_OFFER_CPUS_MILLI:
        text = "None" if cpus is None else scalar_text(cpus)
        return f"Executor '{executor_id}' uses less CPUs ({text}) than the minimum required (0.01)"
    if (mem or 0) < MIN_OFFER_MEM_MILLI:
        text = "None" if mem is None else f"{scalar_text(mem)}MB"
        return (
            f"Executor '{executor_id}' uses less memory ({text}) than the minimum required (32MB)"
        )
    if "disk" not in amounts:
        return f"Executor '{executor_id}' uses no disk"
    return None


def _fit_error(executor: Json, tasks: list[Json], place: Place) -> str | None:
    key = (place.framework.framework_id, executor["executor_id"]["value"])
    known = place.agent.executors.get(key)
    if known is not None:
        if problem := incompatibility(place.framework, place.role, known, executor):
            return problem
        return fit_error(tasks, place, "task group and its executor are")
    return fit_error([*tasks, executor], place, "task group and its executor are")
