"""What the master keeps about streams, frameworks, agents, offers and tasks, and what it puts out.

The one thing to know: nothing in this package's pure modules reads a clock or writes anywhere. They
change a ``Cluster`` and append to ``Cluster.out``; ``master.py`` carries the outputs out, in order.
"Agent" is Mesos' word for a host that runs tasks, and is used in this package only.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from connectors.devcluster.resources import NOTHING, Resources
from connectors.devcluster.words import TERMINAL, Json

# The same numbers as Mesos' defaults.
HEARTBEAT_SECONDS = 15.0
ALLOCATION_SECONDS = 1.0
REFUSE_SECONDS_DEFAULT = 5.0
REFUSE_SECONDS_MAX = 365 * 24 * 3600.0
COMPLETED_FRAMEWORKS_MAX = 50
COMPLETED_TASKS_MAX = 1000
UNREACHABLE_TASKS_MAX = 1000
# Mesos has no such limit; this one keeps a run-away framework from filling the machine's memory.
TASKS_MAX = 20_000


@dataclass(frozen=True)
class Settings:
    """What can be chosen when a master is started."""

    host: str
    port: int
    ping_timeout_seconds: float = 15.0
    missed_pings_max: int = 4
    reregister_timeout_seconds: float = 600.0
    allocation_seconds: float = ALLOCATION_SECONDS
    heartbeat_seconds: float = HEARTBEAT_SECONDS


@dataclass(frozen=True)
class ToStream:
    """Write an event to a framework's stream."""

    stream_id: str
    event: Json


@dataclass(frozen=True)
class EndStream:
    """End a framework's stream after what has been written to it."""

    stream_id: str


@dataclass(frozen=True)
class ToAgent:
    """Send a message to the agent behind a link."""

    link_id: str
    message: Json


@dataclass(frozen=True)
class EndLink:
    """End the link to an agent; an agent that lives will register again."""

    link_id: str


@dataclass(frozen=True)
class Record:
    """Append a line to the master's journal."""

    what: str
    facts: Json


@dataclass(frozen=True)
class SaveRegistry:
    """Write the registry of agents to disk."""

    registry: Json


Output = ToStream | EndStream | ToAgent | EndLink | Record | SaveRegistry


@dataclass
class Task:
    """A task that the master knows of; ``acknowledged_path`` is what reconciliation answers."""

    framework_id: str
    agent_id: str
    info: Json
    resources: Resources
    role: str
    # What the agent last said, and the state and uuid of the last update given to the framework.
    state: str = "TASK_STAGING"
    update_state: str | None = None
    update_uuid: str | None = None
    statuses: list[Json] = field(default_factory=list)

    @property
    def task_id(self) -> str:
        """The id that the framework gave."""
        return str(self.info["task_id"]["value"])

    @property
    def acknowledged_path(self) -> str:
        """The state that a framework may know of by now."""
        return self.update_state or self.state

    @property
    def holds_resources(self) -> bool:
        """Whether the agent has not said that it ended."""
        return self.state not in TERMINAL


@dataclass
class Offer:
    """Resources of one agent that one framework may use."""

    offer_id: str
    framework_id: str
    agent_id: str
    role: str
    resources: Resources


@dataclass
class Framework:
    """A framework, connected or waited for."""

    framework_id: str
    info: Json
    stream_id: str | None = None
    # Known only because an agent runs its tasks; it has not subscribed to this master yet.
    is_recovered: bool = False
    registered_at: float = 0.0
    reregistered_at: float = 0.0
    disconnected_at: float | None = None
    next_heartbeat_at: float = 0.0
    suppressed: set[str] = field(default_factory=set)
    tasks: dict[str, Task] = field(default_factory=dict)
    offers: dict[str, Offer] = field(default_factory=dict)
    # Scalars held by tasks and offers, for fair sharing.
    allocated: dict[str, int] = field(default_factory=dict)
    completed: deque[Task] = field(default_factory=lambda: deque(maxlen=COMPLETED_TASKS_MAX))
    unreachable: dict[str, Task] = field(default_factory=dict)

    @property
    def is_connected(self) -> bool:
        """Whether it has a stream."""
        return self.stream_id is not None

    @property
    def capabilities(self) -> frozenset[str]:
        """The capabilities it named, the known ones."""
        listed = self.info.get("capabilities", [])
        return frozenset(c["type"] for c in listed if "type" in c)

    @property
    def is_partition_aware(self) -> bool:
        """Whether it takes UNREACHABLE, GONE and DROPPED, or LOST for all of them."""
        return "PARTITION_AWARE" in self.capabilities

    @property
    def is_multi_role(self) -> bool:
        """Whether it may have several roles, and is told those of offers."""
        return "MULTI_ROLE" in self.capabilities

    @property
    def roles(self) -> list[str]:
        """The roles it takes offers for."""
        if self.is_multi_role:
            return list(self.info.get("roles", []))
        return [self.info.get("role", "*")]

    @property
    def is_checkpointing(self) -> bool:
        """Whether its tasks outlive an agent process."""
        return bool(self.info.get("checkpoint", False))

    @property
    def failover_timeout(self) -> float:
        """The seconds it may be away before it is removed."""
        return float(self.info.get("failover_timeout", 0.0))


