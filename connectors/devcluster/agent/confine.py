"""What confines a task, in the process that becomes it, and who watches it from beside.

The one thing to know: like ``executor.py`` this is run by its path with nothing but the standard
library. The agent has decided what is possible (``isolation.py``) and made the cgroups; here they
are entered, and what cannot be entered stops the task instead of running it unconfined.
"""

import ctypes
import errno
import fcntl
import os
import platform
import resource
import select
import socket
import struct
import time
from collections.abc import Iterable
from typing import Any

# How often a watchdog looks where the kernel does not do it. What allocates faster is seen late.
WATCHDOG_SECONDS = 0.5

_MIB = 1024 * 1024
_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_MODE_FILTER = 2
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_SIOCSIFFLAGS, _SIOCSIFADDR = 0x8914, 0x8916
_IFF_UP_AND_RUNNING = 0x41
METADATA_ADDRESS = "169.254.169.254"
# The agent opens the endpoint in a network that it sees first after it was made.
METADATA_S_MAX = 5.0
_PAGE_BYTES = resource.getpagesize()
_libc = ctypes.CDLL(None, use_errno=True)

# What a task has no business with, by the number of the system call (x86_64, aarch64): kernel
# modules, mounts, clocks, keys, other kernels. A short part of the list that Docker refuses.
DENIED = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "finit_module": (313, 273),
    "init_module": (175, 105),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "mount": (165, 40),
    "open_by_handle_at": (304, 265),
    "perf_event_open": (298, 241),
    "pivot_root": (155, 41),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "umount2": (166, 39),
    "userfaultfd": (323, 282),
}
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # AUDIT_ARCH_*


def enter(plan: dict[str, Any]) -> None:
    """The process that calls is confined as planned; raises OSError with the step that failed."""
    for path in plan.get("join", ()):
        # "0" is whoever writes: so a v1 cgroup is entered without stopping all threads of the
        # computer for a moment, which another process' number would cost (15 ms, measured).
        with _Step(f"entering the cgroup {path}"):
            _write(path, "0")
    if cpus := plan.get("affinity"):
        with _Step("binding to cpus"):
            os.sched_setaffinity(0, cpus)
    for number, soft, hard in plan.get("rlimits", ()):
        with _Step(f"setting rlimit {number}"):
            resource.setrlimit(number, (soft, hard))
    if (network := plan.get("network")) is not None:
        with _Step("leaving the computer's network"):
            leave_network()
            if network.get("has_metadata"):
                await_metadata()
    if (user := plan.get("user")) is not None:
        with _Step("shifting the user id"):
            shift_user(user)
    if (kept := plan.get("capabilities")) is not None:
        with _Step("dropping capabilities"):
            drop_capabilities(kept)
    if plan.get("no_new_privileges"):
        with _Step("setting no-new-privileges"):
            _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    if plan.get("seccomp"):
        with _Step("installing the system call filter"):
            filter_system_calls()


