"""What an agent keeps on disk: its id, frameworks, tasks and their updates, and the sandboxes.

The one thing to know: only what belongs to frameworks with ``checkpoint: true`` is kept; tasks of
the others end with the agent, so there is nothing to remember. Everything is written before the
message that rests on it is sent.
"""

import contextlib
import json
import os
import shutil
import signal
from pathlib import Path

from connectors.devcluster.agent.exits import Exit
from connectors.devcluster.agent.model import LocalExecutor, LocalTask, Phase
from connectors.devcluster.agent.updates import UpdateStream
from connectors.devcluster.node import log, write_atomically
from connectors.devcluster.words import Json


def kept_agent_id(home: Path) -> str | None:
    """The id of the agent in this directory, if a master ever gave it one."""
    path = home / "meta" / "agent.json"
    return str(json.loads(path.read_bytes())["agent_id"]) if path.exists() else None


class AgentStore:
    """The directory of one agent."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.work = home / "work"
        self._meta = home / "meta"
        for folder in (self.work, self._meta / "frameworks", self._meta / "containers"):
            folder.mkdir(parents=True, exist_ok=True)

    # The agent itself

    def agent_id(self, info: Json) -> str | None:
        """The id this agent had, unless it is another agent by now (other resources, other name).

        Mesos refuses to start then; here the agent becomes a new one.
        """
        path = self._meta / "agent.json"
        if not path.exists():
            return None
        kept = json.loads(path.read_bytes())
        if kept["info"] == info:
            return str(kept["agent_id"])
        log("resources, attributes or address changed: this is a new agent now")
        shutil.rmtree(self._meta)
        for folder in ("frameworks", "containers"):
            (self._meta / folder).mkdir(parents=True)
        return None

    def keep_agent_id(self, agent_id: str, info: Json) -> None:
        """Write down the id that the master gave."""
        self._write(self._meta / "agent.json", {"agent_id": agent_id, "info": info})

    # Frameworks and tasks

    def keep_framework(self, framework_id: str, info: Json | None) -> None:
        """Write down a checkpointing framework's information; forget one that is no more."""
        path = self._meta / "frameworks" / f"{framework_id}.json"
        if info is None:
            path.unlink(missing_ok=True)
        elif info.get("checkpoint"):
            self._write(path, info)

    def container(self, container_id: str) -> Path:
        """The directory in which a container's facts are kept."""
        return self._meta / "containers" / container_id

    def keep_task(self, task: LocalTask) -> None:
        """Write down a task that is about to be launched."""
        facts = {
            "framework_id": task.framework_id,
            "info": task.info,
            "role": task.role,
            "container_id": task.container_id,
            "executor_id": task.executor_id,
            "group": task.group,
        }
        self._write(self.container(task.record_id) / "task.json", facts)

    def keep_executor(self, executor: LocalExecutor) -> None:
        """Write down an executor that is about to be launched."""
        self.container(executor.container_id).mkdir(parents=True, exist_ok=True)
        facts = {
            "framework_id": executor.framework_id,
            "info": executor.info,
            "role": executor.role,
        }
        self._write(self.container(executor.container_id) / "info.json", facts)

    def keep_drain(self, config: Json | None) -> None:
        """Write down how the agent drains, or that it does not."""
        if config is None:
            (self._meta / "drain.json").unlink(missing_ok=True)
        else:
            self._write(self._meta / "drain.json", config)

    def drain(self) -> Json | None:
        """How the agent was draining, if it was."""
        path = self._meta / "drain.json"
        return dict(json.loads(path.read_bytes())) if path.exists() else None

    def keep(self, task: LocalTask, fact: Json) -> None:
        """Append an update or an acknowledgement; one write, so a kill cannot tear it."""
        folder = self.container(task.record_id)
        if not (folder / "task.json").exists():
            self.make_container(task)
            self.keep_task(task)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        descriptor = os.open(folder / "updates.jsonl", flags, 0o600)
        os.write(descriptor, json.dumps(fact).encode() + b"\n")
        os.close(descriptor)

    def make_container(self, task: LocalTask) -> None:
        """Make the directory in which a container's facts are kept."""
        self.container(task.record_id).mkdir(parents=True, exist_ok=True)

    def forget(self, container_id: str) -> None:
        """Remove what was kept about a container."""
        shutil.rmtree(self.container(container_id), ignore_errors=True)

    def frameworks(self) -> dict[str, Json]:
        """The frameworks that were kept."""
        paths = (self._meta / "frameworks").glob("*.json")
        infos = [json.loads(path.read_bytes()) for path in paths]
        return {info["id"]["value"]: info for info in infos}

    def tasks(self, now: float) -> list[LocalTask]:
        """The tasks that were kept, each with the updates that nobody acknowledged."""
        found = []
        for folder in sorted((self._meta / "containers").iterdir()):
            if (folder / "task.json").exists():
                found.append(_restored(folder, now))
            elif not (folder / "info.json").exists():
                shutil.rmtree(folder)
        return found

    def executors(self, now: float) -> list[LocalExecutor]:
        """The executors that were kept."""
        found = []
        for path in sorted((self._meta / "containers").glob("*/info.json")):
            facts = json.loads(path.read_bytes())
            executor = LocalExecutor(
                facts["framework_id"],
                facts["info"],
                facts["role"],
                path.parent.name,
                Phase.RECOVERING,
                now,
            )
            if executor.is_default:
                # It is no process of its own; the keepers of its tasks come back.
                executor.phase = Phase.RUNNING
            found.append(executor)
        return found

    def last_end(self, container_id: str) -> Exit | None:
        """How the container's command ended, if its executor wrote that down."""
        path = self.container(container_id) / "executor.json"
        if not path.exists():
            return None
        facts = json.loads(path.read_bytes())
        return Exit.of(facts) if "wait_status" in facts else None

    def task_pid(self, container_id: str) -> int:
        """The process that the container's command is; 0 where none was written down."""
        try:
            facts = json.loads((self.container(container_id) / "executor.json").read_bytes())
        except OSError:
            return 0
        return int(facts["task_pid"])

    def has_lost_keeper(self, container_id: str) -> bool:
        """Whether the process that kept the container is known, and is no more."""
        path = self.container(container_id) / "executor.json"
        if not path.exists():
            return False
        pid = json.loads(path.read_bytes())["pid"]
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return True
        # Somebody else may have its number by now; its own words name this directory.
        return os.fsencode(self.home) not in words

    def end_left_of(self, container_id: str) -> None:
        """Kill the command's group, if its keeper was killed.

        The kernel ends the command itself with its keeper, but not what the command had started.
        """
        path = self.container(container_id) / "executor.json"
        if not path.exists() or not self.has_lost_keeper(container_id):
            return
        facts = json.loads(path.read_bytes())
        if "wait_status" not in facts and facts["task_pid"] > 0:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(facts["task_pid"], signal.SIGKILL)

    # Sandboxes

    def sandbox(self, agent_id: str, task: LocalTask, parent_id: str | None = None) -> Path:
        """The sandbox of a task's container; ``parent_id`` is its default executor's container."""
        runs = self.runs(agent_id, task.framework_id, task.executor_id or task.task_id)
        if parent_id is not None:
            return runs / parent_id / "containers" / task.container_id
        return runs / task.container_id

    def executor_sandbox(self, agent_id: str, executor: LocalExecutor) -> Path:
        """The sandbox of an executor's container."""
        runs = self.runs(agent_id, executor.framework_id, executor.executor_id)
        return runs / executor.container_id

    def runs(self, agent_id: str, framework_id: str, executor_id: str) -> Path:
        """The directory of all runs of an executor; the path has the shape of a real agent's."""
        frameworks = self.work / "slaves" / agent_id / "frameworks"
        return frameworks / framework_id / "executors" / executor_id / "runs"

    def make_sandbox(self, agent_id: str, task: LocalTask, parent_id: str | None = None) -> Path:
        """Make a task's sandbox with empty output files, where it can be found by its id."""
        sandbox = self.sandbox(agent_id, task, parent_id)
        if parent_id is None:
            return _made(sandbox)
        if not sandbox.parent.parent.exists():
            _made(sandbox.parent.parent)
        sandbox.mkdir(parents=True)
        _touch_outputs(sandbox)
        # As Mesos does for the tasks of its default executor.
        by_id = sandbox.parent.parent / "tasks"
        by_id.mkdir(exist_ok=True)
        (by_id / task.task_id).symlink_to(Path("..") / "containers" / task.container_id)
        return sandbox

    def make_executor_sandbox(self, agent_id: str, executor: LocalExecutor) -> Path:
        """Make an executor's sandbox with empty output files, and point ``latest`` at it."""
        return _made(self.executor_sandbox(agent_id, executor))

    @staticmethod
    def _write(path: Path, value: Json) -> None:
        write_atomically(path, json.dumps(value).encode())


