"""What an agent shows of itself at ``/state``, in the shape of Mesos' agents."""

from typing import Any

from connectors.devcluster.agent.state import AgentState, LocalTask, Phase
from connectors.devcluster.agent.store import AgentStore
from connectors.devcluster.master.views import attributes_view
from connectors.devcluster.resources import from_json
from connectors.devcluster.words import VERSION

Json = dict[str, Any]


def agent_state_view(state: AgentState, store: AgentStore) -> Json:
    """The body of an agent's ``/state``."""
    info = state.info
    ids = sorted({t.framework_id for t in (*state.tasks.values(), *state.completed)})
    known = [i for i in ids if i in state.frameworks]
    past = [i for i in ids if i not in state.frameworks]
    return {
        "version": VERSION,
        "flavour": "flumina dev-cluster",
        "id": state.agent_id or "",
        "pid": f"slave(1)@{info['ip']}:{info['port']}",
        "hostname": info["hostname"],
        "resources": from_json(info["resources"]).summary(),
        "attributes": attributes_view(info["attributes"]),
        "frameworks": [_framework(state, store, i) for i in known],
        "completed_frameworks": [_framework(state, store, i) for i in past],
    }


def _framework(state: AgentState, store: AgentStore, framework_id: str) -> Json:
    info = state.frameworks.get(framework_id) or state.past_frameworks.get(framework_id, {})
    return {
        "id": framework_id,
        "name": info.get("name", ""),
        "user": info.get("user", ""),
        "checkpoint": bool(info.get("checkpoint")),
        "failover_timeout": info.get("failover_timeout", 0.0),
        "executors": [
            _executor(state, store, t)
            for t in state.tasks.values()
            if t.framework_id == framework_id
        ],
        "completed_executors": [
            _executor(state, store, t) for t in state.completed if t.framework_id == framework_id
        ],
    }


def _executor(state: AgentState, store: AgentStore, task: LocalTask) -> Json:
    view = {
        "id": task.task_id,
        "name": task.info["name"],
        "state": task.state,
        "resources": from_json(task.info["resources"]).summary(),
        "role": task.role,
    }
    done = task.phase is Phase.ENDED
    return {
        "id": task.task_id,
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
