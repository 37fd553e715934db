"""What an agent keeps about frameworks, executors and tasks, and what it puts out.

The one thing to know: nothing in the agent's pure modules reads a clock or touches a process. They
change a ``LocalAgent`` and append to its ``out``; ``process.py`` carries the outputs out, in order.
A *keeper* is the process of ``executor.py`` that is the parent of one container's process.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from connectors.devcluster.agent.operations import OperationBook
from connectors.devcluster.agent.updates import UpdateStream
from connectors.devcluster.resources import from_json
from connectors.devcluster.words import Json

Key = tuple[str, str]

# What Mesos' executors leave a task between SIGTERM and SIGKILL when nobody said how long.
GRACE_SECONDS = 3.0
# Mesos' --executor_registration_timeout, --executor_reregistration_timeout and
# --executor_shutdown_grace_period.
EXECUTOR_REGISTRATION_SECONDS = 60.0
EXECUTOR_REREGISTRATION_SECONDS = 2.0
EXECUTOR_SHUTDOWN_SECONDS = 5.0
# How long URIs may take to be fetched; Mesos gives up a download that stalls for a minute.
FETCH_SECONDS_MAX = 600.0
COMPLETED_MAX = 200


class Phase(Enum):
    """How far a task or an executor is, seen from the agent."""

    LAUNCHING = auto()  # its executor has not come yet
    RECOVERING = auto()  # the agent was restarted and waits for the executor to return
    RUNNING = auto()  # the executor is here
    ENDED = auto()  # the last update is made; it waits for acknowledgement


@dataclass
class LocalTask:
    """A task that this agent runs or owes an update for."""

    framework_id: str
    info: Json
    role: str
    container_id: str
    phase: Phase
    since: float
    state: str = "TASK_STAGING"
    executor_pid: int | None = None
    is_kill_asked: bool = False
    updates: UpdateStream = field(default_factory=UpdateStream)
    # The executor that runs it, custom or default; a command task has one of its own.
    executor_id: str | None = None
    # The tasks that were launched with it, all or nothing.
    group: tuple[str, ...] = ()
    # Where its facts are kept; tasks of one custom executor share a container, not this.
    record_id: str = ""
    # An executor spoke of it, and nobody launched it; its updates are passed on all the same.
    is_stranger: bool = False
    # Its health check has failed too often; its end says so.
    is_unhealthy: bool = False
    last_status: Json | None = None

    def __post_init__(self) -> None:
        self.record_id = self.record_id or self.container_id

    @property
    def task_id(self) -> str:
        """The id that the framework gave."""
        return str(self.info["task_id"]["value"])

    @property
    def key(self) -> Key:
        """What tells it from all others here."""
        return self.framework_id, self.task_id


@dataclass
class LocalExecutor:
    """An executor that a framework brought, or the default executor of a task group."""

    framework_id: str
    info: Json
    role: str
    container_id: str
    phase: Phase
    since: float
    pid: int | None = None
    stream_id: str | None = None
    # Launches that it has not been given: the ids of a task, or of the tasks of a group.
    queue: list[tuple[str, ...]] = field(default_factory=list)
    # When it will be ended by force, once it was told to shut down.
    destroy_at: float | None = None
    # State, reason and message of its tasks' end, where that is not simply its own end.
    verdict: tuple[str, str, str] | None = None
    next_heartbeat_at: float = 0.0
    # Whether it has ever reported a task that it was given.
    has_reported: bool = False
    # Its framework was removed: what it still says concerns nobody.
    is_forsaken: bool = False

    @property
    def executor_id(self) -> str:
        """The id that the framework gave."""
        return str(self.info["executor_id"]["value"])

    @property
    def key(self) -> Key:
        """What tells it from all others here."""
        return self.framework_id, self.executor_id

    @property
    def is_default(self) -> bool:
        """Whether it is Mesos' own executor for task groups."""
        return self.info.get("type") == "DEFAULT"

    @property
    def shutdown_seconds(self) -> float:
        """How long it has after SHUTDOWN before it is ended by force."""
        given = self.info.get("shutdown_grace_period", {}).get("nanoseconds")
        return EXECUTOR_SHUTDOWN_SECONDS if given is None else max(0.0, given / 1e9)


@dataclass(frozen=True)
class ToMaster:
    """Send a message to the master."""

    message: Json


@dataclass(frozen=True)
class ToKeeper:
    """Send a message to the keeper of a container, if it is connected."""

    container_id: str
    message: Json


@dataclass(frozen=True)
class ToStream:
    """Write an event to the stream of an executor that speaks the v1 executor API."""

    stream_id: str
    event: Json


