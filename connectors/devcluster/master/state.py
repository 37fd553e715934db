"""The master without input and output: streams, links and time in, a list of outputs out.

The one thing to know: every method takes ``now`` and leaves what is to be done in ``cluster.out``;
``take()`` hands it over. The master starts from the registry of agents and knows no framework.
"""

from collections.abc import Callable, Sequence

from connectors.devcluster.master import (
    draining,
    executors,
    frameworks,
    maintenance,
    membership,
    observed,
    operation_updates,
    scheduler_calls,
)
from connectors.devcluster.master.allocator import allocate
from connectors.devcluster.master.model import Cluster, Output, Settings
from connectors.devcluster.master.scheduler_calls import Answer
from connectors.devcluster.words import Json


class MasterState:
    """One master, from its start to its end."""

    def __init__(
        self, settings: Settings, registry: Json, new_uuid: Callable[[], str], now: float
    ) -> None:
        self.cluster = Cluster(settings, new_uuid(), now, new_uuid, next_allocation_at=now)
        self.cluster.recovered = {e["agent_id"]: e for e in registry.get("agents", [])}
        self.cluster.unreachable = dict(registry.get("unreachable", {}))
        self.cluster.gone = dict(registry.get("gone", {}))
        self.cluster.machines_down = {(h, ip) for h, ip in registry.get("machines_down", ())}
        self.cluster.operator.read(registry)
        maintenance.read_schedule(self.cluster)
        self.cluster.record("MASTER_STARTED", master_id=self.cluster.master_id)

    def take(self) -> list[Output]:
        """The outputs since the last time, in the order in which they must be carried out."""
        return self.cluster.take()

    def subscribe(self, call: Json, stream_id: str, now: float) -> None:
        """Begin a framework's stream."""
        frameworks.subscribe(self.cluster, call["subscribe"], stream_id, now)

    def stream_closed(self, stream_id: str, now: float) -> None:
        """A framework's connection is gone."""
        frameworks.stream_closed(self.cluster, stream_id, now)

    def call(self, call: Json, stream_id: str | None, now: float) -> Answer:
        """Answer a call that is not SUBSCRIBE."""
        return scheduler_calls.call(self.cluster, call, stream_id, now)

    def register(self, link_id: str, message: Json, now: float) -> None:
        """An agent has opened a link."""
        membership.register(self.cluster, link_id, message, now)

    def link_closed(self, link_id: str, now: float) -> None:
        """An agent's link is gone."""
        membership.link_closed(self.cluster, link_id, now)

    def from_agent(self, link_id: str, messages: Sequence[Json]) -> bool:
        """Take an agent's messages; False when the link is not its newest any more."""
        agent = self.cluster.agent_of_link(link_id)
        if agent is None:
            return False
        for message in messages:
            match message["type"]:
                case "UPDATE":
                    membership.updated(self.cluster, agent, message["update"])
                case "OPERATION_UPDATE":
                    operation_updates.updated(self.cluster, agent, message)
                case "EXITED_EXECUTOR":
                    executors.exited(self.cluster, agent, message)
                case "EXECUTOR_MESSAGE":
                    executors.said(self.cluster, agent, message)
                case _:
                    pass
        # Whatever it says, it lives.
        membership.pong(agent)
        return True

    def mark_gone(self, agent_id: str, now: float) -> bool:
        """Declare an agent gone by an operator's word; False when it was never here."""
        cluster = self.cluster
        if not any(
            agent_id in known
            for known in (cluster.agents, cluster.recovered, cluster.unreachable, cluster.gone)
        ):
            return False
        membership.mark_gone(cluster, agent_id, now)
        return True

    def tick(self, now: float) -> None:
        """Do what time alone brings about."""
        cluster = self.cluster
        frameworks.expire(cluster, now)
        membership.ping(cluster, now)
        membership.give_up_waiting(cluster, now)
        frameworks.beat(cluster, now)
        observed.beat(cluster, now)
        draining.finish(cluster, now)
        if now >= cluster.next_allocation_at:
            cluster.next_allocation_at = now + cluster.settings.allocation_seconds
            allocate(cluster, now)
