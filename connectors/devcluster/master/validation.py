"""Whether a task may be launched on what was offered; one task after the other, in Mesos' order.

The one thing to know: a task that fails here was never started, and is answered TASK_ERROR, not
400. Malformed resources are checked before, for the whole operation at once (observed on 1.11.0).
"""

import msgspec

from connectors.devcluster.master.checks import CHECK, HEALTH_CHECK, check_error, command_error
from connectors.devcluster.master.executors import incompatibility
from connectors.devcluster.master.framework_info import id_error
from connectors.devcluster.master.model import Agent, Framework
from connectors.devcluster.master.operations import disk_error
from connectors.devcluster.resources import MILLI, ResourceError, Resources, from_json, to_milli
from connectors.devcluster.speciality import key_of, post_format
from connectors.devcluster.words import Json


class Place(msgspec.Struct, frozen=True):
    """Where a task is to run: whose it is, on which agent, and what is left of the offers."""

    framework: Framework
    agent: Agent
    role: str
    left: Resources


def tasks_of(operation: Json) -> list[Json]:
    """The tasks that an operation is to launch."""
    if operation.get("type") == "LAUNCH":
        return list(operation.get("launch", {}).get("task_infos", []))
    if operation.get("type") == "LAUNCH_GROUP":
        return list(operation.get("launch_group", {}).get("task_group", {}).get("tasks", []))
    return []


def fatal_error(accept: Json) -> str | None:
    """Why this ACCEPT would end a real master of release 1.11.0, or None."""
    for operation in accept.get("operations", []):
        tasks = tasks_of(operation)
        for task in tasks:
            for resource in (*task.get("resources", []), *_executor_resources(task)):
                if resource["type"] == "TEXT":
                    return f"A resource of type TEXT ({resource['name']}) aborts Mesos 1.11.0"
        ids = [task["task_id"]["value"] for task in tasks]
        if operation.get("type") == "LAUNCH_GROUP" and len(set(ids)) != len(ids):
            return "Tasks of one group with the same id abort Mesos 1.11.0"
    return None


def _executor_resources(task: Json) -> list[Json]:
    return list(task.get("executor", {}).get("resources", []))


def resources_error(operation: Json) -> str | None:
    """Why the resources in an operation are malformed, which voids all of it, or None."""
    group_executor = operation.get("launch_group", {}).get("executor", {})
    for bearer in (group_executor, *tasks_of(operation)):
        try:
            from_json(bearer.get("resources", []))
            if "executor" in bearer:
                from_json(bearer["executor"].get("resources", []))
        except ResourceError as error:
            return str(error)
    return None


def task_error(task: Json, place: Place) -> str | None:
    """Why this task is refused, or None."""
    return (
        task_info_error(task, place)
        or _command_or_executor_error(task)
        or (_executor_error(task["executor"], place) if "executor" in task else None)
        or _fit_error(task, place)
    )


def task_info_error(task: Json, place: Place) -> str | None:
    """Why this task is refused wherever it stands, alone or in a group, or None."""
    return (
        _identity_error(task, place)
        or _times_error(task)
        or _checks_error(task)
        or _needs_resources_error(task)
        or _specialities_error(task)
        or command_error("Task's", task.get("command"))
        or _container_error(task)
        or _limits_error(task)
    )


def _identity_error(task: Json, place: Place) -> str | None:
    task_id, framework = task["task_id"]["value"], place.framework
    if problem := id_error(task_id):
        return problem
    if task_id in framework.tasks:
        return f"Task has duplicate ID: {task_id}"
    if task_id in framework.unreachable:
        return f"Task reuses the ID of an unreachable task: {task_id}"
    agent_id = task["agent_id"]["value"]
    if agent_id != place.agent.agent_id:
        return f"Task uses invalid agent {agent_id} while agent {place.agent.agent_id} is expected"
    return None


def _times_error(task: Json) -> str | None:
    grace = task.get("kill_policy", {}).get("grace_period", {}).get("nanoseconds", 0)
    if grace < 0:
        return "Task's 'kill_policy.grace_period' must be non-negative"
    if task.get("max_completion_time", {}).get("nanoseconds", 0) < 0:
        return "Task's `max_completion_time` must be non-negative"
    return None


def _checks_error(task: Json) -> str | None:
    for field, words in (("check", CHECK), ("health_check", HEALTH_CHECK)):
        if field in task and (problem := check_error(task[field], words)):
            return f"Task uses invalid {words.name}: {problem}"
    return None


def _needs_resources_error(task: Json) -> str | None:
    return None if task.get("resources") else "Task uses no resources"


def _specialities_error(task: Json) -> str | None:
    """Whether volumes and revocable resources make sense together."""
    if "executor" not in task and all(_is_usual(r) for r in task["resources"]):
        return None
    resources = [post_format(r)[0] for r in task["resources"]]
    if any(r["name"] == "gpus" and to_milli(r["scalar"]["value"]) % MILLI for r in resources):
        return (
            "Task uses invalid resources: Invalid 'gpus' resource: "
            "The 'gpus' resource must be an unsigned integer"
        )
    resources += [post_format(r)[0] for r in task.get("executor", {}).get("resources", [])]
    for resource in resources:
        if problem := disk_error(resource):
            return f"Task uses invalid resources: Invalid DiskInfo: {problem}"
    ids = [r["disk"]["persistence"]["id"] for r in resources if "persistence" in r.get("disk", {})]
    doubled = next((i for i in ids if ids.count(i) > 1), None)
    if doubled is not None and not all("shared" in r for r in resources if "disk" in r):
        return f"Task uses duplicate persistence ID: Persistence ID '{doubled}' is not unique"
    names = {r["name"] for r in resources if "revocable" in r}
    mixed = sorted(names & {r["name"] for r in resources if "revocable" not in r})
    if mixed:
        return (
            "Task mixes revocable and non-revocable resources: "
            f"Cannot use both revocable and non-revocable '{mixed[0]}' at the same time"
        )
    return None


