"""Executors that frameworks bring: the v1 executor API, and what an executor's end does.

The one thing to know: the executor's process belongs to its keeper, its word comes over HTTP, and
the two are apart: a closed stream ends nothing, an ended process ends all its tasks. An executor's
update is acknowledged to it once it is kept, long before the framework has acknowledged it.
"""

from connectors.devcluster.agent import groups
from connectors.devcluster.agent.keepers import KILLED_EARLY, dismiss
from connectors.devcluster.agent.model import (
    EXECUTOR_REGISTRATION_SECONDS,
    EXECUTOR_REREGISTRATION_SECONDS,
    EndStream,
    KeepTask,
    LaunchExecutor,
    LocalAgent,
    LocalExecutor,
    LocalTask,
    Phase,
    ToKeeper,
    ToMaster,
    ToStream,
)
from connectors.devcluster.agent.reports import (
    agent_says,
    container_status,
    forward,
    is_over,
    own_up,
    say_exited,
)
from connectors.devcluster.resources import REFINED, from_json
from connectors.devcluster.wire.defaults import with_defaults
from connectors.devcluster.words import TERMINAL, Json

# Mesos' DEFAULT_EXECUTOR_HEARTBEAT_INTERVAL.
HEARTBEAT_SECONDS = 30 * 60.0
# Mesos tells this status of a container that was ended before its process began.
STATUS_NEVER_STARTED = -1
TERMINATED = ("TASK_FAILED", "REASON_EXECUTOR_TERMINATED", "Executor terminated")


def run(agent: LocalAgent, message: Json, now: float) -> None:
    """Give a task, or a group of tasks, to its custom executor; start that first if need be."""
    framework_id = agent.know_framework(message["framework"])
    if "tasks" in message:
        infos, info = message["tasks"], message["executor"]
    else:
        infos, info = [message["task"]], message["task"]["executor"]
    executor = agent.executors.get((framework_id, info["executor_id"]["value"]))
    is_new = executor is None
    if executor is None:
        info = {**info, "framework_id": {"value": framework_id}}
        executor = LocalExecutor(
            framework_id, info, message["role"], agent.new_uuid(), Phase.LAUNCHING, now
        )
        agent.executors[executor.key] = executor
    ids = tuple(str(each["task_id"]["value"]) for each in infos)
    for each in infos:
        task = LocalTask(
            framework_id,
            each,
            message["role"],
            executor.container_id,
            Phase.LAUNCHING,
            now,
            executor_id=executor.executor_id,
            group=ids if "tasks" in message else (),
            record_id=agent.new_uuid(),
        )
        agent.tasks[task.key] = task
        if executor.destroy_at is not None:
            text = "Executor terminating"
            own_up(agent, task, "REASON_EXECUTOR_TERMINATED", text, now, executor_id=None)
        else:
            agent.out.append(KeepTask(task))
    executor.queue.append(ids)
    if is_new:
        agent.out.append(LaunchExecutor(executor))
    elif executor.phase is Phase.RUNNING:
        _deliver(agent, executor)


def executor_of(agent: LocalAgent, task: LocalTask) -> LocalExecutor | None:
    """The custom executor of a task, while it lives."""
    executor = agent.executors.get((task.framework_id, task.executor_id or ""))
    return None if executor is None or executor.is_default else executor


def _tell(agent: LocalAgent, executor: LocalExecutor, kind: str, body: Json | None = None) -> None:
    """Write an event to the executor; one that is not connected misses it, as in Mesos."""
    if executor.stream_id is not None:
        event: Json = {"type": kind}
        if body is not None:
            event[kind.lower()] = body
        agent.out.append(ToStream(executor.stream_id, event))


def _deliver(agent: LocalAgent, executor: LocalExecutor) -> None:
    queue, executor.queue = executor.queue, []
    for ids in queue:
        found = (agent.tasks.get((executor.framework_id, i)) for i in ids)
        tasks = [t for t in found if t is not None and t.phase is Phase.LAUNCHING]
        for task in tasks:
            task.phase = Phase.RUNNING
            task.executor_pid = executor.pid
        if not tasks:
            continue
        if tasks[0].group:
            body = {"task_group": {"tasks": [with_defaults("TaskInfo", t.info) for t in tasks]}}
            _tell(agent, executor, "LAUNCH_GROUP", body)
        else:
            _tell(agent, executor, "LAUNCH", {"task": with_defaults("TaskInfo", tasks[0].info)})


