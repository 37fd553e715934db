"""Tasks that are a process of their own: command tasks, and those of a default executor.

The one thing to know: each has a keeper (``executor.py``) that outlives the agent. What the keeper
reports becomes here what Mesos' own executors would say: STARTING, RUNNING, KILLING, an end.
"""

from connectors.devcluster.agent import groups, keepers
from connectors.devcluster.agent.exits import Exit
from connectors.devcluster.agent.model import (
    GRACE_SECONDS,
    Launch,
    LocalAgent,
    LocalTask,
    Phase,
)
from connectors.devcluster.agent.reports import agent_says, executor_says
from connectors.devcluster.words import Json

_CHECK_REASONS = {
    "healthy": "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED",
    "check_status": "REASON_TASK_CHECK_STATUS_UPDATED",
}


def run(agent: LocalAgent, message: Json, now: float) -> None:
    """Launch a command task."""
    framework_id = agent.know_framework(message["framework"])
    container_id = agent.new_uuid()
    task = LocalTask(
        framework_id, message["task"], message["role"], container_id, Phase.LAUNCHING, now
    )
    agent.tasks[task.key] = task
    agent.out.append(Launch(task))


def kill(agent: LocalAgent, task: LocalTask, policy: Json | None, now: float) -> None:
    """Let the task's keeper end it; before the keeper is here there is nothing to end."""
    if task.phase is Phase.LAUNCHING:
        if not groups.kill_undelivered(agent, task, now):
            verdict = ("TASK_KILLED", "REASON_TASK_KILLED_DURING_LAUNCH", keepers.KILLED_EARLY)
            agent_says(agent, task, verdict, now)
        return
    keepers.kill(agent, task, policy, now)


def launch_failed(agent: LocalAgent, task: LocalTask, message: str, now: float) -> None:
    """The container of a task could not be made."""
    if task.phase is not Phase.LAUNCHING:
        return
    text = f"Failed to launch container: {message}"
    verdict = ("TASK_FAILED", "REASON_CONTAINER_LAUNCH_FAILED", text)
    if not groups.end_undelivered(agent, task, verdict, now):
        agent_says(agent, task, verdict, now)


def from_keeper(agent: LocalAgent, message: Json, now: float) -> None:
    """Take what the keeper of a task's container reports."""
    container_id = message["container_id"]
    task = agent.task_in(container_id)
    if task is None or task.phase is Phase.ENDED:
        # Nobody waits for it: the task was killed before delivery, or its end is known.
        keepers.dismiss(agent, container_id, GRACE_SECONDS)
        return
    if message["type"] == "FETCHING":
        return
    if "fetch_error" in message:
        launch_failed(agent, task, message["fetch_error"], now)
        keepers.dismiss(agent, task.container_id, 0.0)
        return
    if message["type"] == "SUBSCRIBE":
        _keeper_came(agent, task, message, now)
    if message.get("task_pid") and task.state in ("TASK_STAGING", "TASK_STARTING"):
        executor_says(agent, task, "TASK_RUNNING", now)
    checked(agent, task, message, now)
    if "wait_status" in message:
        ended(agent, task, Exit.of(message), now)


def _keeper_came(agent: LocalAgent, task: LocalTask, message: Json, now: float) -> None:
    task.executor_pid = message["pid"]
    was_launching = task.phase is Phase.LAUNCHING
    if was_launching and task.executor_id is not None:
        groups.keeper_came(agent, task, now)
        return
    task.phase = Phase.RUNNING
    if was_launching or not message["task_pid"]:
        keepers.start(agent, task, now)


def checked(agent: LocalAgent, task: LocalTask, message: Json, now: float) -> None:
    """Report the news of checks in a keeper's message; its keeper kills a task that fails them."""
    last = task.last_status
    if task.is_kill_asked or last is None:
        # Mesos' executors stop checking a task that they are killing.
        return
    is_told = message["type"] == "CHECKED"
    for name, reason in _CHECK_REASONS.items():
        # A keeper that comes back tells how it stands; that is news if it has changed.
        if name in message and (is_told or message[name] != last.get(name)):
            more = {k: last[k] for k in _CHECK_REASONS if k in last}
            more[name] = message[name]
            executor_says(agent, task, "TASK_RUNNING", now, reason=reason, **more)
            last = task.last_status or last
    if message.get("is_kill_due"):
        for member in groups.members(agent, task) or [task]:
            # With one of them the whole group counts as unhealthy.
            member.is_unhealthy = True
        keepers.say_killing(agent, task, now)


def keeper_gone(agent: LocalAgent, task: LocalTask, last: Exit | None, now: float) -> None:
    """A keeper is gone without having been told to leave; ``last`` is what it left."""
    if task.phase is Phase.ENDED:
        return
    if last is not None:
        ended(agent, task, last, now)
        return
    verdict = ("TASK_FAILED", "REASON_EXECUTOR_TERMINATED", "Executor terminated")
    agent_says(agent, task, verdict, now)
    groups.member_ended(agent, task, now)


def ended(agent: LocalAgent, task: LocalTask, end: Exit, now: float) -> None:
    """The task's process has ended."""
    state, reason, text = end.verdict()
    if end.limitation is not None:
        # In Mesos the executor ends with its container, so the agent tells it.
        limitation = {"resources": end.limitation["resources"]}
        verdict = (state, str(reason), text)
        agent_says(agent, task, verdict, now, limitation=limitation)
    else:
        more: Json = {"healthy": False} if task.is_unhealthy or end.is_unhealthy else {}
        executor_says(agent, task, state, now, reason=reason, message=text, **more)
    task.phase = Phase.ENDED
    keepers.dismiss(agent, task.container_id, 0.0)
    groups.member_ended(agent, task, now)