_USUAL = frozenset({"name", "type", "scalar", "ranges", "set", "allocation_info"})


def _is_usual(resource: Json) -> bool:
    """Whether it is no volume, not revocable, not shared, and need not be a whole number."""
    return resource["name"] != "gpus" and resource.keys() <= _USUAL


def _container_error(task: Json) -> str | None:
    container = task.get("container", {})
    problem = next((p for p in map(_volume_error, container.get("volumes", [])) if p), None)
    if problem is not None:
        return f"Task's `ContainerInfo` is invalid: Invalid volume: {problem}"
    if container.get("type") == "DOCKER" and "docker" not in container:
        return (
            "Task's `ContainerInfo` is invalid: "
            "DockerInfo 'docker' is not set for DOCKER typed ContainerInfo"
        )
    return None


_VOLUME_SOURCES = ("host_path", "image", "source")


def _volume_error(volume: Json) -> str | None:
    """Why a volume of a container makes no sense, or None."""
    if sum(field in volume for field in _VOLUME_SOURCES) != 1:
        return "Only one of them should be set: 'host_path', 'image' and 'source'"
    source = volume.get("source", {"type": "HOST_PATH", "host_path": {}})
    kind = source.get("type", "UNKNOWN")
    if kind == "UNKNOWN":
        return "'source.type' is unknown"
    if kind.lower() not in source:
        return f"'source.{kind.lower()}' is not set for {kind} volume"
    return None


def _limits_error(task: Json) -> str | None:
    limits = task.get("limits", {})
    if not limits:
        return None
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


def _command_or_executor_error(task: Json) -> str | None:
    if ("executor" in task) != ("command" in task):
        return None
    return "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present"


def _executor_error(executor: Json, place: Place) -> str | None:
    problem = executor_info_error(executor, place)
    if problem is None and executor.get("type", "CUSTOM") != "CUSTOM":
        problem = "'ExecutorInfo.type' must be 'CUSTOM'"
    return problem or _compatibility_error(executor, place)


def _compatibility_error(executor: Json, place: Place) -> str | None:
    key = (place.framework.framework_id, executor["executor_id"]["value"])
    known = place.agent.executors.get(key)
    return None if known is None else incompatibility(place.framework, place.role, known, executor)


def executor_info_error(executor: Json, place: Place) -> str | None:
    """Why this executor is refused, or None; of a group's executor more is asked."""
    framework_id = place.framework.framework_id
    named = executor.get("framework_id", {}).get("value", framework_id)
    grace = executor.get("shutdown_grace_period", {}).get("nanoseconds", 0)
    return (
        id_error(executor["executor_id"]["value"])
        or _executor_type_error(executor)
        or (
            None
            if named == framework_id
            else f"ExecutorInfo has an invalid FrameworkID (Actual: {named} vs Expected: "
            f"{framework_id})"
        )
        or ("ExecutorInfo's 'shutdown_grace_period' must be non-negative" if grace < 0 else None)
        or command_error("Executor's", executor.get("command"))
    )


def _executor_type_error(executor: Json) -> str | None:
    kind, has_command = executor.get("type"), "command" in executor
    container = executor.get("container", {}).get("type")
    if kind == "DEFAULT" and has_command:
        return "'ExecutorInfo.command' must not be set for 'DEFAULT' executor"
    if kind == "DEFAULT" and container not in (None, "MESOS"):
        return "'ExecutorInfo.container.type' must be 'MESOS' for 'DEFAULT' executor"
    if kind == "CUSTOM" and not has_command:
        return "'ExecutorInfo.command' must be set for 'CUSTOM' executor"
    if kind is None and not has_command:
        return "'ExecutorInfo.command' must be set"
    return None


def _fit_error(task: Json, place: Place) -> str | None:
    bearers = [task]
    if "executor" in task:
        key = (place.framework.framework_id, task["executor"]["executor_id"]["value"])
        if key not in place.agent.executors:
            bearers.append(task["executor"])
    return fit_error(bearers, place, "task and its executor is")


def fit_error(bearers: list[Json], place: Place, whose: str) -> str | None:
    """Why the resources of tasks and executors do not fit into what is left, or None."""
    resources = [r for bearer in bearers for r in bearer.get("resources", [])]
    wanted = from_json(resources).aligned_to(place.left)
    roles = [r["allocation_info"].get("role") for r in resources if "allocation_info" in r]
    other = next((r for r in roles if r not in (None, place.role)), None)
    if other is None and place.left.contains(wanted) and not _is_shared_twice(bearers):
        return None
    return (
        f"Total resources {wanted.text(other or place.role)} required by {whose} more "
        f"than available {place.left.text(place.role)}"
    )


def _is_shared_twice(bearers: list[Json]) -> bool:
    """Whether one of them asks for a shared volume twice."""
    for bearer in bearers:
        shared = [key_of(post_format(r)[0]) for r in bearer.get("resources", []) if "shared" in r]
        if len(set(shared)) != len(shared):
            return True
    return False
