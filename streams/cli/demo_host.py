"""A host of the dev cluster dies: its agent and everything that runs there, at once.

The one thing to know: `flumina dev-cluster kill` ends an agent and lets its tasks live, as Mesos
does with checkpoints. When a computer loses its power they end too, and that is what is done here.
"""

import os
import signal
from pathlib import Path
from typing import Final

from connectors.devcluster.agent.executor import descendants
from connectors.devcluster.node import ConfigError
from connectors.devcluster.supervisor import ask
from streams.errors import OperatorError

EXECUTOR: Final = "executor.py"


def end_host(cluster_dir: Path, node: str) -> int:
    """How many processes of this host were ended: executors, tasks and what those had started."""
    # While the agent lives it would tell the master how its tasks ended.
    try:
        answer = ask(cluster_dir, "kill", node)
    except ConfigError as error:
        answer = {"ok": False, "error": str(error)}
    if not answer["ok"]:
        raise OperatorError(
            f"{node} of the dev cluster could not be ended: {answer['error']}.",
            "It has ended by itself, or its supervisor has.",
            f"Read the logs under {cluster_dir}.",
        )
    ended = 0
    # An executor that was forked while we looked is found by the next look.
    while found := _processes_of(str(cluster_dir / node)):
        for pid in found:
            ended += _kill(pid)
    return ended


def _processes_of(directory: str) -> list[int]:
    """The executors of the agent with this directory, and all below them."""
    executors = [pid for pid in _all_pids() if _is_executor(pid, directory)]
    below = [each for pid in executors for each in descendants(pid)]
    # Executors first: they would report the end of their tasks.
    return executors + [pid for pid in below if pid not in executors]


def _all_pids() -> list[int]:
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]


def _is_executor(pid: int, directory: str) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except OSError:
        return False  # It has just ended.
    texts = [os.fsdecode(word) for word in words]
    return state != b"Z" and directory in texts and any(each.endswith(EXECUTOR) for each in texts)


def _kill(pid: int) -> int:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return 0
    return 1
