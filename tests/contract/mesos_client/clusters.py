"""Two Mesos clusters that tests can start, hurt and mend: the real one, and the dev cluster.

The one thing to know: both have a master on ``port`` and two agents on the ports after it, lose
an agent after four missed pings of a second each, and are ended whatever the test did to them.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from streams.supervise.ports import free_block
from tests.processes import is_gone

CHECKOUT: Final = Path(__file__).parents[3]
AGENTS: Final = ("agent1", "agent2")
ZONES: Final = {"z1", "z2"}
NODES: Final = ("master", *AGENTS)
CANNOT_RUN: Final = "cannot open shared object file"
"""Who says so will not come up however long one waits."""
UP_S: Final = 60.0
WHOLE_S: Final = 60.0
"""A registration that failed is tried again after up to 15 s, and computers may be busy."""
ANSWER_S: Final = 10.0
LOG_LINES: Final = 20


class Cluster(ABC):
    """A running master and two agents."""

    name: str
    writes_sandbox: bool
    """Whether what a task prints reaches the sandbox; the real one's stand-in helpers do not."""

    def __init__(self, port: int, home: Path) -> None:
        self.port = port
        self.home = home

    @property
    def address(self) -> str:
        """``host:port`` of the master."""
        return f"127.0.0.1:{self.port}"

    @abstractmethod
    def start(self, node: str) -> None:
        """Start ``master`` or ``agentN``."""

    @abstractmethod
    def kill(self, node: str) -> None:
        """End it with SIGKILL."""

    @abstractmethod
    def pid(self, node: str) -> int:
        """The process of a node that runs."""

    @abstractmethod
    def runs(self, node: str) -> bool:
        """Whether the node has a process that has not ended."""

    @abstractmethod
    def down(self) -> None:
        """End everything."""

    @abstractmethod
    def log(self, node: str) -> str:
        """The last lines that a node wrote."""

    def agents(self) -> set[str]:
        """The zones of the agents that the master says are connected; none where it is away."""
        try:
            with urllib.request.urlopen(
                f"http://{self.address}/slaves", timeout=ANSWER_S
            ) as answer:
                slaves = json.load(answer)["slaves"]
        except OSError:
            return set()
        return {each["attributes"]["zone"] for each in slaves if each["active"]}

    def is_whole(self) -> bool:
        """Whether the master answers and has its two agents."""
        return self.agents() == ZONES

    def mend(self) -> str:
        """Start what has died; what that was, with the end of its log, or nothing.

        Raises `ClusterDownError` where the cluster does not become whole by that.
        """
        if self.is_whole():
            return ""
        told: dict[str, str] = {}
        deadline = time.monotonic() + WHOLE_S
        while not self.is_whole():
            # What is killed has not ended at once.
            for node in NODES:
                if node not in told and not self.runs(node):
                    told[node] = (
                        f"{node} of the {self.name} has died; its log ends:\n{self.log(node)}"
                    )
                    self.start(node)
                    if node == "master":
                        self.await_master()
            if time.monotonic() > deadline:
                logs = [f"{node}:\n{self.log(node)}" for node in NODES]
                raise ClusterDownError(
                    f"the {self.name} has the agents {sorted(self.agents())} and not "
                    f"{sorted(ZONES)} after {WHOLE_S:.0f} s. "
                    + "\n".join([*told.values(), "Now the logs end:", *logs])
                )
            time.sleep(0.1)
        return "\n".join(told.values())

    def await_master(self) -> None:
        """Return when the master answers."""
        self._await("master", self.port, "/master/state")

    def await_agent(self, node: str) -> None:
        """Return when the agent answers."""
        self._await(node, self.port + int(node.removeprefix("agent")), "/state")

    def _await(self, node: str, port: int, path: str) -> None:
        deadline = time.monotonic() + UP_S
        while not _answers(f"http://127.0.0.1:{port}{path}"):
            said = self.log(node)
            if CANNOT_RUN in said or time.monotonic() > deadline:
                raise ClusterDownError(f"{node} of {self.name} is not up: {said}")
            time.sleep(0.05)


class ClusterDownError(Exception):
    """A part of the cluster did not come up; the text holds its last words."""


class RealMesos(Cluster):
    """Apache Mesos 1.11.0, run by the script ``mesosctl`` in a home of its own."""

    name = "real Mesos"
    writes_sandbox = False

    def __init__(self, port: int, home: Path, control: Path) -> None:
        super().__init__(port, home)
        self.control = control

    def start(self, node: str) -> None:
        self._run("start", node)

    def kill(self, node: str) -> None:
        self._run("kill", node)

    def pid(self, node: str) -> int:
        return int((self.home / f"{node}.pid").read_text())

    def runs(self, node: str) -> bool:
        path = self.home / f"{node}.pid"
        return path.is_file() and not is_gone(int(path.read_text()))

    def down(self) -> None:
        self._run("down")
        # A killed agent leaves its executors behind, and nobody would end those.
        deadline = time.monotonic() + UP_S
        while left := _told_of(f"{self.home}/"):
            if time.monotonic() > deadline:
                raise ClusterDownError(f"processes of {self.name} cannot be ended: {left}")
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)

    def log(self, node: str) -> str:
        return _tail(self.home / f"{node}.log")

    def start_reserving(self, node: str, resources: str) -> None:
        """Start an agent with these resources, some of which may be reserved."""
        self._run("start", node, RESOURCES=resources)

    def _run(self, *words: str, **environment: str) -> None:
        subprocess.run(
            [str(self.control), *words],
            env={
                **os.environ,
                "REAL_MESOS_HOME": str(self.home),
                "REAL_MESOS_PORT": str(self.port),
                **environment,
            },
            check=True,
            timeout=60,
            capture_output=True,
        )


