"""Draining: an agent that shall become empty kills what it runs and takes nothing new.

The one thing to know: a drain outlives the agent's process. It is over when the master says so, not
when the last task has ended; whether the agent then counts as drained is the master's to see.
"""

from connectors.devcluster.agent import commands, drain_rules, executors
from connectors.devcluster.agent.model import (
    KeepDrain,
    LocalAgent,
    LocalExecutor,
    LocalTask,
    Phase,
    ToMaster,
)
from connectors.devcluster.agent.reports import is_over, own_up
from connectors.devcluster.words import Json


def begin(agent: LocalAgent, message: Json, now: float) -> None:
    """Kill every task, each with its own grace or the drain's, whichever is shorter."""
    config = drain_rules.config_of(message)
    if agent.drain != config:
        agent.drain = config
        agent.out.append(KeepDrain())
    kill_all(agent, now)


def end(agent: LocalAgent) -> None:
    """The agent takes tasks again."""
    agent.drain = None
    agent.out.append(KeepDrain())


def kill_all(agent: LocalAgent, now: float) -> None:
    """Ask for the end of all that runs."""
    for task in list(agent.tasks.values()):
        if is_over(task) or task.is_stranger or task.phase is Phase.RECOVERING:
            continue
        policy = drain_rules.kill_policy(agent.drain, task.info)
        if executors.executor_of(agent, task) is None:
            commands.kill(agent, task, policy, now)
        else:
            executors.kill(agent, task, policy, now)


def refuse(agent: LocalAgent, message: Json, now: float) -> None:
    """A launch that was under way when the drain began is owned up to."""
    framework_id = agent.know_framework(message["framework"])
    infos = message["tasks"] if "tasks" in message else [message["task"]]
    info = message.get("executor") or infos[0].get("executor")
    executor_id = None if info is None else str(info["executor_id"]["value"])
    for each in infos:
        task = LocalTask(
            framework_id,
            each,
            message["role"],
            agent.new_uuid(),
            Phase.ENDED,
            now,
            executor_id=executor_id,
        )
        agent.tasks[task.key] = task
        own_up(agent, task, "REASON_AGENT_DRAINING", drain_rules.REFUSED, now)
    if info is not None and (framework_id, executor_id) not in agent.executors:
        _say_never_started(agent, framework_id, info, message["role"], now)


def _say_never_started(
    agent: LocalAgent, framework_id: str, info: Json, role: str, now: float
) -> None:
    """The master counts on an executor that was never started."""
    executor = LocalExecutor(framework_id, info, role, "", Phase.ENDED, now)
    body = {
        "framework_id": framework_id,
        "executor_id": executor.executor_id,
        "status": executors.STATUS_NEVER_STARTED,
    }
    if agent.is_linked:
        agent.out.append(ToMaster({"type": "EXITED_EXECUTOR", **body}))
