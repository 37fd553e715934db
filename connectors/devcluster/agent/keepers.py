"""What is asked of a task's keeper: to run, to kill, to leave.

The one thing to know: nothing here knows of groups; ``groups.py`` and ``commands.py`` rest on it.
"""

from connectors.devcluster.agent.model import (
    GRACE_SECONDS,
    LocalAgent,
    LocalTask,
    Phase,
    ToKeeper,
)
from connectors.devcluster.agent.reports import executor_says
from connectors.devcluster.words import TERMINAL, Json

KILLED_EARLY = "Killed before delivery to the executor"


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


def start(agent: LocalAgent, task: LocalTask, now: float) -> None:
    """Let the keeper run the command."""
    task.phase = Phase.RUNNING
    if task.state == "TASK_STAGING":
        executor_says(agent, task, "TASK_STARTING", now)
    agent.out.append(ToKeeper(task.container_id, {"type": "RUN"}))


def leave(agent: LocalAgent, task: LocalTask) -> None:
    """End the task and its keeper; nobody asks for it any more."""
    dismiss(agent, task.container_id, GRACE_SECONDS)
    if task.state not in TERMINAL:
        task.state = "TASK_KILLED"


def dismiss(agent: LocalAgent, container_id: str, seconds: float) -> None:
    """End the keeper, and its task within so many seconds if it still runs."""
    message = {"type": "LEAVE", "grace_seconds": seconds}
    agent.out.append(ToKeeper(container_id, message))


def kill(agent: LocalAgent, task: LocalTask, policy: Json | None, now: float) -> None:
    """Let the keeper, which is here, end the task within the grace of the policy or of the task."""
    if task.executor_id is not None and task.is_kill_asked:
        # Unlike the command executor, the default one does not shorten a kill under way.
        return
    say_killing(agent, task, now)
    kill_keeper(agent, task, grace_seconds(policy, task.info))