def _made(sandbox: Path) -> Path:
    """The new sandbox, at which ``latest`` points."""
    sandbox.mkdir(parents=True)
    _touch_outputs(sandbox)
    temporary = sandbox.parent / f".latest.{sandbox.name}"
    temporary.symlink_to(sandbox.name)
    temporary.replace(sandbox.parent / "latest")
    return sandbox


def _touch_outputs(sandbox: Path) -> None:
    for name in ("stdout", "stderr"):
        (sandbox / name).touch()


def _restored(folder: Path, now: float) -> LocalTask:
    facts = json.loads((folder / "task.json").read_bytes())
    task = LocalTask(
        facts["framework_id"],
        facts["info"],
        facts["role"],
        facts["container_id"],
        Phase.RECOVERING,
        now,
        executor_id=facts["executor_id"],
        group=tuple(facts["group"]),
        record_id=folder.name,
    )
    stream = UpdateStream()
    path = folder / "updates.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    for line in lines:
        fact = json.loads(line)
        if "update" in fact:
            stream.add(fact["update"], now)
            task.state = fact["update"]["state"]
            task.last_status = fact["update"]
        else:
            stream.acknowledge(fact["acknowledged"], now)
    stream.pause()
    task.updates = stream
    task.is_kill_asked = task.state == "TASK_KILLING"
    return task
