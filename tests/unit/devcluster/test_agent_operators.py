"""What an agent shows to operators, without a process: v1 messages, containers, metrics."""

from collections.abc import Callable

import pytest

from connectors.devcluster.agent import operator_views
from connectors.devcluster.agent.state import AgentState
from connectors.devcluster.resources import parse_resources
from connectors.devcluster.wire import codec
from tests.unit.devcluster.agent_rig import INFO, AgentRig, Json, task_info
from tests.unit.devcluster.wire_check import check_message

RESOURCES = parse_resources("cpus:0.5;mem:64").to_json()


def sampled(container_id: str) -> Json | None:
    """A sampler that has seen every container."""
    return {"timestamp": 5.0, "mem_rss_bytes": len(container_id)}


def unsampled(_container_id: str) -> Json | None:
    """A sampler that has seen none."""
    return None


def busy() -> AgentState:
    """An agent with a running task, one that waits, and one that is over."""
    total = parse_resources("cpus:4;mem:8192").to_json()
    numbers = iter(range(100))
    state = AgentState(
        {**INFO, "resources": total}, lambda: f"c{next(numbers)}", lambda: f"u{next(numbers)}"
    )
    rig = AgentRig(state)
    container = rig.run("live", resources=RESOURCES)
    rig.run("over", resources=RESOURCES)
    over = rig.launched[-1].container_id
    rig.ended(over)
    framework = state.frameworks["f"]
    rig.master(
        "RUN_TASK", framework=framework, task=task_info("new", resources=RESOURCES), role="*"
    )
    assert container
    return state


@pytest.mark.parametrize(
    ("kind", "view"),
    [
        ("get_state", operator_views.get_state),
        ("get_tasks", operator_views.get_tasks),
        ("get_executors", operator_views.get_executors),
        ("get_frameworks", operator_views.get_frameworks),
        ("get_agent", operator_views.get_agent),
        ("get_containers", lambda state: operator_views.get_containers(state, sampled)),
    ],
)
def test_each_answer_is_a_message_of_mesos(kind: str, view: Callable[[AgentState], Json]) -> None:
    value = {"type": kind.upper(), kind: view(busy())}
    check_message("agent.Response", value)
    codec.encode("agent.Response", codec.PROTOBUF, value)


def test_tasks_are_shown_by_how_far_they_are() -> None:
    shown = operator_views.get_tasks(busy())
    names = {kind: [t["task_id"]["value"] for t in rows] for kind, rows in shown.items()}
    assert names == {
        "pending_tasks": [],
        "queued_tasks": ["new"],
        "launched_tasks": ["live"],
        "terminated_tasks": ["over"],
        "completed_tasks": [],
    }


def test_a_container_without_a_sample_has_no_statistics() -> None:
    state = busy()
    rows = operator_views.containers_view(state, unsampled)
    assert rows
    assert all("statistics" not in row for row in rows)
    assert operator_views.statistics_view(state, unsampled) == []


def test_a_sample_is_shown_beside_what_may_be_used() -> None:
    rows = operator_views.statistics_view(busy(), sampled)
    assert rows[0]["executor_id"] == "live"
    assert rows[0]["statistics"] == {
        "cpus_soft_limit": 0.5,
        "mem_limit_bytes": 64 * 1024 * 1024,
        "mem_soft_limit_bytes": 64 * 1024 * 1024,
        "timestamp": 5.0,
        "mem_rss_bytes": 2,
    }
    assert "container_id" not in rows[0]


def test_metrics_of_an_agent() -> None:
    found = operator_views.metrics(busy(), now=12.0, started_at=2.0)
    assert (found["slave/uptime_secs"], found["slave/registered"]) == (10.0, 1.0)
    assert (found["slave/tasks_running"], found["slave/tasks_finished"]) == (1.0, 1.0)
    assert (found["slave/executors_running"], found["slave/executors_registering"]) == (1.0, 1.0)
    assert (found["slave/cpus_used"], found["slave/cpus_percent"]) == (1.0, 0.25)


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ({"value": "exec sleep 600"}, "sh -c 'exec sleep 600'"),
        ({"value": "echo hello; echo x >&2"}, "sh -c 'echo hello; ...'"),
    ],
)
def test_a_commands_executor_has_mesos_name(command: Json, text: str) -> None:
    rig = AgentRig()
    rig.run("t", command=command)
    task = rig.state.tasks["f", "t"]
    name = f"Command Executor (Task: t) (Command: {text})"
    assert operator_views.executor_name(task) == name
