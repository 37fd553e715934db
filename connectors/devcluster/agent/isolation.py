"""What a task is confined by on this computer: probed once, planned for each task, said plainly.

The one thing to know: whatever a task asks for and this computer cannot give is not refused, as
this is a cluster for development; it is named in the task's report, which the agent's ``/state``
shows as ``flumina_isolation``, and in ``flumina doctor``.
"""

import os
import platform
import re
import resource
import shutil
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from connectors.devcluster.agent import confine
from connectors.devcluster.agent.cgroups import (
    CFS_PERIOD_US,
    CFS_QUOTA_US_MIN,
    SHARES_MIN,
    SHARES_PER_CPU,
    Cgroups,
    Limits,
    find_cgroups,
)
from connectors.devcluster.words import Json

ALWAYS: Final = ("memory", "cpu", "pids", "no-new-privileges", "seccomp")
"""What `auto` stands for: all that keeps well-behaved programs alone."""
ON_DEMAND: Final = ("cpu-quota", "affinity", "disk", "users", "network", "strict")
_CGROUP_WORD: Final = "cgroup="
_NOT_ASKED: Final = "not asked for"

MEMORY_BYTES_MIN: Final = 32 << 20
"""Mesos gives no container less (its MIN_MEMORY)."""
PIDS_MAX: Final = 4_096
"""Ours: far above what a build or a Java program takes, far below what stops the computer."""
USERS_FIRST: Final = 1_000_000
USERS_COUNT: Final = 60_000
"""Above the users of people and below those that container runtimes are given by custom."""

# linux_info's names, by their numbers in capability.h.
_CAPABILITIES: Final = (  # noqa: SIM905 - so many words are for reading
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE "
    "NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO "
    "SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME "
    "SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG "
    "WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
).split()


class IsolationError(ValueError):
    """The words for isolation cannot be used; the text says which and what is possible."""


@dataclass(frozen=True)
class Wanted:
    """What an agent was asked to confine tasks by."""

    words: frozenset[str]
    cgroup: str = ""
    """A delegated cgroup v2 directory, where somebody named one."""


def wanted_of(text: str) -> Wanted:
    """What ``auto,disk,-seccomp`` asks for; raises IsolationError with what is possible."""
    words: set[str] = set()
    cgroup = ""
    for word in filter(None, (each.strip() for each in text.split(","))):
        if word == "auto":
            words |= set(ALWAYS)
        elif word == "none":
            words = set()
        elif word.startswith(_CGROUP_WORD):
            cgroup = word.removeprefix(_CGROUP_WORD)
        elif word.removeprefix("-") not in (*ALWAYS, *ON_DEMAND):
            possible = ", ".join(("auto", "none", *ALWAYS, *ON_DEMAND, "cgroup=PATH"))
            raise IsolationError(f"{word!r} is no isolation; possible are {possible}, and -WORD")
        elif word.startswith("-"):
            words.discard(word[1:])
        else:
            words.add(word)
    return Wanted(frozenset(words), cgroup)


@dataclass(frozen=True)
class Row:
    """One kind of isolation on this computer: by what, or why not."""

    kind: str
    by: str
    """`cgroup v1`, `watchdog`, ...; empty where it is not enforced."""
    text: str

    def to_json(self) -> Json:
        """The row for the agent's ``/state``."""
        return {"kind": self.kind, "by": self.by or None, "text": self.text}


