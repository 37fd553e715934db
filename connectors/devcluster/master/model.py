"""What the master keeps about streams, frameworks, agents, offers and tasks, and what it puts out.

The one thing to know: nothing in this package's pure modules reads a clock or writes anywhere. They
change a ``Cluster`` and append to ``Cluster.out``; ``master.py`` carries the outputs out, in order.
"Agent" is Mesos' word for a host that runs tasks, and is used in this package only.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from connectors.devcluster.master.constraints import RoleConstraints
from connectors.devcluster.master.operator_state import OperatorState
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
    missed_pings_max: int = 5
    reregister_timeout_seconds: float = 600.0
    allocation_seconds: float = ALLOCATION_SECONDS
    heartbeat_seconds: float = HEARTBEAT_SECONDS
    tasks_max: int = TASKS_MAX
    # What the agents are, when they are simulated: shown in ``/state``.
    simulated: str = ""


class ToStream(msgspec.Struct, frozen=True):
    """Write an event to a framework's stream."""

    stream_id: str
    event: Json


class EndStream(msgspec.Struct, frozen=True):
    """End a framework's stream after what has been written to it."""

    stream_id: str


class ToAgent(msgspec.Struct, frozen=True):
    """Send a message to the agent behind a link."""

    link_id: str
    message: Json


class EndLink(msgspec.Struct, frozen=True):
    """End the link to an agent; an agent that lives will register again."""

    link_id: str


class Record(msgspec.Struct, frozen=True):
    """Append a line to the master's journal."""

    what: str
    facts: Json


class SaveRegistry(msgspec.Struct, frozen=True):
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
class Executor:
    """An executor of the framework's own, or the default one, and what it holds by itself."""

    framework_id: str
    agent_id: str
    info: Json
    resources: Resources
    role: str

    @property
    def executor_id(self) -> str:
        """The id that the framework gave."""
        return str(self.info["executor_id"]["value"])


@dataclass
class Operation:
    """An operation on an agent's resources that its framework has not acknowledged."""

    uuid: str
    framework_id: str
    agent_id: str
    role: str
    info: Json
    # What it takes out of circulation until the agent has answered; most operations nothing.
    consumed: Resources = NOTHING
    converted: Resources = NOTHING
    state: str = "OPERATION_PENDING"
    status: Json | None = None

    @property
    def operation_id(self) -> str | None:
        """The id that the framework gave, if it wants to hear of it."""
        value = self.info.get("id", {}).get("value")
        return None if value is None else str(value)


@dataclass
class InverseOffer:
    """The wish that a framework leaves an agent that will be unavailable."""

    inverse_offer_id: str
    framework_id: str
    agent_id: str
    unavailability: Json


