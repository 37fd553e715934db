"""`Up`: everything that one installation on one computer needs, started in order and kept.

The one thing to know: all parts are guarded children. However this process ends, they end too;
when it is asked to end, they end in order: first who speaks to others (API, cells), then the dev
cluster and Kafka.
"""

import asyncio
import os
import queue
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import msgspec
from rich.console import Console

from connectors.devcluster.node import ClusterConfig
from connectors.volumes.opening import written_volume_settings
from streams.clock import now_ms
from streams.kafka.embedded import EmbeddedKafka
from streams.kafka.generations import ensure_generations
from streams.kafka.installation import ensure_installed
from streams.kafka.start_cache import ensure_start_cache
from streams.kafka.topic_admin import ensure_topics
from streams.kafka.trio import KafkaTrio
from streams.settings import Settings
from streams.supervise.keeper import Event, Keeper
from streams.supervise.log_file import LogFile
from streams.supervise.loopback import SPARE_PORTS, LoopbackCloud, ensure_rules
from streams.supervise.parts import (
    KafkaPart,
    Part,
    Program,
    ReadyLine,
    after_ready_word,
    child_environment,
)
from streams.supervise.ports import Claims, block_is_free, free_block
from streams.supervise.up_file import (
    CellAddress,
    DevClusterView,
    UpLock,
    UpView,
    forget_up_file,
    write_up_file,
)
from streams.told_waits import told_waits

if TYPE_CHECKING:
    from streams.snapshots.moving import Moved

FIRST_START_TIMEOUT_S = 150.0
# What the guards allow a part between SIGTERM and SIGKILL. The dev cluster gives its tasks a
# second and itself four.
STOP_TIMEOUT_S = 10.0
UP_VERSION = 1
_SPEAKERS = (
    *("query", "api", "autoscale", "fleet", "prober", "registrar", "webhooks"),
    *("usage", "history", "health", "federation", "cell"),
)
OF_SHARED_HOSTS: Final = {"offer_hold_ms": 1_000, "suppress_after_ms": 1_000}
"""What cells that share hosts begin with: the usual two minutes and ten would keep a host's free
room from the others. Cells with hosts of their own want the usual numbers."""
DEV_CLUSTER_READY = "dev cluster ready: master http://"


class UpOptions(msgspec.Struct, frozen=True):
    """What to bring up."""

    settings: Settings
    data_dir: Path
    cell_processes: int = 1
    brokers: Literal[1, 3] = 1
    """How many real brokers, where no Kafka is named; a data directory keeps to its number."""
    agents: int = 2
    masters: int = 1
    ping_timeout: str = "15s"
    max_ping_timeouts: int = 5
    policy: Mapping[str, int] = {}
    """Numbers that a cell which begins here decides by, instead of the usual ones."""
    api_port: int | None = None
    dev_cluster_words: tuple[str, ...] = ()
    """Further words for `flumina dev-cluster`, as drills need them."""
    loopback: LoopbackCloud | None = None
    """The double of a cloud whose instances are agents of the dev cluster."""
    is_continued: bool = False
    """The cell goes on in this Kafka, which is empty, from what the store has of it."""


Notice = Callable[[str, str, float], None]
"""Told of each part that became ready: its name, its address, and how long that took."""


def no_notice(part: str, address: str, seconds: float) -> None:
    """Tells nobody."""


