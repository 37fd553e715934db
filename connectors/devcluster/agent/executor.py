"""Executors: one small process for each task, forked from a warm one, which outlives the agent.

The one thing to know: this file is run by its path with nothing but the standard library, so that
an executor is a fork of a few milliseconds. The agent starts ``executor.py DIRECTORY`` once (the
launcher); each line it writes there becomes an executor, which becomes the task's parent, keeps its
end, and reconnects to the agent's socket for as long as the agent may come back.
"""

import ctypes
import gc
import json
import os
import select
import signal
import socket
import sys
import time
from typing import Any, NoReturn

SOCKET_NAME = "executors.sock"
LIFELINE_VARIABLE = "FLUMINA_DEV_CLUSTER_LIFELINE"
# Mesos' --recovery_timeout: so long an executor waits for its agent to come back.
RECOVERY_SECONDS = 15 * 60.0
RECONNECT_SECONDS = 0.1
# What is left to a task between SIGTERM and SIGKILL when nobody said how long (Mesos' number).
GRACE_SECONDS = 3.0
# When the whole cluster stops there is less patience.
STOP_GRACE_SECONDS = 1.0

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def _launcher(directory: str) -> NoReturn:
    """Fork an executor for each line on standard input, until the agent or the cluster is gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # ended executors leave nothing behind
    home = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    lifeline = int(os.environ.get(LIFELINE_VARIABLE, "-1"))
    poll = select.poll()
    poll.register(0, select.POLLIN)
    if lifeline >= 0:
        poll.register(lifeline, select.POLLIN)
    gc.collect()
    gc.freeze()
    buffer = b""
    while True:
        ready = {fd for fd, _ in poll.poll()}
        if lifeline in ready:
            os._exit(0)
        data = os.read(0, 1 << 16)
        if not data:
            os._exit(0)
        *lines, buffer = (buffer + data).split(b"\n")
        for line in lines:
            _fork_executor(json.loads(line), home, lifeline)


def _fork_executor(spec: dict[str, Any], home: int, lifeline: int) -> None:
    try:
        pid = os.fork()
    except OSError as error:
        report = {"container_id": spec["container_id"], "error": f"cannot fork: {error.strerror}"}
        os.write(1, json.dumps(report).encode() + b"\n")
        return
    if pid == 0:
        try:
            Executor(spec, home, lifeline).run()
        except BaseException as error:  # noqa: BLE001 - the last line of a process of its own
            text = f"executor of {spec['task_id']} failed: {error!r}\n"
            os.write(2, text.encode())
            os._exit(1)
        os._exit(0)


class Executor:
    """The parent of one task."""

    def __init__(self, spec: dict[str, Any], home: int, lifeline: int) -> None:
        self._spec = spec
        self._home = home
        self._lifeline = lifeline
        self._agent: socket.socket | None = None
        self._buffer = b""
        self._task_pid = 0
        self._is_started = False
        self._wait_status: int | None = None
        self._is_killed = False
        self._is_over_time = False
        self._is_leaving = False
        now = time.monotonic()
        self._alone_since = now
        self._kill_began_at = 0.0
        self._kill_hard_at: float | None = None
        self._over_time_at: float | None = None
        self._poll = select.poll()
        self._wake, wake_end = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(wake_end, False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)

    def run(self) -> None:
        """Live until the task has ended and the agent knows, or nobody will ever ask."""
        os.setsid()
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        os.close(null)
        self._poll.register(self._wake, select.POLLIN)
        if self._lifeline >= 0:
            self._poll.register(self._lifeline, select.POLLIN)
        self._connect()
        while not self._is_done():
            ready = {fd for fd, _ in self._poll.poll(self._patience_ms())}
            if self._wake in ready:
                os.read(self._wake, 4096)
            if self._lifeline in ready:
                self._poll.unregister(self._lifeline)
                self._leave(STOP_GRACE_SECONDS)
            if self._agent is not None and self._agent.fileno() in ready:
                self._read()
            self._reap()
            self._look_at_time()
            if self._agent is None and not self._is_leaving:
                self._connect()

    def _is_done(self) -> bool:
        has_task = self._task_pid != 0 and self._wait_status is None
        return self._is_leaving and not has_task

    def _patience_ms(self) -> float | None:
        moments = [m for m in (self._kill_hard_at, self._over_time_at) if m is not None]
        now = time.monotonic()
        if self._agent is None and not self._is_leaving:
            moments.append(now + RECONNECT_SECONDS)
        return None if not moments else max(0.0, (min(moments) - now) * 1000 + 1)

    # The agent

    def _connect(self) -> None:
        agent = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # By way of the open directory: a path of its own may be too long for a socket.
            agent.connect(f"/proc/self/fd/{self._home}/{SOCKET_NAME}")
        except OSError:
            agent.close()
            return
        self._agent, self._buffer = agent, b""
        self._poll.register(agent.fileno(), select.POLLIN)
        self._say("SUBSCRIBE", pid=os.getpid(), task_pid=self._task_pid, **self._end())

    def _end(self) -> dict[str, Any]:
        if self._wait_status is None:
            return {}
        return {
            "wait_status": self._wait_status,
            "is_killed": self._is_killed,
            "is_over_time": self._is_over_time,
        }

    def _say(self, kind: str, **facts: object) -> None:
        if self._agent is None:
            return
        line = {"type": kind, "container_id": self._spec["container_id"], **facts}
        try:
            self._agent.sendall(json.dumps(line).encode() + b"\n")
        except OSError:
            self._lose_agent()

    def _read(self) -> None:
        agent = self._agent
        if agent is None:
            return
        try:
            data = agent.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            self._lose_agent()
            return
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._obey(json.loads(line))

    def _lose_agent(self) -> None:
        if self._agent is None:
            return
        self._poll.unregister(self._agent.fileno())
        self._agent.close()
        self._agent = None
        self._alone_since = time.monotonic()
        if not self._spec["checkpoint"]:
            self._leave(GRACE_SECONDS)

    def _obey(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "RUN":
                if not self._is_started:
                    self._start()
            case "KILL":
                self._is_killed = True
                self._kill(message["grace_seconds"])
            case "LEAVE":
                self._leave(message["grace_seconds"])
            case other:
                os.write(2, f"an executor does not know the word {other!r}\n".encode())

    # The task

    def _start(self) -> None:
        self._is_started = True
        go_reader, go_writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            _become_task(self._spec, go_reader)
        os.close(go_reader)
        self._task_pid = pid
        # On record before the command runs: the child waits for the byte below.
        self._record("STARTED", pid=pid)
        self._save()
        os.write(go_writer, b"g")
        os.close(go_writer)
        if (limit := self._spec["time_limit_seconds"]) is not None:
            self._over_time_at = time.monotonic() + limit
        self._say("STARTED", task_pid=pid)

    def _kill(self, grace_seconds: float) -> None:
        """SIGTERM now, SIGKILL after the grace, which a later kill can only shorten."""
        if self._task_pid == 0 or self._wait_status is not None:
            return
        now = time.monotonic()
        if self._kill_hard_at is None:
            self._kill_began_at = now
            self._kill_hard_at = now + grace_seconds
            self._signal(signal.SIGTERM)
        else:
            self._kill_hard_at = min(self._kill_hard_at, self._kill_began_at + grace_seconds)

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self._task_pid, number)
        except ProcessLookupError:
            # Its group is made by the child itself, which may not have come so far.
            os.kill(self._task_pid, number)

    def _look_at_time(self) -> None:
        now = time.monotonic()
        if self._over_time_at is not None and now >= self._over_time_at:
            self._over_time_at = None
            self._is_over_time = True
            self._kill(0.0)
        if self._kill_hard_at is not None and now >= self._kill_hard_at:
            self._kill_hard_at = None if self._wait_status is not None else now + 1.0
            if self._wait_status is None:
                self._signal(signal.SIGKILL)
                _kill_descendants()
        if self._agent is None and now >= self._alone_since + RECOVERY_SECONDS:
            self._leave(GRACE_SECONDS)

    def _leave(self, grace_seconds: float) -> None:
        """End the task, if it runs, and then this process; nobody needs it any more."""
        self._is_leaving = True
        self._kill(grace_seconds)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._task_pid:
                self._ended(status)

    def _ended(self, wait_status: int) -> None:
        _kill_descendants()
        self._wait_status = wait_status
        self._kill_hard_at = self._over_time_at = None
        self._record("ENDED", pid=self._task_pid, exit=os.waitstatus_to_exitcode(wait_status))
        self._save()
        self._say("ENDED", **self._end())

    # What outlives this process

    def _record(self, what: str, **facts: object) -> None:
        line = {
            "at_ms": time.time_ns() // 1_000_000,
            "what": what,
            "task_id": self._spec["task_id"],
            "framework_id": self._spec["framework_id"],
            "container_id": self._spec["container_id"],
            **facts,
        }
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        descriptor = os.open(self._spec["journal"], flags, 0o600)
        os.write(descriptor, json.dumps(line, separators=(",", ":")).encode() + b"\n")
        os.close(descriptor)

    def _save(self) -> None:
        """Keep what an agent needs that finds this process gone."""
        facts = {"pid": os.getpid(), "task_pid": self._task_pid, **self._end()}
        path = self._spec["state_file"]
        descriptor = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(descriptor, json.dumps(facts).encode())
        os.close(descriptor)
        os.rename(path + ".new", path)  # noqa: PTH104 - pathlib would double what a fork costs


def _become_task(spec: dict[str, Any], go: int) -> NoReturn:
    """Turn a fresh fork into the task's command, once the parent gives the word."""
    parent = os.getppid()
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        # Should the executor be killed, its task must not live on without a keeper.
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent or os.read(go, 1) != b"g":
            os._exit(1)
        os.chdir(spec["sandbox"])
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        os.dup2(os.open("stdout", flags, 0o644), 1)
        os.dup2(os.open("stderr", flags, 0o644), 2)
        os.closerange(3, 4096)
        os.execvpe(spec["program"], spec["argv"], spec["env"])  # noqa: S606 - it is the task
    except OSError as error:
        text = f"Failed to execute command: {error.strerror} ({spec['program']})\n"
        os.write(2, text.encode())
    # As Mesos' launch helper does when the command cannot be executed.
    os._exit(1)


def _kill_descendants() -> None:
    """SIGKILL all that the task left behind; being the subreaper, this process inherits it."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return
    for pid in descendants(os.getpid()):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def descendants(root: int) -> list[int]:
    """The processes below this one, as /proc shows them now."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - no pathlib in an executor
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123 - the same
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(name))
    found, todo = [], [root]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


if __name__ == "__main__":
    _launcher(sys.argv[1])
