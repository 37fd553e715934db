"""The installation of one drill: what `flumina up` starts, with parts that can be taken away.

The one thing to know: it is the drill's own, with a dev cluster, topics, a store and a directory of
its own on a Kafka that was started for drills. Nothing of an environment that names somebody else's
Kafka, Mesos or store reaches it.
"""

import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console

from connectors.client.shapes import Task
from streams.cli.calls import Api
from streams.cli.client import ApiConnection
from streams.cli.demo_hands import OwnCluster
from streams.drills.journals import Journals
from streams.settings import Settings
from streams.supervise.keeper import Keeper
from streams.supervise.parts import Part, ReadyLine, after_ready_word
from streams.supervise.ports import free_block
from streams.supervise.up import Up, UpOptions
from streams.supervise.up_file import PartView, write_up_file

START_TIMEOUT_S: Final = 150.0
PATIENCE_S: Final = 5.0
"""How long a request is tried again; a drill looks again and again by itself."""
FAILOVER_TIMEOUT_S: Final = 86_400
"""Longer than any drill: Mesos must not end tasks while the control plane is away on purpose."""
ACTOR: Final = "drill"
SIMULATED_RESOURCES: Final = "cpus:32;mem:131072;disk:1000000;ports:[31000-31999]"
SIMULATED_RUN_S: Final = 86_400
"""Every task outlives the drill, so one that ends was ended."""
CELL: Final = "cell-1"
API: Final = "api"


class Wanted(msgspec.Struct, frozen=True):
    """What a drill wants to be brought up."""

    agents: int = 2
    cell_processes: int = 1
    ping_timeout: str = "1s"
    policy: Mapping[str, int] = {}
    has_own_kafka: bool = False
    """A Kafka that nobody else uses, because it will be lost."""
    archive_age_s: int = 60
    simulated_agents: int = 0
    """So many modelled agents instead, for thousands of tasks."""