@dataclass
class Agent:
    """An agent that is registered, connected at the moment or not."""

    agent_id: str
    hostname: str
    ip: str
    port: int
    attributes: list[Json]
    total: Resources
    free: Resources = NOTHING
    link_id: str | None = None
    registered_at: float = 0.0
    reregistered_at: float | None = None
    next_ping_at: float = 0.0
    pings_missed: int = 0
    is_ping_open: bool = False
    tasks: dict[tuple[str, str], Task] = field(default_factory=dict)
    offers: dict[str, Offer] = field(default_factory=dict)
    # Kills of tasks that still live here; sent again when the agent returns to this master.
    kills: dict[tuple[str, str], Json] = field(default_factory=dict)

    @property
    def is_connected(self) -> bool:
        """Whether it has a link."""
        return self.link_id is not None

    @property
    def info(self) -> Json:
        """What the registry keeps of an agent."""
        return {
            "agent_id": self.agent_id,
            "hostname": self.hostname,
            "ip": self.ip,
            "port": self.port,
            "attributes": self.attributes,
            "resources": self.total.to_json(),
        }


@dataclass
class OfferFilter:
    """A framework does not want these resources of an agent, until then."""

    resources: Resources
    until: float


@dataclass
class Cluster:
    """All that a master knows. ``out`` is what it has decided to put out since the last look."""

    settings: Settings
    master_id: str
    started_at: float
    new_uuid: Callable[[], str]
    out: list[Output] = field(default_factory=list)
    agents: dict[str, Agent] = field(default_factory=dict)
    # In the registry, but not back since this master started: agent id to its registry entry.
    recovered: dict[str, Json] = field(default_factory=dict)
    unreachable: dict[str, float] = field(default_factory=dict)
    gone: dict[str, float] = field(default_factory=dict)
    frameworks: dict[str, Framework] = field(default_factory=dict)
    completed: dict[str, Framework] = field(default_factory=dict)
    filters: dict[tuple[str, str, str], list[OfferFilter]] = field(default_factory=dict)
    next_agent: int = 0
    next_framework: int = 0
    next_offer: int = 0
    next_allocation_at: float = 0.0

    def send(self, framework: Framework, kind: str, body: Json | None = None) -> None:
        """Put out an event for a framework; nothing when it is not connected."""
        if framework.stream_id is not None:
            event: Json = {"type": kind}
            if body is not None:
                event[kind.lower()] = body
            self.out.append(ToStream(framework.stream_id, event))

    def tell(self, agent: Agent, kind: str, **body: object) -> None:
        """Put out a message for an agent; nothing when it is not connected."""
        if agent.link_id is not None:
            self.out.append(ToAgent(agent.link_id, {"type": kind, **body}))

    def record(self, what: str, **facts: object) -> None:
        """Put out a journal line; what follows in ``out`` happens after it is written."""
        self.out.append(Record(what, facts))

    def save(self) -> None:
        """Put out the registry, to be written before what follows."""
        entries = [a.info for a in self.agents.values()] + list(self.recovered.values())
        self.out.append(
            SaveRegistry({"agents": entries, "unreachable": self.unreachable, "gone": self.gone})
        )

    def framework_of_stream(self, stream_id: str) -> Framework | None:
        """The framework that this stream belongs to now."""
        for framework in self.frameworks.values():
            if framework.stream_id == stream_id:
                return framework
        return None

    def agent_of_link(self, link_id: str) -> Agent | None:
        """The agent that is behind this link now."""
        return next((a for a in self.agents.values() if a.link_id == link_id), None)


def hold(framework: Framework | None, resources: Resources) -> None:
    """Count the resources among those a framework has."""
    if framework is not None:
        for name, amount in resources.scalars.items():
            framework.allocated[name] = framework.allocated.get(name, 0) + amount


def release(framework: Framework | None, resources: Resources) -> None:
    """Count the resources no longer among those a framework has."""
    if framework is not None:
        for name, amount in resources.scalars.items():
            framework.allocated[name] = framework.allocated.get(name, 0) - amount


def invariant_errors(cluster: Cluster) -> list[str]:
    """What is wrong with the books of the master; empty when they balance."""
    errors = []
    for agent in cluster.agents.values():
        held = [o.resources for o in agent.offers.values()]
        held += [t.resources for t in agent.tasks.values() if t.holds_resources]
        left = agent.total
        for amount in held:
            if not left.contains(amount):
                errors.append(f"agent {agent.agent_id} has given out more than it has")
                break
            left = left - amount
        else:
            if left != agent.free:
                errors.append(f"agent {agent.agent_id}: free is {agent.free}, should be {left}")
        if agent.offers and not agent.is_connected:
            errors.append(f"agent {agent.agent_id} is away and has offers out")
    for framework in cluster.frameworks.values():
        if framework.offers and not framework.is_connected:
            errors.append(f"framework {framework.framework_id} is away and holds offers")
        for task in framework.tasks.values():
            home = cluster.agents.get(task.agent_id)
            if home is None or home.tasks.get((framework.framework_id, task.task_id)) is not task:
                errors.append(f"task {task.task_id} is not among its agent's tasks")
    return errors
