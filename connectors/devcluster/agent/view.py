"""What an agent shows of itself at ``/state``, in the shape of Mesos' agents."""

from connectors.devcluster.agent.isolation import Isolation
from connectors.devcluster.agent.model import LocalExecutor, LocalTask, Phase
from connectors.devcluster.agent.state import AgentState
from connectors.devcluster.agent.store import AgentStore
from connectors.devcluster.master.views import attributes_view
from connectors.devcluster.resources import from_json
from connectors.devcluster.words import VERSION, Json


def agent_state_view(state: AgentState, store: AgentStore, isolation: Isolation) -> Json:
    """The body of an agent's ``/state``."""
    info = state.info
    tasks = (*state.tasks.values(), *state.completed)
    ids = {t.framework_id for t in tasks} | {e.framework_id for e in state.executors.values()}
    known = [i for i in sorted(ids) if i in state.frameworks]
    past = [i for i in sorted(ids) if i not in state.frameworks]
    view = {
        "version": VERSION,
        "flavour": "flumina dev-cluster",
        "id": state.agent_id or "",
        "pid": f"slave(1)@{info['ip']}:{info['port']}",
        "hostname": info["hostname"],
        "resources": from_json(info["resources"]).summary(),
        "attributes": attributes_view(info["attributes"]),
        "flumina_isolation": [row.to_json() for row in isolation.rows()],
        "frameworks": [_framework(state, store, isolation, i) for i in known],
        "completed_frameworks": [_framework(state, store, isolation, i) for i in past],
    }
    if state.drain is not None:
        view["drain_config"] = {"mark_gone": False, **state.drain}
    return view


def _framework(
    state: AgentState, store: AgentStore, isolation: Isolation, framework_id: str
) -> Json:
    info = state.frameworks.get(framework_id) or state.past_frameworks.get(framework_id, {})
    shared = [e for e in state.executors.values() if e.framework_id == framework_id]
    names = {e.executor_id for e in shared}
    completed = [t for t in state.completed if t.framework_id == framework_id]
    own = [
        t
        for t in state.tasks.values()
        if t.framework_id == framework_id and t.executor_id not in names
    ]
    return {
        "id": framework_id,
        "name": info.get("name", ""),
        "user": info.get("user", ""),
        "checkpoint": bool(info.get("checkpoint")),
        "failover_timeout": info.get("failover_timeout", 0.0),
        "executors": [
            *(_shared_executor(state, store, isolation, e, completed) for e in shared),
            *(_executor(state, store, isolation, t) for t in own),
        ],
        "completed_executors": [
            _executor(state, store, isolation, t) for t in completed if t.executor_id not in names
        ],
    }


def _shared_executor(
    state: AgentState,
    store: AgentStore,
    isolation: Isolation,
    executor: LocalExecutor,
    completed: list[LocalTask],
) -> Json:
    """An executor that runs any number of tasks."""
    tasks = state.tasks_of(executor)
    live = [t for t in tasks if t.phase not in (Phase.LAUNCHING, Phase.ENDED)]
    over = [t for t in tasks if t.phase is Phase.ENDED]
    over += [t for t in completed if t.executor_id == executor.executor_id]
    return {
        "id": executor.executor_id,
        "name": executor.info.get("name", ""),
        "source": "",
        "container": executor.container_id,
        "directory": str(store.executor_sandbox(state.agent_id or "", executor)),
        "resources": from_json(executor.info.get("resources", [])).summary(),
        "role": executor.role,
        "tasks": [_task(isolation, t) for t in live],
        "queued_tasks": [_task(isolation, t) for t in tasks if t.phase is Phase.LAUNCHING],
        "completed_tasks": [_task(isolation, t) for t in over],
    }


def _task(isolation: Isolation, task: LocalTask) -> Json:
    view = {
        "id": task.task_id,
        "name": task.info["name"],
        "framework_id": task.framework_id,
        "executor_id": task.executor_id or "",
        "state": task.state,
        "resources": from_json(task.info["resources"]).summary(),
        "role": task.role,
        "labels": task.info.get("labels", {}).get("labels", []),
        "flumina_isolation": isolation.report(task.info),
    }
    if container := task.info.get("container"):
        view["container"] = container
    return view


def _executor(state: AgentState, store: AgentStore, isolation: Isolation, task: LocalTask) -> Json:
    """The executor that a command task has to itself."""
    view = _task(isolation, task)
    done = task.phase is Phase.ENDED
    return {
        "id": task.executor_id or task.task_id,
        "name": f"Command Executor (Task: {task.task_id})",
        "source": task.task_id,
        "container": task.container_id,
        "directory": str(store.sandbox(state.agent_id or "", task)),
        "resources": view["resources"],
        "role": task.role,
        "tasks": [] if done else [view],
        "queued_tasks": [],
        "completed_tasks": [view] if done else [],
    }
