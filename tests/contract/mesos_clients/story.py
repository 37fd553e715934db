"""The one story that every foreign client is run through, and what it must have seen.

The one thing to know: a probe is a program written with that client; it prints one JSON line for
each thing it saw. It launches three tasks, asks about a fourth that nobody knows, and tears its
framework down. The clients are no dependencies of this project: each is built once, in the cache.
"""

import fcntl
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.contract.mesos_client.clusters import Cluster
from tests.contract.mesos_master.master_client import request

PROBE_S = 90.0
BUILD_S = 300.0

Seen = list[dict[str, Any]]


class CannotBuildError(Exception):
    """The client cannot be built here; the text says why."""


@contextmanager
def client_home(name: str) -> Iterator[Path]:
    """A folder of the cache for this client, held by nobody else until the block ends."""
    cache = Path(os.environ.get("FLUMINA_CACHE") or Path.home() / ".cache" / "flumina")
    home = cache / "clients" / name
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield home


def build_step(
    *command: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> None:
    """One command of a build; what stops it becomes a :class:`CannotBuildError` with its words."""
    words = " ".join(command[:5])
    try:
        subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=BUILD_S, cwd=cwd, env=env
        )
    except FileNotFoundError as error:
        raise CannotBuildError(f"'{command[0]}' is not on the path") from error
    except subprocess.CalledProcessError as error:
        said = (error.stderr.strip() or error.stdout.strip() or "it said nothing").splitlines()
        problem = next((line for line in said if "ERROR" in line), said[-1])
        raise CannotBuildError(
            f"'{words} ...' failed, for example for want of a network: {problem}"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise CannotBuildError(f"'{words} ...' took longer than {BUILD_S:.0f} s") from error


def tell(cluster: Cluster, *command: str) -> tuple[Seen, str]:
    """Run a probe to its end: what it saw, and the same with its last words for a failure."""
    answer = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PROBE_S)
    seen = [json.loads(line) for line in answer.stdout.splitlines() if line.startswith("{")]
    return seen, f"{cluster.name}: it saw {seen} and said {answer.stderr[-2000:]}"


def check(cluster: Cluster, seen: Seen, words: str) -> None:
    """The probe saw each task's states in order, and its framework is torn down."""
    assert seen, words
    assert seen[0]["what"] == "registered", words
    # mesos-rxjava is too old to know of the master's version.
    assert seen[0].get("version", "1.11.0") == "1.11.0", words
    assert _states(seen, "good") == ["TASK_RUNNING", "TASK_FINISHED"], words
    assert _states(seen, "bad") == ["TASK_RUNNING", "TASK_FAILED"], words
    assert _states(seen, "endless") == ["TASK_RUNNING", "TASK_KILLED"], words
    # No probe asks for PARTITION_AWARE.
    assert _states(seen, "ghost") == ["TASK_LOST"], words
    assert seen[-1]["what"] == "end", words
    assert seen[-1]["finished"], words
    assert seen[-1]["missing"] == [], words
    state = request(cluster.port, "GET", "/state").json
    framework_id = seen[0]["framework_id"]
    assert framework_id in {f["id"] for f in state["completed_frameworks"]}, words
    assert framework_id not in {f["id"] for f in state["frameworks"]}, words


def _states(seen: Seen, task: str) -> list[str]:
    found: list[str] = []
    for line in seen:
        if line["what"] == "update" and line["task"] == task:
            state = str(line["state"])
            # The stand-in executor of the real Mesos has no TASK_STARTING.
            if state != "TASK_STARTING" and found[-1:] != [state]:
                found.append(state)
    return found
