"""What operators have asked of a master, and what it counts for them.

The one thing to know: drains, deactivated agents, the maintenance schedule and the machines taken
down are in the registry, so they outlive the master; counters and event streams do not.
"""

from collections import Counter
from dataclasses import asdict, dataclass, field

from connectors.devcluster.words import Json

DRAINING = "DRAINING"
DRAINED = "DRAINED"


@dataclass
class Drain:
    """An agent that is emptied; ``DRAINED`` once nothing of it is left unacknowledged."""

    # Rounded as the registry keeps it; None when tasks may take the time that they ask for.
    max_grace_nanoseconds: int | None
    mark_gone: bool
    started_at: float
    state: str = DRAINING

    @property
    def config(self) -> Json:
        """The drain as the API shows it."""
        config: Json = {"mark_gone": self.mark_gone}
        if self.max_grace_nanoseconds is not None:
            config["max_grace_period"] = {"nanoseconds": self.max_grace_nanoseconds}
        return config

    @property
    def message(self) -> Json:
        """The drain as its agent is told of it."""
        return {"max_grace_period": None, **self.config}


@dataclass
class OperatorState:
    """The operators' side of a cluster."""

    drains: dict[str, Drain] = field(default_factory=dict)
    deactivated: set[str] = field(default_factory=set)
    schedule: Json = field(default_factory=dict)
    # Machines that were ever in the schedule: Mesos' sentences about those are others.
    machines_known: set[tuple[str, str]] = field(default_factory=set)
    # Event streams and when each is due a HEARTBEAT.
    streams: dict[str, float] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def count(self, name: str, by: int = 1) -> None:
        """Count something that happened, under the name of its metric."""
        self.counts[name] += by

    def to_registry(self) -> Json:
        """What the registry keeps, beside the machines."""
        return {
            "drains": {agent_id: asdict(drain) for agent_id, drain in self.drains.items()},
            "deactivated": sorted(self.deactivated),
            "schedule": self.schedule,
        }

    def read(self, registry: Json) -> None:
        """Take up what an earlier master wrote."""
        drains = registry.get("drains", {})
        self.drains = {agent_id: Drain(**facts) for agent_id, facts in drains.items()}
        self.deactivated = set(registry.get("deactivated", ()))
        self.schedule = dict(registry.get("schedule", {}))

    def forget(self, agent_id: str) -> None:
        """An agent is gone for good: nothing is asked of it any more."""
        self.drains.pop(agent_id, None)
        self.deactivated.discard(agent_id)
