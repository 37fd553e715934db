"""Whose hand hurts the Mesos below a demo: our own dev cluster's, somebody else's, or nobody's.

The one thing to know: each deed returns when it is done, and for an agent that comes back, when it
is back. What follows from it is not waited for here; the story looks at that through the API.
"""

import shlex
import subprocess
import time
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from connectors.devcluster.master.leadership import leader_of
from connectors.devcluster.node import ClusterConfig, ConfigError
from connectors.devcluster.supervise import operating
from connectors.devcluster.supervise.control import ask
from streams.clock import elapsed_s, now_ms
from streams.errors import OperatorError

BACK_TIMEOUT_S: Final = 30.0
COMMAND_TIMEOUT_S: Final = 60.0
POLL_S: Final = 0.05


class Victim(msgspec.Struct, frozen=True):
    """A host, by Mesos' id and by name."""

    host_id: str
    hostname: str


class Hand(Protocol):
    """Who can hurt Mesos."""

    def lose(self, host: Victim) -> str:
        """End a host for good with all that runs there; what was done, as a sentence."""
        ...

    def restart(self, host: Victim) -> str:
        """End a host's agent, not its tasks, and bring it back in time."""
        ...

    def fail_over(self) -> str:
        """End the leading master, and see that another one or a new one takes over."""
        ...


class OwnCluster:
    """The dev cluster that came up with the demo."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def lose(self, host: Victim) -> str:
        """End agent, executors and tasks with kill -9."""
        ended = self._ask("kill", host.hostname, host=True)["ended"]
        return (
            f"Host {host.hostname} is dead for good: its agent and {ended} processes of executors "
            "and tasks were ended with kill -9"
        )

    def restart(self, host: Victim) -> str:
        """End the agent with kill -9 and start it again."""
        began_s, since = elapsed_s(), now_ms() / 1000
        self._ask("kill", host.hostname)
        self._ask("start", host.hostname)
        config = ClusterConfig.read(self._directory)
        while not operating.is_back(config, host.hostname, since):
            if elapsed_s() - began_s > BACK_TIMEOUT_S:
                raise OperatorError(
                    f"{host.hostname} is not back within {BACK_TIMEOUT_S:.0f} s.",
                    "This computer is overloaded, or the agent cannot start.",
                    f"Read {self._directory / host.hostname}.log.",
                )
            time.sleep(POLL_S)
        return (
            f"The agent of {host.hostname} was ended with kill -9, its tasks were not; it was "
            f"back {elapsed_s() - began_s:.1f} s later"
        )

    def fail_over(self) -> str:
        """End the leader; the one that stands by takes over, and the old one stands by then."""
        old = self._ask("kill", "master")["node"]
        config = ClusterConfig.read(self._directory)
        deadline = elapsed_s() + BACK_TIMEOUT_S
        while (leader := leader_of(config)) is None:
            if elapsed_s() > deadline:
                raise OperatorError(
                    f"No master took over from {old} within {BACK_TIMEOUT_S:.0f} s.",
                    "The one that stood by has ended.",
                    f"Read the logs under {self._directory}.",
                )
            time.sleep(POLL_S)
        self._ask("start", old)
        return f"{old} was ended with kill -9; {leader.node} leads now"

    def _ask(self, verb: str, node: str, **options: object) -> dict[str, Any]:
        try:
            answer = ask(self._directory, verb, node, **options)
        except ConfigError as error:
            answer = {"ok": False, "error": str(error)}
        if not answer["ok"]:
            raise OperatorError(
                f"'{verb} {node}' of the dev cluster failed: {answer['error']}.",
                "It has ended by itself, or its supervisor has.",
                f"Read the logs under {self._directory}.",
            )
        return answer


class Command:
    """Somebody else's Mesos, hurt by a command of whoever runs the demo."""

    def __init__(self, command: str) -> None:
        self._words = shlex.split(command)

    def lose(self, host: Victim) -> str:
        """``COMMAND lose AGENT_ID``."""
        self._run("lose", host.host_id)
        return f"Host {host.hostname} ({host.host_id}) was ended for good by your command"

    def restart(self, host: Victim) -> str:
        """``COMMAND restart AGENT_ID``."""
        self._run("restart", host.host_id)
        return f"The agent {host.host_id} was ended and brought back by your command"

    def fail_over(self) -> str:
        """``COMMAND fail-over``."""
        self._run("fail-over")
        return "The master was ended and replaced by your command"

    def _run(self, *words: str) -> None:
        text = shlex.join([*self._words, *words])
        try:
            done = subprocess.run(
                [*self._words, *words],
                capture_output=True,
                text=True,
                timeout=COMMAND_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise OperatorError(
                f"'{text}' could not be run to its end: {error}.",
                "--disturb names no program, or it waits for something.",
                f"Try it by hand; it has {COMMAND_TIMEOUT_S:.0f} s.",
            ) from error
        if done.returncode != 0:
            raise OperatorError(
                f"'{text}' ended with {done.returncode}: {(done.stderr or done.stdout).strip()}.",
                "What it should have hurt is not there.",
                "Try it by hand.",
            )