@dataclass
class Offer:
    """Resources of one agent that one framework may use."""

    offer_id: str
    framework_id: str
    agent_id: str
    role: str
    resources: Resources
    unavailability: Json | None = None


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
    operations: dict[str, Operation] = field(default_factory=dict)
    inverse_offers: dict[str, InverseOffer] = field(default_factory=dict)
    # What ``offer_constraints`` says of each role, compiled; and as it was sent.
    constraints: dict[str, RoleConstraints] = field(default_factory=dict)
    offer_constraints: Json | None = None
    # Scalars held by tasks, executors and offers, by role, for fair sharing.
    allocated: dict[str, dict[str, int]] = field(default_factory=dict)
    # How often it was given an offer, by role: who had fewer goes first when shares are equal.
    allocations: dict[str, int] = field(default_factory=dict)
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
    executors: dict[tuple[str, str], Executor] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)
    inverse_offers: dict[str, InverseOffer] = field(default_factory=dict)
    # By an operator's word nothing of it is offered; a draining agent is deactivated too.
    is_deactivated: bool = False
    # What was free when it was last looked at for offers, and for which of the demands.
    looked_at: Resources | None = None
    looked_for: int = -1
    # Kills of tasks that still live here; sent again when the agent returns to this master.
    kills: dict[tuple[str, str], Json] = field(default_factory=dict)

    @property
    def is_connected(self) -> bool:
        """Whether it has a link."""
        return self.link_id is not None

    @property
    def is_active(self) -> bool:
        """Whether it is connected and what is free of it may be offered."""
        return self.link_id is not None and not self.is_deactivated

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
    # When each filter ends, as a heap; the filter may be gone by then.
    filter_ends: list[tuple[float, tuple[str, str, str]]] = field(default_factory=list)
    # Who wanted offers of what when they were last made, and how often that has changed.
    demand: list[tuple[object, ...]] | None = None
    demands: int = 0
    # Inverse offers that are not made again until then: framework id and agent id.
    inverse_filters: dict[tuple[str, str], float] = field(default_factory=dict)
    # What frameworks said of leaving an agent: framework id and agent id to ACCEPT or DECLINE.
    inverse_answers: dict[tuple[str, str], Json] = field(default_factory=dict)
    # The operator's maintenance schedule and the machines taken down, by hostname and address.
    unavailability: dict[tuple[str, str], Json] = field(default_factory=dict)
    machines_down: set[tuple[str, str]] = field(default_factory=set)
    operator: OperatorState = field(default_factory=OperatorState)
    next_agent: int = 0
    next_framework: int = 0
    next_offer: int = 0
    next_allocation_at: float = 0.0
    # No ping is due before.
    next_ping_at: float = 0.0
    _capacity: dict[str, int] | None = None
    _saved: SaveRegistry | None = None
    _by_link: dict[str, Agent] = field(default_factory=dict)
    _at_address: dict[tuple[str, int], dict[str, Agent]] = field(default_factory=dict)

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
        # What is put out together is written once, where the first change of it stands: thousands
        # of agents that come at once would otherwise write thousands of registries.
        if self._saved is None:
            self._saved = SaveRegistry({})
            self.out.append(self._saved)

    def take(self) -> list[Output]:
        """The outputs since the last time, in the order in which they must be carried out."""
        out, self.out = self.out, []
        if self._saved is not None:
            entries = [a.info for a in self.agents.values()] + list(self.recovered.values())
            self._saved.registry.update(
                agents=entries,
                unreachable=dict(self.unreachable),
                gone=dict(self.gone),
                machines_down=sorted(self.machines_down),
                **self.operator.to_registry(),
            )
            self._saved = None
        return out

    def add(self, agent: Agent) -> None:
        """Count a new agent among those that are here."""
        self._capacity = None
        self.agents[agent.agent_id] = agent
        self._at_address.setdefault((agent.ip, agent.port), {})[agent.agent_id] = agent
        if agent.link_id is not None:
            self._by_link[agent.link_id] = agent

    def drop(self, agent: Agent) -> None:
        """Count an agent no longer."""
        self._capacity = None
        self.link(agent, None)
        del self.agents[agent.agent_id]
        there = self._at_address[agent.ip, agent.port]
        del there[agent.agent_id]
        if not there:
            del self._at_address[agent.ip, agent.port]

    def capacity(self) -> dict[str, int]:
        """The scalars of all agents together."""
        if self._capacity is None:
            self._capacity = {}
            for agent in self.agents.values():
                for name, amount in agent.total.quantities.items():
                    self._capacity[name] = self._capacity.get(name, 0) + amount
        return self._capacity

    def link(self, agent: Agent, link_id: str | None) -> None:
        """Have the agent behind this link, and no other, or behind none."""
        if agent.link_id is not None:
            self._by_link.pop(agent.link_id, None)
        agent.link_id = link_id
        if link_id is not None:
            self._by_link[link_id] = agent

    def agents_at(self, ip: str, port: int) -> list[Agent]:
        """The agents that registered from this address, connected or not."""
        return list(self._at_address.get((ip, port), {}).values())

    def framework_of_stream(self, stream_id: str) -> Framework | None:
        """The framework that this stream belongs to now."""
        for framework in self.frameworks.values():
            if framework.stream_id == stream_id:
                return framework
        return None

    def agent_of_link(self, link_id: str) -> Agent | None:
        """The agent that is behind this link now."""
        return self._by_link.get(link_id)


