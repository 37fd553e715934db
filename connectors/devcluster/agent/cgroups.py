"""Cgroups of tasks: where they may be made on this computer, made with their limits, and read.

The one thing to know: they are made below the cgroup in which the agent itself runs, so that no
task escapes a limit that somebody set for the agent. Cgroup v2 allows no cgroups below one that
holds processes; there they are made beside the agent's, and only where that one has no limits.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

V1_CONTROLLERS: Final = ("memory", "cpu", "cpuacct", "pids")
V2_CONTROLLERS: Final = ("memory", "cpu", "pids")
CFS_PERIOD_US: Final = 100_000
"""Mesos' period for a cap on cpu time."""
CFS_QUOTA_US_MIN: Final = 1_000
SHARES_PER_CPU: Final = 1024
SHARES_MIN: Final = 2


@dataclass(frozen=True)
class Limits:
    """What a task may use; None is no limit."""

    memory_bytes: int | None
    cpu_shares: int
    cpu_quota_us: int | None
    """Of each 100 ms."""
    pids: int | None


@dataclass(frozen=True)
class Made:
    """The cgroups of one task."""

    directories: tuple[str, ...]
    join: tuple[str, ...]
    """The files into which a process writes itself."""


@dataclass(frozen=True)
class Cgroups:
    """Where cgroups can be made: for each controller the directory above them."""

    version: Literal[0, 1, 2]
    homes: Mapping[str, Path]
    why_not: str = ""
    """What is in the way of controllers that are missing."""

    def directories(self, name: str) -> dict[str, Path]:
        """The cgroup called ``name`` in each controller, whether it is there or not."""
        return {controller: home / name for controller, home in self.homes.items()}

    def make(self, name: str, limits: Limits) -> Made:
        """Make the cgroup with its limits; raises OSError, having left nothing behind."""
        directories = self.directories(name)
        paths = list(dict.fromkeys(directories.values()))
        made: list[Path] = []
        try:
            for path in paths:
                path.mkdir()
                made.append(path)
            for controller, path in directories.items():
                for file, value in self._settings(controller, limits):
                    _set(path / file, value, is_optional=file in _OPTIONAL)
        except OSError:
            for path in made:
                path.rmdir()
            raise
        file = "tasks" if self.version == 1 else "cgroup.procs"
        return Made(tuple(map(str, paths)), tuple(str(path / file) for path in paths))

    def _settings(self, controller: str, limits: Limits) -> Iterable[tuple[str, int | str]]:
        settings = _v1_settings if self.version == 1 else _v2_settings
        return settings(controller, limits)

    def remove_left(self, prefix: str) -> int:
        """Remove the cgroups whose names begin so and in which nobody is; how many there were."""
        removed = 0
        for home in set(self.homes.values()):
            for path in home.glob(f"{prefix}*"):
                try:
                    path.rmdir()
                except OSError:
                    continue  # Somebody is in it, or another one has removed it.
                removed += 1
        return removed


_OPTIONAL: Final = {"memory.memsw.limit_in_bytes", "memory.swap.max", "memory.oom.group"}
"""Only there where the kernel counts swap, or is recent enough."""


def _v1_settings(controller: str, limits: Limits) -> Iterable[tuple[str, int | str]]:
    if controller == "memory" and limits.memory_bytes is not None:
        yield "memory.limit_in_bytes", limits.memory_bytes
        yield "memory.memsw.limit_in_bytes", limits.memory_bytes
    elif controller == "cpu":
        yield "cpu.shares", limits.cpu_shares
        if limits.cpu_quota_us is not None:
            yield "cpu.cfs_period_us", CFS_PERIOD_US
            yield "cpu.cfs_quota_us", limits.cpu_quota_us
    elif controller == "pids" and limits.pids is not None:
        yield "pids.max", limits.pids


def _v2_settings(controller: str, limits: Limits) -> Iterable[tuple[str, int | str]]:
    if controller == "memory" and limits.memory_bytes is not None:
        yield "memory.max", limits.memory_bytes
        yield "memory.swap.max", 0
        yield "memory.oom.group", 1
    elif controller == "cpu":
        # The kernel's own conversion between the two scales, as runc does it.
        yield "cpu.weight", 1 + (min(limits.cpu_shares, 262_144) - 2) * 9_999 // 262_142
        if limits.cpu_quota_us is not None:
            yield "cpu.max", f"{limits.cpu_quota_us} {CFS_PERIOD_US}"
    elif controller == "pids" and limits.pids is not None:
        yield "pids.max", limits.pids


