"""The supervisor: starts the master and the agents, kills and starts them by name, ends them all.

The one thing to know: nothing outlives it. It holds the only writing end of the lifeline, so even
kill -9 of the supervisor ends master, agents, executors and tasks; and as their subreaper it
inherits whatever a killed agent leaves behind.
"""

import ctypes
import fcntl
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from connectors.devcluster.agent import cpuset_groups
from connectors.devcluster.agent.executor import descendants
from connectors.devcluster.agent.isolation import remove_left
from connectors.devcluster.master.leadership import leader_of
from connectors.devcluster.network import cuts
from connectors.devcluster.network.partitions import Partitions
from connectors.devcluster.node import (
    AGENT_PROCESSES_MAX,
    LIFELINE_VARIABLE,
    ClusterConfig,
    ConfigError,
)
from connectors.devcluster.supervise.control import (
    answer_to,
    control_socket,
    forget,
    question_in,
    remember,
)
from connectors.devcluster.supervise.hosts import end_processes_of
from connectors.devcluster.supervise.operating import are_registered, is_serving, order_simulated
from connectors.devcluster.words import Json

# A descriptor that reads end-of-file when whoever started the supervisor as a child is gone.
PARENT_VARIABLE = "FLUMINA_DEV_CLUSTER_PARENT"
READY_SECONDS = 30.0
# Executors give their tasks one second after SIGTERM when the cluster stops.
STOP_SECONDS = 4.0
# A node that runs obeys a cut at once; one that does not is paused, and obeys when it goes on.
CUT_SECONDS = 1.0
_PR_SET_CHILD_SUBREAPER = 36
_VERBS = frozenset({"start", "kill", "pause", "resume"})
_MODULES = {
    "master": "connectors.devcluster.master.process",
    "agent": "connectors.devcluster.agent.process",
    "simulated": "connectors.devcluster.simulated.process",
}


