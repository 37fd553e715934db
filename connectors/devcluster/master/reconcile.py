"""What the master answers when a framework asks about a task: the exact table of Mesos.

The one thing to know: silence is an answer too. While an agent that is in the registry has not come
back to a new master, nobody can know, and so nothing is said.
"""

from dataclasses import dataclass

from connectors.devcluster.master.model import Cluster, Framework
from connectors.devcluster.words import Json, task_status, unreachable_time


@dataclass(frozen=True)
class Verdict:
    """What is true of a task that the master does not know."""

    state: str
    message: str
    unreachable_at: float | None = None


def reconcile(cluster: Cluster, framework: Framework, asked: list[Json], now: float) -> None:
    """Answer each question, or, when none is asked, report every task of the framework."""
    if not asked:
        for task_id in list(framework.tasks):
            _answer(cluster, framework, task_id, None, now)
        return
    for question in asked:
        agent_id = question.get("agent_id", {}).get("value")
        _answer(cluster, framework, question["task_id"]["value"], agent_id, now)


def _answer(
    cluster: Cluster, framework: Framework, task_id: str, agent_id: str | None, now: float
) -> None:
    task = framework.tasks.get(task_id)
    unreachable_at: float | None = None
    if task is not None:
        # Known to the master: the agent that was asked for does not matter.
        agent_id = task.agent_id
        state, message = task.acknowledged_path, "Reconciliation: Latest task state"
    else:
        verdict = verdict_on_unknown(cluster, agent_id)
        if verdict is None:
            return
        state = verdict.state if framework.is_partition_aware else "TASK_LOST"
        message, unreachable_at = verdict.message, verdict.unreachable_at
    status = task_status(
        task_id,
        state,
        source="SOURCE_MASTER",
        at=now,
        agent_id=agent_id,
        reason="REASON_RECONCILIATION",
        message=message,
        unreachable_time=None if unreachable_at is None else unreachable_time(unreachable_at),
    )
    cluster.send(framework, "UPDATE", {"status": status})


def verdict_on_unknown(cluster: Cluster, agent_id: str | None) -> Verdict | None:
    """What is said of a task that the master does not know; None is silence."""
    if agent_id is None:
        if cluster.recovered:
            return None
        return Verdict("TASK_UNKNOWN", "Reconciliation: Task is unknown")
    if agent_id in cluster.recovered:
        return None
    if agent_id in cluster.agents:
        return Verdict("TASK_GONE", "Reconciliation: Task is unknown to the agent")
    if agent_id in cluster.unreachable:
        return Verdict(
            "TASK_UNREACHABLE",
            "Reconciliation: Task is unreachable",
            cluster.unreachable[agent_id],
        )
    if agent_id in cluster.gone:
        return Verdict("TASK_GONE_BY_OPERATOR", "Reconciliation: Task is gone")
    return Verdict("TASK_UNKNOWN", "Reconciliation: Task is unknown")