class DevCluster(Cluster):
    """The project's own master and agents, started as a user starts them."""

    name = "dev cluster"
    writes_sandbox = True

    def __init__(self, port: int, home: Path) -> None:
        super().__init__(port, home)
        with (home / "supervisor.log").open("wb") as log:
            self._supervisor = subprocess.Popen(
                [
                    *self._command(),
                    "--agents",
                    str(len(AGENTS)),
                    "--ping-timeout",
                    "1s",
                    "--max-ping-timeouts",
                    "4",
                ],
                cwd=CHECKOUT,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def start(self, node: str) -> None:
        self._ask("start", node)

    def kill(self, node: str) -> None:
        self._ask("kill", node)

    def pid(self, node: str) -> int:
        pid = self._pid(node)
        assert pid is not None, f"{node} does not run: {self.log(node)}"
        return pid

    def runs(self, node: str) -> bool:
        pid = self._pid(node)
        return pid is not None and not is_gone(pid)

    def _pid(self, node: str) -> int | None:
        nodes = json.loads(self._ask("status", "--json"))["nodes"]
        pid = next(each["pid"] for each in nodes if each["node"] == node)
        return None if pid is None else int(pid)

    def down(self) -> None:
        self._supervisor.terminate()
        try:
            self._supervisor.wait(20)
        except subprocess.TimeoutExpired:
            self._supervisor.kill()
            self._supervisor.wait(20)

    def log(self, node: str) -> str:
        return _tail(self.home / "data" / f"{node}.log")

    def _command(self, *words: str) -> list[str]:
        module = [sys.executable, "-m", "streams.cli.dev_cluster", *words]
        return [*module, "--port", str(self.port), "--data-dir", str(self.home / "data")]

    def _environment(self) -> dict[str, str]:
        """Its note of where it lives stands with it, and not among a person's."""
        return {**os.environ, "FLUMINA_CACHE": str(self.home / "cache")}

    def _ask(self, *words: str) -> str:
        return subprocess.run(
            self._command(*words),
            cwd=CHECKOUT,
            env=self._environment(),
            check=True,
            timeout=60,
            capture_output=True,
            text=True,
        ).stdout


@contextmanager
def real_mesos(home: Path) -> Iterator[RealMesos]:
    """A real Mesos with two agents; skips with the reason where there is none."""
    asked_for = os.environ.get("FLUMINA_REAL_MESOS")
    folder = Path(asked_for) if asked_for else CHECKOUT.parent / "shared" / "real-mesos"
    # Who names a real Mesos wants these tests to run: then what is missing is a failure.
    missing: Callable[[str], object] = pytest.fail if asked_for else pytest.skip
    control = folder / "mesosctl"
    if not control.is_file():
        missing(
            f"no real Mesos: there is no mesosctl in {folder}; set FLUMINA_REAL_MESOS to its folder"
        )
    prepared = Path(os.environ.get("REAL_MESOS_HOME", Path.home() / ".cache" / "real-mesos"))
    if not (prepared / "ready").is_file():
        missing(f"no real Mesos: {prepared} is not set up; run '{control} setup' once")
    home.mkdir(parents=True)
    for part in ("bin", "shim"):
        shutil.copytree(prepared / part, home / part, symlinks=True)
    for part in ("module.so", "host", "ready"):
        (home / part).symlink_to(prepared / part)
    (home / "tmp").mkdir()
    cluster = RealMesos(free_block(8), home, control)
    try:
        cluster.start("master")
        try:
            cluster.await_master()
        except ClusterDownError as fault:
            missing(f"no real Mesos: {fault}")
        for agent in AGENTS:
            cluster.start(agent)
        for agent in AGENTS:
            cluster.await_agent(agent)
        yield cluster
    finally:
        cluster.down()


@contextmanager
def dev_cluster(home: Path) -> Iterator[DevCluster]:
    """The dev cluster with two agents; skips where this checkout has none yet."""
    if not (CHECKOUT / "streams" / "cli" / "dev_cluster.py").is_file():
        pytest.skip("no dev cluster: streams/cli/dev_cluster.py is not in this checkout")
    home.mkdir(parents=True)
    cluster = DevCluster(free_block(8), home)
    try:
        cluster.await_master()
        for agent in AGENTS:
            cluster.await_agent(agent)
        yield cluster
    finally:
        cluster.down()


def _told_of(text: str) -> list[int]:
    """The processes whose environment holds the text; one that has ended holds nothing."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # It is gone, or not ours.
            if text.encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_S) as answer:  # noqa: S310 - an http URL of ours
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _tail(path: Path) -> str:
    if not path.is_file():
        return "it wrote nothing"
    lines = path.read_text("utf-8", errors="replace").strip().splitlines()
    return "\n".join(lines[-LOG_LINES:]) or "it wrote nothing"
