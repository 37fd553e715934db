"""What the processes of a run use: processor time, memory, open files, read from /proc.

The one thing to know: a part may be several processes (the dev cluster has a supervisor), so what
is counted is a process and everything below it, found again at each reading. What an ended child
has used is its parent's once that has waited for it.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
_PPID, _CPU_FIRST, _CPU_END, _RSS = 1, 11, 15, 21
"""Fields of `stat` behind the name: see proc(5)."""
_STAT_BYTES_MAX = 4096
"""52 numbers and a name of 15 letters."""


class Use(NamedTuple):
    """What one part uses at one moment."""

    cpu_s: float
    """Of its processor time since its start, children it has waited for included."""
    rss_mib: float
    files: int
    """Open file descriptors."""


NOTHING = Use(0.0, 0.0, 0)


def uses(pids: Mapping[str, int | None], *, is_alone: bool = False) -> dict[str, Use]:
    """What each part uses now; nothing for one that is not running.

    ``is_alone``: the processes without those below them.
    """
    looked_at = (
        [pid for pid in pids.values() if pid is not None]
        if is_alone
        else [int(each) for each in os.listdir(PROC) if each.isdecimal()]  # noqa: PTH208 - in half the time, see `_stat`
    )
    stats = {pid: fields for pid in looked_at if (fields := _stat(pid)) is not None}
    children: dict[int, list[int]] = {}
    for pid, fields in stats.items() if not is_alone else ():
        children.setdefault(int(fields[_PPID]), []).append(pid)
    return {name: _of_tree(pid, stats, children) for name, pid in pids.items()}


def _of_tree(
    root: int | None, stats: Mapping[int, list[bytes]], children: Mapping[int, list[int]]
) -> Use:
    waiting = [root] if root is not None and root in stats else []
    cpu_s, rss_mib, files = 0.0, 0.0, 0
    while waiting:
        pid = waiting.pop()
        fields = stats[pid]
        # Of the root also what its ended children have used; of one below, the same.
        cpu_s += sum(map(int, fields[_CPU_FIRST:_CPU_END])) / os.sysconf("SC_CLK_TCK")
        rss_mib += int(fields[_RSS]) * os.sysconf("SC_PAGESIZE") / 1_048_576
        files += _files(pid)
        waiting += children.get(pid, [])
    return Use(cpu_s, rss_mib, files)


def _stat(pid: int) -> list[bytes] | None:
    # Without paths: it is read of every process each second, of a machine that is being measured.
    try:
        with open(f"{PROC}/{pid}/stat", "rb", buffering=0) as stat:  # noqa: PTH123 - as said
            return stat.read(_STAT_BYTES_MAX).rpartition(b")")[2].split()
    except OSError:
        return None  # It has ended meanwhile.


def _files(pid: int) -> int:
    try:
        return len(os.listdir(f"{PROC}/{pid}/fd"))  # noqa: PTH208 - in half the time, see `_stat`
    except OSError:
        return 0