# The executor's calls


def subscribe(agent: LocalAgent, call: Json, stream_id: str, now: float) -> str | None:
    """Give the stream to the executor; the answer is why not, or None."""
    framework_id = call["framework_id"]["value"]
    if framework_id not in agent.frameworks:
        return "Framework cannot be found"
    executor = agent.executors.get((framework_id, call["executor_id"]["value"]))
    if executor is None or executor.is_default:
        return "Executor cannot be found"
    if executor.stream_id is not None:
        agent.out.append(EndStream(executor.stream_id))
    executor.stream_id = stream_id
    executor.next_heartbeat_at = now + HEARTBEAT_SECONDS
    was_recovering = executor.phase is Phase.RECOVERING
    if not was_recovering and not executor.has_reported and not _queued(agent, executor):
        # All it was started for was killed meanwhile, or it comes a second time and has reported
        # nothing of what it was given the first time: 1.11.0 sends either away, without SUBSCRIBED.
        executor.phase = Phase.RUNNING
        shut_down(agent, executor, now)
        for update in call["subscribe"].get("unacknowledged_updates", []):
            _updated(agent, executor, update["status"], now)
        return None
    executor.phase = Phase.RUNNING
    body = {
        "executor_info": with_defaults("ExecutorInfo", executor.info),
        "framework_info": with_defaults("FrameworkInfo", agent.frameworks[framework_id]),
        "agent_info": _agent_info(agent),
        "container_id": {"value": executor.container_id},
    }
    _tell(agent, executor, "SUBSCRIBED", body)
    subscription = call["subscribe"]
    for update in subscription.get("unacknowledged_updates", []):
        _updated(agent, executor, update["status"], now)
    if was_recovering:
        _settle_tasks(agent, executor, subscription.get("unacknowledged_tasks", []), now)
    _deliver(agent, executor)
    if executor.destroy_at is not None:
        _tell(agent, executor, "SHUTDOWN")
    return None


def _agent_info(agent: LocalAgent) -> Json:
    info = agent.info
    return {
        "hostname": info["hostname"],
        "port": info["port"],
        "resources": from_json(info["resources"]).to_json(style=REFINED),
        "attributes": info["attributes"],
        "id": {"value": agent.agent_id},
    }


def _settle_tasks(
    agent: LocalAgent, executor: LocalExecutor, unacknowledged: list[Json], now: float
) -> None:
    """After a restart of the agent: a task that the executor never heard of was not started."""
    known = {task["task_id"]["value"] for task in unacknowledged}
    for task in agent.tasks_of(executor):
        if task.phase is not Phase.RECOVERING:
            continue
        task.phase = Phase.RUNNING
        task.executor_pid = executor.pid
        if task.state == "TASK_STAGING" and task.task_id not in known:
            text = "Task launched during agent restart"
            own_up(agent, task, "REASON_AGENT_RESTARTED", text, now)


def call(agent: LocalAgent, body: Json, now: float) -> tuple[int, str]:
    """Status and text of the answer to a call that is not SUBSCRIBE."""
    if body["type"] == "HEARTBEAT":
        return 202, ""
    framework_id = body["framework_id"]["value"]
    if framework_id not in agent.frameworks:
        return 400, "Framework cannot be found"
    executor = agent.executors.get((framework_id, body["executor_id"]["value"]))
    if executor is None or executor.is_default:
        return 400, "Executor cannot be found"
    if executor.phase is not Phase.RUNNING:
        return 403, "Executor is not subscribed"
    if body["type"] == "UPDATE":
        _updated(agent, executor, body["update"]["status"], now)
    else:
        message = {
            "framework_id": framework_id,
            "executor_id": executor.executor_id,
            "data": body["message"]["data"],
        }
        if agent.is_linked:
            agent.out.append(ToMaster({"type": "EXECUTOR_MESSAGE", **message}))
    return 202, ""