@dataclass
class Isolation:
    """What this computer allows, and the plans that were made by it."""

    wanted: Wanted
    cgroups: Cgroups
    can_filter: bool
    why_no_users: str
    prefix: str
    """What the names of this agent's cgroups begin with."""
    why_no_network: str = "not looked at"
    disk_seconds: float = 15.0
    _rows: list[Row] = field(default_factory=list)
    _cpus: dict[int, int] = field(default_factory=dict)
    _bound: dict[str, list[int]] = field(default_factory=dict)

    def plan(
        self, container_id: str, sandbox: Path, task: Json, *, has_metadata: bool = False
    ) -> Json:
        """What the executor needs to confine this task; makes its cgroups, may raise OSError."""
        limits = self._limits(task)
        plan: Json = {"sandbox": str(sandbox)}
        if self.cgroups.homes:
            made = self.cgroups.make(self.cgroup_name(container_id), limits)
            plan |= {"directories": made.directories, "join": made.join}
        if limits.memory_bytes is not None:
            if home := self.cgroups.homes.get("memory"):
                directory = str(home / self.cgroup_name(container_id))
                plan["oom"] = {
                    "version": self.cgroups.version,
                    "directory": directory,
                    "limit_bytes": limits.memory_bytes,
                }
            else:
                plan["watchdog_bytes"] = limits.memory_bytes
        self._plan_disk(plan, task)
        self._plan_process(plan, container_id, sandbox, task, has_metadata=has_metadata)
        return plan

    def _plan_disk(self, plan: Json, task: Json) -> None:
        disk_mib = _amount(task, "disk")
        if "disk" in self.wanted.words and disk_mib:
            plan |= {"disk_bytes": int(disk_mib * (1 << 20)), "disk_seconds": self.disk_seconds}

    @property
    def has_networks(self) -> bool:
        """Whether each task is given a network of its own."""
        return "network" in self.wanted.words and not self.why_no_network

    def _plan_process(
        self, plan: Json, container_id: str, sandbox: Path, task: Json, *, has_metadata: bool
    ) -> None:
        words = self.wanted.words
        linux = task.get("container", {}).get("linux_info", {})
        plan["rlimits"] = _rlimits(task)
        if "affinity" in words:
            plan["affinity"] = self._bind(container_id, _amount(task, "cpus"))
        if "no-new-privileges" in words:
            plan["no_new_privileges"] = True
        # What a job asks for beside its host's rules, its host may refuse.
        is_open = _is_unconfined(linux) and "strict" not in words
        plan["seccomp"] = "seccomp" in words and self.can_filter and not is_open
        bounding = linux.get("bounding_capabilities") or linux.get("effective_capabilities")
        if bounding is not None and os.geteuid() == 0:
            names = bounding.get("capabilities", [])
            plan["capabilities"] = [_CAPABILITIES.index(n) for n in names if n in _CAPABILITIES]
        if self.has_networks:
            plan["network"] = {"has_metadata": has_metadata}
        if "users" in words and not self.why_no_users:
            plan["user"] = self.user_of(container_id)
            _give(sandbox, plan["user"])

    def _limits(self, task: Json) -> Limits:
        words, homes = self.wanted.words, self.cgroups.homes
        asked = task.get("limits", {})
        cpus = _amount(task, "cpus")
        memory = _limit(asked, "mem", _amount(task, "mem"))
        quota_cpus = _limit(asked, "cpus", cpus if "cpu-quota" in words else None)
        return Limits(
            memory_bytes=(
                max(int(memory * (1 << 20)), MEMORY_BYTES_MIN)
                if memory and "memory" in words
                else None
            ),
            cpu_shares=max(round(cpus * SHARES_PER_CPU), SHARES_MIN) if "cpu" in words else 1024,
            cpu_quota_us=(
                max(round(quota_cpus * CFS_PERIOD_US), CFS_QUOTA_US_MIN)
                if quota_cpus and "cpu" in words and "cpu" in homes
                else None
            ),
            pids=PIDS_MAX if "pids" in words else None,
        )

    def cgroup_name(self, container_id: str) -> str:
        """The name of a container's cgroup in every controller."""
        return f"{self.prefix}{container_id}"

    def directories(self, container_id: str) -> dict[str, Path]:
        """The cgroups of a container by controller, whether they are there or not."""
        return self.cgroups.directories(self.cgroup_name(container_id))

    def user_of(self, container_id: str) -> int:
        """The user id that a container is shifted to; the same whenever it is asked."""
        return USERS_FIRST + zlib.crc32(container_id.encode()) % USERS_COUNT

    def _bind(self, container_id: str, cpus: float) -> list[int]:
        """The cpus with the fewest tasks bound to them, as many as the task may use at once."""
        there = sorted(os.sched_getaffinity(0))
        count = min(len(there), max(1, -int(-cpus // 1)))
        chosen = sorted(there, key=lambda cpu: (self._cpus.get(cpu, 0), cpu))[:count]
        for cpu in chosen:
            self._cpus[cpu] = self._cpus.get(cpu, 0) + 1
        self._bound[container_id] = chosen
        return chosen

    def forget(self, container_id: str) -> None:
        """A container is no more: its cpus are free, and its cgroups are removed if they can be."""
        for cpu in self._bound.pop(container_id, ()):
            self._cpus[cpu] -= 1
        directories = self.cgroups.directories(self.cgroup_name(container_id))
        confine.remove(map(str, directories.values()))

    def report(self, task: Json) -> Json:
        """What confines this task, and what of its wishes is only noted."""
        rows = {row.kind: row for row in self.rows()}
        container = task.get("container", {})
        limits = self._limits(task)
        enforced = {kind: rows[kind].by for kind in rows if rows[kind].by}
        if limits.memory_bytes is not None:
            enforced["memory"] += f", {limits.memory_bytes >> 20} MiB"
        emulated = list(_emulated(container, rows.values()))
        if "strict" in self.wanted.words and _is_unconfined(container.get("linux_info", {})):
            emulated.append("seccomp unconfined: not granted, the agent is strict")
        return {"enforced": enforced, "emulated": emulated}

    def rows(self) -> list[Row]:
        """Each kind of isolation, for people: by what, or why not and what would help."""
        if not self._rows:  # Nothing of it changes while the agent lives.
            self._rows += self._looked_at()
        return self._rows

    def _looked_at(self) -> list[Row]:
        return [
            self._memory_row(),
            self._cgroup_row("cpu", "shares, and a cap where limits ask for one"),
            self._cgroup_row("pids", f"{PIDS_MAX} processes and threads a task"),
            self._word_row("affinity", "affinity", "each task on as many cpus as it may use"),
            self._word_row(
                "disk", "watchdog", f"the sandbox is counted each {self.disk_seconds:g} s"
            ),
            self._word_row("no-new-privileges", "prctl", "setuid programs give no rights"),
            self._seccomp_row(),
            self._users_row(),
            self._network_row(),
            Row("bandwidth", "", _bandwidth()),
        ]

    def _memory_row(self) -> Row:
        if "memory" not in self.wanted.words:
            return Row("memory", "", _NOT_ASKED)
        if "memory" in self.cgroups.homes:
            by = f"cgroup v{self.cgroups.version}"
            return Row("memory", by, "the kernel ends what needs more, reported as out of memory")
        text = (
            f"{self.cgroups.why_not}. A watchdog looks every {confine.WATCHDOG_SECONDS:g} s and "
            "ends what uses more; what allocates faster is seen late, or by the kernel's own "
            "killer, which is not told apart from another SIGKILL"
        )
        return Row("memory", "watchdog", text)

    def _cgroup_row(self, kind: str, text: str) -> Row:
        if kind not in self.wanted.words:
            return Row(kind, "", _NOT_ASKED)
        if kind in self.cgroups.homes:
            return Row(kind, f"cgroup v{self.cgroups.version}", text)
        return Row(kind, "", f"counted and not enforced: {self.cgroups.why_not}")

    def _word_row(self, kind: str, by: str, text: str) -> Row:
        is_wanted = kind in self.wanted.words
        return Row(kind, by if is_wanted else "", text if is_wanted else _NOT_ASKED)

    def _seccomp_row(self) -> Row:
        if "seccomp" not in self.wanted.words:
            return Row("seccomp", "", _NOT_ASKED)
        if not self.can_filter:
            return Row("seccomp", "", "this kernel takes no filter, or nobody may set one")
        return Row("seccomp", "seccomp", f"{len(confine.DENIED)} system calls answer EPERM")

    def _users_row(self) -> Row:
        if "users" not in self.wanted.words:
            return Row("users", "", f"{_NOT_ASKED}: tasks run as the user of the agent")
        if self.why_no_users:
            return Row("users", "", f"not shifted: {self.why_no_users}")
        by = "user namespace"
        if os.geteuid() == 0:
            return Row("users", by, f"from {USERS_FIRST} on; a task sees itself as root")
        return Row("users", by, "a task sees itself as root and is the agent's user")

    def _network_row(self) -> Row:
        if "network" not in self.wanted.words:
            return Row("network", "", f"{_NOT_ASKED}: {_NO_NETWORKS}")
        if self.why_no_network:
            return Row("network", "", f"not kept apart: {self.why_no_network}; {_NO_NETWORKS}")
        return Row("network", "network namespace", "a task reaches itself and its metadata only")


_NO_NETWORKS: Final = (
    "tasks are in the computer's network, and reach every port of it that asks for no name"
)


def probe(prefix: str, text: str = "auto") -> Isolation:
    """What this computer allows of what ``text`` asks for; looked at once, when an agent starts."""
    wanted = wanted_of(text)
    needs_cgroups = wanted.words & {"memory", "cpu", "pids", "cpu-quota"}
    cgroups = find_cgroups(named=wanted.cgroup) if needs_cgroups else Cgroups(0, {}, "not asked")
    can_filter = platform.machine() in {"x86_64", "aarch64"} and (
        os.geteuid() == 0 or "no-new-privileges" in wanted.words
    )
    if can_filter and "seccomp" in wanted.words:
        can_filter = _works(lambda: confine.enter({"no_new_privileges": True, "seccomp": True}))
    why_no_users = ""
    if "users" in wanted.words and not _works(lambda: confine.enter({"user": USERS_FIRST})):
        why_no_users = "this kernel or its settings allow no user namespaces"
    why_no_network = ""
    if "network" in wanted.words and not _works(lambda: confine.enter({"network": {}})):
        why_no_network = "the agent is not root, or this kernel has no network namespaces"
    return Isolation(wanted, cgroups, can_filter, why_no_users, prefix, why_no_network)


def remove_left(text: str, prefixes: Iterable[str]) -> None:
    """No cgroup whose name begins so is left, unless somebody is still in it."""
    cgroups = find_cgroups(named=wanted_of(text).cgroup)
    for prefix in prefixes:
        cgroups.remove_left(prefix)


def _works(attempt: Callable[[], None]) -> bool:
    """Whether something can be done, tried in a process that ends after it."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        try:
            attempt()
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1] == 0


def _give(sandbox: Path, user: int) -> None:
    """The sandbox belongs to the user that the task will be; only root can give it away."""
    if os.geteuid() == 0:
        for path in (sandbox, *sandbox.iterdir()):
            os.chown(path, user, user, follow_symlinks=False)


def _bandwidth() -> str:
    has = "tc is there" if shutil.which("tc") else "there is no tc"
    return f"not limited: {has}, but tasks share the computer's network and have none of their own"


def _amount(task: Json, name: str) -> float:
    found = (r for r in task.get("resources", []) if r["name"] == name and "scalar" in r)
    return float(sum(each["scalar"]["value"] for each in found))


def _limit(limits: Json, name: str, default: float | None) -> float | None:
    """A limit beyond the request; ``Infinity`` is none."""
    if name not in limits:
        return default
    value = float(limits[name].get("value", 0))
    return None if value == float("inf") else value


def _rlimits(task: Json) -> list[tuple[int, int, int]]:
    found = []
    for each in task.get("container", {}).get("rlimit_info", {}).get("rlimits", []):
        name = str(each.get("type", "")).replace("RLMT_", "RLIMIT_")
        number = getattr(resource, name, None) if re.fullmatch("RLIMIT_[A-Z]+", name) else None
        if number is not None:
            infinity = resource.RLIM_INFINITY
            found.append((number, int(each.get("soft", infinity)), int(each.get("hard", infinity))))
    return found


def _is_unconfined(linux: Json) -> bool:
    """Whether the container asks to have no filter of system calls."""
    return bool(linux.get("seccomp", {}).get("unconfined"))


def _emulated(container: Json, rows: Iterable[Row]) -> Iterator[str]:
    """What the task asked for, or the agent was asked for, that is noted and not done."""
    for row in rows:
        if not row.by and not row.text.startswith(_NOT_ASKED):
            yield f"{row.kind}: {row.text}"
    docker = container.get("docker", {}).get("image")
    image = container.get("mesos", {}).get("image", {})
    if name := docker or image.get("docker", {}).get("name"):
        yield f"image {name}: nothing is pulled, the command runs on the computer's own files"
    if container.get("volumes"):
        yield "volumes: none is mounted"
    if container.get("network_infos"):
        yield "network: no plug-in reads what network_infos ask for"
    linux = container.get("linux_info", {})
    if profile := linux.get("seccomp", {}).get("profile_name"):
        yield f"seccomp profile {profile}: the agent's own list stands in for it"
    if os.geteuid() != 0 and {"effective_capabilities", "bounding_capabilities"} & linux.keys():
        yield "capabilities: the agent is not root, so there are none to drop"