@dataclass(frozen=True)
class EndStream:
    """End an executor's stream after what was written to it."""

    stream_id: str


@dataclass(frozen=True)
class Launch:
    """Make a sandbox and start the keeper of a task's container."""

    task: LocalTask


@dataclass(frozen=True)
class LaunchExecutor:
    """Make a sandbox and start the keeper of a custom executor's container."""

    executor: LocalExecutor


@dataclass(frozen=True)
class KeepTask:
    """Write down a task that was given to an executor which may run already."""

    task: LocalTask


@dataclass(frozen=True)
class KeepExecutor:
    """Write down an executor that has no keeper of its own."""

    executor: LocalExecutor


@dataclass(frozen=True)
class Keep:
    """Append a fact about a task's updates to what survives the agent."""

    task: LocalTask
    fact: Json


@dataclass(frozen=True)
class KeepFramework:
    """Write down a framework's information, or that the framework is no more."""

    framework_id: str


@dataclass(frozen=True)
class KeepAgentId:
    """Write down the id that the master gave."""


@dataclass(frozen=True)
class KeepOperations:
    """Write down what operations made of the agent's resources, and make or remove volumes."""


@dataclass(frozen=True)
class KeepDrain:
    """Write down that the agent is draining, or that it is not any more."""


@dataclass(frozen=True)
class Forget:
    """What survives the agent about a container is not needed any more."""

    container_id: str


AgentOutput = (
    ToMaster
    | ToKeeper
    | ToStream
    | EndStream
    | Launch
    | LaunchExecutor
    | KeepTask
    | KeepExecutor
    | Keep
    | KeepFramework
    | KeepAgentId
    | KeepOperations
    | KeepDrain
    | Forget
)


class LocalAgent:
    """All that an agent knows; ``out`` is what it has decided to put out."""

    def __init__(
        self, info: Json, new_uuid: Callable[[], str], new_status_uuid: Callable[[], str]
    ) -> None:
        self.info = info
        self.agent_id: str | None = None
        self.frameworks: dict[str, Json] = {}
        self.past_frameworks: dict[str, Json] = {}
        self.tasks: dict[Key, LocalTask] = {}
        self.executors: dict[Key, LocalExecutor] = {}
        self.completed: deque[LocalTask] = deque(maxlen=COMPLETED_MAX)
        self.is_linked = False
        # The configuration of a drain, as the master sent it.
        self.drain: Json | None = None
        self.operations = OperationBook(from_json(info.get("resources", [])))
        self.out: list[AgentOutput] = []
        self.new_uuid = new_uuid
        self.new_status_uuid = new_status_uuid

    def take(self) -> list[AgentOutput]:
        """The outputs since the last time, in the order in which they must be carried out."""
        out, self.out = self.out, []
        return out

    def has_capability(self, framework_id: str, name: str) -> bool:
        """Whether the framework has told this capability."""
        listed = self.frameworks[framework_id].get("capabilities", [])
        return any(c.get("type") == name for c in listed)

    def know_framework(self, framework: Json) -> str:
        """The id of a framework, which has something here from now on."""
        framework_id = str(framework["id"]["value"])
        if framework_id not in self.frameworks:
            self.past_frameworks.pop(framework_id, None)
            self.frameworks[framework_id] = framework
            self.out.append(KeepFramework(framework_id))
        return framework_id

    def drop_idle_framework(self, framework_id: str) -> None:
        """A framework that has nothing here is unknown to the agent."""
        has_task = any(t.framework_id == framework_id for t in self.tasks.values())
        has_executor = any(e.framework_id == framework_id for e in self.executors.values())
        if framework_id not in self.frameworks or has_task or has_executor:
            return
        self.past_frameworks[framework_id] = self.frameworks.pop(framework_id)
        while len(self.past_frameworks) > COMPLETED_MAX:
            del self.past_frameworks[next(iter(self.past_frameworks))]
        self.out.append(KeepFramework(framework_id))

    def task_in(self, container_id: str) -> LocalTask | None:
        """The task that has this container to itself."""
        found = (t for t in self.tasks.values() if t.container_id == container_id)
        return next((t for t in found if t.record_id == container_id), None)

    def executor_in(self, container_id: str) -> LocalExecutor | None:
        """The custom executor of this container."""
        found = (e for e in self.executors.values() if e.container_id == container_id)
        return next(found, None)

    def tasks_of(self, executor: LocalExecutor) -> list[LocalTask]:
        """The tasks of an executor, in the order in which they came."""
        return [
            task
            for task in self.tasks.values()
            if (task.framework_id, task.executor_id) == executor.key
        ]