class Up:
    """All parts of one installation: `start`, then `changed` while it runs, `stop` in any case."""

    def __init__(self, options: UpOptions, console: Console) -> None:
        self.options = options
        self.data_dir = options.data_dir.absolute()
        self._events: queue.Queue[Event] = queue.Queue()
        self._console = console
        self._lock = UpLock(self.data_dir)
        self._claims = Claims()
        self._keepers: dict[str, Keeper] = {}
        self._started_at_ms = 0
        self._kafka = options.settings.kafka_brokers or ""
        self._masters = options.settings.mesos_masters or ()
        self._dev_cluster: DevClusterView | None = None
        self._api = ""
        self._console_address = ""
        self._cells: tuple[CellAddress, ...] = ()
        self.continued: Moved | None = None
        """What the cell was continued from, where it was."""

    @property
    def view(self) -> UpView:
        """What runs now, and where."""
        return UpView(
            version=UP_VERSION,
            pid=os.getpid(),
            started_at_ms=self._started_at_ms,
            data_dir=str(self.data_dir),
            api=self._api,
            kafka=str(self._kafka),
            topic_prefix=self.options.settings.topic_prefix,
            mesos=self._masters,
            dev_cluster=self._dev_cluster,
            parts=tuple(each.view for each in self._keepers.values()),
            cells=self._cells,
            console=self._console_address,
        )

    def start(self, notice: Notice = no_notice) -> UpView:
        """Everything, ready; raises `OperatorError` when something cannot be started.

        The caller calls `stop` in either case.
        """
        settings = self.options.settings
        self._started_at_ms = now_ms()
        self._lock.acquire()
        if self.options.api_port is not None:  # Said now, not when all the rest has been started.
            self._claims.api_port(self.options.api_port)
        if not settings.kafka_brokers:
            self._prepare_kafka()
        with told_waits(self._console, self._waited_for) as waits:

            def told(part: str, address: str, seconds: float) -> None:
                waits.heard()
                notice(part, address, seconds)

            return self._started(settings, told)

    def _waited_for(self) -> str:
        """The parts that are not ready; between them only topics are made."""
        missing = [name for name, each in list(self._keepers.items()) if not each.is_settled]
        return ", ".join(missing) or "the topics"

    def _started(self, settings: Settings, notice: Notice) -> UpView:
        first = []
        if not settings.kafka_brokers:
            first += [self._keep(each) for each in self._kafka_parts()]
        if not settings.mesos_masters:
            first.append(self._keep(self._dev_cluster_part()))
        addresses = self._until_ready(first, notice)
        brokers = [address for part, address in addresses.items() if part.startswith("kafka")]
        self._kafka = ",".join(sorted(brokers)) or self._kafka
        if "dev-cluster" in addresses:
            # They listen in a row, from the first one's port on.
            host, _, port = addresses["dev-cluster"].rpartition(":")
            ports = range(int(port), int(port) + self.options.masters)
            self._masters = tuple(f"{host}:{each}" for each in ports)
        began_s = time.monotonic()
        asyncio.run(self._ensure_topics())
        notice("topics", "created or as they have to be", time.monotonic() - began_s)
        second = [self._keep(self._cell_part(number + 1)) for number in self._cell_numbers()]
        if self.options.loopback is not None:
            second.append(self._keep(self._cloud_part(self.options.loopback)))
        names = settings.cell_names
        second += [self._keep(self._api_part(name)) for name in names]
        second.append(self._keep(self._usage_part()))
        second += [self._keep(self._history_part(name)) for name in names]
        second.append(self._keep(self._health_part()))
        found = self._until_ready(second, notice)
        self._cells = tuple(CellAddress(name, found[self._part_of("api", name)]) for name in names)
        self._api = self._cells[0].api
        if len(names) > 1:
            front = self._keep(self._federation_part())
            self._api = self._until_ready([front], notice)["federation"]
        tellers = [self._autoscale_part, self._webhooks_part, self._prober_part]
        tellers += [self._fleet_part] if settings.cloud or self.options.loopback else []
        parts = [self._keep(part(each)) for part in tellers for each in self._cells]
        found = self._until_ready([*parts, self._keep(self._query_part())], notice)
        self._console_address = found["query"]
        if self.options.loopback is not None:
            notice("fleet rules", self._ensure_fleet_rules(), 0.0)
        if settings.is_registering:
            third = [self._keep(self._registrar_part(each)) for each in self._cells]
            self._until_ready(third, notice)
        # What was told by `notice` needs no second word.
        while not self._events.empty():
            self._events.get_nowait()
        write_up_file(self.view)
        return self.view

    def changed(self, timeout_s: float) -> list[Event]:
        """What has happened to parts since the last call, waiting a while for the first of it."""
        try:
            events = [self._events.get(timeout=timeout_s)]
        except queue.Empty:
            return []
        while not self._events.empty():
            events.append(self._events.get_nowait())
        write_up_file(self.view)
        return events

    def stop(self) -> None:
        """End every part, in order, and return when all have ended; twice is once."""
        names = list(self._keepers)
        speakers = [name for name in names if name.partition("-")[0] in _SPEAKERS]
        for group in (speakers, [name for name in names if name not in speakers]):
            for name in group:
                self._keepers[name].ask_to_end()
            for name in group:
                self._keepers[name].end()
        if self._lock.is_held:  # Else the file is another one's.
            forget_up_file(self.data_dir)
        self._lock.release()
        self._claims.release()

    def _cell_numbers(self) -> range:
        return range(self.options.cell_processes)

    def _keep(self, part: Part) -> Keeper:
        keeper = Keeper(part, self._events.put)
        self._keepers[part.name] = keeper
        keeper.begin()
        return keeper

    def _until_ready(self, keepers: list[Keeper], notice: Notice) -> dict[str, str]:
        """The addresses by name; the first one that fails ends the wait."""
        began_s = time.monotonic()
        waiting = list(keepers)
        addresses: dict[str, str] = {}
        while waiting:
            spent_s = time.monotonic() - began_s
            is_late = spent_s > FIRST_START_TIMEOUT_S
            for keeper in [each for each in waiting if each.is_settled or is_late]:
                addresses[keeper.part.name] = keeper.address(timeout_s=0)
                notice(keeper.part.name, addresses[keeper.part.name], spent_s)
                waiting.remove(keeper)
            time.sleep(0.02)
        return addresses

    def _prepare_kafka(self) -> None:
        """Download and warm up in this thread, where Ctrl-C is heard."""
        installation = ensure_installed(self.options.settings.cache_dir, self._console)
        ensure_start_cache(installation, self._console)

    def _kafka_parts(self) -> list[Part]:
        directory, cache_dir = self.data_dir / "kafka", self.options.settings.cache_dir
        if self.options.brokers == 1:
            return [KafkaPart(EmbeddedKafka(directory, cache_dir=cache_dir, console=self._console))]
        trio = KafkaTrio(directory, cache_dir=cache_dir, console=self._console)
        trio.prepare()
        return [KafkaPart(each, f"kafka-{each.number}") for each in trio.brokers]

    def _dev_cluster_part(self) -> Part:
        options = self.options
        directory = self.data_dir / "dev-cluster"
        spare = SPARE_PORTS if options.loopback is not None else 0
        port = _dev_cluster_port(directory, options.masters + options.agents + spare)
        self._dev_cluster = DevClusterView(port, str(directory), options.agents)
        command = [
            *("-m", "streams.cli.dev_cluster", "--port", str(port)),
            *("--agents", str(options.agents), "--data-dir", str(directory)),
            *("--masters", str(options.masters), "--ping-timeout", options.ping_timeout),
            *("--max-ping-timeouts", str(options.max_ping_timeouts)),
            *(["--elastic"] if options.loopback is not None else []),
            *options.dev_cluster_words,
        ]
        return self._program("dev-cluster", command, {}, dev_cluster_address)

    def _cell_part(self, number: int) -> Part:
        shared = OF_SHARED_HOSTS if self.options.settings.cells > 1 else {}
        numbers = {**shared, **self.options.policy}
        policy = [f"--policy={name}={value}" for name, value in numbers.items()]
        name = f"cell-{number}"
        command = ["-m", "streams.cli.main", "cell", *policy]
        # Each has a directory of its own, for the tables that Faust keeps.
        own = {"FLUMINA_CANDIDATE": name, "FLUMINA_DATA": str(self.data_dir / name)}
        own |= self._cloud_variables()
        if healing := self._healing():
            own["FLUMINA_HEALING"] = healing
        return self._program(name, command, own)

    def _healing(self) -> str:
        """Who runs scripts on hosts: as it is set, or else the dev cluster's own few."""
        given = self.options.settings.healing
        if given or self._dev_cluster is None:
            return given
        return f"dev:{self._dev_cluster.data_dir}"

    def _prober_part(self, cell: CellAddress) -> Part:
        command = ["-m", "streams.cli.main", "prober"]
        if self._dev_cluster is not None:
            command += ["--dev-cluster", self._dev_cluster.data_dir]
        own = {"FLUMINA_CELL": cell.name, "FLUMINA_API": cell.api}
        own |= self._cloud_variables()
        return self._program(self._part_of("prober", cell.name), command, own)

    def _cloud_part(self, loopback: LoopbackCloud) -> Part:
        assert self._dev_cluster is not None, "the double's instances are agents of a dev cluster"
        command = loopback.command(Path(self._dev_cluster.data_dir))
        return self._program("cloud", command, {})

    def _cloud_variables(self) -> dict[str, str]:
        """What who speaks to the cloud is told of it."""
        settings, loopback = self.options.settings, self.options.loopback
        if loopback is not None:
            return loopback.variables()
        return {"FLUMINA_CLOUD": settings.cloud} if settings.cloud else {}

    def _ensure_fleet_rules(self) -> str:
        assert self._dev_cluster is not None, "the double's instances are agents of a dev cluster"
        return ensure_rules(self._cells[0].api, Path(self._dev_cluster.data_dir))

    def _part_of(self, what: str, cell: str) -> str:
        """The name of a cell's part: of several cells each has its own."""
        return what if self.options.settings.cells == 1 else f"{what}-{cell}"

    def _api_part(self, cell: str) -> Part:
        is_only = self.options.settings.cells == 1
        # Of several cells the federation has the address that people know.
        port = self._claims.api_port(self.options.api_port) if is_only else free_block(1)
        command = ["-m", "streams.cli.main", "api", "--port", str(port)]
        return self._program(self._part_of("api", cell), command, {"FLUMINA_CELL": cell})

    def _federation_part(self) -> Part:
        port = self._claims.api_port(self.options.api_port)
        command = ["-m", "streams.cli.main", "federation", "serve", "--port", str(port)]
        for cell in self._cells:
            command += ["--cell-api", f"{cell.name}={cell.api}"]
        return self._program("federation", command, {})

    def _query_part(self) -> Part:
        command = [
            "-m",
            "streams.cli.main",
            "query",
            "serve",
            "--port",
            str(self._claims.console_port()),
        ]
        return self._program("query", command, {"FLUMINA_API": self._api})

    def _usage_part(self) -> Part:
        return self._program("usage", ["-m", "streams.cli.main", "usage"], {})

    def _health_part(self) -> Part:
        command = ["-m", "streams.cli.main", "health", "run"]
        if self._dev_cluster is not None:
            # One process less than a tail agent for each of the dev cluster's.
            command += ["--dev-cluster", self._dev_cluster.data_dir]
        return self._program("health", command, {})

    def _autoscale_part(self, cell: CellAddress) -> Part:
        command = ["-m", "streams.cli.main", "autoscale", "run"]
        own = {"FLUMINA_CELL": cell.name, "FLUMINA_API": cell.api}
        if self.options.settings.prometheus_url is not None:
            own["FLUMINA_PROMETHEUS"] = self.options.settings.prometheus_url
        return self._program(self._part_of("autoscale", cell.name), command, own)

    def _fleet_part(self, cell: CellAddress) -> Part:
        settings = self.options.settings
        own = {"FLUMINA_CELL": cell.name, "FLUMINA_API": cell.api}
        own["FLUMINA_CLOUD_LOOK_S"] = str(settings.cloud_look_s)
        if settings.cloud_notices:
            own["FLUMINA_CLOUD_NOTICES"] = settings.cloud_notices
        own |= self._cloud_variables()
        command = ["-m", "streams.cli.main", "fleet", "run"]
        return self._program(self._part_of("fleet", cell.name), command, own)

    def _webhooks_part(self, cell: CellAddress) -> Part:
        command = ["-m", "streams.cli.main", "webhook", "run"]
        own = {"FLUMINA_CELL": cell.name, "FLUMINA_API": cell.api}
        return self._program(self._part_of("webhooks", cell.name), command, own)

    def _registrar_part(self, cell: CellAddress) -> Part:
        settings = self.options.settings
        own = {"FLUMINA_CELL": cell.name, "FLUMINA_API": cell.api}
        if settings.balancers:
            own["FLUMINA_BALANCERS"] = settings.balancers
        if settings.discovery_url is not None:
            own["FLUMINA_DISCOVERY"] = settings.discovery_url
        command = ["-m", "streams.cli.main", "registrar"]
        return self._program(self._part_of("registrar", cell.name), command, own)

    def _history_part(self, cell: str) -> Part:
        command = ["-m", "streams.cli.main", "history"]
        return self._program(self._part_of("history", cell), command, {"FLUMINA_CELL": cell})

    def _program(
        self,
        name: str,
        arguments: list[str],
        environment: dict[str, str],
        ready_line: ReadyLine = after_ready_word,
    ) -> Part:
        settings = self.options.settings
        common = {
            "KAFKA_BROKERS": self._kafka,
            "MESOS_MASTER": ",".join(self._masters),
            "FLUMINA_DATA": str(self.data_dir),
            "MESOS_FAILOVER_TIMEOUT_S": str(settings.failover_timeout_s),
            "MESOS_CONTAINERIZER": settings.containerizer,
            "FLUMINA_USAGE_INTERVAL_S": str(settings.usage_interval_s),
            "FLUMINA_ARCHIVE_AGE_S": str(settings.archive_age_s),
            # Of the installation: a cell process has a data directory of its own.
            "FLUMINA_BEHIND_S": str(settings.behind_s),
            "FLUMINA_TASK_LOG_FILE_MIB": str(settings.task_log_file_mib),
            "FLUMINA_TASK_LOG_JOB_MIB": str(settings.task_log_job_mib),
            "FLUMINA_TASK_LOG_DAYS": str(settings.task_log_days),
            # Where the volumes are, for all cells' processes: each has a data directory of its own.
            "FLUMINA_VOLUMES": self._volumes(),
            "FLUMINA_STORE": settings.store_url or (self.data_dir / "store").as_uri(),
            "FLUMINA_TOPIC_PREFIX": settings.topic_prefix,
            "FLUMINA_CELLS": str(settings.cells),
            "FLUMINA_CELL_NAMES": ",".join(settings.cell_names),
            "FLUMINA_CELL": settings.cell,
            "FLUMINA_CACHE": str(settings.cache_dir),
            # One port is for one process; `up` looks at its own by other means.
            "FLUMINA_PROBES": "",
        }
        return Program(
            name,
            # -P: the working directory is no place to import from.
            [sys.executable, "-P", *arguments],
            child_environment(common | environment),
            LogFile(self.data_dir / "logs" / f"{name}.log"),
            stop_timeout_s=STOP_TIMEOUT_S,
            ready_line=ready_line,
        )

    def _volumes(self) -> str:
        volumes = self.options.settings.volumes
        directory = volumes.directory or str(self.data_dir / "volumes")
        return written_volume_settings(msgspec.structs.replace(volumes, directory=directory))

    async def _ensure_topics(self) -> None:
        settings = self.options.settings
        if self.options.is_continued:
            # pyarrow is 60 MB: only who reads the archive pays for it.
            from streams.snapshots.moving import continue_cell  # noqa: PLC0415

            here = msgspec.structs.replace(
                settings, kafka_brokers=self._kafka, data_dir=self.data_dir
            )
            self.continued = await continue_cell(here, version("flumina"))
        await ensure_topics(self._kafka, settings)
        await ensure_generations(self._kafka, settings.topic_prefix, settings.cells)


def dev_cluster_address(line: str) -> str | None:
    """The master's host and port, from the line by which the dev cluster says that it is ready."""
    if not line.startswith(DEV_CLUSTER_READY):
        return None
    return line.removeprefix(DEV_CLUSTER_READY).partition(",")[0]


def _dev_cluster_port(directory: Path, count: int) -> int:
    """The master's port: that of the last time if it and its neighbours are free."""
    try:
        port = ClusterConfig.read(directory).port
    except (FileNotFoundError, ValueError, TypeError):
        return free_block(count)  # None before, or of another release: any ports will do.
    return port if block_is_free(port, count) else free_block(count)
