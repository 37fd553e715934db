"""The supervisor: starts the master and the agents, kills and starts them by name, ends them all.

The one thing to know: nothing outlives it. It holds the only writing end of the lifeline, so even
kill -9 of the supervisor ends master, agents, executors and tasks; and as their subreaper it
inherits whatever a killed agent leaves behind.
"""

import ctypes
import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from connectors.devcluster.agent.executor import descendants
from connectors.devcluster.agent.store import kept_agent_id
from connectors.devcluster.node import (
    LIFELINE_VARIABLE,
    ClusterConfig,
    ConfigError,
    write_atomically,
)

Json = dict[str, Any]

CONTROL_SOCKET = "control.sock"
# A descriptor that reads end-of-file when whoever started the supervisor as a child is gone.
PARENT_VARIABLE = "FLUMINA_DEV_CLUSTER_PARENT"
READY_SECONDS = 30.0
# Executors give their tasks one second after SIGTERM when the cluster stops.
STOP_SECONDS = 4.0
_PR_SET_CHILD_SUBREAPER = 36
_VERBS = frozenset({"start", "kill", "pause", "resume"})
_MODULES = {
    "master": "connectors.devcluster.master.process",
    "agent": "connectors.devcluster.agent.process",
}


class Supervisor:
    """One cluster's processes."""

    def __init__(self, config: ClusterConfig) -> None:
        self._config = config
        self._pids: dict[str, int] = {}
        self._last_exits: dict[str, int] = {}
        self._paused: set[str] = set()
        self._is_stopping = False
        self._stop_clients: list[socket.socket] = []
        self._clients: dict[int, tuple[socket.socket, bytes]] = {}
        self._parent = -1

    def run(self, on_ready: Callable[[], None]) -> None:
        """Start everything, obey commands, and return when all has ended."""
        root = self._config.root
        root.mkdir(parents=True, exist_ok=True)
        self._lock = self._take_lock(root / "supervisor.lock")
        self._check_ports()
        self._config.write()
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._lifeline, self._lifeline_end = os.pipe()
        self._control = control_socket(root, listen=True)
        self._poll = select.poll()
        self._poll.register(self._control, select.POLLIN)
        self._watch_signals()
        if parent := os.environ.pop(PARENT_VARIABLE, ""):
            self._parent = int(parent)
            os.set_inheritable(self._parent, False)
            self._poll.register(self._parent, select.POLLIN)
        remember(self._config)
        try:
            for node in self._config.node_names():
                self._start(node)
            if self._await_ready():
                on_ready()
            while not self._is_stopping:
                self._look(None)
        finally:
            self._end_all()

    def _await_ready(self) -> bool:
        """Wait until every agent is registered; False when told to stop before that."""
        deadline = time.monotonic() + READY_SECONDS
        while not self._is_stopping:
            for node, code in self._last_exits.items():
                raise ConfigError(
                    f"{node} ended with {code} while starting; its last words were:\n"
                    f"{self._log_tail(node)}"
                )
            if registered_agents(self._config) == self._config.agents:
                return True
            if time.monotonic() > deadline:
                raise ConfigError(
                    f"not all agents registered within {READY_SECONDS:g} s; "
                    f"see the logs under {self._config.root}"
                )
            self._look(20.0)
        return False

    def _log_tail(self, node: str) -> str:
        lines = (self._config.root / f"{node}.log").read_text(errors="replace").splitlines()
        return "\n".join(lines[-5:])

    def _take_lock(self, path: Path) -> int:
        """One supervisor at a time owns a data directory."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(
                f"a development cluster already runs on {path.parent}; stop it with "
                f"'flumina dev-cluster stop --port {self._config.port}', or choose another "
                "--data-dir"
            ) from error
        return descriptor

    def _check_ports(self) -> None:
        """Every port must be free now: another cluster's master would look like our own."""
        for node in self._config.node_names():
            port = self._config.port_of(node)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((self._config.host, port))
                except OSError as error:
                    raise ConfigError(
                        f"{node} cannot listen on port {port} ({error.strerror}): the likely "
                        "cause is another cluster or program there; stop it, or choose a --port "
                        f"that is free together with the {self._config.agents} after it"
                    ) from error

    def _watch_signals(self) -> None:
        self._wake, end = os.pipe()
        for descriptor in (self._wake, end):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._stop)
        self._poll.register(self._wake, select.POLLIN)

    def _stop(self, _number: int, _frame: object) -> None:
        self._is_stopping = True

    def _look(self, timeout_ms: float | None) -> None:
        """Wait for something to happen, once, and deal with it."""
        for descriptor, _ in self._poll.poll(timeout_ms):
            if descriptor == self._wake:
                os.read(self._wake, 4096)
            elif descriptor == self._parent:
                self._is_stopping = True
                self._poll.unregister(descriptor)
            elif descriptor == self._control.fileno():
                client, _ = self._control.accept()
                self._clients[client.fileno()] = (client, b"")
                self._poll.register(client, select.POLLIN)
            else:
                self._read(descriptor)
        self._reap()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for node, known in list(self._pids.items()):
                if known == pid:
                    del self._pids[node]
                    self._paused.discard(node)
                    self._last_exits[node] = os.waitstatus_to_exitcode(status)

    # Nodes

    def _start(self, node: str) -> None:
        log = os.open(
            self._config.root / f"{node}.log",
            os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC,
            0o600,
        )
        kind = "master" if node == "master" else "agent"
        child = subprocess.Popen(
            [sys.executable, "-m", _MODULES[kind], str(self._config.root), node],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, LIFELINE_VARIABLE: str(self._lifeline)},
            pass_fds=(self._lifeline,),
            start_new_session=True,
        )
        os.close(log)
        self._pids[node] = child.pid
        # It is reaped by ``_reap``; Popen must not look for it, nor warn when it is collected.
        child.returncode = 0

    def _kill(self, node: str) -> None:
        pid = self._pids[node]
        os.kill(pid, signal.SIGKILL)
        while self._pids.get(node) == pid:
            self._reap()
            if self._pids.get(node) == pid:
                time.sleep(0.002)

    def _end_all(self) -> None:
        """End every process, those that escaped from their tasks included."""
        os.close(self._lifeline_end)
        for number in list(self._pids.values()):
            os.kill(number, signal.SIGCONT)
        deadline = time.monotonic() + STOP_SECONDS
        while descendants(os.getpid()):
            if time.monotonic() > deadline:
                for pid in descendants(os.getpid()):
                    _kill_quietly(pid)
            self._look(20.0)
        forget(self._config)
        for client in self._stop_clients:
            _answer(client, {"ok": True})
            client.close()

    # Commands

    def _read(self, descriptor: int) -> None:
        client, buffer = self._clients[descriptor]
        try:
            data = client.recv(4096)
        except OSError:
            # Who asked has gone before the question was here.
            data = b""
        buffer += data
        if data and b"\n" not in buffer and len(buffer) < 4096:
            self._clients[descriptor] = (client, buffer)
            return
        self._poll.unregister(descriptor)
        del self._clients[descriptor]
        if b"\n" not in buffer:
            client.close()
            return
        request = _question(buffer.partition(b"\n")[0])
        if request["verb"] == "stop":
            # Answered when everything has ended.
            self._stop_clients.append(client)
            self._is_stopping = True
            return
        _answer(client, self._obey(request["verb"], request.get("node")))
        client.close()

    def _obey(self, verb: str, node: str | None) -> Json:
        if verb == "status":
            return {"ok": True, **self.status()}
        if verb not in _VERBS:
            return {"ok": False, "error": f"there is no command {verb!r}"}
        if node not in self._config.node_names():
            names = ", ".join(self._config.node_names())
            return {"ok": False, "error": f"there is no {node!r} here; there are {names}"}
        runs = node in self._pids
        match verb, runs:
            case "start", True:
                return {"ok": False, "error": f"{node} already runs"}
            case "start", False:
                self._start(node)
            case (("kill" | "pause" | "resume"), False):
                error = f"{node} does not run; 'flumina dev-cluster start {node}' starts it"
                return {"ok": False, "error": error}
            case "kill", True:
                self._kill(node)
            case "pause", True:
                os.kill(self._pids[node], signal.SIGSTOP)
                self._paused.add(node)
            case "resume", True:
                os.kill(self._pids[node], signal.SIGCONT)
                self._paused.discard(node)
            case _:
                raise AssertionError(f"{verb} is in the list of commands and is not obeyed")
        return {"ok": True, **self.status()}

    def status(self) -> Json:
        """Which nodes run, and how those that do not have ended."""
        nodes = [
            {
                "node": node,
                "pid": self._pids.get(node),
                "paused": node in self._paused,
                "port": self._config.port_of(node),
                "last_exit": self._last_exits.get(node),
            }
            for node in self._config.node_names()
        ]
        return {"pid": os.getpid(), "data_dir": self._config.data_dir, "nodes": nodes}


