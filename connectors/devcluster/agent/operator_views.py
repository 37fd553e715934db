"""What an agent shows over the v1 operator API, and at ``/containers`` and ``/metrics/snapshot``.

The one thing to know: Mesos' agents speak of executors. A command task has one to itself, under the
task's id; its container is the task's container here.
"""

from collections import Counter
from collections.abc import Callable, Iterator

from connectors.devcluster.agent.model import LocalExecutor, LocalTask, Phase
from connectors.devcluster.agent.state import AgentState
from connectors.devcluster.master.sums import added
from connectors.devcluster.resources import MILLI, REFINED, Resources, from_json
from connectors.devcluster.words import TERMINAL, Json

Statistics = Callable[[str], Json | None]

_RESOURCES = ("cpus", "mem", "disk", "gpus")
_LIVE = ("staging", "starting", "running", "killing")
_ENDS = ("failed", "finished", "gone", "killed", "lost")
_MEBIBYTE = 1024 * 1024


def task(agent_id: str, item: LocalTask) -> Json:
    """A task as a v1 ``Task``."""
    info = item.info
    view: Json = {
        "name": info["name"],
        "task_id": {"value": item.task_id},
        "framework_id": {"value": item.framework_id},
        "agent_id": {"value": agent_id},
        "state": item.state,
        "resources": from_json(info["resources"]).to_json(item.role, style=REFINED),
    }
    if item.executor_id is not None:
        view["executor_id"] = {"value": item.executor_id}
    if item.last_status is not None:
        view["statuses"] = [item.last_status]
    if item.updates.sent is not None:
        view["status_update_state"] = item.updates.sent["state"]
        view["status_update_uuid"] = item.updates.sent["uuid"]
    for name in ("labels", "discovery", "container", "health_check", "kill_policy"):
        if name in info:
            view[name] = info[name]
    return view


def get_tasks(state: AgentState) -> Json:
    """The answer to GET_TASKS."""
    agent_id = state.agent_id or ""
    groups: dict[str, list[Json]] = {"queued": [], "launched": [], "terminated": []}
    for item in state.tasks.values():
        if item.state in TERMINAL:
            name = "terminated"
        else:
            name = "queued" if item.phase is Phase.LAUNCHING else "launched"
        groups[name].append(task(agent_id, item))
    return {
        "pending_tasks": [],
        **{f"{name}_tasks": rows for name, rows in groups.items()},
        "completed_tasks": [task(agent_id, item) for item in state.completed],
    }


def executor_name(item: LocalTask) -> str:
    """The name that Mesos gives to a command's executor."""
    command = item.info.get("command", {})
    if command.get("shell", True):
        said = f"sh -c '{command.get('value', '')}'"
    else:
        said = " ".join([command.get("value", ""), *command.get("arguments", [])])
    # Mesos shows this much of a command: fifteen characters of it and an ellipsis.
    shown = said if len(said) <= 24 else said[:19] + "...'"
    return f"Command Executor (Task: {item.task_id}) (Command: {shown})"


def _executor_info(item: LocalTask) -> Json:
    resources = from_json(item.info["resources"]).to_json(item.role, style=REFINED)
    return {
        "executor_id": {"value": item.task_id},
        "framework_id": {"value": item.framework_id},
        "resources": resources,
        "name": executor_name(item),
        "source": item.task_id,
    }


def get_executors(state: AgentState) -> Json:
    """The answer to GET_EXECUTORS."""
    shared = [
        {**e.info, "framework_id": {"value": e.framework_id}} for e in state.executors.values()
    ]
    own = [_executor_info(t) for t in state.tasks.values() if t.executor_id is None]
    past = [_executor_info(t) for t in state.completed if t.executor_id is None]
    return {
        "executors": [{"executor_info": info} for info in (*shared, *own)],
        "completed_executors": [{"executor_info": info} for info in past],
    }


def get_frameworks(state: AgentState) -> Json:
    """The answer to GET_FRAMEWORKS."""
    return {
        "frameworks": [{"framework_info": info} for info in state.frameworks.values()],
        "completed_frameworks": [
            {"framework_info": info} for info in state.past_frameworks.values()
        ],
    }


def get_state(state: AgentState) -> Json:
    """The answer to GET_STATE."""
    return {
        "get_tasks": get_tasks(state),
        "get_executors": get_executors(state),
        "get_frameworks": get_frameworks(state),
    }


