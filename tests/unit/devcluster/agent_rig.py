"""An agent without processes for unit tests: what it is told, and what it puts out, sorted."""

import base64
import hashlib
import itertools
from typing import Any

from connectors.devcluster.agent.model import (
    Launch,
    LaunchExecutor,
    LocalExecutor,
    LocalTask,
    ToKeeper,
    ToMaster,
    ToStream,
)
from connectors.devcluster.agent.state import AgentState

Json = dict[str, Any]


def uuid_of(name: str) -> str:
    """A uuid as the API writes it, the same for the same name."""
    raw = bytearray(hashlib.sha256(name.encode()).digest()[:16])
    raw[6] = raw[6] & 0x0F | 0x40
    return base64.b64encode(raw).decode()


FRAMEWORK = {
    "id": {"value": "f"},
    "user": "u",
    "name": "n",
    "checkpoint": True,
    "capabilities": [{"type": "PARTITION_AWARE"}, {"type": "TASK_KILLING_STATE"}],
}
INFO = {"hostname": "agent1", "ip": "127.0.0.1", "port": 5051, "resources": [], "attributes": []}


def task_info(task_id: str, **more: object) -> Json:
    return {
        "name": task_id,
        "task_id": {"value": task_id},
        "resources": [],
        "command": {"value": "true"},
        **more,
    }


class AgentRig:
    """An agent, linked, with what it puts out sorted."""

    def __init__(self, state: AgentState | None = None) -> None:
        self.now = 0.0
        self._numbers = itertools.count(1)
        numbers = self._numbers
        self.state = state or AgentState(
            INFO, lambda: f"c{next(numbers)}", lambda: uuid_of(f"u{next(numbers)}")
        )
        self.sent: list[Json] = []
        self.commands: list[tuple[str, Json]] = []
        self.launched: list[LocalTask] = []
        self.executors: list[LocalExecutor] = []
        self.events: list[tuple[str, Json]] = []
        self.order: list[str] = []
        self.master("REGISTERED", agent_id="a", reconciliations=[])

    def settle(self) -> None:
        for output in self.state.take():
            self.order.append(type(output).__name__)
            match output:
                case ToMaster():
                    self.sent.append(output.message)
                case ToKeeper():
                    self.commands.append((output.container_id, output.message))
                case Launch():
                    self.launched.append(output.task)
                case LaunchExecutor():
                    self.executors.append(output.executor)
                case ToStream():
                    self.events.append((output.stream_id, output.event))
                case _:
                    pass

    def master(self, kind: str, **body: object) -> None:
        self.state.from_master({"type": kind, **body}, self.now)
        self.settle()

    def executor(self, kind: str, container_id: str, **body: object) -> None:
        message = {"type": kind, "container_id": container_id, **body}
        self.state.from_keeper(message, self.now)
        self.settle()

    def run(self, task_id: str = "t", **more: object) -> str:
        """A task whose executor has come and whose command runs; the answer is its container."""
        self.master("RUN_TASK", framework=FRAMEWORK, task=task_info(task_id, **more), role="*")
        container_id = self.launched[-1].container_id
        self.executor("SUBSCRIBE", container_id, pid=10, task_pid=0)
        self.executor("STARTED", container_id, task_pid=11)
        return container_id

    def states(self) -> list[str]:
        """The states in the updates sent since the last look."""
        found = [m["update"]["status"]["state"] for m in self.sent if m["type"] == "UPDATE"]
        self.sent.clear()
        return found

    def acknowledge(self, task_id: str = "t") -> None:
        """Acknowledge what is in flight."""
        uuid = self.state.tasks["f", task_id].updates.pending[0]["uuid"]
        self.master("ACKNOWLEDGE", framework_id="f", task_id=task_id, uuid=uuid)

    # Executors that a framework brings

    def launch(self, *task_ids: str, executor_id: str = "e", **more: Any) -> str:
        """Tasks of one custom executor whose process runs; the answer is its container."""
        for task_id in task_ids:
            info = task_info(task_id, executor=executor_info(executor_id), **more)
            self.master("RUN_TASK", framework=FRAMEWORK, task=info, role="*")
        container_id = self.executors[-1].container_id
        self.executor("SUBSCRIBE", container_id, pid=10, task_pid=0)
        self.executor("STARTED", container_id, task_pid=11)
        return container_id

    def subscribe(self, executor_id: str = "e", stream_id: str = "s", **more: Any) -> str | None:
        """Let an executor subscribe; the answer is why not, or None."""
        call = executor_call("SUBSCRIBE", executor_id, subscribe=more)
        problem = self.state.executor_subscribed(call, stream_id, self.now)
        self.settle()
        return problem

    def say(self, kind: str, executor_id: str = "e", **body: Any) -> tuple[int, str]:
        """Let an executor call."""
        answer = self.state.executor_called(executor_call(kind, executor_id, **body), self.now)
        self.settle()
        return answer

    def update(self, task_id: str, state: str, **more: Any) -> Json:
        """Let the executor report a state; the answer is the status."""
        status = {
            "task_id": {"value": task_id},
            "state": state,
            "source": "SOURCE_EXECUTOR",
            "uuid": uuid_of(f"{task_id}{state}"),
            **more,
        }
        assert self.say("UPDATE", update={"status": status}) == (202, "")
        return status

    def heard(self) -> list[str]:
        """The types of the events that executors were sent since the last look."""
        found = [event["type"] for _, event in self.events]
        self.events.clear()
        return found

    def group(self, *task_ids: str, kind: str = "DEFAULT", **more: Any) -> list[str]:
        """A group whose keepers have not come; the answer is their containers."""
        info = {"executor_id": {"value": "e"}, "type": kind, "resources": []}
        if kind == "CUSTOM":
            info["command"] = {"value": "true"}
        tasks = [task_info(task_id, **more) for task_id in task_ids]
        before = len(self.launched)
        self.master("RUN_TASK_GROUP", framework=FRAMEWORK, executor=info, tasks=tasks, role="*")
        return [task.container_id for task in self.launched[before:]]

    def running_group(self, *task_ids: str, **more: Any) -> list[str]:
        """A group of the default executor that runs; the answer is its tasks' containers."""
        containers = self.group(*task_ids, **more)
        for container in containers:
            self.executor("SUBSCRIBE", container, pid=10, task_pid=0)
        for container in containers:
            self.executor("STARTED", container, task_pid=11)
        return containers

    def ended(self, container_id: str, wait_status: int = 0, **more: Any) -> None:
        """Let a task's process end."""
        facts = {"is_killed": False, "is_over_time": False, **more}
        self.executor("ENDED", container_id, wait_status=wait_status, **facts)

    def pending(self, task_id: str) -> list[Json]:
        """The updates of a task that nobody has acknowledged."""
        return list(self.state.tasks["f", task_id].updates.pending)

    def exits(self) -> list[tuple[str, int]]:
        """The executors whose end was told, with their status."""
        exited = [m for m in self.sent if m["type"] == "EXITED_EXECUTOR"]
        return [(m["executor_id"], m["status"]) for m in exited]


def executor_info(executor_id: str) -> Json:
    """An executor that a framework brings."""
    return {"executor_id": {"value": executor_id}, "command": {"value": "true"}, "resources": []}


def executor_call(kind: str, executor_id: str, **body: Any) -> Json:
    """A call of an executor of the framework ``f``."""
    ids = {"framework_id": {"value": "f"}, "executor_id": {"value": executor_id}}
    return {"type": kind, **ids, **body}
