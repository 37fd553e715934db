"""An agent without input and output: what it runs, what it owes to frameworks, what it puts out.

The one thing to know: the agent itself starts nothing and holds no process; executors do, and they
outlive it. What must survive the agent is put out as ``Keep`` before the message that rests on it.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from connectors.devcluster.agent.exits import Exit
from connectors.devcluster.agent.updates import UpdateStream
from connectors.devcluster.words import TERMINAL, task_status

Json = dict[str, Any]
Key = tuple[str, str]

GRACE_SECONDS = 3.0
# Mesos' --executor_registration_timeout and --executor_reregistration_timeout.
EXECUTOR_REGISTRATION_SECONDS = 60.0
EXECUTOR_REREGISTRATION_SECONDS = 2.0
COMPLETED_MAX = 200


class Phase(Enum):
    """How far a task is, seen from the agent."""

    LAUNCHING = auto()  # its executor has not come yet
    RECOVERING = auto()  # the agent was restarted and waits for the executor to return
    RUNNING = auto()  # the executor is here
    ENDED = auto()  # the last update is made; it waits for acknowledgement


@dataclass(frozen=True)
class ToMaster:
    """Send a message to the master."""

    message: Json


@dataclass(frozen=True)
class ToExecutor:
    """Send a message to the executor of a container, if it is connected."""

    container_id: str
    message: Json


@dataclass(frozen=True)
class KeepFramework:
    """Write down a framework's information, or that the framework is no more."""

    framework_id: str


@dataclass(frozen=True)
class KeepAgentId:
    """Write down the id that the master gave."""


@dataclass(frozen=True)
class Forget:
    """What survives the agent about a container is not needed any more."""

    container_id: str


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

    @property
    def task_id(self) -> str:
        """The id that the framework gave."""
        return str(self.info["task_id"]["value"])

    @property
    def key(self) -> Key:
        """What tells it from all others here."""
        return self.framework_id, self.task_id


@dataclass(frozen=True)
class Launch:
    """Make a sandbox and start an executor."""

    task: LocalTask


@dataclass(frozen=True)
class Keep:
    """Append a fact about a task's updates to what survives the agent."""

    task: LocalTask
    fact: Json


AgentOutput = ToMaster | ToExecutor | Launch | Keep | KeepFramework | KeepAgentId | Forget


