"""One simulated agent: keeps an agent's promises to the master, and models its tasks' lives.

The one thing to know: towards the master it is an agent like any other - one update in flight for
each task, repeated until acknowledged, kill before delivery, recovery with checkpoint - in a
fraction of the memory, because it has neither executors nor files. Only the lives are made up.
"""

from dataclasses import dataclass, field, replace
from enum import Enum, auto
from functools import lru_cache

from connectors.devcluster.agent import drain_rules
from connectors.devcluster.agent.exits import Exit
from connectors.devcluster.agent.operations import OperationBook
from connectors.devcluster.agent.updates import RETRY_SECONDS_FIRST, UpdateStream
from connectors.devcluster.resources import from_json
from connectors.devcluster.simulated.host import Claim, Host
from connectors.devcluster.simulated.model import (
    EXIT_STATUS_VARIABLE,
    RUN_SECONDS_VARIABLE,
    Run,
)
from connectors.devcluster.simulated.outputs import (
    CloseLink,
    Journal,
    OpenLink,
    Surroundings,
    ToMaster,
)
from connectors.devcluster.words import Json, task_status

Key = tuple[str, str]

# Mesos' own, as in the agent that runs processes.
GRACE_SECONDS = 3.0
_SIGTERM, _SIGKILL = 15, 9
# An agent with many tasks looks at all of them for a repetition no more often than this.
_RETRY_LOOK_SECONDS = 0.05
# As an agent that is a process asks whether its machine is up again.
_RELINK_WHEN_REFUSED_SECONDS = 1.0


_NOT_YET = Exit(0)


class Phase(Enum):
    """How far a task is, seen from the agent."""

    LAUNCHING = auto()  # image, interface, address, command
    RUNNING = auto()
    ENDED = auto()  # the last update is made; it waits for acknowledgement


@dataclass(slots=True, eq=False)
class SimulatedTask:
    """A task that an agent has or owes an update for."""

    framework_id: str
    task_id: str
    info: Json
    role: str
    container_id: str
    phase: Phase = Phase.LAUNCHING
    state: str = "TASK_STAGING"
    claim: Claim | None = None
    is_kill_asked: bool = False
    ends_at: float = 0.0
    end: Exit = _NOT_YET
    container: Json | None = None
    updates: UpdateStream = field(default_factory=UpdateStream)

    @property
    def key(self) -> Key:
        """What tells it from all others here."""
        return self.framework_id, self.task_id