def _set(path: Path, value: int | str, *, is_optional: bool) -> None:
    try:
        # Not write_text: it would create the file where the controller has none.
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        if is_optional:
            return
        raise
    try:
        os.write(descriptor, str(value).encode())
    finally:
        os.close(descriptor)


def find_cgroups(process: Path = Path("/proc/self"), named: str = "") -> Cgroups:
    """Where cgroups can be made by this process; tried out by making one and removing it.

    ``named`` is a cgroup v2 directory that was delegated to us and holds no processes.
    """
    try:
        mounts = (process / "mountinfo").read_text("utf-8")
        own = (process / "cgroup").read_text("utf-8")
    except OSError as error:
        return Cgroups(0, {}, f"{error.filename} cannot be read: {error.strerror}")
    if named:
        return _v2_at(Path(named))
    first = _v1(mounts, own)
    if "memory" in first.homes:
        return first
    second = _v2(mounts, own)
    if second.homes or first.homes:
        return second if second.homes else first
    return Cgroups(0, {}, f"cgroup v1: {first.why_not}; cgroup v2: {second.why_not}")


def _v1(mounts: str, own: str) -> Cgroups:
    homes: dict[str, Path] = {}
    problems = []
    for controller in V1_CONTROLLERS:
        home = home_v1(controller, mounts, own)
        if home is None:
            problems.append(f"{controller} is not mounted")
        elif problem := _problem_at(home):
            problems.append(f"{controller}: {problem}")
        else:
            homes[controller] = home
    return Cgroups(1, homes, "; ".join(problems))


def home_v1(controller: str, mounts: str, own: str) -> Path | None:
    """The cgroup of this process in a v1 controller, from its mounts and its own cgroups."""
    path = next(
        (p for _, c, p in (line.split(":", 2) for line in own.splitlines())
         if controller in c.split(",")),
        None,
    )  # fmt: skip
    for line in mounts.splitlines():
        mount, _, source = line.partition(" - ")
        kind, _, options = source.split(" ", 2)
        if path is not None and kind == "cgroup" and controller in options.split(","):
            return _directory(mount, path)
    return None


def _directory(mount: str, path: str) -> Path:
    """The directory of a cgroup below a mount, which may show only a part of the hierarchy."""
    root, point = mount.split(" ")[3:5]
    is_below = path == root or path.startswith(root.rstrip("/") + "/")
    return Path(point) / (path.removeprefix(root).lstrip("/") if is_below else "")


def _v2(mounts: str, own: str) -> Cgroups:
    path = next((line[3:] for line in own.splitlines() if line.startswith("0::")), None)
    for line in mounts.splitlines():
        mount, _, source = line.partition(" - ")
        if path is not None and source.startswith("cgroup2 "):
            home = _directory(mount, path)
            inside = _v2_at(home)
            if inside.homes or not _is_free_of_limits(home):
                return inside
            return _v2_at(home.parent)
    return Cgroups(0, {}, "no cgroups are mounted")


def _v2_at(home: Path) -> Cgroups:
    controllers = _enabled(home)
    if "memory" not in controllers:
        try:
            _set(
                home / "cgroup.subtree_control",
                " ".join(f"+{each}" for each in V2_CONTROLLERS),
                is_optional=False,
            )
        except OSError as error:
            return Cgroups(2, {}, f"no controllers can be used below {home}: {error.strerror}")
        controllers = _enabled(home)
    if problem := _problem_at(home):
        return Cgroups(2, {}, problem)
    homes: dict[str, Path] = {each: home for each in V2_CONTROLLERS if each in controllers}
    missing = [each for each in V2_CONTROLLERS if each not in controllers]
    return Cgroups(2, homes, f"not enabled in {home}: {', '.join(missing)}" if missing else "")


def _enabled(home: Path) -> list[str]:
    try:
        return (home / "cgroup.subtree_control").read_text("ascii").split()
    except OSError:
        return []


def _is_free_of_limits(home: Path) -> bool:
    """Whether nothing is lost when a task runs beside the agent's cgroup instead of below it."""
    for name in ("memory.max", "memory.high", "cpu.max"):
        try:
            if not (home / name).read_text("ascii").startswith("max"):
                return False
        except OSError:
            continue
    return True


def _problem_at(home: Path) -> str:
    """Why no cgroup can be made there, or nothing; one is made and removed."""
    probe = home / f"flumina-probe-{os.getpid()}"
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        return f"{home} takes no cgroups: {error.strerror}"
    return ""
