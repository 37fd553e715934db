"""Three real brokers on one computer: `KafkaTrio`, for faults that one broker cannot show.

The one thing to know: each is broker and controller at once, so that two of three are needed for
anything to be written: replication 3, `min.insync.replicas` 2. Each is a process of its own, with
a directory, a lock and a guard of its own, and is started, stopped and killed alone.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec
from rich.console import Console

from scheduler.model.reading.bad_bytes import BAD_BYTES
from streams.kafka.data_lock import DataDirLock
from streams.kafka.installation import ensure_installed
from streams.kafka.node import Node, NodeAddress, NodeFiles, stored_cluster_id
from streams.kafka.ports import is_free
from streams.kafka.serving import (
    PREDECESSOR_WAIT_S,
    BrokerProcess,
    ensure_formatted,
    new_cluster_id,
    served,
)
from streams.kafka.shape import keep_to_shape
from streams.kafka.start_cache import ensure_start_cache
from streams.setting_rows.keeping import default_cache_dir
from streams.supervise.ports import free_block

BROKERS: Final = 3
STOP_TIMEOUT_S: Final = 3.0
"""A broker that hands its partitions over needs two others; when all end, nobody is there."""
HEAP: Final = "-Xmx192m"
"""A broker of three has a third of the clients; the last word of several to Java counts."""
TIMES: Final = {
    # A dead broker's partitions wait so long for another leader; a cell that reads nothing of its
    # own back for 5 s gives its leadership up.
    "broker.session.timeout.ms": "2500",
    "controller.quorum.fetch.timeout.ms": "1500",
    "controller.quorum.election.timeout.ms": "500",
}


class _Remembered(msgspec.Struct, frozen=True):
    """What the directory keeps for its next start, in `flumina.json`."""

    addresses: list[NodeAddress]
    cluster_id: str


class TrioBroker(BrokerProcess):
    """One of the three."""

    def __init__(self, trio: "KafkaTrio", number: int) -> None:
        self.number = number
        self._trio = trio
        self.files = NodeFiles(trio.data_dir / f"broker-{number}", number)
        super().__init__(DataDirLock(self.files.root))

    @property
    def log_file(self) -> Path:
        """Where the broker writes its log, a few files of bounded size."""
        return self.files.server_log

    def start(self) -> str:
        """Its address for clients; returns when it serves there, which takes a second broker."""
        assert not self.is_running, "start() was called twice"
        trio = self._trio
        node, cluster_id = trio.prepared(self.files)
        self.stop()
        self._lock.acquire(PREDECESSOR_WAIT_S)
        try:
            ensure_formatted(node, trio.data_dir, cluster_id, trio.overrides)
            address = trio.addresses[self.number - 1]
            self._process = served(
                node,
                address,
                trio.addresses,
                trio.overrides,
                self._lock,
                stop_timeout_s=STOP_TIMEOUT_S,
            )
        except BaseException:
            self._lock.release()
            raise
        self._lock.leave_to_broker()
        return address.bootstrap


class KafkaTrio:
    """A Kafka of three nodes, its data under one directory, on the loopback address."""

    def __init__(
        self,
        data_dir: Path,
        *,
        cache_dir: Path | None = None,
        overrides: Mapping[str, str] | None = None,
        console: Console | None = None,
    ) -> None:
        """Describe the brokers; nothing happens before `prepare`."""
        self.data_dir = data_dir.absolute()
        self.overrides = TIMES | dict(overrides or {})
        self.addresses: tuple[NodeAddress, ...] = ()
        self._cluster_id = ""
        self._cache_dir = cache_dir or default_cache_dir()
        self._console = console or Console(stderr=True)
        self.brokers = tuple(TrioBroker(self, number + 1) for number in range(BROKERS))

    @property
    def bootstrap(self) -> str:
        """The addresses of all three, for clients; they stay as long as this object lives."""
        assert self.addresses, "prepare() comes first"
        return ",".join(each.bootstrap for each in self.addresses)

    def prepare(self) -> None:
        """Choose who listens where, before the first broker starts; again is nothing."""
        if self.addresses:
            return
        keep_to_shape(self.data_dir, BROKERS)
        known = self._remembered()
        if known is not None and all(
            is_free(each.port) and is_free(each.controller_port) for each in known.addresses
        ):
            addresses = known.addresses
        else:
            first = free_block(2 * BROKERS)
            ports = range(first, first + 2 * BROKERS, 2)
            addresses = [NodeAddress(n, port, port + 1) for n, port in enumerate(ports, start=1)]
        stored = [found for each in self.brokers if (found := stored_cluster_id(each.files))]
        remembered = [known.cluster_id] if known is not None else []
        # Before anything is formatted, for all three must be of one cluster.
        self._cluster_id = [*stored, *remembered, new_cluster_id()][0]
        note = msgspec.json.encode(_Remembered(list(addresses), self._cluster_id))
        self._memory_file.write_bytes(note)
        self.addresses = tuple(addresses)

    def prepared(self, files: NodeFiles) -> tuple[Node, str]:
        """A node on these files, and the cluster that it belongs to."""
        self.prepare()
        installation = ensure_installed(self._cache_dir, self._console)
        cache = ensure_start_cache(installation, self._console)
        flags = [HEAP, *([f"-XX:AOTCache={cache}"] if cache else [])]
        return Node(installation, files, java_flags=flags), self._cluster_id

    @property
    def _memory_file(self) -> Path:
        return self.data_dir / "flumina.json"

    def _remembered(self) -> _Remembered | None:
        """What was chosen last time; None if nothing was, or if it cannot be read."""
        try:
            found = msgspec.json.decode(self._memory_file.read_bytes(), type=_Remembered)
        except (FileNotFoundError, *BAD_BYTES):
            return None
        return found if len(found.addresses) == BROKERS else None

    def start(self) -> str:
        """The addresses of all three, which have answered there."""
        self.prepare()
        ensure_start_cache(ensure_installed(self._cache_dir, self._console), self._console)
        with ThreadPoolExecutor(BROKERS) as pool:
            starting = [pool.submit(each.start) for each in self.brokers if not each.is_running]
        for each in starting:
            each.result()
        return self.bootstrap

    def stop(self) -> None:
        """End all three, together; twice is once."""
        with ThreadPoolExecutor(BROKERS) as pool:
            for each in [pool.submit(broker.stop) for broker in self.brokers]:
                each.result()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
