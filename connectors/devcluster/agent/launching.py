"""From a task or an executor to the line of which ``executor.py`` makes a keeper.

The one thing to know: this is all that a keeper ever knows of its container. What the agent cannot
do is said here, before anything is started.
"""

from dataclasses import dataclass
from pathlib import Path

from connectors.devcluster.agent.keepers import grace_seconds
from connectors.devcluster.agent.model import (
    EXECUTOR_REREGISTRATION_SECONDS,
    FETCH_SECONDS_MAX,
    LocalExecutor,
    LocalTask,
)
from connectors.devcluster.words import Json

# The fixed search path that Mesos gives to executors; nothing of the agent's own environment
# reaches a task.
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Place:
    """Where a container is launched: facts of its agent that it is told."""

    agent_id: str
    host: str
    port: int
    journal: Path
    state_file: Path
    sandbox: Path
    is_kept: bool

    def environment(self, framework_id: str, executor_id: str) -> dict[str, str]:
        """What every container finds in its environment."""
        return {
            "PATH": DEFAULT_PATH,
            "MESOS_SANDBOX": str(self.sandbox),
            "MESOS_DIRECTORY": str(self.sandbox),
            "MESOS_FRAMEWORK_ID": framework_id,
            "MESOS_EXECUTOR_ID": executor_id,
            "MESOS_SLAVE_ID": self.agent_id,
            "MESOS_AGENT_ENDPOINT": f"{self.host}:{self.port}",
            "MESOS_CHECKPOINT": "1" if self.is_kept else "0",
        }


def command_error(command: Json) -> str | None:
    """Why this command cannot be launched here, or None."""
    return None if "value" in command else "the command has no value"


def task_spec(task: LocalTask, place: Place) -> Json:
    """The line for a task that is a process of its own."""
    info = task.info
    executor_id = task.executor_id or task.task_id
    environment = place.environment(task.framework_id, executor_id) | {
        "MESOS_TASK_ID": task.task_id,
        "MESOS_AGENT_ID": place.agent_id,
        "MESOS_CONTAINER_IP": place.host,
        "MESOS_ALLOCATION_ROLE": task.role,
    }
    limit = info.get("max_completion_time", {}).get("nanoseconds", 0)
    spec = _spec(task.framework_id, task.container_id, info["command"], environment, place)
    spec |= {"task_id": task.task_id, "time_limit_seconds": limit / 1e9 if limit else None}
    checks = {kind: info[kind] for kind in ("health_check", "check") if kind in info}
    if checks:
        spec |= {"checks": checks, "kill_grace_seconds": grace_seconds(None, info)}
    return spec


def executor_spec(executor: LocalExecutor, place: Place) -> Json:
    """The line for an executor of a framework's own."""
    environment = place.environment(executor.framework_id, executor.executor_id)
    environment |= {
        "MESOS_SLAVE_PID": f"slave(1)@{place.host}:{place.port}",
        "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": _duration(executor.shutdown_seconds),
        "MESOS_HTTP_COMMAND_EXECUTOR": "0",
        "LIBPROCESS_IP": place.host,
        "LIBPROCESS_PORT": "0",
    }
    if place.is_kept:
        environment["MESOS_RECOVERY_TIMEOUT"] = "15mins"
        backoff = _duration(EXECUTOR_REREGISTRATION_SECONDS)
        environment["MESOS_SUBSCRIPTION_BACKOFF_MAX"] = backoff
    command = executor.info["command"]
    spec = _spec(executor.framework_id, executor.container_id, command, environment, place)
    return spec | {"executor_id": executor.executor_id, "time_limit_seconds": None}


def _spec(
    framework_id: str, container_id: str, command: Json, environment: dict[str, str], place: Place
) -> Json:
    is_shell = command.get("shell", True)
    if is_shell:
        argv = ["sh", "-c", command["value"]]
    else:
        argv = command.get("arguments") or [command["value"]]
    given = command.get("environment", {}).get("variables", [])
    environment.update({v["name"]: v["value"] for v in given if "value" in v})
    spec: Json = {
        "container_id": container_id,
        "framework_id": framework_id,
        "program": "/bin/sh" if is_shell else command["value"],
        "argv": argv,
        "env": environment,
        "sandbox": str(place.sandbox),
        "state_file": str(place.state_file),
        "journal": str(place.journal),
        "checkpoint": place.is_kept,
    }
    if uris := command.get("uris"):
        spec |= {"uris": uris, "fetch_seconds_max": FETCH_SECONDS_MAX}
    return spec


def _duration(seconds: float) -> str:
    """Seconds in Mesos' way of writing a duration."""
    return f"{seconds:g}secs" if seconds >= 1 or not seconds else f"{seconds * 1000:g}ms"
