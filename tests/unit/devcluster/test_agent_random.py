"""A random day of an agent, after whose every step its promises must hold.

It proves that no order of kills, ends, executors, acknowledgements and lost links makes the agent
send two updates of a task at once, send one that it has not kept, go on after an end, or forget a
task that it owes an update for. Steps are drawn by Hypothesis, which shrinks a bad day.
"""

from collections.abc import Callable
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors.devcluster.agent.model import Keep, LocalTask, Phase, ToMaster
from connectors.devcluster.words import TERMINAL
from tests.unit.devcluster.agent_rig import (
    FRAMEWORK,
    AgentRig,
    Json,
    executor_call,
    executor_info,
    task_info,
    uuid_of,
)

CHOICES = st.lists(st.integers(0, 10_000), min_size=1, max_size=60)


class Day(AgentRig):
    """An agent to which anything may happen."""

    def __init__(self) -> None:
        self.kept: set[str] = set()
        self.in_flight: dict[str, str] = {}
        self.acknowledged: set[str] = set()
        self.over: set[str] = set()
        self.count = 0
        super().__init__()

    def settle(self) -> None:
        outputs = self.state.take()
        for output in outputs:
            match output:
                case Keep():
                    if update := output.fact.get("update"):
                        self.kept.add(update["uuid"])
                case ToMaster():
                    if output.message["type"] == "UPDATE":
                        self.check_sent(output.message["update"]["status"])
                case _:
                    pass
        self.state.out = outputs
        super().settle()

    def check_sent(self, status: Json) -> None:
        task_id, uuid = status["task_id"]["value"], status["uuid"]
        assert uuid in self.kept, "sent before it was kept"
        before = self.in_flight.get(task_id)
        assert before in (None, uuid) or before in self.acknowledged, "two updates at once"
        assert task_id not in self.over, "an update after the end was acknowledged"
        self.in_flight[task_id] = uuid

    def step(self, choice: int) -> None:
        """Let one thing happen, of those that can."""
        tasks = list(self.state.tasks.values())
        doings: list[Any] = [self.run_one, self.run_group, self.relink, self.pass_time]
        doings += [lambda t=t: self.kill(t) for t in tasks]
        doings += [lambda t=t: self.acknowledge_one(t) for t in tasks if t.updates.pending]
        doings += [lambda t=t: self.keeper(t) for t in tasks if t.record_id == t.container_id]
        doings += [lambda t=t: self.report(t) for t in tasks if t.record_id != t.container_id]
        for executor in list(self.state.executors.values()):
            doings += [lambda e=executor: self.executor_doing(e.executor_id, choice)]
        doings[choice % len(doings)]()
        self.settle()
        self.check()

    def run_one(self) -> None:
        self.count += 1
        info = task_info(f"t{self.count}")
        if self.count % 2:
            del info["command"]
            info["executor"] = executor_info(f"e{self.count % 3}")
        self.master("RUN_TASK", framework=FRAMEWORK, task=info, role="*")

    def run_group(self) -> None:
        self.count += 1
        infos = [task_info(f"t{self.count}-{n}") for n in range(2)]
        kind = "DEFAULT" if self.count % 2 else "CUSTOM"
        info = {**executor_info(f"{kind}"), "type": kind}
        self.master("RUN_TASK_GROUP", framework=FRAMEWORK, executor=info, tasks=infos, role="*")

    def relink(self) -> None:
        self.state.unlinked()
        self.master("REGISTERED", agent_id="a", reconciliations=[])

    def pass_time(self) -> None:
        self.now += 7.0
        self.state.tick(self.now)

    def kill(self, task: LocalTask) -> None:
        self.master("KILL_TASK", framework_id="f", task_id=task.task_id, kill_policy=None)

    def acknowledge_one(self, task: LocalTask) -> None:
        status = task.updates.pending[0]
        # A framework acknowledges what it was sent.
        if self.in_flight.get(task.task_id) != status["uuid"]:
            return
        self.acknowledged.add(status["uuid"])
        is_last = status["state"] in TERMINAL
        self.acknowledge(task.task_id)
        if is_last:
            self.over.add(task.task_id)

    def keeper(self, task: LocalTask) -> None:
        container, was = task.container_id, task.executor_pid
        if was is None:
            self.executor("SUBSCRIBE", container, pid=10, task_pid=0)
        elif task.state == "TASK_STARTING":
            self.executor("STARTED", container, task_pid=11)
        elif self.count % 3:
            self.ended(container, 256 * (self.count % 2))
        else:
            self.state.keeper_gone(container, None, self.now)

    def report(self, task: LocalTask) -> None:
        states = ("TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED", "TASK_FAILED")
        self.count += 1
        status = {
            "task_id": {"value": task.task_id},
            "state": states[self.count % 4],
            "source": "SOURCE_EXECUTOR",
            "uuid": uuid_of(f"r{self.count}"),
        }
        if task.task_id in self.over:
            return
        call = executor_call("UPDATE", task.executor_id or "", update={"status": status})
        self.state.executor_called(call, self.now)

    def executor_doing(self, executor_id: str, choice: int) -> None:
        executor = self.state.executors["f", executor_id]
        doings: list[Callable[[], object]] = [
            lambda: self.subscribe(executor_id, f"s{choice}"),
            lambda: self.executor("STARTED", executor.container_id, task_pid=11),
            lambda: self.ended(executor.container_id, 256),
            lambda: self.master("SHUTDOWN_EXECUTOR", framework_id="f", executor_id=executor_id),
            lambda: self.state.executor_stream_closed(executor.stream_id or ""),
        ]
        doings[choice // 7 % len(doings)]()

    def check(self) -> None:
        """What must hold after every step."""
        state = self.state
        for task in state.tasks.values():
            assert (task.phase is Phase.ENDED) <= bool(task.updates.pending), "nothing is owed"
            executor = state.executors.get(("f", task.executor_id or ""))
            if task.executor_id is not None and executor is None:
                assert task.phase is Phase.ENDED or task.is_stranger, "lives without executor"
        for executor in state.executors.values():
            live = [t for t in state.tasks_of(executor) if t.phase is not Phase.ENDED]
            assert live or not executor.is_default, "a default executor with nothing to do"
        has_something = bool(state.tasks or state.executors)
        assert bool(state.frameworks) == has_something


@settings(max_examples=150)
@given(CHOICES)
@example([1, 8242, 1, 177, 156, 11, 0, 0, 99, 112])  # One of a group ends before all have come.
def test_the_promises_hold_whatever_happens(choices: list[int]) -> None:
    day = Day()
    for choice in choices:
        day.step(choice)


def test_every_task_is_settled_in_the_end() -> None:
    """Once all processes have ended and all is acknowledged, nothing is left."""
    day = Day()
    for choice in range(0, 4000, 37):
        day.step(choice)
    for executor in list(day.state.executors.values()):
        if not executor.is_default:
            day.ended(executor.container_id, 9)
    for _ in range(3):
        for task in list(day.state.tasks.values()):
            if task.phase is not Phase.ENDED:
                day.ended(task.container_id, 9)
    while day.state.tasks:
        for task in list(day.state.tasks.values()):
            day.relink()
            day.acknowledge_one(task)
    assert (day.state.tasks, day.state.executors, day.state.frameworks) == ({}, {}, {})
