"""Cpuset cgroups of containers: where the kernel itself keeps a program on its threads.

The one thing to know: binding by affinity can be undone by the program itself, a cpuset cannot. On
cgroup v1 it is a hierarchy of its own and a container is put into a directory of it; on v2 it is
one more file in the directory that the container has anyway. Where neither can be written,
affinity has to do, and `words` says so by being empty.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, Literal

from connectors.devcluster.agent.cgroups import Cgroups, home_v1
from scheduler.cpu_sets.topology import list_of

_PASSES_MAX: Final = 10


class CpusetGroups:
    """The cpuset directories of one agent's containers, by name."""

    def __init__(self, version: Literal[0, 1, 2], home: Path | None, prefix: str) -> None:
        self.version = version if home is not None else 0
        self.home = home or Path()
        self._prefix = prefix
        self._left: set[str] = set()
        """Of containers that are no more, whose last process was still there."""

    def words(self) -> list[str]:
        """By what containers are kept on their threads, beside affinity."""
        return [f"cgroup v{self.version} cpuset"] if self.version else []

    def put(self, name: str, numbers: Iterable[int], threads: Callable[[], set[int]]) -> None:
        """The container may run on these threads of the computer only; may raise OSError.

        ``threads`` answers the container's own threads, which have to be moved once on v1.
        """
        if not self.version:
            return
        directory = self.home / f"{self._prefix}{name}"
        if self.version == 2:
            if (directory / "cpuset.cpus").exists():
                _write(directory / "cpuset.cpus", list_of(numbers))
            return
        is_new = not directory.exists()
        if is_new:
            directory.mkdir()
            _write(directory / "cpuset.mems", (self.home / "cpuset.mems").read_text("ascii"))
        _write(directory / "cpuset.cpus", list_of(numbers))
        if is_new:
            _move(directory / "tasks", threads)

    def remove(self, name: str) -> None:
        """The container is no more; its directory goes with its last process."""
        if self.version == 1:
            self._left.add(name)
            self.sweep()

    def sweep(self) -> None:
        """Remove what is left of containers that are no more, as far as it is empty."""
        for name in sorted(self._left):
            try:
                (self.home / f"{self._prefix}{name}").rmdir()
            except FileNotFoundError:
                self._left.discard(name)
            except OSError:
                continue  # Its keeper is still on its way out.
            else:
                self._left.discard(name)


def remove_left(prefixes: Iterable[str]) -> None:
    """No v1 cpuset whose name begins so is left, unless somebody is still in it."""
    groups = find_cpusets("", Cgroups(0, {}))
    if groups.version != 1:
        return  # On v2 they are files of directories that others remove.
    for prefix in prefixes:
        for path in sorted(groups.home.glob(f"{prefix}*")):
            try:
                path.rmdir()
            except OSError:
                continue  # Somebody is in it, or another one has removed it.


def find_cpusets(prefix: str, cgroups: Cgroups, process: Path = Path("/proc/self")) -> CpusetGroups:
    """Where cpusets can be made by this process: tried by making one, or by asking for them."""
    try:
        mounts = (process / "mountinfo").read_text("utf-8")
        own = (process / "cgroup").read_text("utf-8")
    except OSError:
        return CpusetGroups(0, None, prefix)
    home = home_v1("cpuset", mounts, own)
    if home is not None:
        return CpusetGroups(1, home if _is_usable(home) else None, prefix)
    home = cgroups.homes.get("memory") if cgroups.version == 2 else None
    if home is not None and _is_enabled(home):
        return CpusetGroups(2, home, prefix)
    return CpusetGroups(0, None, prefix)


def _is_usable(home: Path) -> bool:
    """Whether a v1 cpuset can be made there and given memory, which it needs before any process."""
    probe = home / f"flumina-probe-{os.getpid()}"
    try:
        memory = (home / "cpuset.mems").read_text("ascii").strip()
        probe.mkdir()
        try:
            _write(probe / "cpuset.mems", memory)
        finally:
            probe.rmdir()
    except OSError:
        return False
    # One that has none itself (nobody set it) can give none.
    return bool(memory)


def _is_enabled(home: Path) -> bool:
    """Whether directories below this one of v2 have the controller, switched on if need be."""
    control = home / "cgroup.subtree_control"
    try:
        if "cpuset" not in control.read_text("ascii").split():
            _write(control, "+cpuset")
    except OSError:
        return False
    return True


def _move(tasks: Path, threads: Callable[[], set[int]]) -> None:
    """Put all threads there; one that begins meanwhile begins there, or is found the next time."""
    done: set[int] = set()
    for _ in range(_PASSES_MAX):
        new = threads() - done
        if not new:
            return
        for thread in sorted(new):
            try:
                _write(tasks, str(thread))
            except ProcessLookupError:
                continue
        done |= new


def _write(path: Path, text: str) -> None:
    # Not write_text: it would create the file where the controller has none.
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.strip().encode())
    finally:
        os.close(descriptor)