class AgentState:
    """All that an agent knows; each method leaves what is to be done in ``out``."""

    def __init__(
        self, info: Json, new_uuid: Callable[[], str], new_status_uuid: Callable[[], str]
    ) -> None:
        self.info = info
        self.agent_id: str | None = None
        self.frameworks: dict[str, Json] = {}
        self.past_frameworks: dict[str, Json] = {}
        self.tasks: dict[Key, LocalTask] = {}
        self.completed: deque[LocalTask] = deque(maxlen=COMPLETED_MAX)
        self.is_linked = False
        self.out: list[AgentOutput] = []
        self._new_uuid = new_uuid
        self._new_status_uuid = new_status_uuid

    def take(self) -> list[AgentOutput]:
        """The outputs since the last time, in the order in which they must be carried out."""
        out, self.out = self.out, []
        return out

    # The master

    def registration(self) -> Json:
        """What the agent says of itself and its tasks when it opens a link."""
        return {
            "agent_id": self.agent_id,
            "info": self.info,
            "frameworks": list(self.frameworks.values()),
            "tasks": [
                {
                    "framework_id": task.framework_id,
                    "info": task.info,
                    "role": task.role,
                    "state": task.state,
                    "update_state": task.updates.sent and task.updates.sent["state"],
                    "update_uuid": task.updates.sent and task.updates.sent["uuid"],
                }
                for task in self.tasks.values()
            ],
        }

    def from_master(self, message: Json, now: float) -> None:
        """Obey the master."""
        match message["type"]:
            case "REGISTERED":
                self._registered(message, now)
            case "RUN_TASK":
                self._run(message, now)
            case "KILL_TASK":
                self._kill(message, now)
            case "ACKNOWLEDGE":
                self._acknowledged(message, now)
            case "FRAMEWORK":
                self._framework_changed(message["framework"], now)
            case "SHUTDOWN_FRAMEWORK":
                self._shut_framework(message["framework_id"])
            case "PING":
                self.out.append(ToMaster({"type": "PONG"}))
            case "SHUTDOWN":
                for framework_id in list(self.frameworks):
                    self._shut_framework(framework_id)
            case other:
                raise AssertionError(f"the master does not say {other!r}")

    def unlinked(self) -> None:
        """The link to the master is gone."""
        self.is_linked = False
        for task in self.tasks.values():
            task.updates.pause()

    def _registered(self, message: Json, now: float) -> None:
        self.is_linked = True
        if self.agent_id != message["agent_id"]:
            self.agent_id = message["agent_id"]
            self.out.append(KeepAgentId())
        for lost in message["reconciliations"]:
            self._never_arrived(lost, now)
        self._resume(now)

    def _resume(self, now: float) -> None:
        for task in self.tasks.values():
            if status := task.updates.resume(now):
                self._give(task, status)

    def _framework_changed(self, framework: Json, now: float) -> None:
        framework_id = framework["id"]["value"]
        if framework_id not in self.frameworks:
            return
        self.frameworks[framework_id] = framework
        self.out.append(KeepFramework(framework_id))
        # The pending updates of all frameworks are sent again, not only of this one (observed).
        self._resume(now)

    def _shut_framework(self, framework_id: str) -> None:
        for task in [t for t in self.tasks.values() if t.framework_id == framework_id]:
            self._leave(task, GRACE_SECONDS)
            if task.state not in TERMINAL:
                task.state = "TASK_KILLED"
            self._complete(task)

    # Tasks

    def _add(self, message: Json, phase: Phase, now: float) -> LocalTask:
        framework = message["framework"]
        framework_id = framework["id"]["value"]
        if framework_id not in self.frameworks:
            self.past_frameworks.pop(framework_id, None)
            self.frameworks[framework_id] = framework
            self.out.append(KeepFramework(framework_id))
        info = message.get("task") or message["info"]
        task = LocalTask(framework_id, info, message["role"], self._new_uuid(), phase, now)
        self.tasks[task.key] = task
        return task

    def _run(self, message: Json, now: float) -> None:
        task = self._add(message, Phase.LAUNCHING, now)
        self.out.append(Launch(task))

    def _never_arrived(self, message: Json, now: float) -> None:
        """The master counts on a task that never got here."""
        framework = message["framework"]
        key = (framework["id"]["value"], message["info"]["task_id"]["value"])
        if key in self.tasks:
            return
        task = self._add(message, Phase.ENDED, now)
        capabilities = {c.get("type") for c in framework.get("capabilities", [])}
        state = "TASK_DROPPED" if "PARTITION_AWARE" in capabilities else "TASK_LOST"
        self._agent_says(
            task,
            state,
            "REASON_RECONCILIATION",
            "Reconciliation: task unknown to the agent",
            now,
        )

    def _kill(self, message: Json, now: float) -> None:
        task = self.tasks.get((message["framework_id"], message["task_id"]))
        if task is None or task.phase is Phase.ENDED:
            return
        if task.phase is Phase.LAUNCHING:
            self._agent_says(
                task,
                "TASK_KILLED",
                "REASON_TASK_KILLED_DURING_LAUNCH",
                "Killed before delivery to the executor",
                now,
            )
            return
        framework = self.frameworks[task.framework_id]
        capabilities = {c.get("type") for c in framework.get("capabilities", [])}
        if not task.is_kill_asked and "TASK_KILLING_STATE" in capabilities:
            self._executor_says(task, "TASK_KILLING", now)
        task.is_kill_asked = True
        policy = message.get("kill_policy") or {}
        if "grace_period" not in policy:
            policy = task.info.get("kill_policy", {})
        grace = policy.get("grace_period", {}).get("nanoseconds")
        seconds = GRACE_SECONDS if grace is None else max(0.0, grace / 1e9)
        kill = {"type": "KILL", "grace_seconds": seconds}
        self.out.append(ToExecutor(task.container_id, kill))

    def _acknowledged(self, message: Json, now: float) -> None:
        task = self.tasks.get((message["framework_id"], message["task_id"]))
        if task is None:
            return
        was_in_flight, following = task.updates.acknowledge(message["uuid"], now)
        if not was_in_flight:
            return
        self.out.append(Keep(task, {"acknowledged": message["uuid"]}))
        if following is not None:
            self._give(task, following)
        elif task.phase is Phase.ENDED:
            self._complete(task)

    def _complete(self, task: LocalTask) -> None:
        del self.tasks[task.key]
        self.completed.append(task)
        self.out.append(Forget(task.container_id))
        if not any(t.framework_id == task.framework_id for t in self.tasks.values()):
            # A framework that has nothing here is unknown to the agent.
            self.past_frameworks[task.framework_id] = self.frameworks.pop(task.framework_id)
            while len(self.past_frameworks) > COMPLETED_MAX:
                del self.past_frameworks[next(iter(self.past_frameworks))]
            self.out.append(KeepFramework(task.framework_id))

    # Recovery

    def restore(
        self, agent_id: str | None, frameworks: dict[str, Json], tasks: list[LocalTask]
    ) -> None:
        """Begin with what an earlier process of this agent kept."""
        self.agent_id = agent_id
        self.frameworks = dict(frameworks)
        for task in tasks:
            if task.state in TERMINAL:
                task.phase = Phase.ENDED
            self.tasks[task.key] = task
            if task.phase is Phase.ENDED and not task.updates.pending:
                self._complete(task)

    def recovering(self) -> list[LocalTask]:
        """The tasks whose executors have not come back yet."""
        return [t for t in self.tasks.values() if t.phase is Phase.RECOVERING]

    def end_recovery(self, ends: dict[str, Exit], now: float) -> None:
        """No more waiting: executors that did not come are gone, with these ends if known."""
        for task in self.recovering():
            end = ends.get(task.container_id)
            if end is not None:
                if task.state in ("TASK_STAGING", "TASK_STARTING"):
                    self._executor_says(task, "TASK_RUNNING", now)
                self._ended(task, end, now)
                continue
            text = f"Executor did not reregister within {EXECUTOR_REREGISTRATION_SECONDS:g}secs"
            self._agent_says(
                task, "TASK_FAILED", "REASON_EXECUTOR_REREGISTRATION_TIMEOUT", text, now
            )

    # Executors

    def launch_failed(self, key: Key, message: str, now: float) -> None:
        """No executor could be started."""
        task = self.tasks.get(key)
        if task is not None and task.phase is Phase.LAUNCHING:
            text = f"Failed to launch container: {message}"
            self._agent_says(task, "TASK_FAILED", "REASON_CONTAINER_LAUNCH_FAILED", text, now)

    def from_executor(self, message: Json, now: float) -> None:
        """Take an executor's report."""
        container_id = message["container_id"]
        task = next((t for t in self.tasks.values() if t.container_id == container_id), None)
        if task is None or task.phase is Phase.ENDED:
            # Nobody waits for it: the task was killed before delivery, or its end is known.
            leave = {"type": "LEAVE", "grace_seconds": GRACE_SECONDS}
            self.out.append(ToExecutor(container_id, leave))
            return
        if message["type"] == "SUBSCRIBE":
            self._executor_came(task, message, now)
        is_known_to_run = task.state in ("TASK_RUNNING", "TASK_KILLING")
        if message.get("task_pid") and not is_known_to_run:
            self._executor_says(task, "TASK_RUNNING", now)
        if "wait_status" in message:
            self._ended(task, Exit.of(message), now)

    def _executor_came(self, task: LocalTask, message: Json, now: float) -> None:
        task.executor_pid = message["pid"]
        was_launching = task.phase is Phase.LAUNCHING
        task.phase = Phase.RUNNING
        if was_launching or not message["task_pid"]:
            if task.state == "TASK_STAGING":
                self._executor_says(task, "TASK_STARTING", now)
            self.out.append(ToExecutor(task.container_id, {"type": "RUN"}))

    def executor_gone(self, container_id: str, last: Exit | None, now: float) -> None:
        """An executor is gone without having been told to leave; ``last`` is what it left."""
        task = next((t for t in self.tasks.values() if t.container_id == container_id), None)
        if task is None or task.phase is Phase.ENDED:
            return
        if last is not None:
            self._ended(task, last, now)
            return
        text = "Executor terminated"
        self._agent_says(task, "TASK_FAILED", "REASON_EXECUTOR_TERMINATED", text, now)

    def _ended(self, task: LocalTask, end: Exit, now: float) -> None:
        state, reason, text = end.verdict()
        self._executor_says(task, state, now, reason=reason, message=text)
        task.phase = Phase.ENDED
        self._leave(task, 0.0)

    def _leave(self, task: LocalTask, grace_seconds: float) -> None:
        leave = {"type": "LEAVE", "grace_seconds": grace_seconds}
        self.out.append(ToExecutor(task.container_id, leave))

    # Updates

    def _executor_says(self, task: LocalTask, state: str, now: float, **more: object) -> None:
        container: Json = {
            "container_id": {"value": task.container_id},
            "network_infos": [
                {"ip_addresses": [{"protocol": "IPv4", "ip_address": self.info["ip"]}]}
            ],
        }
        if task.executor_pid is not None:
            container["executor_pid"] = task.executor_pid
        more["container_status"] = container
        self._say(task, state, "SOURCE_EXECUTOR", now, **more)

    def _agent_says(
        self, task: LocalTask, state: str, reason: str, message: str, now: float
    ) -> None:
        self._say(task, state, "SOURCE_AGENT", now, reason=reason, message=message)
        task.phase = Phase.ENDED

    def _say(self, task: LocalTask, state: str, source: str, now: float, **more: object) -> None:
        status = task_status(
            task.task_id,
            state,
            source=source,
            at=now,
            agent_id=self.agent_id,
            executor_id={"value": task.task_id},
            uuid=self._new_status_uuid(),
            **more,
        )
        task.state = state
        self.out.append(Keep(task, {"update": status}))
        if first := task.updates.add(status, now):
            self._give(task, first)

    def _give(self, task: LocalTask, status: Json) -> None:
        if not self.is_linked:
            task.updates.pause()
            return
        update = {
            "framework_id": task.framework_id,
            "status": status,
            "latest_state": task.state,
        }
        self.out.append(ToMaster({"type": "UPDATE", "update": update}))

    # Time

    def tick(self, now: float) -> None:
        """Repeat the updates that are due; give up executors that never came."""
        for task in list(self.tasks.values()):
            if status := task.updates.due(now):
                self._give(task, status)
            if task.phase is Phase.LAUNCHING and now >= task.since + EXECUTOR_REGISTRATION_SECONDS:
                self._agent_says(
                    task,
                    "TASK_FAILED",
                    "REASON_EXECUTOR_REGISTRATION_TIMEOUT",
                    "Executor did not register within 1mins",
                    now,
                )