def get_agent(state: AgentState) -> Json:
    """The answer to GET_AGENT."""
    info = state.info
    agent_info: Json = {
        "hostname": info["hostname"],
        "port": info["port"],
        "resources": from_json(info["resources"]).to_json(style=REFINED),
        "attributes": info["attributes"],
    }
    if state.agent_id is not None:
        agent_info["id"] = {"value": state.agent_id}
    view: Json = {"agent_info": agent_info}
    if state.drain is not None:
        view["drain_config"] = {"mark_gone": False, **state.drain}
    return view


def _containers(
    state: AgentState,
) -> Iterator[tuple[LocalTask | LocalExecutor, str, str, Resources]]:
    """Whose container, the executor's id and name, and what it may use."""
    for executor in state.executors.values():
        tasks = [from_json(t.info["resources"]) for t in state.tasks_of(executor)]
        held = added([from_json(executor.info.get("resources", [])), *tasks])
        yield executor, executor.executor_id, executor.info.get("name", ""), held
    for item in state.tasks.values():
        if item.executor_id is None and item.phase is not Phase.ENDED:
            held = from_json(item.info["resources"])
            yield item, item.task_id, executor_name(item), held


def _usage(held: Resources, measured: Json | None) -> Json | None:
    """What was measured, beside what may be used; None if nothing was measured."""
    if measured is None:
        return None
    amounts = held.quantities
    usage: Json = {}
    if "cpus" in amounts:
        usage["cpus_soft_limit"] = amounts["cpus"] / MILLI
    if "mem" in amounts:
        limit = amounts["mem"] * _MEBIBYTE // MILLI
        usage["mem_limit_bytes"] = usage["mem_soft_limit_bytes"] = limit
    return {**usage, **measured}


def get_containers(state: AgentState, statistics: Statistics) -> Json:
    """The answer to GET_CONTAINERS."""
    rows = []
    for item, executor_id, name, held in _containers(state):
        row: Json = {
            "framework_id": {"value": item.framework_id},
            "executor_id": {"value": executor_id},
            "executor_name": name,
            "container_id": {"value": item.container_id},
            "container_status": _status(item),
        }
        if usage := _usage(held, statistics(item.container_id)):
            row["resource_statistics"] = usage
        rows.append(row)
    return {"containers": rows}


def _status(item: LocalTask | LocalExecutor) -> Json:
    status: Json = {"container_id": {"value": item.container_id}}
    pid = item.executor_pid if isinstance(item, LocalTask) else item.pid
    if pid is not None:
        status["executor_pid"] = pid
    return status


def containers_view(state: AgentState, statistics: Statistics) -> list[Json]:
    """The body of ``/containers``."""
    rows = []
    for item, executor_id, name, held in _containers(state):
        row: Json = {
            "container_id": item.container_id,
            "executor_id": executor_id,
            "executor_name": name,
            "framework_id": item.framework_id,
            "source": executor_id,
            "status": _status(item),
        }
        if usage := _usage(held, statistics(item.container_id)):
            row["statistics"] = usage
        rows.append(row)
    return rows


def statistics_view(state: AgentState, statistics: Statistics) -> list[Json]:
    """The body of ``/monitor/statistics``: only containers of which there is a sample."""
    hidden = ("container_id", "status")
    return [
        {k: v for k, v in row.items() if k not in hidden}
        for row in containers_view(state, statistics)
        if "statistics" in row
    ]


def metrics(state: AgentState, now: float, started_at: float) -> dict[str, float]:
    """The body of ``/metrics/snapshot``; ends are counted over the tasks still remembered."""
    found: dict[str, float] = {
        "slave/registered": float(state.is_linked),
        "slave/uptime_secs": now - started_at,
    }
    live = Counter(t.state for t in state.tasks.values())
    over = live + Counter(t.state for t in state.completed)
    for name in _LIVE:
        found[f"slave/tasks_{name}"] = float(live[f"TASK_{name.upper()}"])
    for name in _ENDS:
        found[f"slave/tasks_{name}"] = float(over[f"TASK_{name.upper()}"])
    running = [t for t in state.tasks.values() if t.executor_id is None]
    found["slave/executors_registering"] = float(
        sum(t.phase is Phase.LAUNCHING for t in running)
        + sum(e.phase is Phase.LAUNCHING for e in state.executors.values())
    )
    found["slave/executors_running"] = float(
        sum(t.phase is Phase.RUNNING for t in running)
        + sum(e.phase is Phase.RUNNING for e in state.executors.values())
    )
    total = from_json(state.info["resources"]).quantities
    used = added(held for _, _, _, held in _containers(state)).quantities
    for name in _RESOURCES:
        there, taken = total.get(name, 0), used.get(name, 0)
        found[f"slave/{name}_total"] = there / MILLI
        found[f"slave/{name}_used"] = taken / MILLI
        found[f"slave/{name}_percent"] = taken / there if there else 0.0
    return found
