"""Tasks that are a process of their own: command tasks, and those of a default executor.

The one thing to know: each has a keeper (``executor.py``) that outlives the agent. What the keeper
reports becomes here what Mesos' own executors would say: STARTING, RUNNING, KILLING, an end.
"""

from connectors.devcluster.agent import groups
from connectors.devcluster.agent.exits import Exit
from connectors.devcluster.agent.model import (
    GRACE_SECONDS,
    Json,
    Launch,
    LocalAgent,
    LocalTask,
    Phase,
    ToKeeper,
)
from connectors.devcluster.agent.reports import agent_says, executor_says
from connectors.devcluster.words import TERMINAL

_CHECK_REASONS = {
    "healthy": "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED",
    "check_status": "REASON_TASK_CHECK_STATUS_UPDATED",
}
KILLED_EARLY = "Killed before delivery to the executor"


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
            verdict = ("TASK_KILLED", "REASON_TASK_KILLED_DURING_LAUNCH", KILLED_EARLY)
            agent_says(agent, task, verdict, now)
        return
    if task.executor_id is not None and task.is_kill_asked:
        # Unlike the command executor, the default one does not shorten a kill under way.
        return
    say_killing(agent, task, now)
    kill_keeper(agent, task, grace_seconds(policy, task.info))


def say_killing(agent: LocalAgent, task: LocalTask, now: float) -> None:
    """Announce a kill, once, to a framework that wants to know."""
    if not task.is_kill_asked and agent.has_capability(task.framework_id, "TASK_KILLING_STATE"):
        executor_says(agent, task, "TASK_KILLING", now)
    task.is_kill_asked = True


def kill_keeper(agent: LocalAgent, task: LocalTask, seconds: float) -> None:
    """Ask the keeper for SIGTERM now and SIGKILL after so long."""
    task.is_kill_asked = True
    command = {"type": "KILL", "grace_seconds": seconds}
    agent.out.append(ToKeeper(task.container_id, command))


def grace_seconds(policy: Json | None, info: Json) -> float:
    """The grace of the KILL, else of the task, else Mesos' three seconds."""
    policy = policy or {}
    if "grace_period" not in policy:
        policy = info.get("kill_policy", {})
    grace = policy.get("grace_period", {}).get("nanoseconds")
    return GRACE_SECONDS if grace is None else max(0.0, grace / 1e9)


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
        leave = {"type": "LEAVE", "grace_seconds": GRACE_SECONDS}
        agent.out.append(ToKeeper(container_id, leave))
        return
    if message["type"] == "FETCHING":
        return
    if "fetch_error" in message:
        launch_failed(agent, task, message["fetch_error"], now)
        _leave(agent, task, 0.0)
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
        start(agent, task, now)


def start(agent: LocalAgent, task: LocalTask, now: float) -> None:
    """Let the keeper run the command."""
    task.phase = Phase.RUNNING
    if task.state == "TASK_STAGING":
        executor_says(agent, task, "TASK_STARTING", now)
    agent.out.append(ToKeeper(task.container_id, {"type": "RUN"}))


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
        say_killing(agent, task, now)


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
    _leave(agent, task, 0.0)
    groups.member_ended(agent, task, now)


def leave(agent: LocalAgent, task: LocalTask) -> None:
    """End the task and its keeper; nobody asks for it any more."""
    _leave(agent, task, GRACE_SECONDS)
    if task.state not in TERMINAL:
        task.state = "TASK_KILLED"


def _leave(agent: LocalAgent, task: LocalTask, seconds: float) -> None:
    message = {"type": "LEAVE", "grace_seconds": seconds}
    agent.out.append(ToKeeper(task.container_id, message))