class _Step:
    """Names the step in whatever error comes out of it."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError | ValueError):
            number = error.errno if isinstance(error, OSError) and error.errno else errno.EINVAL
            text = error.strerror if isinstance(error, OSError) else str(error)
            raise OSError(number, f"{self._what}: {text}") from error


def leave_network() -> None:
    """The process has a network of its own, in which there is nobody but itself.

    Loopback is up, and has a second address for the metadata endpoint.
    """
    if _libc.unshare(_CLONE_NEWNET) != 0:
        raise _last_error()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        up = struct.pack("16sH14x", b"lo", _IFF_UP_AND_RUNNING)
        fcntl.ioctl(handle, _SIOCSIFFLAGS, up)
        address = socket.inet_aton(METADATA_ADDRESS)
        more = struct.pack("16sHH4s8x", b"lo:1", socket.AF_INET, 0, address)
        fcntl.ioctl(handle, _SIOCSIFADDR, more)


def await_metadata() -> None:
    """Return once the endpoint takes connections: a task asks it in its first line."""
    deadline = time.monotonic() + METADATA_S_MAX
    while True:
        try:
            socket.create_connection((METADATA_ADDRESS, 80), timeout=1).close()
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)
        else:
            return


def shift_user(user: int) -> None:
    """The process is root in a user namespace of its own, and ``user`` for everybody else.

    Only root can become another user; whoever is not stays who they are outside.
    """
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    else:
        user = os.geteuid()
    # Who changed users may not write into its own /proc; this gives it back.
    _prctl(_PR_SET_DUMPABLE, 1)
    group = os.getegid()
    if _libc.unshare(_CLONE_NEWUSER) != 0:
        raise _last_error()
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"0 {user} 1")
    _write("/proc/self/gid_map", f"0 {group} 1")


def drop_capabilities(kept: list[int]) -> None:
    """No capability but these can be had any more, also not by root who executes a program."""
    with open("/proc/sys/kernel/cap_last_cap", encoding="ascii") as file:  # noqa: PTH123 - no pathlib
        last = int(file.read())
    for number in range(last + 1):
        if number not in kept:
            _prctl(_PR_CAPBSET_DROP, number)


def filter_system_calls() -> None:
    """The calls of ``DENIED`` answer EPERM from now on."""
    column, architecture = _ARCHITECTURES[platform.machine()]
    numbers = sorted(row[column] for row in DENIED.values())
    # struct sock_filter: load the architecture; another one (32 bit programs) is let through
    # only as far as its calls are not looked at; then the number against each denied one.
    allow, deny = 0x7FFF0000, 0x00050000 | errno.EPERM  # SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO
    count = len(numbers)
    program = [(0x20, 0, 0, 4), (0x15, 0, count + 1, architecture), (0x20, 0, 0, 0)]
    for place, number in enumerate(numbers):
        program.append((0x15, count - place, 0, number))
    program += [(0x06, 0, 0, allow), (0x06, 0, 0, deny)]
    code = b"".join(struct.pack("HBBI", *each) for each in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("HxxxxxxP", len(program), ctypes.addressof(buffer))
    fprog = ctypes.create_string_buffer(header, len(header))
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(fprog))


class Watch:
    """Beside a running task: whether it went beyond a limit, told once, and with what."""

    def __init__(self, plan: dict[str, Any], task_pid: int) -> None:
        self._plan = plan
        self._task_pid = task_pid
        self.descriptor = -1
        self.events = select.POLLIN
        self.due_at: float | None = None
        self._memory_at: float | None = None
        self._disk_at: float | None = None
        self._seen_max = 0
        now = time.monotonic()
        kernel = plan.get("oom")
        if kernel is not None and kernel["version"] == 1:
            self._listen_v1(kernel["directory"])
        elif kernel is not None:
            self.descriptor = os.open(
                f"{kernel['directory']}/memory.events", os.O_RDONLY | os.O_CLOEXEC
            )
            self.events = select.POLLPRI
            os.read(self.descriptor, 4096)
        elif plan.get("watchdog_bytes"):
            self._memory_at = now
        if plan.get("disk_bytes"):
            self._disk_at = now + plan["disk_seconds"]
        self._set_due()

    def _listen_v1(self, directory: str) -> None:
        self.descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        control = os.open(f"{directory}/memory.oom_control", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _write(f"{directory}/cgroup.event_control", f"{self.descriptor} {control}")
        finally:
            os.close(control)

    def _set_due(self) -> None:
        self.due_at = min((at for at in (self._memory_at, self._disk_at) if at), default=None)

    def look(self, *, is_event: bool) -> dict[str, Any] | None:
        """The limitation that the task has met since the last look, or None."""
        now = time.monotonic()
        if is_event and self._is_out_of_memory():
            return self._memory_of_cgroup()
        if self._memory_at is not None and now >= self._memory_at:
            self._memory_at = now + WATCHDOG_SECONDS
            self._set_due()
            if limitation := self._memory_of_tree():
                return limitation
        if self._disk_at is not None and now >= self._disk_at:
            limitation = self._disk()
            # Counting a large tree takes its time; the next count waits for at least as long.
            self._disk_at = time.monotonic() + self._plan["disk_seconds"]
            self._set_due()
            return limitation
        return None

    def last_look(self) -> dict[str, Any] | None:
        """The limitation that ended the task, where the kernel was quicker than the word of it."""
        kernel = self._plan.get("oom")
        if kernel is None or not _oom_kills(kernel):
            return None
        return self._memory_of_cgroup()

    def remove(self) -> bool:
        """Whether the task's cgroups are gone."""
        return remove(self._plan.get("directories", ()))

    def end(self) -> None:
        """Stop listening, and remove the cgroups as far as nobody is in them."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
        self._memory_at = self._disk_at = self.due_at = None
        self.remove()

    def _is_out_of_memory(self) -> bool:
        kernel = self._plan["oom"]
        if kernel["version"] == 1:
            try:
                os.eventfd_read(self.descriptor)
            except BlockingIOError:
                return False
            return True
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        os.read(self.descriptor, 4096)  # quiet until the file changes again
        return _oom_kills(kernel) > 0

    def _memory_of_cgroup(self) -> dict[str, Any]:
        kernel = self._plan["oom"]
        directory = kernel["directory"]
        peak = "memory.max_usage_in_bytes" if kernel["version"] == 1 else "memory.peak"
        try:
            used = int(_read(f"{directory}/{peak}"))
        except (OSError, ValueError):  # memory.peak is of Linux 5.19
            used = kernel["limit_bytes"]
        statistics = _read(f"{directory}/memory.stat")
        return memory_limitation(kernel["limit_bytes"], used, f"MEMORY STATISTICS: \n{statistics}")

    def _memory_of_tree(self) -> dict[str, Any] | None:
        limit = self._plan["watchdog_bytes"]
        pids = tree(self._task_pid)
        used = sum(map(resident_bytes, pids))
        if used > limit:
            # Pages that processes share were counted for each; this is exact, and slower.
            used = sum(proportional_bytes(pid) for pid in pids)
        self._seen_max = max(self._seen_max, used)
        if used <= limit:
            return None
        how = f"Seen by a watchdog that looks every {WATCHDOG_SECONDS:g} s; no cgroup is used here"
        return memory_limitation(limit, used, how)

    def _disk(self) -> dict[str, Any] | None:
        quota = self._plan["disk_bytes"]
        used = disk_bytes(self._plan["sandbox"])
        if used <= quota:
            return None
        return {
            "reason": "REASON_CONTAINER_LIMITATION_DISK",
            "message": f"Disk usage ({_size(used)}) exceeds quota ({_size(quota)})",
            "resources": [_scalar("disk", used)],
        }


def memory_limitation(limit: int, used: int, more: str) -> dict[str, Any]:
    """What is said of a task that needed more memory than it has, in Mesos' words."""
    text = f"Memory limit exceeded: Requested: {_size(limit)} Maximum Used: {_size(used)}"
    return {
        "reason": "REASON_CONTAINER_LIMITATION_MEMORY",
        "message": f"{text}\n\n{more}",
        "resources": [_scalar("mem", used)],
    }