def _kill_quietly(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _question(line: bytes) -> Json:
    """What is asked; nonsense is a command that does not exist."""
    try:
        request = json.loads(line)
    except ValueError:
        request = None
    if isinstance(request, dict) and isinstance(request.get("verb"), str):
        return request
    return {"verb": repr(line)}


def _answer(client: socket.socket, answer: Json) -> None:
    try:
        client.sendall(json.dumps(answer).encode() + b"\n")
    except OSError:
        # Who asked has gone; what was asked for is done all the same.
        return


def control_socket(root: Path, *, listen: bool) -> socket.socket:
    """The supervisor's control socket, listening or connected.

    It is reached by way of the open directory: a path may be too long for a socket address.
    """
    directory = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    address = f"/proc/self/fd/{directory}/{CONTROL_SOCKET}"
    control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if listen:
            (root / CONTROL_SOCKET).unlink(missing_ok=True)
            control.bind(address)
            (root / CONTROL_SOCKET).chmod(0o600)
            control.listen(16)
        else:
            control.connect(address)
    finally:
        os.close(directory)
    return control


def ask(root: Path, verb: str, node: str | None = None, timeout: float = 30.0) -> Json:
    """The supervisor's answer to a command."""
    try:
        control = control_socket(root, listen=False)
    except OSError as error:
        raise ConfigError(
            f"no development cluster answers at {root}: {error.strerror}; start one with "
            "'flumina dev-cluster', or name the right --port or --data-dir"
        ) from error
    control.settimeout(timeout)
    with control, control.makefile("rwb") as line:
        line.write(json.dumps({"verb": verb, "node": node}).encode() + b"\n")
        line.flush()
        text = line.readline()
    if not text:
        raise ConfigError(f"the supervisor at {root} ended before it answered")
    return dict(json.loads(text))


def registered_agents(config: ClusterConfig) -> int:
    """How many agents are connected to the master now; -1 when it does not answer."""
    slaves = _slaves(config)
    return -1 if slaves is None else sum(1 for agent in slaves if agent["active"])


def _slaves(config: ClusterConfig) -> list[Json] | None:
    url = f"{config.master_url}/slaves"
    try:
        with urllib.request.urlopen(url, timeout=1.0) as answer:  # noqa: S310 - loopback http
            return list(json.load(answer)["slaves"])
    except (OSError, ValueError):
        return None


def is_back(config: ClusterConfig, node: str) -> bool:
    """Whether a node serves, and for an agent, whether the master (if it lives) counts on it."""
    url = f"http://{config.host}:{config.port_of(node)}/health"
    try:
        urllib.request.urlopen(url, timeout=1.0).close()
    except OSError:
        return False
    slaves = _slaves(config)
    if node == "master" or slaves is None:
        return True
    return any(a["active"] and a["port"] == config.port_of(node) for a in slaves)


def mark_gone(config: ClusterConfig, node: str) -> None:
    """Tell the master that an agent will never come back."""
    agent_id = kept_agent_id(config.root / node)
    if agent_id is None:
        raise ConfigError(f"no agent {node!r} was ever registered here")
    call = {"type": "MARK_AGENT_GONE", "mark_agent_gone": {"agent_id": {"value": agent_id}}}
    request = urllib.request.Request(  # noqa: S310 - loopback http
        f"{config.master_url}/api/v1",
        json.dumps(call).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        urllib.request.urlopen(request, timeout=5.0).close()  # noqa: S310 - loopback http
    except OSError as error:
        raise ConfigError(f"the master did not take that {node} is gone: {error}") from error


# Where each running cluster's data directory is, by port, so that commands need the port only.


def _note(port: int) -> Path:
    cache = os.environ.get("FLUMINA_CACHE") or Path.home() / ".cache" / "flumina"
    return Path(cache) / "dev-clusters" / f"{port}.json"


def remember(config: ClusterConfig) -> None:
    """Note where the cluster of this port lives."""
    note = _note(config.port)
    note.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(note, json.dumps({"data_dir": config.data_dir}).encode())


def forget(config: ClusterConfig) -> None:
    """Take the note of ``remember`` away."""
    _note(config.port).unlink(missing_ok=True)


def default_data_dir(port: int) -> Path:
    """The data directory of a cluster that was started without one."""
    return Path(".flumina") / f"dev-cluster-{port}"


def data_dir_of(port: int) -> Path:
    """The data directory of the cluster on this port."""
    note = _note(port)
    if note.exists():
        return Path(json.loads(note.read_bytes())["data_dir"])
    return default_data_dir(port)


def main() -> None:
    """Run the supervisor of the cluster whose configuration lies in the named directory."""
    config = ClusterConfig.read(Path(sys.argv[1]))
    try:
        Supervisor(config).run(lambda: print("ready", flush=True))
    except ConfigError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
