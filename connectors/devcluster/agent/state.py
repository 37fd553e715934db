"""An agent without input and output: what it is told, by whom, and what that leads to.

The one thing to know: the agent itself starts nothing and holds no process; keepers do, and they
outlive it. What must survive the agent is put out as ``Keep`` before the message that rests on it.
"""

from connectors.devcluster.agent import commands, drain, executors, groups, keepers, reports
from connectors.devcluster.agent.exits import Exit
from connectors.devcluster.agent.model import (
    EXECUTOR_REGISTRATION_SECONDS,
    EXECUTOR_REREGISTRATION_SECONDS,
    FETCH_SECONDS_MAX,
    KeepAgentId,
    KeepFramework,
    KeepOperations,
    LocalAgent,
    LocalExecutor,
    LocalTask,
    Phase,
    ToKeeper,
    ToMaster,
)
from connectors.devcluster.words import TERMINAL, Json


class AgentState(LocalAgent):
    """The agent's decisions; each method leaves what is to be done in ``out``."""

    # The master

    def registration(self) -> Json:
        """What the agent says of itself and its tasks when it opens a link."""
        return {
            "agent_id": self.agent_id,
            "info": self.info,
            "frameworks": list(self.frameworks.values()),
            "tasks": [_task_entry(t) for t in self.tasks.values() if not t.is_stranger],
            "executors": [
                {"framework_id": e.framework_id, "executor": e.info, "role": e.role}
                for e in self.executors.values()
            ],
            "drain": self.drain,
            **self.operations.registration(),
        }

    def from_master(self, message: Json, now: float) -> None:
        """Obey the master."""
        match message["type"]:
            case "REGISTERED":
                self._registered(message, now)
            case "RUN_TASK" | "RUN_TASK_GROUP":
                self._run(message, now)
            case "KILL_TASK":
                self._kill(message, now)
            case "ACKNOWLEDGE":
                reports.acknowledged(self, message, now)
            case "FRAMEWORK":
                self._framework_changed(message["framework"], now)
            case "SHUTDOWN_FRAMEWORK":
                self._shut_framework(message["framework_id"], now)
            case "PING":
                self.out.append(ToMaster({"type": "PONG"}))
            case "SHUTDOWN":
                for framework_id in list(self.frameworks):
                    self._shut_framework(framework_id, now)
            case _:
                self._rarely_told(message, now)

    def _rarely_told(self, message: Json, now: float) -> None:
        match message["type"]:
            case "SHUTDOWN_EXECUTOR":
                self._shut_executor(message, now)
            case "FRAMEWORK_MESSAGE":
                executors.message_for(self, message)
            case "APPLY_OPERATION":
                self._apply(message, now)
            case "ACKNOWLEDGE_OPERATION":
                if self.operations.acknowledge(message["uuid"], message["status_uuid"]):
                    self.out.append(KeepOperations())
            case "DRAIN":
                drain.begin(self, message, now)
            case "UNDRAIN":
                drain.end(self)
            case other:
                raise AssertionError(f"the master does not say {other!r}")

    def _apply(self, message: Json, now: float) -> None:
        uuid = self.new_status_uuid()
        said = self.operations.apply(message, self.agent_id or "", uuid, now)
        self.out += [KeepOperations(), ToMaster(said)]

    def unlinked(self) -> None:
        """The link to the master is gone."""
        self.is_linked = False
        self.operations.pause()
        for task in self.tasks.values():
            task.updates.pause()

    def _registered(self, message: Json, now: float) -> None:
        self.is_linked = True
        if self.agent_id != message["agent_id"]:
            self.agent_id = message["agent_id"]
            self.out.append(KeepAgentId())
        for lost in message["reconciliations"]:
            self._never_arrived(lost, now)
        self.out += [ToMaster(said) for said in self.operations.resume(now)]
        reports.resume(self, now)

    def _framework_changed(self, framework: Json, now: float) -> None:
        framework_id = framework["id"]["value"]
        if framework_id not in self.frameworks:
            return
        self.frameworks[framework_id] = framework
        self.out.append(KeepFramework(framework_id))
        # The pending updates of all frameworks are sent again, not only of this one (observed).
        reports.resume(self, now)

    def _shut_framework(self, framework_id: str, now: float) -> None:
        for task in [t for t in self.tasks.values() if t.framework_id == framework_id]:
            if executors.executor_of(self, task) is None and not task.is_stranger:
                keepers.leave(self, task)
            elif task.state not in TERMINAL:
                task.state = "TASK_KILLED"
            reports.complete(self, task)
        for executor in [e for e in self.executors.values() if e.framework_id == framework_id]:
            executor.is_forsaken = True
            executors.shut_down(self, executor, now)

    # Tasks

    def _run(self, message: Json, now: float) -> None:
        executor = message.get("executor") or message["task"].get("executor")
        if self.drain is not None:
            drain.refuse(self, message, now)
        elif executor is None:
            commands.run(self, message, now)
        elif executor.get("type") == "DEFAULT":
            groups.run(self, message, now)
        else:
            executors.run(self, message, now)

    def _never_arrived(self, message: Json, now: float) -> None:
        """The master counts on a task that never got here."""
        key = (message["framework"]["id"]["value"], message["info"]["task_id"]["value"])
        if key in self.tasks:
            return
        framework_id = self.know_framework(message["framework"])
        info, role = message["info"], message["role"]
        task = LocalTask(framework_id, info, role, self.new_uuid(), Phase.ENDED, now)
        task.executor_id = message.get("executor_id")
        self.tasks[task.key] = task
        text = "Reconciliation: task unknown to the agent"
        reports.own_up(self, task, "REASON_RECONCILIATION", text, now)

    def _kill(self, message: Json, now: float) -> None:
        task = self.tasks.get((message["framework_id"], message["task_id"]))
        if task is None or task.is_stranger:
            return
        policy = message.get("kill_policy")
        if executors.executor_of(self, task) is not None:
            # Also of a task that has ended and is not acknowledged (observed).
            executors.kill(self, task, policy, now)
        elif task.phase is not Phase.ENDED:
            commands.kill(self, task, policy, now)

    def _shut_executor(self, message: Json, now: float) -> None:
        executor = self.executors.get((message["framework_id"], message["executor_id"]))
        if executor is not None:
            executors.shut_down(self, executor, now)

    # Recovery

    def restore(
        self,
        agent_id: str | None,
        frameworks: dict[str, Json],
        tasks: list[LocalTask],
        local_executors: list[LocalExecutor] | None = None,
        drain_config: Json | None = None,
    ) -> None:
        """Begin with what an earlier process of this agent kept."""
        self.agent_id = agent_id
        self.frameworks = dict(frameworks)
        self.drain = drain_config
        for executor in local_executors or []:
            self.executors[executor.key] = executor
        for task in tasks:
            if task.state in TERMINAL:
                task.phase = Phase.ENDED
            self.tasks[task.key] = task
            if task.phase is Phase.ENDED and not task.updates.pending:
                reports.complete(self, task)
        for executor in list(self.executors.values()):
            if executor.is_default and not self.tasks_of(executor):
                reports.say_exited(self, executor, 0)
                self.drop_idle_framework(executor.framework_id)

    def recovering(self) -> list[str]:
        """The containers whose executors have not come back yet."""
        alone = (t for t in self.tasks.values() if executors.executor_of(self, t) is None)
        found = [t.container_id for t in alone if t.phase is Phase.RECOVERING]
        custom = (e for e in self.executors.values() if not e.is_default)
        return found + [e.container_id for e in custom if e.phase is Phase.RECOVERING]

    def end_recovery(
        self, ends: dict[str, Exit], now: float, dead: frozenset[str] = frozenset()
    ) -> None:
        """No more waiting: executors that did not come are gone, with these ends if known.

        Of the ``dead`` it is known that no process keeps them any more.
        """
        for executor in list(self.executors.values()):
            if executor.phase is Phase.RECOVERING and not executor.is_default:
                end = ends.get(executor.container_id)
                if end is not None:
                    executors.terminated(self, executor, end.wait_status, now)
                else:
                    executors.lost_in_restart(self, executor, now)
        for task in list(self.tasks.values()):
            if task.phase is Phase.RECOVERING and executors.executor_of(self, task) is None:
                is_dead = task.container_id in dead
                self._end_recovery_of(task, ends.get(task.container_id), now, is_dead=is_dead)
        if self.drain is not None:
            drain.kill_all(self, now)

    def _end_recovery_of(
        self, task: LocalTask, end: Exit | None, now: float, *, is_dead: bool
    ) -> None:
        if end is not None:
            if task.state in ("TASK_STAGING", "TASK_STARTING"):
                reports.executor_says(self, task, "TASK_RUNNING", now)
            commands.ended(self, task, end, now)
            return
        text = f"Executor did not reregister within {EXECUTOR_REREGISTRATION_SECONDS:g}secs"
        is_aware = self.has_capability(task.framework_id, "PARTITION_AWARE")
        state = "TASK_GONE" if is_aware else "TASK_LOST"
        verdict = (state, "REASON_EXECUTOR_REREGISTRATION_TIMEOUT", text)
        if is_dead:
            # One that is missed is one thing, one that has ended another (observed).
            verdict = executors.TERMINATED
        reports.agent_says(self, task, verdict, now)
        # One that comes later, or that is still fetching, is not wanted any more.
        keepers.dismiss(self, task.container_id, 0.0)
        groups.member_ended(self, task, now)

    # Keepers

    def launch_failed(self, container_id: str, message: str, now: float) -> None:
        """No keeper could be started."""
        if (executor := self.executor_in(container_id)) is not None:
            executors.launch_failed(self, executor, message, now)
        elif (task := self.task_in(container_id)) is not None:
            commands.launch_failed(self, task, message, now)

    def from_keeper(self, message: Json, now: float) -> None:
        """Take a keeper's report."""
        executor = self.executor_in(message["container_id"])
        if executor is not None:
            executors.from_keeper(self, executor, message, now)
        else:
            commands.from_keeper(self, message, now)

    def keeper_gone(self, container_id: str, last: Exit | None, now: float) -> None:
        """A keeper is gone without having been told to leave; ``last`` is what it left."""
        if (executor := self.executor_in(container_id)) is not None:
            # Killed together with its executor, whose parent it was.
            status = 9 if last is None else last.wait_status
            executors.terminated(self, executor, status, now)
        elif (task := self.task_in(container_id)) is not None:
            commands.keeper_gone(self, task, last, now)

    # Executors that speak for themselves

    def executor_subscribed(self, call: Json, stream_id: str, now: float) -> str | None:
        """Give the stream to the executor; the answer is why not, or None."""
        return executors.subscribe(self, call, stream_id, now)

    def executor_called(self, call: Json, now: float) -> tuple[int, str]:
        """Status and text of the answer to an executor's call that is not SUBSCRIBE."""
        return executors.call(self, call, now)

    def executor_stream_closed(self, stream_id: str) -> None:
        """An executor's connection is gone."""
        executors.stream_closed(self, stream_id)

    # Time

    def tick(self, now: float) -> None:
        """Repeat the updates that are due; give up executors that never came."""
        reports.repeat_due(self, now)
        self.out += [ToMaster(said) for said in self.operations.due(now)]
        executors.tick(self, now)
        for task in list(self.tasks.values()):
            if task.phase is not Phase.LAUNCHING or now < task.since + _registration_seconds(task):
                continue
            if executors.executor_of(self, task) is not None:
                continue
            text = "Executor did not register within 1mins"
            verdict = ("TASK_FAILED", "REASON_EXECUTOR_REGISTRATION_TIMEOUT", text)
            if not groups.end_undelivered(self, task, verdict, now):
                reports.agent_says(self, task, verdict, now)
                self.out.append(ToKeeper(task.container_id, {"type": "DESTROY"}))


def _registration_seconds(task: LocalTask) -> float:
    """A keeper comes when its URIs are fetched, which may take as long as that may take."""
    uris = task.info.get("command", {}).get("uris")
    return EXECUTOR_REGISTRATION_SECONDS + (FETCH_SECONDS_MAX if uris else 0.0)


def _task_entry(task: LocalTask) -> Json:
    return {
        "framework_id": task.framework_id,
        "info": task.info,
        "role": task.role,
        "executor_id": task.executor_id,
        "state": task.state,
        "update_state": task.updates.sent and task.updates.sent["state"],
        "update_uuid": task.updates.sent and task.updates.sent["uuid"],
        "status": task.updates.sent,
    }
