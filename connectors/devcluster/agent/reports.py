"""What an agent says of its tasks, and the acknowledgements it waits for.

The one thing to know: an update is put out as ``Keep`` before it is sent, and the next one of a
task waits for the acknowledgement of the one before. A task is known until its end is acknowledged.
"""

from connectors.devcluster.agent import drain_rules
from connectors.devcluster.agent.model import (
    Forget,
    Keep,
    LocalAgent,
    LocalExecutor,
    LocalTask,
    Phase,
    ToMaster,
)
from connectors.devcluster.words import Json, task_status


def executor_says(
    agent: LocalAgent, task: LocalTask, state: str, now: float, **more: object
) -> None:
    """Report what a task's executor has done, in the executor's name."""
    more["container_status"] = container_status(agent, task)
    if check := task.info.get("check"):
        # Every status of a checked task says how the check stands, if only that nobody knows yet.
        kind = check["type"]
        more.setdefault("check_status", {"type": kind, kind.lower(): {}})
    _say(agent, task, state, "SOURCE_EXECUTOR", now, **more)


def agent_says(
    agent: LocalAgent,
    task: LocalTask,
    verdict: tuple[str, str, str],
    now: float,
    **more: object,
) -> None:
    """Report a task's end (state, reason, message) that its executor cannot tell."""
    state, reason, message = verdict
    _say(agent, task, state, "SOURCE_AGENT", now, reason=reason, message=message, **more)
    task.phase = Phase.ENDED


def container_status(agent: LocalAgent, task: LocalTask) -> Json:
    """Where a task runs, as every update of its executor tells it."""
    container: Json = {
        "container_id": {"value": task.container_id},
        "network_infos": [{"ip_addresses": [{"protocol": "IPv4", "ip_address": agent.info["ip"]}]}],
    }
    executor = None
    if task.executor_id is not None:
        executor = agent.executors.get((task.framework_id, task.executor_id))
    if executor is not None and executor.is_default:
        container["container_id"]["parent"] = {"value": executor.container_id}
    if task.executor_pid is not None:
        container["executor_pid"] = task.executor_pid
    return container


def _say(
    agent: LocalAgent, task: LocalTask, state: str, source: str, now: float, **more: object
) -> None:
    more.setdefault("executor_id", {"value": task.executor_id or task.task_id})
    uuid = agent.new_status_uuid()
    status = task_status(
        task.task_id, state, source=source, at=now, agent_id=agent.agent_id, uuid=uuid, **more
    )
    forward(agent, task, status, now)


def forward(agent: LocalAgent, task: LocalTask, status: Json, now: float) -> None:
    """Take a status for the next update of its task."""
    status = drain_rules.told(agent.drain, status)
    task.state = status["state"]
    task.last_status = status
    agent.out.append(Keep(task, {"update": status}))
    if first := task.updates.add(status, now):
        give(agent, task, first)


def give(agent: LocalAgent, task: LocalTask, status: Json) -> None:
    """Send an update to the master, if there is one."""
    if not agent.is_linked:
        task.updates.pause()
        return
    update = {
        "framework_id": task.framework_id,
        "status": status,
        "latest_state": task.state,
    }
    agent.out.append(ToMaster({"type": "UPDATE", "update": update}))


def resume(agent: LocalAgent, now: float) -> None:
    """Send all pending updates of all frameworks again."""
    for task in agent.tasks.values():
        if status := task.updates.resume(now):
            give(agent, task, status)


def repeat_due(agent: LocalAgent, now: float) -> None:
    """Send again the updates whose time has come."""
    for task in agent.tasks.values():
        if status := task.updates.due(now):
            give(agent, task, status)


def acknowledged(agent: LocalAgent, message: Json, now: float) -> None:
    """A framework has acknowledged an update; another uuid than the one in flight is nothing."""
    task = agent.tasks.get((message["framework_id"], message["task_id"]))
    if task is None:
        return
    was_in_flight, following = task.updates.acknowledge(message["uuid"], now)
    if not was_in_flight:
        return
    agent.out.append(Keep(task, {"acknowledged": message["uuid"]}))
    if following is not None:
        give(agent, task, following)
    elif task.phase is Phase.ENDED or task.is_stranger:
        complete(agent, task)


def complete(agent: LocalAgent, task: LocalTask) -> None:
    """Nothing more is owed for a task: it is history."""
    del agent.tasks[task.key]
    if not task.is_stranger:
        agent.completed.append(task)
    agent.out.append(Forget(task.record_id))
    agent.drop_idle_framework(task.framework_id)


def say_exited(agent: LocalAgent, executor: LocalExecutor, status: int) -> None:
    """Tell the master that an executor is no more, with its raw wait status, and forget it."""
    agent.executors.pop(executor.key, None)
    agent.out.append(Forget(executor.container_id))
    body = {
        "framework_id": executor.framework_id,
        "executor_id": executor.executor_id,
        "status": status,
    }
    if agent.is_linked:
        # A master that was away learns it from the registration.
        agent.out.append(ToMaster({"type": "EXITED_EXECUTOR", **body}))


def own_up(
    agent: LocalAgent, task: LocalTask, reason: str, message: str, now: float, **more: object
) -> None:
    """Report a task as one that was never started, in the word its framework understands."""
    is_aware = agent.has_capability(task.framework_id, "PARTITION_AWARE")
    state = "TASK_DROPPED" if is_aware else "TASK_LOST"
    agent_says(agent, task, (state, reason, message), now, **more)


def is_over(task: LocalTask) -> bool:
    """Whether a task has ended, whatever is still owed for it."""
    return task.phase is Phase.ENDED