class Supervisor:
    """One cluster's processes."""

    def __init__(self, config: ClusterConfig) -> None:
        self._config = config
        self._pids: dict[str, int] = {}
        self._last_exits: dict[str, int] = {}
        self._paused: set[str] = set()
        self._controls: dict[str, socket.socket] = {}
        self._partitions = Partitions(config)
        self._is_stopping = False
        self._stop_clients: list[socket.socket] = []
        self._clients: dict[int, tuple[socket.socket, bytes]] = {}
        self._parent = -1

    def run(self, on_ready: Callable[[], None]) -> None:
        """Start everything, obey commands, and return when all has ended."""
        root = self._config.root
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
            others = self._config.master_names[1:]
            for node in self._config.node_names():
                if node not in others:
                    self._start(node)
            if self._await_ready(others):
                on_ready()
            while not self._is_stopping:
                self._look(self._partitions.patience_ms(time.monotonic()))
                if self._partitions.expire(time.monotonic()):
                    self._tell_cuts()
        finally:
            self._end_all()

    def _await_ready(self, standing_by: list[str]) -> bool:
        """Wait until every agent is registered; False when told to stop before that."""
        deadline = time.monotonic() + READY_SECONDS
        while not self._is_stopping:
            for node, code in self._last_exits.items():
                raise ConfigError(
                    f"{node} ended with {code} while starting; its last words were:\n"
                    f"{self._log_tail(node)}"
                )
            # The first master leads, as people expect it; the others start when it does.
            if standing_by and leader_of(self._config) is not None:
                self._start(standing_by.pop())
            # Simulated agents are registered before their master serves.
            if (self._config.simulate or are_registered(self._config)) and all(
                is_serving(self._config, master) for master in self._config.master_names
            ):
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
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(
                f"the data directory {path.parent} cannot be used ({error.strerror}): it is no "
                "directory, belongs to another user, or its disk is full or read-only; choose "
                "another --data-dir"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(
                f"a development cluster already runs on {path.parent}; stop it with "
                f"'flumina dev-cluster stop --data-dir {path.parent}', or choose another "
                "--data-dir"
            ) from error
        return descriptor

    def _check_ports(self) -> None:
        """Every port must be free now: another cluster's master would look like our own."""
        for node in self._config.node_names():
            self._check_port(self._config, node)

    @staticmethod
    def _check_port(config: ClusterConfig, node: str) -> None:
        port = config.port_of(node)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((config.host, port))
            except OSError as error:
                others = len(config.node_names()) - 1
                raise ConfigError(
                    f"{node} cannot listen on port {port} ({error.strerror}): the likely "
                    "cause is another cluster or program there; stop it, or choose a --port "
                    f"that is free together with the {others} after it"
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
                    self._controls.pop(node).close()
                    self._paused.discard(node)
                    self._last_exits[node] = os.waitstatus_to_exitcode(status)

    # Nodes

    def _start(self, node: str) -> None:
        log = os.open(
            self._config.root / f"{node}.log",
            os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC,
            0o600,
        )
        kind = "master" if node.startswith("master") else "agent"
        if self._config.simulate:
            kind = "simulated"
        control, its_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # It reads this before it serves anybody.
        cuts.tell(control, self._partitions.cuts, timeout=0.0)
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", _MODULES[kind], str(self._config.root), node],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={
                **os.environ,
                LIFELINE_VARIABLE: str(self._lifeline),
                cuts.CONTROL_VARIABLE: str(its_end.fileno()),
            },
            pass_fds=(self._lifeline, its_end.fileno()),
            start_new_session=True,
        )
        os.close(log)
        its_end.close()
        self._pids[node] = child.pid
        self._controls[node] = control
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
        # Of tasks whose executors were killed: nobody else is left to do it.
        prefixes = list(map(self._config.cgroup_prefix, self._config.agent_names))
        remove_left(self._config.isolation, prefixes)
        if self._config.cpu_sets:
            cpuset_groups.remove_left(prefixes)
        forget(self._config)
        for client in self._stop_clients:
            answer_to(client, {"ok": True})
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
        request = question_in(buffer.partition(b"\n")[0])
        if request["verb"] == "stop":
            # Answered when everything has ended.
            self._stop_clients.append(client)
            self._is_stopping = True
            return
        try:
            answer = {"ok": True, **self._obey(request), **self.status()}
        except ConfigError as error:
            answer = {"ok": False, "error": str(error)}
        answer_to(client, answer)
        client.close()

    def _obey(self, request: Json) -> Json:
        """Carry out a command; the answer is what is to be said beside the status."""
        match request["verb"]:
            case "status":
                return {}
            case "partition":
                made = self._partitions.make(request, time.monotonic())
                return {"cuts_made": made, "unheard_by": self._tell_cuts()}
            case "heal":
                healed = self._partitions.heal(request)
                return {"cuts_healed": healed, "unheard_by": self._tell_cuts()}
            case verb if verb in _VERBS:
                return self._operate(verb, request)
            case verb:
                raise ConfigError(f"there is no command {verb!r}")

    def _operate(self, verb: str, request: Json) -> Json:
        """Kill, start, pause or resume a node."""
        name = request.get("node")
        if self._config.simulate and isinstance(name, str) and name.startswith("agent"):
            if not (verb == "kill" and request.get("host")):
                order_simulated(self._config, verb, name)
                return {"node": name}
            return {"node": name, "ended": int(order_simulated(self._config, "kill-host", name))}
        node = self._named(request.get("node"), is_new_welcome=verb == "start")
        runs = node in self._pids
        if verb == "start":
            if runs:
                raise ConfigError(f"{node} already runs")
            if "as_host" in request:
                self._make_host(node, request["as_host"])
            self._start(node)
        elif verb == "kill" and request.get("host"):
            return {"node": node, **self._kill_host(node)}
        elif not runs:
            error = f"{node} does not run; 'flumina dev-cluster start {node}' starts it"
            raise ConfigError(error)
        elif verb == "kill":
            self._kill(node)
        elif verb == "pause":
            os.kill(self._pids[node], signal.SIGSTOP)
            self._paused.add(node)
        else:
            os.kill(self._pids[node], signal.SIGCONT)
            self._paused.discard(node)
        return {"node": node}

    def _named(self, name: object, *, is_new_welcome: bool) -> str:
        """The node that is meant: of several masters, ``master`` is the one that leads."""
        if name in self._config.node_names():
            return str(name)
        if name == "master":
            leader = leader_of(self._config)
            if leader is None:
                raise ConfigError("no master leads at this moment; name one, for example master1")
            return leader.node
        following = f"agent{self._config.agents + 1}"
        if is_new_welcome and name == following and self._config.agents < AGENT_PROCESSES_MAX:
            grown = replace(self._config, agents=self._config.agents + 1)
            self._check_port(grown, following)
            grown.write()
            self._config = grown
            return following
        names = ", ".join(self._config.node_names())
        also = f"; the next new one would be {following}" if is_new_welcome else ""
        raise ConfigError(f"there is no {name!r} here; there are {names}{also}")

    def _make_host(self, node: str, words: object) -> None:
        """Have an agent begin as another host than before: empty, and with what it says of it."""
        self._config = self._config.with_host(node, words)
        # The disk of the one before went with it, and its identity lay there.
        shutil.rmtree(self._config.root / node, ignore_errors=True)
        self._config.write()

    def _kill_host(self, node: str) -> Json:
        """End an agent and all that runs there, as when a computer loses its power."""
        if not node.startswith("agent"):
            raise ConfigError(f"{node} runs no tasks: without --host it is ended just as well")
        # While the agent lives it would tell the master how its tasks ended.
        if node in self._pids:
            self._kill(node)
        return {"ended": end_processes_of(self._config.root / node)}

    def _tell_cuts(self) -> list[str]:
        """Put what is cut now in force; the nodes that could not obey at once."""
        now_cut = self._partitions.cuts
        unheard = []
        for node, control in self._controls.items():
            is_paused = node in self._paused
            has_obeyed = cuts.tell(control, now_cut, 0.0 if is_paused else CUT_SECONDS)
            if is_paused or not has_obeyed:
                unheard.append(node)
        return unheard

    def status(self) -> Json:
        """Which nodes run, which master leads, what is cut, and how what has ended did."""
        leader = leader_of(self._config)
        nodes = [
            {
                "node": node,
                "pid": self._pids.get(node),
                "paused": node in self._paused,
                "leads": leader is not None and leader.node == node,
                "port": self._config.port_of(node),
                "last_exit": self._last_exits.get(node),
            }
            for node in self._config.node_names()
        ]
        return {
            "pid": os.getpid(),
            "data_dir": self._config.data_dir,
            "nodes": nodes,
            "cuts": self._partitions.view(time.monotonic()),
        }


def _kill_quietly(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def main() -> None:
    """Run the supervisor of the cluster whose configuration lies in the named directory."""
    config = ClusterConfig.read(Path(sys.argv[1]))
    try:
        Supervisor(config).run(lambda: print("ready", flush=True))
    except ConfigError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