def _updated(agent: LocalAgent, executor: LocalExecutor, status: Json, now: float) -> None:
    if status.get("agent_id", {}).get("value", agent.agent_id) != agent.agent_id:
        # Said of another agent: nobody's (observed).
        return
    status = {**status, "agent_id": {"value": agent.agent_id}}
    status.setdefault("timestamp", now)
    task_id = status["task_id"]["value"]
    task = agent.tasks.get((executor.framework_id, task_id))
    if executor.is_forsaken:
        return
    if task is None or task.is_stranger:
        # Nobody launched it, or it is over and acknowledged: passed on, and not acknowledged.
        _forward_stranger(agent, executor, status, now)
        return
    if status["uuid"] not in task.updates.uuids and not is_over(task):
        status["container_status"] = {
            **container_status(agent, task),
            **status.get("container_status", {}),
        }
        executor.has_reported = True
        forward(agent, task, status, now)
        if task.state in TERMINAL:
            task.phase = Phase.ENDED
    # Again if need be: the executor repeats what it believes to be lost.
    acknowledged = {"task_id": status["task_id"], "uuid": status["uuid"]}
    _tell(agent, executor, "ACKNOWLEDGED", acknowledged)


def _forward_stranger(agent: LocalAgent, executor: LocalExecutor, status: Json, now: float) -> None:
    task_id = status["task_id"]["value"]
    task = agent.tasks.get((executor.framework_id, task_id))
    if task is None:
        info = {"name": "", "task_id": {"value": task_id}, "resources": []}
        task = LocalTask(
            executor.framework_id,
            info,
            executor.role,
            executor.container_id,
            Phase.RUNNING,
            now,
            executor_id=executor.executor_id,
            record_id=agent.new_uuid(),
            is_stranger=True,
        )
        agent.tasks[task.key] = task
    if status["uuid"] not in task.updates.uuids:
        forward(agent, task, status, now)


def stream_closed(agent: LocalAgent, stream_id: str) -> None:
    """An executor's connection is gone; its process may live and come back."""
    for executor in agent.executors.values():
        if executor.stream_id == stream_id:
            executor.stream_id = None


# The framework's calls


def kill(agent: LocalAgent, task: LocalTask, policy: Json | None, now: float) -> None:
    """Pass a kill on; of a task that was not delivered yet, say so."""
    executor = executor_of(agent, task)
    if task.phase is Phase.LAUNCHING:
        if not groups.kill_undelivered(agent, task, now):
            verdict = ("TASK_KILLED", "REASON_TASK_KILLED_DURING_LAUNCH", KILLED_EARLY)
            agent_says(agent, task, verdict, now)
        if executor is not None and executor.pid is None and _has_nothing(agent, executor):
            # Its process has not begun, and need not; one that has is told when it subscribes.
            shut_down(agent, executor, now)
        return
    if executor is not None and executor.destroy_at is None:
        task.is_kill_asked = True
        body: Json = {"task_id": task.info["task_id"]}
        if policy:
            body["kill_policy"] = policy
        _tell(agent, executor, "KILL", body)


def _queued(agent: LocalAgent, executor: LocalExecutor) -> bool:
    """Whether there is a launch that the executor was not given and that nobody has killed."""
    found = (agent.tasks.get((executor.framework_id, i)) for ids in executor.queue for i in ids)
    return any(task is not None and task.phase is Phase.LAUNCHING for task in found)


def _has_nothing(agent: LocalAgent, executor: LocalExecutor) -> bool:
    return all(is_over(task) for task in agent.tasks_of(executor))


def message_for(agent: LocalAgent, body: Json) -> None:
    """Pass a framework's message on; best effort, as in Mesos."""
    executor = agent.executors.get((body["framework_id"], body["executor_id"]))
    if executor is not None:
        _tell(agent, executor, "MESSAGE", {"data": body["data"]})


def shut_down(agent: LocalAgent, executor: LocalExecutor, now: float) -> None:
    """Ask the executor to end, and end it by force when its time is over."""
    if executor.is_default:
        groups.shut_down(agent, executor, now)
        return
    if executor.pid is None and executor.phase is Phase.LAUNCHING:
        # Its process has not begun, and will not.
        agent.out.append(ToKeeper(executor.container_id, {"type": "DESTROY"}))
        terminated(agent, executor, STATUS_NEVER_STARTED, now)
        return
    if executor.destroy_at is None:
        _tell(agent, executor, "SHUTDOWN")
        executor.destroy_at = now + executor.shutdown_seconds