def hold(framework: Framework | None, role: str, resources: Resources) -> None:
    """Count the resources among those a framework has in this role."""
    if framework is not None:
        allocated = framework.allocated.setdefault(role, {})
        for name, amount in resources.quantities.items():
            allocated[name] = allocated.get(name, 0) + amount


def release(framework: Framework | None, role: str, resources: Resources) -> None:
    """Count the resources no longer among those a framework has in this role."""
    if framework is not None:
        allocated = framework.allocated.setdefault(role, {})
        for name, amount in resources.quantities.items():
            allocated[name] = allocated.get(name, 0) - amount


def held_by(agent: Agent) -> list[Resources]:
    """All that is not free on an agent: offers, tasks, executors, operations under way."""
    held = [o.resources for o in agent.offers.values()]
    held += [t.resources for t in agent.tasks.values() if t.holds_resources]
    held += [e.resources for e in agent.executors.values()]
    return held + [o.consumed for o in agent.operations.values()]


def invariant_errors(cluster: Cluster) -> list[str]:
    """What is wrong with the books of the master; empty when they balance."""
    errors = []
    for agent in cluster.agents.values():
        errors += _agent_errors(cluster, agent)
    for framework in cluster.frameworks.values():
        errors += _framework_errors(cluster, framework)
    return errors


def _agent_errors(cluster: Cluster, agent: Agent) -> list[str]:
    errors = []
    left = agent.total
    for amount in held_by(agent):
        if not left.contains(amount):
            errors.append(f"agent {agent.agent_id} has given out more than it has")
            break
        left = left - amount
    else:
        if left != agent.free:
            errors.append(f"agent {agent.agent_id}: free is {agent.free}, should be {left}")
    if agent.offers and not agent.is_connected:
        errors.append(f"agent {agent.agent_id} is away and has offers out")
    if agent.inverse_offers and not agent.is_connected:
        errors.append(f"agent {agent.agent_id} is away and has inverse offers out")
    for framework_id, executor_id in agent.executors:
        if framework_id not in cluster.frameworks:
            errors.append(f"executor {executor_id} belongs to no framework")
    return errors


def _framework_errors(cluster: Cluster, framework: Framework) -> list[str]:
    errors = []
    if (framework.offers or framework.inverse_offers) and not framework.is_connected:
        errors.append(f"framework {framework.framework_id} is away and holds offers")
    for task in framework.tasks.values():
        home = cluster.agents.get(task.agent_id)
        if home is None or home.tasks.get((framework.framework_id, task.task_id)) is not task:
            errors.append(f"task {task.task_id} is not among its agent's tasks")
    for operation in framework.operations.values():
        home = cluster.agents.get(operation.agent_id)
        if home is None or home.operations.get(operation.uuid) is not operation:
            errors.append(f"operation {operation.uuid} is not among its agent's operations")
    for role, amounts in _really_allocated(cluster, framework).items():
        counted = {n: a for n, a in framework.allocated.get(role, {}).items() if a}
        if counted != amounts:
            errors.append(f"framework {framework.framework_id} counts {counted} for {amounts}")
    return errors


def _really_allocated(cluster: Cluster, framework: Framework) -> dict[str, dict[str, int]]:
    """What a framework holds by role, counted anew."""
    holdings = [(o.role, o.resources) for o in framework.offers.values()]
    holdings += [(t.role, t.resources) for t in framework.tasks.values() if t.holds_resources]
    for agent in cluster.agents.values():
        for executor in agent.executors.values():
            if executor.framework_id == framework.framework_id:
                holdings.append((executor.role, executor.resources))
    holdings += [(o.role, o.consumed) for o in framework.operations.values()]
    result: dict[str, dict[str, int]] = {role: {} for role in framework.allocated}
    for role, resources in holdings:
        amounts = result.setdefault(role, {})
        for name, amount in resources.quantities.items():
            amounts[name] = amounts.get(name, 0) + amount
    return result