class Installation(Up):
    """Everything that `up` starts, and hands that take parts away and bring them back."""

    def __init__(
        self, wanted: Wanted, settings: Settings, data_dir: Path, console: Console
    ) -> None:
        own = msgspec.structs.replace(
            settings,
            kafka_brokers=None if wanted.has_own_kafka else settings.kafka_brokers,
            mesos_masters=None,
            archive_age_s=wanted.archive_age_s,
            failover_timeout_s=FAILOVER_TIMEOUT_S,
            store_url=(data_dir / "store").as_uri(),
            actor=ACTOR,
        )
        super().__init__(
            UpOptions(
                settings=own,
                data_dir=data_dir,
                cell_processes=wanted.cell_processes,
                agents=wanted.agents,
                ping_timeout=wanted.ping_timeout,
                policy=wanted.policy,
                api_port=free_block(1),
                dev_cluster_words=_words(wanted, data_dir),
            ),
            console,
        )
        self._connection: ApiConnection | None = None
        self._own_environment: dict[str, dict[str, str]] = {}

    # What there is

    @property
    def there(self) -> Api:
        """The API as it listens now."""
        address = self.view.api
        if self._connection is None or self._connection.url != address:
            self.hang_up()
            self._connection = ApiConnection(address, ACTOR, PATIENCE_S)
        return Api(self._connection)

    @property
    def kafka(self) -> str:
        """The bootstrap address of the Kafka that drills have."""
        return self.view.kafka

    @property
    def settings(self) -> Settings:
        """Settings for what works on this installation from outside, as commands do."""
        return msgspec.structs.replace(self.options.settings, kafka_brokers=self.kafka)

    @property
    def cell_topic(self) -> str:
        """The topic of the cell log."""
        return f"{self.options.settings.topic_prefix}cell"

    @property
    def cluster_dir(self) -> Path:
        """Where the dev cluster keeps its files."""
        found = self.view.dev_cluster
        assert found is not None, "a drill brings up a dev cluster of its own"
        return Path(found.data_dir)

    @property
    def hand(self) -> OwnCluster:
        """Who hurts the dev cluster."""
        return OwnCluster(self.cluster_dir)

    @property
    def journals(self) -> Journals:
        """What master and agents have written down until now."""
        return Journals.read(self.cluster_dir)

    def tasks(self, job: str) -> list[Task]:
        """The job's tasks that have not ended."""
        return self.there.tasks({"jobIds": job})

    def part(self, name: str) -> PartView:
        """One part as it is now."""
        return next(each for each in self.view.parts if each.name == name)

    def log_of(self, name: str) -> str:
        """What a part has written."""
        return self._keepers[name].part.log_file.read_text("utf-8", errors="replace")

    # What is done to it

    def take_away(self, *names: str) -> None:
        """End these parts with kill -9, and do not start them again."""
        keepers = [self._keepers[name] for name in names]
        for keeper in keepers:
            pid = keeper.part.pid
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
            keeper.ask_to_end()
        for keeper in keepers:
            keeper.end()
        write_up_file(self.view)

    def bring_back(self, *names: str) -> None:
        """Keep parts running again that were taken away; returns when all are ready."""
        keepers = [self._keep(self._made(name)) for name in names]
        for keeper in keepers:
            address = keeper.address(START_TIMEOUT_S)
            if keeper.part.name == API:
                self._api = address
        write_up_file(self.view)

    def new_kafka(self) -> str:
        """The address of an empty Kafka, in place of one of our own that was taken away."""
        (part,) = self._kafka_parts()
        self._kafka = self._keep(part).address(START_TIMEOUT_S)
        write_up_file(self.view)
        return self._kafka

    def begin_back(self, name: str) -> Keeper:
        """As `bring_back`, without waiting: for a part that is not expected to be ready."""
        return self._keep(self._made(name))

    def set_environment(self, name: str, environment: Mapping[str, str]) -> None:
        """What a part finds in its environment beside the usual from its next start on."""
        self._own_environment[name] = dict(environment)

    def hang_up(self) -> None:
        """Give back the connection to the API."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def stop(self) -> None:
        """End every part, in order."""
        self.hang_up()
        super().stop()

    @property
    def our_parts(self) -> tuple[str, ...]:
        """The names of all parts that are the control plane: not Kafka, not Mesos."""
        return tuple(name for name in self._keepers if name not in {"kafka", "dev-cluster"})

    def _made(self, name: str) -> Part:
        if name.startswith("cell-"):
            return self._cell_part(int(name.removeprefix("cell-")))
        (cell,) = self.options.settings.cell_names  # A drill has one.
        makers: dict[str, Callable[[], Part]] = {
            "api": lambda: self._api_part(cell),
            "autoscale": lambda: self._autoscale_part(self._cells[0]),
            "usage": self._usage_part,
            "history": lambda: self._history_part(cell),
            "health": self._health_part,
            "prober": lambda: self._prober_part(self._cells[0]),
            "query": self._query_part,
            "webhooks": lambda: self._webhooks_part(self._cells[0]),
        }
        return makers[name]()

    def _program(
        self,
        name: str,
        arguments: list[str],
        environment: dict[str, str],
        ready_line: ReadyLine = after_ready_word,
    ) -> Part:
        more = self._own_environment.get(name, {})
        return super()._program(name, arguments, environment | more, ready_line)


def _words(wanted: Wanted, data_dir: Path) -> tuple[str, ...]:
    """Further words for `flumina dev-cluster`; the model of simulated tasks is written for it."""
    if not wanted.simulated_agents:
        return ()
    data_dir.mkdir(parents=True, exist_ok=True)
    model = data_dir / "tasks-model.toml"
    model.write_text(f'name = "drill"\n[[runs]]\nseconds = {SIMULATED_RUN_S}.0\n', "utf-8")
    number = str(wanted.simulated_agents)
    return (
        *("--simulate", number, "--tasks-model", str(model), "--seed", "1"),
        *("--resources", SIMULATED_RESOURCES),
    )