def tree(root: int) -> list[int]:
    """The process and all below it, by the kernel's own lists of children."""
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        try:
            threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - no pathlib in an executor
        except OSError:
            continue
        for thread in threads:
            try:
                todo += map(int, _read(f"/proc/{pid}/task/{thread}/children").split())
            except OSError:
                continue
    return found


def resident_bytes(pid: int) -> int:
    """What of the process is in memory now; 0 for one that is gone."""
    try:
        return int(_read(f"/proc/{pid}/statm").split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):
        return 0


def proportional_bytes(pid: int) -> int:
    """The same, with each shared page divided by those who share it."""
    try:
        lines = _read(f"/proc/{pid}/smaps_rollup").splitlines()
    except OSError:
        return resident_bytes(pid)
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def disk_bytes(directory: str) -> int:
    """The blocks that files below the directory take, links not followed, each file once."""
    total, seen, todo = 0, set(), [directory]
    while todo:
        try:
            entries = list(os.scandir(todo.pop()))
        except OSError:
            continue
        for entry in entries:
            try:
                facts = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if (facts.st_dev, facts.st_ino) in seen:
                continue
            seen.add((facts.st_dev, facts.st_ino))
            total += facts.st_blocks * 512
            if entry.is_dir(follow_symlinks=False):
                todo.append(entry.path)
    return total


def remove(directories: Iterable[str]) -> bool:
    """Whether these cgroups are gone; one in which somebody still is stays."""
    are_gone = True
    for directory in directories:
        try:
            os.rmdir(directory)  # noqa: PTH106 - no pathlib in an executor
        except FileNotFoundError:
            continue
        except OSError:
            are_gone = False
    return are_gone


def _oom_kills(kernel: dict[str, Any]) -> int:
    name = "memory.oom_control" if kernel["version"] == 1 else "memory.events"
    try:
        text = _read(f"{kernel['directory']}/{name}")
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("oom_kill "))


def _scalar(name: str, count: int) -> dict[str, Any]:
    value = round(count / _MIB, 3)
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}, "role": "*"}


def _size(count: int) -> str:
    """Bytes as Mesos prints them: the largest unit that divides them."""
    for unit, name in ((1 << 40, "TB"), (1 << 30, "GB"), (_MIB, "MB"), (1 << 10, "KB")):
        if count and count % unit == 0:
            return f"{count // unit}{name}"
    return f"{count}B"


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - no pathlib in an executor
        return file.read()


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _prctl(option: int, *arguments: int) -> None:
    longs = [ctypes.c_ulong(each) for each in (*arguments, 0, 0, 0, 0)[:4]]
    if _libc.prctl(option, *longs) != 0:
        raise _last_error()


def _last_error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
