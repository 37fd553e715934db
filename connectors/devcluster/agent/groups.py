"""Task groups under Mesos' default executor: all or nothing at the start, and one end is for all.

The one thing to know: here the default executor is no process. Each task of a group has a keeper
as a command task has; this module is what the executor would decide about them together.
"""

from connectors.devcluster.agent import keepers
from connectors.devcluster.agent.model import (
    GRACE_SECONDS,
    KeepExecutor,
    Launch,
    LocalAgent,
    LocalExecutor,
    LocalTask,
    Phase,
)
from connectors.devcluster.agent.reports import agent_says, executor_says, is_over, say_exited
from connectors.devcluster.words import Json

KILLED_EARLY = "A task within the task group was killed before delivery to the executor"


def run(agent: LocalAgent, message: Json, now: float) -> None:
    """Launch a group under its default executor."""
    framework_id = agent.know_framework(message["framework"])
    info, role = message["executor"], message["role"]
    executor = agent.executors.get((framework_id, info["executor_id"]["value"]))
    if executor is None:
        container_id = agent.new_uuid()
        executor = LocalExecutor(framework_id, info, role, container_id, Phase.RUNNING, now)
        agent.executors[executor.key] = executor
        agent.out.append(KeepExecutor(executor))
    ids = tuple(str(t["task_id"]["value"]) for t in message["tasks"])
    for task_info in message["tasks"]:
        task = LocalTask(
            framework_id,
            task_info,
            role,
            agent.new_uuid(),
            Phase.LAUNCHING,
            now,
            executor_id=executor.executor_id,
            group=ids,
        )
        agent.tasks[task.key] = task
        agent.out.append(Launch(task))


def _default_executor(agent: LocalAgent, task: LocalTask) -> LocalExecutor | None:
    executor = agent.executors.get((task.framework_id, task.executor_id or ""))
    return executor if executor is not None and executor.is_default else None


def members(agent: LocalAgent, task: LocalTask) -> list[LocalTask]:
    """The tasks that were launched with this one, itself among them."""
    found = (agent.tasks.get((task.framework_id, task_id)) for task_id in task.group)
    return [member for member in found if member is not None]


def keeper_came(agent: LocalAgent, task: LocalTask, now: float) -> None:
    """A keeper is ready; when those of the whole group are, all of it starts."""
    group = members(agent, task)
    if any(member.executor_pid is None for member in group):
        return
    # One whose keeper came and ended before the last one's came is not started once more.
    group = [member for member in group if not is_over(member)]
    for member in group:
        # The default executor says STARTING of each before it starts the first.
        executor_says(agent, member, "TASK_STARTING", now)
    for member in group:
        keepers.start(agent, member, now)


def end_undelivered(
    agent: LocalAgent, task: LocalTask, verdict: tuple[str, str, str], now: float
) -> bool:
    """Whether this was a task of a group, which then ends as a whole without having started."""
    if not task.group:
        return False
    executor = _default_executor(agent, task)
    for member in members(agent, task):
        if member.phase is Phase.LAUNCHING:
            agent_says(agent, member, verdict, now)
            if executor is not None:
                keepers.leave(agent, member)
    if executor is not None:
        _end_if_idle(agent, executor)
    return True


def kill_undelivered(agent: LocalAgent, task: LocalTask, now: float) -> bool:
    """Whether this was a task of a group; one that is killed early takes the group along."""
    verdict = ("TASK_KILLED", "REASON_TASK_KILLED_DURING_LAUNCH", KILLED_EARLY)
    return end_undelivered(agent, task, verdict, now)


def member_ended(agent: LocalAgent, task: LocalTask, now: float) -> None:
    """A task ended: unless it ended well, the rest of its group is killed."""
    executor = _default_executor(agent, task)
    if executor is None:
        return
    if task.state != "TASK_FINISHED":
        for member in members(agent, task):
            if not is_over(member) and not member.is_kill_asked:
                keepers.say_killing(agent, member, now)
                keepers.kill_keeper(agent, member, GRACE_SECONDS)
    _end_if_idle(agent, executor)


def _end_if_idle(agent: LocalAgent, executor: LocalExecutor) -> None:
    """The default executor leaves when its last task has ended."""
    if all(is_over(task) for task in agent.tasks_of(executor)):
        say_exited(agent, executor, 0)


def shut_down(agent: LocalAgent, executor: LocalExecutor, now: float) -> None:
    """Kill all tasks of a default executor, which then leaves."""
    for task in agent.tasks_of(executor):
        if not is_over(task):
            if task.phase is Phase.LAUNCHING:
                kill_undelivered(agent, task, now)
            else:
                policy = {"grace_period": {"nanoseconds": 3 * 10**9}}
                keepers.kill(agent, task, policy, now)
    if executor.key in agent.executors:
        _end_if_idle(agent, executor)
