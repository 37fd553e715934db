"""Whether a task may be launched on what was offered; one task after the other, in Mesos' order.

The one thing to know: a task that fails here was never started, and is answered TASK_ERROR, not
400. Malformed resources are checked before, for the whole ACCEPT at once (observed on 1.11.0).
"""

from collections.abc import Container
from typing import Any

from connectors.devcluster.master.framework_info import id_error
from connectors.devcluster.resources import ResourceError, Resources, from_json, to_milli

Json = dict[str, Any]


def resources_error(operation: Json) -> str | None:
    """Why the resources in an operation are malformed, which voids all operations, or None."""
    tasks = operation.get("launch", {}).get("task_infos", [])
    tasks = tasks + operation.get("launch_group", {}).get("task_group", {}).get("tasks", [])
    for task in tasks:
        try:
            from_json(task.get("resources", []))
            from_json(task.get("executor", {}).get("resources", []))
        except ResourceError as error:
            return str(error)
    return None


def task_error(
    task: Json, *, known_ids: Container[str], agent_id: str, role: str, available: Resources
) -> str | None:
    """Why this task is refused, or None. ``available`` is what is left of the offers."""
    task_id = task["task_id"]["value"]
    if problem := id_error(task_id):
        return problem
    if task_id in known_ids:
        return f"Task has duplicate ID: {task_id}"
    if task["agent_id"]["value"] != agent_id:
        return (
            f"Task uses invalid agent {task['agent_id']['value']} while agent {agent_id} "
            "is expected"
        )
    return (
        _times_error(task)
        or _health_check_error(task)
        or _needs_resources_error(task)
        or _command_error(task)
        or _container_error(task)
        or _limits_error(task)
        or _fit_error(task, role, available)
        or _unsupported_error(task)
    )


def _times_error(task: Json) -> str | None:
    grace = task.get("kill_policy", {}).get("grace_period", {}).get("nanoseconds", 0)
    if grace < 0:
        return "Task's 'kill_policy.grace_period' must be non-negative"
    if task.get("max_completion_time", {}).get("nanoseconds", 0) < 0:
        return "Task's `max_completion_time` must be non-negative"
    return None


def _health_check_error(task: Json) -> str | None:
    check = task.get("health_check")
    if check is None:
        return None
    kind = check.get("type")
    if kind is None:
        problem = "HealthCheck must specify 'type'"
    elif kind == "UNKNOWN":
        problem = "'UNKNOWN' is not a valid health check type"
    elif kind.lower() not in check:
        problem = f"Expecting '{kind.lower()}' to be set for {kind} health check"
    else:
        return None
    return f"Task uses invalid health check: {problem}"


def _needs_resources_error(task: Json) -> str | None:
    return None if task.get("resources") else "Task uses no resources"


def _command_error(task: Json) -> str | None:
    variables = task.get("command", {}).get("environment", {}).get("variables", [])
    for variable in variables:
        kind = variable.get("type", "VALUE")
        if kind == "UNKNOWN":
            problem = "Environment variable of type 'UNKNOWN' is not allowed"
        elif kind == "VALUE" and "value" not in variable:
            problem = (
                f"Environment variable '{variable['name']}' of type 'VALUE' must have a value set"
            )
        else:
            continue
        return f"Task's `CommandInfo` is invalid: {problem}"
    return None


def _container_error(task: Json) -> str | None:
    container = task.get("container", {})
    if container.get("type") == "DOCKER" and "docker" not in container:
        return (
            "Task's `ContainerInfo` is invalid: "
            "DockerInfo 'docker' is not set for DOCKER typed ContainerInfo"
        )
    return None


def _limits_error(task: Json) -> str | None:
    limits = task.get("limits", {})
    if set(limits) - {"cpus", "mem"}:
        return "Only cpus and mem may be included in a task's resource limits"
    asked = from_json(task["resources"]).scalars
    for name, word, what in (("cpus", "CPU", "cpu"), ("mem", "memory", "memory")):
        if name not in limits:
            continue
        if name not in asked:
            return f"When a {word} limit is specified, a {word} request must also be specified"
        if to_milli(limits[name]["value"]) < asked[name]:
            return f"The {what} limit must be greater than or equal to the {what} request"
    return None


def _fit_error(task: Json, role: str, available: Resources) -> str | None:
    if ("executor" in task) == ("command" in task):
        return "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present"
    wanted = from_json(task["resources"])
    roles = [r["allocation_info"].get("role", role) for r in _allocated(task)]
    other = next((r for r in roles if r != role), None)
    if other is None and available.contains(wanted):
        return None
    return (
        f"Total resources {wanted.text(other or role)} required by task and its executor is more "
        f"than available {available.text(role)}"
    )


def _allocated(task: Json) -> list[Json]:
    return [r for r in task["resources"] if "allocation_info" in r]


def _unsupported_error(task: Json) -> str | None:
    """What Mesos can do and this cluster cannot yet: refused aloud rather than done wrongly."""
    if "executor" in task:
        return (
            "This development cluster runs command tasks only; a task with an executor of its own "
            "needs a real Mesos"
        )
    return None
