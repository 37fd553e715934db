"""A host's death: what runs on it ends at once, without a word to anybody.

The one thing to know: killing an agent alone lets its tasks live, as Mesos does with checkpoints.
When a computer loses its power its executors and tasks end too, and that is what is done here.
"""

import os
import signal
from pathlib import Path
from typing import Final

from connectors.devcluster.agent.executor import descendants

_EXECUTOR: Final = "executor.py"


def end_processes_of(home: Path) -> int:
    """How many processes of the agent with this directory were ended; the agent is dead already."""
    ended = 0
    # An executor that was forked while we looked is found by the next look.
    while found := _processes_of(str(home)):
        for pid in found:
            ended += _kill(pid)
    return ended


def _processes_of(directory: str) -> list[int]:
    """The executors of this agent, and all below them."""
    executors = [pid for pid in _all_pids() if _is_executor(pid, directory)]
    below = [each for pid in executors for each in descendants(pid)]
    # Executors first: they would report the end of their tasks.
    return executors + [pid for pid in below if pid not in executors and _lives(pid)]


def _all_pids() -> list[int]:
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]


def _is_executor(pid: int, directory: str) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False  # It has just ended.
    texts = [os.fsdecode(word) for word in words]
    is_one = directory in texts and any(each.endswith(_EXECUTOR) for each in texts)
    return is_one and _lives(pid)


def _lives(pid: int) -> bool:
    """Whether it is there, and more than an end that nobody has asked for yet."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat.rpartition(b")")[2].split()[0] != b"Z"


def _kill(pid: int) -> int:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return 0
    return 1
