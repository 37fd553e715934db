"""The installation that a load runs on: broker, simulated cluster, cell and api, and no more.

The one thing to know: these are the programs that `flumina up` starts, by its own code. The rest of
`up` (history, health, usage, console, …) follows the same log and would share the same cores; what
a load measures is the way of a task. A soak has `history` as well: what is killed again and again
begins at a snapshot, as everywhere else.
"""

import asyncio
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from rich.console import Console

from connectors.devcluster.supervise.control import ask
from streams.clock import elapsed_s
from streams.drills.installation import API, Installation, Wanted
from streams.drills.looks import finding_of
from streams.load.mix import host_resources, tasks_model
from streams.settings import Settings
from streams.supervise.up import Notice, no_notice
from streams.supervise.up_file import UpView, write_up_file

MASTER: Final = "master"
HISTORY: Final = "history"


class Ground(NamedTuple):
    """What a load is run on."""

    hosts: int
    compress: float
    seed: int
    cell_processes: int = 1
    policy: Mapping[str, int] = {}
    """Numbers that the cell decides by, instead of the usual ones."""


class LoadInstallation(Installation):
    """A Kafka of its own, hosts by the thousand, a cell (or two to fail over) and an api."""

    def __init__(
        self, ground: Ground, settings: Settings, data_dir: Path, console: Console
    ) -> None:
        wanted = Wanted(
            has_own_kafka=True, cell_processes=ground.cell_processes, policy=ground.policy
        )
        super().__init__(wanted, settings, data_dir, console)
        self._ground = ground
        self._has_history = ground.cell_processes > 1
        # What a cell bears is what is measured here.
        self.set_environment(API, {"FLUMINA_RATED": "hosts=0"})
        self.options = msgspec.structs.replace(
            self.options, dev_cluster_words=_words(ground, data_dir)
        )

    def start(self, notice: Notice = no_notice) -> UpView:
        """Broker, cluster, topics, cells and api, all ready; raises `OperatorError`."""
        self._lock.acquire()
        self._prepare_kafka()
        first = [self._keep(each) for each in (*self._kafka_parts(), self._dev_cluster_part())]
        addresses = self._until_ready(first, notice)
        self._kafka = addresses["kafka"]
        self._masters = (addresses["dev-cluster"],)
        began_s = elapsed_s()
        asyncio.run(self._ensure_topics())
        notice("topics", "created", elapsed_s() - began_s)
        (cell,) = self.options.settings.cell_names
        second = [self._keep(self._cell_part(number + 1)) for number in self._cell_numbers()]
        second.append(self._keep(self._api_part(cell)))
        if self._has_history:
            second.append(self._keep(self._history_part(cell)))
        self._api = self._until_ready(second, notice)[API]
        write_up_file(self.view)
        return self.view

    def pids(self) -> dict[str, int | None]:
        """The process of each part, by the names of a report; the load is this process."""
        found = {each.name: each.pid for each in self.view.parts}
        cells = {
            "cell" if number == 0 else f"cell-{number + 1}": found.get(f"cell-{number + 1}")
            for number in self._cell_numbers()
        }
        return {
            "kafka": found.get("kafka"),
            **cells,
            "api": found.get(API),
            **({HISTORY: found.get(HISTORY)} if self._has_history else {}),
            "dev_cluster": found.get("dev-cluster"),
        }

    def kill(self, name: str) -> str:
        """End a part with kill -9; its keeper starts it again. What was done, as a sentence."""
        pid = self.part(name).pid
        if pid is None:
            return f"{name} was not running; nothing was done"
        os.kill(pid, signal.SIGKILL)
        return f"{name} was ended with kill -9"

    def confirm_finding(self) -> str:
        """Say that what a safe cell has found is so; empty where it is not safe.

        Raises `ApiError` where the api does not answer, or the list has grown meanwhile.
        """
        found = finding_of(self)
        if not found.is_safe or found.finding is None:
            return ""
        why = "the load restarted the master on purpose"
        asked = {"finding": found.finding, "tasks": found.tasks, "why": why}
        self.there.command("confirm-finding", asked)
        return f"the cell was safe, and {found.tasks} tasks were confirmed to be gone"

    def restart_master(self) -> str:
        """End the cluster's master with kill -9 and start it again; what was done, as a sentence.

        Simulated agents live in its process: all their tasks end with it, as when a region has
        no power, and the master comes back with the same agents.
        """
        for verb in ("kill", "start"):
            answer = ask(self.cluster_dir, verb, MASTER)
            if not answer["ok"]:
                return f"'{verb} {MASTER}' failed: {answer['error']}"
        return "the master was ended with kill -9 and started again, all hosts without power"


def _words(ground: Ground, data_dir: Path) -> tuple[str, ...]:
    data_dir.mkdir(parents=True, exist_ok=True)
    model = data_dir / "tasks-model.toml"
    model.write_text(tasks_model(ground.compress), "utf-8")
    return (
        *("--simulate", str(ground.hosts), "--tasks-model", str(model)),
        *("--seed", str(ground.seed), "--resources", host_resources()),
    )
