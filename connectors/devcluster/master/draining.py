"""Agents that operators drain, deactivate and take back.

The one thing to know: a drained agent stays deactivated until it is reactivated. It is DRAINED when
the master knows nothing of it that still runs or is unacknowledged; with ``mark_gone`` it is given
up for good at that moment. What was asked is in the registry, and is asked of the agent again
whenever it comes back.
"""

from connectors.devcluster.master import inverse_offers, membership, void
from connectors.devcluster.master.allocator import allocate
from connectors.devcluster.master.model import Agent, Cluster
from connectors.devcluster.master.operator_state import DRAINED, DRAINING, Drain


def _is_known(cluster: Cluster, agent_id: str) -> bool:
    return (
        agent_id in cluster.agents
        or agent_id in cluster.recovered
        or agent_id in cluster.unreachable
    )


def drain(
    cluster: Cluster,
    agent_id: str,
    max_grace_nanoseconds: int | None,
    now: float,
    *,
    mark_gone: bool,
) -> str | None:
    """Have the agent end all that it runs; the answer is why not, or None."""
    if not _is_known(cluster, agent_id):
        return "Unknown agent"
    operator = cluster.operator
    operator.drains[agent_id] = Drain(max_grace_nanoseconds, mark_gone, now)
    operator.deactivated.add(agent_id)
    cluster.save()
    agent = cluster.agents.get(agent_id)
    if agent is not None:
        _deactivate(cluster, agent)
        cluster.tell(agent, "DRAIN", **operator.drains[agent_id].message)
    return None


def deactivate(cluster: Cluster, agent_id: str) -> str | None:
    """Offer nothing of the agent any more; its tasks go on. The answer is why not, or None."""
    if not _is_known(cluster, agent_id):
        return "Unknown agent"
    cluster.operator.deactivated.add(agent_id)
    cluster.save()
    agent = cluster.agents.get(agent_id)
    if agent is not None:
        _deactivate(cluster, agent)
    return None


def reactivate(cluster: Cluster, agent_id: str, now: float) -> str | None:
    """Offer the agent's resources again; the answer is why not, or None."""
    operator = cluster.operator
    if agent_id not in operator.deactivated:
        return "Agent is not deactivated"
    drained = operator.drains.get(agent_id)
    if drained is not None and drained.state == DRAINING:
        return "Agent is still in the DRAINING state"
    operator.forget(agent_id)
    cluster.save()
    agent = cluster.agents.get(agent_id)
    if agent is not None:
        agent.is_deactivated = False
        cluster.tell(agent, "UNDRAIN")
        allocate(cluster, now)
    return None


def _deactivate(cluster: Cluster, agent: Agent) -> None:
    agent.is_deactivated = True
    void.rescind(cluster, agent.offers.values())
    inverse_offers.rescind(cluster, agent)


def finish(cluster: Cluster, now: float) -> None:
    """Note the agents that have nothing left, and give up those that were to be gone then."""
    for agent_id, asked in list(cluster.operator.drains.items()):
        agent = cluster.agents.get(agent_id)
        if asked.state == DRAINED or agent is None or not _is_empty(agent):
            continue
        asked.state = DRAINED
        if asked.mark_gone:
            membership.mark_gone(cluster, agent_id, now)
        cluster.save()


def _is_empty(agent: Agent) -> bool:
    return not agent.tasks and not agent.executors and not agent.operations
