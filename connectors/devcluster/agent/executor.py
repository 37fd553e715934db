"""Keepers: one small process for each container, forked from a warm one, which outlives the agent.

The one thing to know: this file is run by its path with nothing but the standard library, so that
a keeper is a fork of a few milliseconds. The agent starts ``executor.py DIRECTORY`` once (the
launcher); each line it writes there becomes a keeper, which becomes the parent of the task or of
the custom executor, keeps its end, and reconnects to the agent's socket for as long as the agent
may come back. For a command task it is what Mesos calls the executor.
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
import types
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
    """Fork a keeper for each line on standard input, until the agent or the cluster is gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # ended keepers leave nothing behind
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
            _fork_keeper(json.loads(line), home, lifeline)


def _fork_keeper(spec: dict[str, Any], home: int, lifeline: int) -> None:
    if spec.get("confinement"):
        sibling("confine")  # loaded once, here, and then part of every fork
    try:
        pid = os.fork()
    except OSError as error:
        report = {"container_id": spec["container_id"], "error": f"cannot fork: {error.strerror}"}
        os.write(1, json.dumps(report).encode() + b"\n")
        return
    if pid == 0:
        try:
            Keeper(spec, home, lifeline).run()
        except BaseException as error:  # noqa: BLE001 - the last line of a process of its own
            text = f"keeper of {spec['container_id']} failed: {error!r}\n"
            os.write(2, text.encode())
            os._exit(1)
        os._exit(0)


