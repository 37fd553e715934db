"""What each container uses, in the fields of Mesos' ResourceStatistics.

The one thing to know: figures come from the container's cgroups where it has some, else from
``/proc``, where a process that has ended and was never waited for is missing. Nothing here is
remembered but the size of sandboxes, which is counted at most every few seconds.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from connectors.devcluster.agent import confine
from connectors.devcluster.agent.isolation import Isolation
from connectors.devcluster.agent.model import LocalAgent, LocalExecutor, LocalTask, Phase
from connectors.devcluster.words import Json

TICKS: Final = os.sysconf("SC_CLK_TCK")
DISK_SECONDS: Final = 15.0
"""Mesos' --container_disk_watch_interval."""
_NANOSECONDS: Final = 1e9
_MICROSECONDS: Final = 1e6


class Sampler:
    """Looks at the containers of one agent when it is asked."""

    def __init__(
        self,
        agent: LocalAgent,
        sandbox_of: Callable[[LocalTask | LocalExecutor], Path],
        isolation: Isolation,
        now: Callable[[], float],
    ) -> None:
        self._agent = agent
        self._sandbox_of = sandbox_of
        self._isolation = isolation
        self._now = now
        self._disk: dict[str, tuple[float, int]] = {}

    def statistics(self, container_id: str) -> Json | None:
        """What the container uses now, or None when nothing of it runs."""
        item = self._item(container_id)
        if item is None:
            return None
        is_task = isinstance(item, LocalTask)
        pid = item.executor_pid if isinstance(item, LocalTask) else item.pid
        if pid is None:
            return None
        directories = {
            controller: path
            for controller, path in self._isolation.directories(container_id).items()
            if path.is_dir()
        }
        # The keeper of a task is not what the task uses; a framework's own executor is.
        sample = of_tree(pid, is_root_counted=not is_task)
        if sample is None:
            return None
        if self._isolation.cgroups.version == 1:
            sample |= of_cgroup_v1(directories)
        elif "memory" in directories:
            sample |= of_cgroup_v2(directories["memory"])
        sample["disk_used_bytes"] = self._disk_used(container_id, item)
        return {"timestamp": self._now(), **sample}

    def _item(self, container_id: str) -> LocalTask | LocalExecutor | None:
        for executor in self._agent.executors.values():
            if executor.container_id == container_id:
                return executor
        return next(
            (
                task
                for task in self._agent.tasks.values()
                if task.container_id == container_id and task.phase is not Phase.ENDED
            ),
            None,
        )

    def _disk_used(self, container_id: str, item: LocalTask | LocalExecutor) -> int:
        at, used = self._disk.get(container_id, (0.0, 0))
        if not at or time.monotonic() > at + DISK_SECONDS:
            used = confine.disk_bytes(str(self._sandbox_of(item)))
            self._disk[container_id] = (time.monotonic(), used)
            live = {t.container_id for t in self._agent.tasks.values()}
            live |= {e.container_id for e in self._agent.executors.values()}
            self._disk = {k: v for k, v in self._disk.items() if k in live}
        return used


def of_tree(root: int, *, is_root_counted: bool) -> Json | None:
    """What the process and all below it use, by ``/proc``; None when the process is gone."""
    user = system = resident = threads = processes = 0
    for pid in confine.tree(root):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2]
        except OSError:
            continue
        values = fields.split()
        # utime, stime, cutime, cstime: with those of children that were waited for (proc(5)).
        own_user, own_system, ended_user, ended_system = map(int, values[11:15])
        user += own_user + ended_user
        system += own_system + ended_system
        if pid == root and not is_root_counted:
            # But for what it has waited for, which was the task's.
            user, system = user - own_user, system - own_system
            continue
        processes += 1
        threads += int(values[17])
        resident += int(values[21])
    if not Path(f"/proc/{root}").exists():
        return None
    return {
        "processes": processes,
        "threads": threads,
        "cpus_user_time_secs": user / TICKS,
        "cpus_system_time_secs": system / TICKS,
        "mem_rss_bytes": resident * os.sysconf("SC_PAGE_SIZE"),
    }


def of_cgroup_v1(directories: dict[str, Path]) -> Json:
    """What the cgroups of a container say, as far as it has some."""
    found: Json = {}
    if "cpuacct" in directories:
        stat = _table(directories["cpuacct"] / "cpuacct.stat")
        found["cpus_user_time_secs"] = stat.get("user", 0) / TICKS
        found["cpus_system_time_secs"] = stat.get("system", 0) / TICKS
    if "cpu" in directories:
        stat = _table(directories["cpu"] / "cpu.stat")
        found["cpus_nr_periods"] = stat.get("nr_periods", 0)
        found["cpus_nr_throttled"] = stat.get("nr_throttled", 0)
        found["cpus_throttled_time_secs"] = stat.get("throttled_time", 0) / _NANOSECONDS
    if "memory" in directories:
        stat = _table(directories["memory"] / "memory.stat")
        found["mem_rss_bytes"] = stat.get("total_rss", stat.get("rss", 0))
        found["mem_cache_bytes"] = stat.get("total_cache", stat.get("cache", 0))
        found["mem_total_bytes"] = _number(directories["memory"] / "memory.usage_in_bytes")
        found["mem_limit_bytes"] = _number(directories["memory"] / "memory.limit_in_bytes")
    return {name: value for name, value in found.items() if value is not None}


def of_cgroup_v2(directory: Path) -> Json:
    """The same from the one cgroup of version 2."""
    found: Json = {}
    if cpu := _table(directory / "cpu.stat"):
        found["cpus_user_time_secs"] = cpu.get("user_usec", 0) / _MICROSECONDS
        found["cpus_system_time_secs"] = cpu.get("system_usec", 0) / _MICROSECONDS
        found["cpus_nr_periods"] = cpu.get("nr_periods", 0)
        found["cpus_nr_throttled"] = cpu.get("nr_throttled", 0)
        found["cpus_throttled_time_secs"] = cpu.get("throttled_usec", 0) / _MICROSECONDS
    if memory := _table(directory / "memory.stat"):
        found["mem_rss_bytes"] = memory.get("anon", 0)
        found["mem_cache_bytes"] = memory.get("file", 0)
        found["mem_total_bytes"] = _number(directory / "memory.current")
        found["mem_limit_bytes"] = _number(directory / "memory.max")
    return {name: value for name, value in found.items() if value is not None}


def _table(path: Path) -> dict[str, int]:
    """The lines ``name number`` of a file; none where it cannot be read (any more)."""
    try:
        lines = path.read_text("ascii").splitlines()
    except OSError:
        return {}
    return {name: int(value) for name, value in (line.split() for line in lines)}


def _number(path: Path) -> int | None:
    """The number in a file; None for ``max`` and for a file that is gone."""
    try:
        return int(path.read_text("ascii"))
    except (OSError, ValueError):
        return None