# The executor's process


def from_keeper(agent: LocalAgent, executor: LocalExecutor, message: Json, now: float) -> None:
    """Take what the keeper of an executor's process reports."""
    if message["type"] == "FETCHING":
        return
    if "fetch_error" in message:
        launch_failed(agent, executor, message["fetch_error"], now)
        dismiss(agent, executor.container_id, 0.0)
        return
    if message["type"] == "SUBSCRIBE" and not message["task_pid"]:
        agent.out.append(ToKeeper(executor.container_id, {"type": "RUN"}))
    if message.get("task_pid"):
        executor.pid = message["task_pid"]
    if "wait_status" in message:
        terminated(agent, executor, message["wait_status"], now)
        dismiss(agent, executor.container_id, 0.0)


def launch_failed(agent: LocalAgent, executor: LocalExecutor, message: str, now: float) -> None:
    """The executor's container could not be made; none of its tasks was started."""
    text = f"Failed to launch container: {message}"
    executor.verdict = ("TASK_FAILED", "REASON_CONTAINER_LAUNCH_FAILED", text)
    terminated(agent, executor, STATUS_NEVER_STARTED, now)


def terminated(agent: LocalAgent, executor: LocalExecutor, status: int, now: float) -> None:
    """The executor is no more: so are its tasks, and the framework hears of both."""
    tasks = agent.tasks_of(executor)
    if executor.stream_id is not None:
        agent.out.append(EndStream(executor.stream_id))
    say_exited(agent, executor, status)
    for task in tasks:
        if not is_over(task) and not task.is_stranger:
            agent_says(agent, task, executor.verdict or TERMINATED, now)
    agent.drop_idle_framework(executor.framework_id)


def destroy(agent: LocalAgent, executor: LocalExecutor) -> None:
    """End the executor's process by force; its end comes back from the keeper."""
    agent.out.append(ToKeeper(executor.container_id, {"type": "DESTROY"}))


def lost_in_restart(agent: LocalAgent, executor: LocalExecutor, now: float) -> None:
    """The executor has not come back to the restarted agent in time."""
    text = f"Executor did not reregister within {EXECUTOR_REREGISTRATION_SECONDS:g}secs"
    is_aware = agent.has_capability(executor.framework_id, "PARTITION_AWARE")
    state = "TASK_GONE" if is_aware else "TASK_LOST"
    executor.verdict = (state, "REASON_EXECUTOR_REREGISTRATION_TIMEOUT", text)
    if executor.pid is not None:
        # Its keeper is here, the executor is not: ended, and told with its status.
        destroy(agent, executor)
    else:
        terminated(agent, executor, STATUS_NEVER_STARTED, now)


def tick(agent: LocalAgent, now: float) -> None:
    """What time alone does to executors: no registration, a shutdown that takes too long."""
    for executor in list(agent.executors.values()):
        if executor.is_default:
            continue
        if executor.destroy_at is not None and now >= executor.destroy_at:
            executor.destroy_at = now + EXECUTOR_REREGISTRATION_SECONDS
            destroy(agent, executor)
        is_late = now >= executor.since + EXECUTOR_REGISTRATION_SECONDS
        if executor.phase is Phase.LAUNCHING and executor.verdict is None and is_late:
            text = "Executor did not register within 1mins"
            reason = "REASON_EXECUTOR_REGISTRATION_TIMEOUT"
            executor.verdict = ("TASK_FAILED", reason, text)
            if executor.pid is not None:
                destroy(agent, executor)
            else:
                agent.out.append(ToKeeper(executor.container_id, {"type": "DESTROY"}))
                terminated(agent, executor, STATUS_NEVER_STARTED, now)
        if executor.stream_id is not None and now >= executor.next_heartbeat_at:
            executor.next_heartbeat_at = now + HEARTBEAT_SECONDS
            _tell(agent, executor, "HEARTBEAT")
