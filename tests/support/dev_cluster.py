"""A development cluster as a child of this process: for the demo, for tests, for a notebook.

The one thing to know: it ends with the process that started it, however that ends.
"""

import os
import secrets
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from connectors.devcluster.node import ClusterConfig, ConfigError
from connectors.devcluster.supervise import control, supervisor


class DevCluster:
    """A cluster with its supervisor in a process of its own."""

    def __init__(self, data_dir: Path, **options: Any) -> None:
        """Options are the fields of ``ClusterConfig``: port, agents, ping_timeout_seconds, ..."""
        root = str(data_dir.resolve())
        self.config = ClusterConfig(data_dir=root, token=secrets.token_hex(16), **options)
        self._process: subprocess.Popen[str] | None = None
        self._parent_end = -1

    @property
    def master_url(self) -> str:
        """Where the master serves."""
        return self.config.master_url

    def start(self) -> Self:
        """Start it; returns when all agents are registered."""
        self.config.write()
        parent, self._parent_end = os.pipe()
        command = [sys.executable, "-m", supervisor.__name__, self.config.data_dir]
        with (self.config.root / "supervisor.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, supervisor.PARENT_VARIABLE: str(parent)},
                pass_fds=(parent,),
                start_new_session=True,
            )
        os.close(parent)
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            self.stop()
            text = (self.config.root / "supervisor.log").read_text(errors="replace")
            raise ConfigError(f"the development cluster did not start: {text[-2000:]}")
        return self

    def stop(self) -> None:
        """End the cluster and everything it ran."""
        if self._process is None:
            return
        os.close(self._parent_end)
        self._process.wait(timeout=30)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None

    def kill(self, node: str, *, host: bool = False) -> None:
        """End a node with kill -9; with ``host`` everything that an agent runs, too."""
        self._ask("kill", node, host=host)

    def kill_leader(self) -> str:
        """End the master that leads with kill -9; its name."""
        return str(self._ask("kill", "master")["node"])

    def start_node(self, node: str) -> None:
        """Start a node that was killed; it is not ready yet when this returns."""
        self._ask("start", node)

    def pause(self, node: str) -> None:
        """Stop a node with SIGSTOP."""
        self._ask("pause", node)

    def resume(self, node: str) -> None:
        """Let a paused node go on."""
        self._ask("resume", node)

    def partition(self, a: str, b: str, *, one_way: bool = False) -> None:
        """Cut the network between two parts, or only from the first to the second."""
        self._ask("partition", a=a, b=b, one_way=one_way)

    def heal(self, a: str | None = None, b: str | None = None) -> None:
        """End the cut between two parts, or every cut."""
        self._ask("heal", a=a, b=b)

    def status(self) -> dict[str, Any]:
        """Which nodes run."""
        return self._ask("status")

    def _ask(self, verb: str, node: str | None = None, **options: object) -> dict[str, Any]:
        answer = control.ask(self.config.root, verb, node, **options)
        if not answer["ok"]:
            raise ConfigError(answer["error"])
        return answer

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