class Keeper:
    """The parent of one container's process."""

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
        self._is_unhealthy = False
        self._is_leaving = False
        # Only of tasks that ask for it: their modules are loaded then, and not before.
        self._checks: Any = None
        self._fetching: Any = None
        self._fetch_error: str | None = None
        now = time.monotonic()
        self._alone_since = now
        self._kill_began_at = 0.0
        self._kill_hard_at: float | None = None
        self._over_time_at: float | None = None
        self._watch: Any = None
        self._limitation: dict[str, Any] | None = None
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
        if self._spec.get("uris"):
            self._fetching = sibling("executor_fetch").Fetching(self._spec)
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
            self._look_at_limits(ready)
            self._reap()
            self._look_at_time()
            if self._agent is None and not self._is_leaving:
                self._connect()
        self._leave_nothing()

    def _leave_nothing(self) -> None:
        """Remove the task's cgroups; whoever is still dying in them is waited for, a moment."""
        deadline = time.monotonic() + STOP_GRACE_SECONDS
        while self._watch is not None and not self._watch.remove():
            if time.monotonic() > deadline:
                return  # The agent tries again when it starts.
            _kill_descendants()
            self._reap()
            time.sleep(0.02)

    def _is_done(self) -> bool:
        has_task = self._task_pid != 0 and self._wait_status is None
        return self._is_leaving and not has_task

    def _patience_ms(self) -> float | None:
        watch_at = self._watch.due_at if self._watch is not None else None
        check_at = self._checks.due_at() if self._checks is not None else None
        fetch_at = self._fetching.ends_at if self._fetching is not None else None
        times = (self._kill_hard_at, self._over_time_at, watch_at, check_at, fetch_at)
        moments = [m for m in times if m is not None]
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
        self._subscribe()

    def _subscribe(self) -> None:
        """Say who this is, and all that an agent may have missed."""
        if self._fetching is not None:
            self._say("FETCHING")
            return
        more = self._end()
        if self._fetch_error is not None:
            more["fetch_error"] = self._fetch_error
        if self._checks is not None:
            more |= self._checks.latest()
        self._say("SUBSCRIBE", pid=os.getpid(), task_pid=self._task_pid, **more)

    def _end(self) -> dict[str, Any]:
        if self._wait_status is None:
            return {}
        return {
            "wait_status": self._wait_status,
            "is_killed": self._is_killed,
            "is_over_time": self._is_over_time,
            "is_unhealthy": self._is_unhealthy,
            **({} if self._limitation is None else {"limitation": self._limitation}),
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
            case "DESTROY":
                self._destroy()
            case "LEAVE":
                self._leave(message["grace_seconds"])
            case other:
                os.write(2, f"a keeper does not know the word {other!r}\n".encode())

    # The task

    def _start(self) -> None:
        self._is_started = True
        go_reader, go_writer = os.pipe()
        keeper = os.getpid()
        pid = os.fork()
        if pid == 0:
            _become_task(self._spec, go_reader, keeper)
        os.close(go_reader)
        self._task_pid = pid
        if plan := self._spec.get("confinement"):
            self._watch = sibling("confine").Watch(plan, pid)
            if self._watch.descriptor >= 0:
                self._poll.register(self._watch.descriptor, self._watch.events)
        # On record before the command runs: the child waits for the byte below.
        self._record("STARTED", pid=pid)
        self._save()
        os.write(go_writer, b"g")
        os.close(go_writer)
        if (limit := self._spec["time_limit_seconds"]) is not None:
            self._over_time_at = time.monotonic() + limit
        self._say("STARTED", task_pid=pid)
        if self._spec.get("checks"):
            checks = sibling("executor_checks").Checks
            self._checks = checks(self._spec, _become_task, self._checked)

    def _checked(self, facts: dict[str, Any]) -> None:
        """Report a check; a task that is unhealthy for too long is killed as by a framework."""
        self._say("CHECKED", **facts)
        if facts.get("is_kill_due"):
            self._is_killed = self._is_unhealthy = True
            self._kill(self._spec["kill_grace_seconds"])

    def _kill(self, grace_seconds: float) -> None:
        """SIGTERM now, SIGKILL after the grace, which a later kill can only shorten."""
        if self._task_pid == 0 or self._wait_status is not None:
            return
        if self._checks is not None:
            self._checks.stop()
        now = time.monotonic()
        if self._kill_hard_at is None:
            self._kill_began_at = now
            self._kill_hard_at = now + grace_seconds
            self._signal(signal.SIGTERM)
        else:
            self._kill_hard_at = min(self._kill_hard_at, self._kill_began_at + grace_seconds)

    def _destroy(self) -> None:
        """SIGKILL at once, without the word before it; without a process there is no more to do."""
        if self._task_pid == 0:
            self._is_leaving = True
        elif self._wait_status is None:
            self._kill_hard_at = time.monotonic()
            self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self._task_pid, number)
        except ProcessLookupError:
            # Its group is made by the child itself, which may not have come so far.
            os.kill(self._task_pid, number)

    def _look_at_limits(self, ready: set[int]) -> None:
        """A task beyond a limit is ended at once, and the limit is what it ended by."""
        watch = self._watch
        if watch is None or self._wait_status is not None or self._limitation is not None:
            return
        self._limitation = watch.look(is_event=watch.descriptor in ready)
        if self._limitation is not None:
            if watch.descriptor >= 0:
                self._poll.unregister(watch.descriptor)
            self._kill(0.0)

    def _end_watch(self) -> None:
        """The word of a limit may come later than the end that it caused."""
        watch = self._watch
        if watch is None:
            return
        if self._limitation is None:
            self._limitation = watch.last_look()
            if watch.descriptor >= 0:
                self._poll.unregister(watch.descriptor)
        watch.end()

    def _look_at_time(self) -> None:
        now = time.monotonic()
        if self._checks is not None:
            self._checks.look()
        if self._fetching is not None and now >= self._fetching.ends_at:
            self._fetching.end()
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
            elif self._fetching is not None and pid == self._fetching.pid:
                self._fetch_error = self._fetching.error(status)
                self._fetching = None
                self._subscribe()
            elif self._checks is not None:
                self._checks.child_ended(pid, status)

    def _ended(self, wait_status: int) -> None:
        if self._checks is not None:
            self._checks.stop()
        _kill_descendants()
        self._end_watch()
        self._wait_status = wait_status
        self._kill_hard_at = self._over_time_at = None
        self._record("ENDED", pid=self._task_pid, exit=os.waitstatus_to_exitcode(wait_status))
        self._save()
        self._say("ENDED", **self._end())

    # What outlives this process

    def _record(self, what: str, **facts: object) -> None:
        name = "task_id" if "task_id" in self._spec else "executor_id"
        line = {
            "at_ms": time.time_ns() // 1_000_000,
            "what": what if name == "task_id" else f"EXECUTOR_{what}",
            name: self._spec[name],
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


def _become_task(spec: dict[str, Any], go: int, keeper: int) -> NoReturn:
    """Turn a fresh fork into the task's command, once the keeper gives the word."""
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        # Should the executor be killed, its task must not live on without a keeper. The keeper may
        # be dead before this fork has run at all: so its id is given, and not asked for here.
        _die_with(keeper)
        if os.read(go, 1) != b"g":
            os._exit(1)
        os.chdir(spec["sandbox"])
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        os.dup2(os.open(spec.get("stdout", "stdout"), flags, 0o644), 1)
        os.dup2(os.open("stderr", flags, 0o644), 2)
        os.closerange(3, 4096)
        if plan := spec.get("confinement"):
            sibling("confine").enter(plan)
            _die_with(keeper)  # The kernel forgets it where the user changes.
        os.execvpe(spec["program"], spec["argv"], spec["env"])  # noqa: S606 - it is the task
    except OSError as error:
        text = f"Failed to execute command: {error.strerror} ({spec['program']})\n"
        os.write(2, text.encode())
    # As Mesos' launch helper does when the command cannot be executed.
    os._exit(1)


def _die_with(keeper: int) -> None:
    """Have the kernel end this process when its parent ends, if that has not happened yet."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != keeper:
        os._exit(1)


_loaded: dict[str, types.ModuleType] = {}


def sibling(name: str) -> Any:  # noqa: ANN401 - a module loaded by its path
    """A module of this folder, by its path: there are no packages in an executor."""
    if name not in _loaded:
        path = os.path.join(os.path.dirname(__file__), f"{name}.py")  # noqa: PTH118, PTH120
        module = types.ModuleType(name)
        with open(path, "rb") as file:  # noqa: PTH123 - no pathlib in an executor
            exec(compile(file.read(), path, "exec"), module.__dict__)  # noqa: S102 - our own file
        _loaded[name] = module
    return _loaded[name]


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