class SimulatedAgent:
    """One agent and its host."""

    def __init__(self, number: int, info: Json, shared: Surroundings) -> None:
        self.number = number
        self.info = info
        self.agent_id: str | None = None
        self.link_id: str | None = None
        self.is_up = False
        self.is_host_up = True
        self.is_gone = False
        self.tasks: dict[Key, SimulatedTask] = {}
        self.drain: Json | None = None
        # None until the first operation: most agents never see one.
        self.operations: OperationBook | None = None
        self._frameworks: dict[str, Json] = {}
        self._shared = shared
        self._host = Host(shared.weather, number, shared.timeline, shared.registry)
        self._is_retry_awaited = False
        self._is_answer_awaited = False
        self._last_delivery_at = 0.0
        self._may_register_at = 0.0

    # The process and its link

    def start(self, now: float) -> None:
        """The agent process begins, on a host that runs, and registers."""
        self.is_up = self.is_host_up = True
        self._open_link(now)

    def _open_link(self, now: float) -> None:
        if self.is_up and self.link_id is None:
            self.link_id = self._shared.new_link()
            # Registration is no faster than any other message.
            later = now + self._host.draw(self._shared.weather.model.delay_s)
            later = max(later, self._may_register_at)
            self._shared.timeline.at(later, self._register, self.link_id)

    def _register(self, link_id: str, _now: float) -> None:
        if link_id == self.link_id:
            self._shared.out.append(OpenLink(link_id, self._registration()))

    def _registration(self) -> Json:
        return {
            "agent_id": self.agent_id,
            "info": self.info,
            "drain": self.drain,
            **({} if self.operations is None else self.operations.registration()),
            "frameworks": list(self._frameworks.values()),
            "tasks": [
                {
                    "framework_id": task.framework_id,
                    "info": task.info,
                    "role": task.role,
                    "state": task.state,
                    "update_state": task.updates.sent and task.updates.sent["state"],
                    "update_uuid": task.updates.sent and task.updates.sent["uuid"],
                    "status": task.updates.sent,
                }
                for task in self.tasks.values()
            ],
        }

    def kill(self, now: float) -> None:
        """The agent process dies: tasks of frameworks with checkpoint go on without it."""
        self.is_up = False
        self._unlink()
        for task in list(self.tasks.values()):
            if not self._frameworks[task.framework_id].get("checkpoint", False):
                self._end_silently(task, _SIGKILL, now)

    def kill_host(self, now: float) -> None:
        """The host dies, and every task on it; the agent knows of them when it returns."""
        self.kill(now)
        self.is_host_up = False
        for task in self.tasks.values():
            if task.phase is not Phase.ENDED:
                self._release(task)
                if task.phase is Phase.RUNNING:
                    self._journal("ENDED", task, exit=-_SIGKILL)
                self._agent_says(
                    task,
                    "TASK_FAILED",
                    "REASON_EXECUTOR_REREGISTRATION_TIMEOUT",
                    "Executor did not reregister within 2secs",
                    now,
                )
        self._host.die(now)

    def running(self) -> int:
        """How many commands run on its host."""
        return sum(task.phase is Phase.RUNNING for task in self.tasks.values())

    def _unlink(self) -> None:
        if self.link_id is not None:
            self._shared.out.append(CloseLink(self.link_id))
            self._pause()

    def _pause(self) -> None:
        self.link_id = None
        if self.operations is not None:
            self.operations.pause()
        for task in self.tasks.values():
            task.updates.pause()

    def link_ended(self, now: float) -> None:
        """The master has ended the link; a living agent registers again."""
        self._pause()
        self._open_link(now)

    # What the master says

    def from_master(self, message: Json, now: float) -> None:
        """Take a message that the master has sent; it is obeyed after the network's delay."""
        if message["type"] == "SHUTDOWN":
            # The master's last word on a link: heard, although the end of the link is behind it.
            self._shut_down(now, may_return=message.get("may_return", False))
            return
        delay = self._host.draw(self._shared.weather.model.delay_s)
        # One link keeps its order, however the delays fall.
        self._last_delivery_at = at = max(now + delay, self._last_delivery_at)
        self._shared.timeline.at(at, self._obey, self.link_id, message)

    def _shut_down(self, now: float, *, may_return: bool) -> None:
        for framework_id in list(self._frameworks):
            self._shut_framework(framework_id, now)
        if may_return:
            self._may_register_at = now + _RELINK_WHEN_REFUSED_SECONDS
        else:
            self.is_gone = True
            self.is_up = False

    def _obey(self, link_id: str, message: Json, now: float) -> None:
        if link_id != self.link_id:
            # What was under way when the link broke has never arrived.
            return
        match message["type"]:
            case "RUN_TASK":
                self._run(message, now)
            case "ACKNOWLEDGE":
                self._acknowledged(message, now)
            case "KILL_TASK":
                self._kill(message, now)
            case "REGISTERED":
                self._registered(message, now)
            case "FRAMEWORK":
                self._framework_changed(message["framework"], now)
            case "SHUTDOWN_FRAMEWORK":
                self._shut_framework(message["framework_id"], now)
            case _:
                self._rarely_told(message, now)

    def _rarely_told(self, message: Json, now: float) -> None:
        match message["type"]:
            case "DRAIN":
                self.drain = drain_rules.config_of(message)
                for task in list(self.tasks.values()):
                    policy = drain_rules.kill_policy(self.drain, task.info)
                    named = {"framework_id": task.framework_id, "task_id": task.task_id}
                    self._kill({**named, "kill_policy": policy}, now)
            case "UNDRAIN":
                self.drain = None
            case "APPLY_OPERATION":
                if self.operations is None:
                    self.operations = OperationBook(from_json(self.info["resources"]))
                uuid = self._shared.new_status_uuid()
                self._answer([self.operations.apply(message, self.agent_id or "", uuid, now)], now)
            case "ACKNOWLEDGE_OPERATION":
                if self.operations is not None:
                    self.operations.acknowledge(message["uuid"], message["status_uuid"])
            case _:
                # Of what concerns executors nothing is modelled.
                return

    def _answer(self, said: list[Json], now: float) -> None:
        """Say what became of operations, and look 10 s later whether it must be repeated."""
        if self.link_id is None or self.operations is None:
            return
        self._shared.out += [ToMaster(self.link_id, message) for message in said]
        times = [a.retry_at for a in self.operations.answers.values() if a.retry_at is not None]
        if times and not self._is_answer_awaited:
            self._is_answer_awaited = True
            self._shared.timeline.at(max(now, min(times)), self._repeat_answers)

    def _repeat_answers(self, now: float) -> None:
        self._is_answer_awaited = False
        if self.operations is not None:
            self._answer(self.operations.due(now), now)

    def _registered(self, message: Json, now: float) -> None:
        self.agent_id = message["agent_id"]
        for lost in message["reconciliations"]:
            self._never_arrived(lost, now)
        if self.operations is not None:
            self._answer(self.operations.resume(now), now)
        self._resume(now)

    def _resume(self, now: float) -> None:
        for task in self.tasks.values():
            if status := task.updates.resume(now):
                self._give(task, status, now)

    def _framework_changed(self, framework: Json, now: float) -> None:
        framework_id = framework["id"]["value"]
        if framework_id in self._frameworks:
            self._frameworks[framework_id] = framework
            # The pending updates of all frameworks are sent again, not only of this one.
            self._resume(now)

    def _shut_framework(self, framework_id: str, now: float) -> None:
        for task in [t for t in self.tasks.values() if t.framework_id == framework_id]:
            self._end_silently(task, _SIGTERM, now)

    def _end_silently(self, task: SimulatedTask, signal: int, _now: float) -> None:
        """End a task that nobody is to hear of."""
        if task.phase is Phase.RUNNING:
            self._journal("ENDED", task, exit=-signal)
        self._release(task)
        task.phase = Phase.ENDED
        self._forget(task)

    def _forget(self, task: SimulatedTask) -> None:
        del self.tasks[task.key]
        # Most often the next task is of the same framework.
        for other in self.tasks.values():
            if other.framework_id == task.framework_id:
                return
        del self._frameworks[task.framework_id]

    def _add(self, message: Json) -> SimulatedTask:
        framework = message["framework"]
        framework_id = framework["id"]["value"]
        self._frameworks.setdefault(framework_id, framework)
        info = message.get("task") or message["info"]
        task_id = str(info["task_id"]["value"])
        container_id = self._shared.new_uuid()
        task = SimulatedTask(framework_id, task_id, info, message["role"], container_id)
        self.tasks[task.key] = task
        return task

    def _never_arrived(self, message: Json, now: float) -> None:
        key = (message["framework"]["id"]["value"], message["info"]["task_id"]["value"])
        if key in self.tasks:
            return
        text = "Reconciliation: task unknown to the agent"
        self._own_up(message, "REASON_RECONCILIATION", text, now)

    def _own_up(self, message: Json, reason: str, text: str, now: float) -> None:
        """Report a task that was never started, in the word that its framework understands."""
        capabilities = {c.get("type") for c in message["framework"].get("capabilities", [])}
        state = "TASK_DROPPED" if "PARTITION_AWARE" in capabilities else "TASK_LOST"
        self._agent_says(self._add(message), state, reason, text, now)

    # A task's life

    def _run(self, message: Json, now: float) -> None:
        if self.drain is not None:
            self._own_up(message, "REASON_AGENT_DRAINING", drain_rules.REFUSED, now)
            return
        task = self._add(message)
        interfaces = self._shared.weather.model.interfaces.tasks
        container = task.info.get("container", {})
        wants_address = interfaces == "all" or (
            interfaces == "asked" and bool(container.get("network_infos"))
        )

        def done(failure: str | None, at: float) -> None:
            self._launched(task, failure, at)

        task.claim = self._host.begin(_image_of(container), wants_address, done, now)

    def _launched(self, task: SimulatedTask, failure: str | None, now: float) -> None:
        if task.phase is Phase.ENDED:
            # Killed, or its host lost, while it was on its way.
            self._release(task)
            return
        if failure is not None:
            self._release(task)
            text = f"Failed to launch container: {failure}"
            self._agent_says(task, "TASK_FAILED", "REASON_CONTAINER_LAUNCH_FAILED", text, now)
            return
        task.phase = Phase.RUNNING
        self._journal("STARTED", task)
        self._executor_says(task, "TASK_STARTING", now)
        self._executor_says(task, "TASK_RUNNING", now)
        seconds, wait_status = self._end_of(task)
        limit = task.info.get("max_completion_time", {}).get("nanoseconds")
        if limit is not None and limit / 1e9 < seconds:
            self._end_at(task, now + limit / 1e9, Exit(_SIGTERM, is_over_time=True))
        else:
            self._end_at(task, now + seconds, Exit(wait_status))

    def _end_at(self, task: SimulatedTask, at: float, end: Exit) -> None:
        task.ends_at, task.end = at, end
        self._shared.timeline.at(at, self._ended, task)

    def _end_of(self, task: SimulatedTask) -> tuple[float, int]:
        """How long the command runs, and the wait status that it ends with."""
        variables = {
            v["name"]: v.get("value", "")
            for v in task.info.get("command", {}).get("environment", {}).get("variables", [])
        }
        model = self._shared.weather.model
        run = model.runs[0] if len(model.runs) == 1 else _run_of(model.runs, task.info, variables)
        seconds = _number(variables.get(RUN_SECONDS_VARIABLE))
        if seconds is None:
            seconds = self._host.draw(run.seconds)
        status = _number(variables.get(EXIT_STATUS_VARIABLE))
        return seconds, self._wait_status(run) if status is None else (int(status) & 0xFF) << 8

    def _wait_status(self, run: Run) -> int:
        if len(run.exits) == 1:
            chosen = run.exits[0]
        else:
            shares = [each.share for each in run.exits]
            chosen = self._host.chance.choices(run.exits, shares)[0]
        return chosen.signal or chosen.status << 8

    def _ended(self, task: SimulatedTask, now: float) -> None:
        if task.phase is not Phase.RUNNING:
            # It ended earlier than was thought when this appointment was made.
            return
        code = task.end.wait_status
        self._journal("ENDED", task, exit=code >> 8 if code > 0xFF else -code)
        self._release(task)
        state, reason, text = _verdict(task.end)
        self._executor_says(task, state, now, reason=reason, message=text)
        task.phase = Phase.ENDED

    def _release(self, task: SimulatedTask) -> None:
        if task.claim is not None:
            self._host.release(task.claim)
            # It knows the task by way of ``done``: without this each task would be garbage that
            # only the collector finds.
            task.claim = None

    def _kill(self, message: Json, now: float) -> None:
        task = self.tasks.get((message["framework_id"], message["task_id"]))
        if task is None or task.phase is Phase.ENDED:
            return
        if task.phase is Phase.LAUNCHING:
            text = "Killed before delivery to the executor"
            self._agent_says(task, "TASK_KILLED", "REASON_TASK_KILLED_DURING_LAUNCH", text, now)
            return
        framework = self._frameworks[task.framework_id]
        capabilities = {c.get("type") for c in framework.get("capabilities", [])}
        policy = message.get("kill_policy") or {}
        if "grace_period" not in policy:
            policy = task.info.get("kill_policy", {})
        grace = policy.get("grace_period", {}).get("nanoseconds")
        ends_at = now + (GRACE_SECONDS if grace is None else max(0.0, grace / 1e9))
        signal = _SIGKILL
        if not task.is_kill_asked:
            task.is_kill_asked = True
            # However it ends from now on, it was killed.
            task.end = replace(task.end, is_killed=True)
            if "TASK_KILLING_STATE" in capabilities:
                self._executor_says(task, "TASK_KILLING", now)
            stop = self._shared.weather.model.stop
            if not self._host.happens(stop.ignores_term_share):
                stops_at = now + self._host.draw(stop.seconds)
                if stops_at <= ends_at:
                    ends_at, signal = stops_at, _SIGTERM
        # Its own end may come first; and a later kill can only shorten the grace.
        if ends_at < task.ends_at:
            self._end_at(task, ends_at, Exit(signal, is_killed=True))

    # Updates

    def _journal(self, what: str, task: SimulatedTask, **facts: object) -> None:
        named: Json = {
            "task_id": task.task_id,
            "framework_id": task.framework_id,
            "container_id": task.container_id,
            "agent_id": self.agent_id,
        }
        self._shared.out.append(Journal(what, named | facts))

    def _executor_says(self, task: SimulatedTask, state: str, now: float, **more: object) -> None:
        container = task.container
        if container is None:
            addresses = [{"protocol": "IPv4", "ip_address": self.info["ip"]}]
            container = task.container = {
                "container_id": {"value": task.container_id},
                "network_infos": [{"ip_addresses": addresses}],
            }
        self._say(task, state, "SOURCE_EXECUTOR", now, container_status=container, **more)

    def _agent_says(
        self, task: SimulatedTask, state: str, reason: str, message: str, now: float
    ) -> None:
        self._say(task, state, "SOURCE_AGENT", now, reason=reason, message=message)
        task.phase = Phase.ENDED

    def _say(
        self, task: SimulatedTask, state: str, source: str, now: float, **more: object
    ) -> None:
        status = task_status(
            task.task_id,
            state,
            source=source,
            at=now,
            agent_id=self.agent_id,
            executor_id={"value": task.task_id},
            uuid=self._shared.new_status_uuid(),
            **more,
        )
        status = drain_rules.told(self.drain, status)
        task.state = status["state"]
        if first := task.updates.add(status, now):
            self._give(task, first, now)

    def _give(self, task: SimulatedTask, status: Json, now: float) -> None:
        if self.link_id is None:
            task.updates.pause()
            return
        update = {
            "framework_id": task.framework_id,
            "status": status,
            "latest_state": task.state,
        }
        self._shared.out.append(ToMaster(self.link_id, {"type": "UPDATE", "update": update}))
        if not self._is_retry_awaited:
            self._is_retry_awaited = True
            self._shared.timeline.at(now + RETRY_SECONDS_FIRST, self._retry)

    def _retry(self, now: float) -> None:
        """Repeat the updates that are due, and look again when the next one is."""
        for task in list(self.tasks.values()):
            if status := task.updates.due(now):
                self._give(task, status, now)
        times = [t.updates.retry_at for t in self.tasks.values() if t.updates.retry_at is not None]
        self._is_retry_awaited = bool(times)
        if times:
            self._shared.timeline.at(max(now + _RETRY_LOOK_SECONDS, min(times)), self._retry)

    def _acknowledged(self, message: Json, now: float) -> None:
        task = self.tasks.get((message["framework_id"], message["task_id"]))
        if task is None:
            return
        was_in_flight, following = task.updates.acknowledge(message["uuid"], now)
        if following is not None:
            self._give(task, following, now)
        elif was_in_flight and task.phase is Phase.ENDED:
            self._forget(task)


def _image_of(container: Json) -> str | None:
    """The image that a task's container names, if any."""
    image = container.get("mesos", {}).get("image") or {}
    name = (
        container.get("docker", {}).get("image")
        or image.get("docker", {}).get("name")
        or image.get("appc", {}).get("name")
    )
    return None if name is None else str(name)


def _run_of(runs: tuple[Run, ...], info: Json, variables: dict[str, str]) -> Run:
    """The first run that matches the task's labels and its command's environment."""
    labels = {f"{e['key']}={e.get('value', '')}" for e in info.get("labels", {}).get("labels", [])}
    pairs = {f"{name}={value}" for name, value in variables.items()}
    return next(
        run
        for run in runs
        if (not run.label or run.label in labels) and (not run.variable or run.variable in pairs)
    )


def _number(text: str | None) -> float | None:
    """The number that a task gives for itself; nonsense counts as nothing."""
    try:
        return None if text is None else max(0.0, float(text))
    except ValueError:
        return None


@lru_cache(maxsize=1024)
def _verdict(end: Exit) -> tuple[str, str | None, str]:
    return end.verdict()
