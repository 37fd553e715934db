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
    stats = {
        pid: fields
        for pid in (int(each.name) for each in PROC.iterdir() if each.name.isdecimal())
        if (fields := _stat(pid)) is not None
    }
    children: dict[int, list[int]] = {}
    for pid, fields in stats.items() if not is_alone else ():
        children.setdefault(int(fields[_PPID]), []).append(pid)
    return {name: _of_tree(pid, stats, children) for name, pid in pids.items()}


def _of_tree(
    root: int | None, stats: Mapping[int, list[str]], children: Mapping[int, list[int]]
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


def _stat(pid: int) -> list[str] | None:
    try:
        return (PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return None  # It has ended meanwhile.


def _files(pid: int) -> int:
    try:
        return sum(1 for _ in (PROC / str(pid) / "fd").iterdir())
    except OSError:
        return 0
