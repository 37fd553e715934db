"""A real Apache Kafka as a child of this process: `EmbeddedKafka`.

The one thing to know: the broker cannot outlive its owner. However the owner ends, the broker is
stopped within seconds, and the lock of its data directory is free only when it has ended.

`python -m streams.kafka.embedded --data-dir D` runs one in the foreground.
"""

import argparse
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
from rich.console import Console

from scheduler.model.reading.bad_bytes import BAD_BYTES
from streams.errors import OperatorError
from streams.kafka.data_lock import DataDirLock
from streams.kafka.guarded import GuardedProcess
from streams.kafka.installation import ensure_installed
from streams.kafka.listener import SecuredListener
from streams.kafka.node import Node, NodeAddress, NodeFiles
from streams.kafka.ports import free_ports, is_free
from streams.kafka.serving import (
    PREDECESSOR_WAIT_S,
    BrokerProcess,
    PortTaken,
    ensure_formatted,
    served,
)
from streams.kafka.shape import keep_to_shape
from streams.kafka.start_cache import ensure_start_cache
from streams.setting_rows.keeping import default_cache_dir

PORT_ATTEMPTS = 4
FOREGROUND_POLL_S = 0.2


class _Remembered(msgspec.Struct, frozen=True):
    """What a data directory keeps for its next start, in `flumina.json`."""

    addresses: list[NodeAddress]


class EmbeddedKafka(BrokerProcess):
    """A Kafka of one node, its data under one directory, on the loopback address."""

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        cluster_id: str | None = None,
        cache_dir: Path | None = None,
        overrides: Mapping[str, str] | None = None,
        listener: SecuredListener | None = None,
        console: Console | None = None,
    ) -> None:
        """Describe the broker; nothing happens before `start`.

        Without `port` the directory's last port is used again if it is free, or else any. With
        `cluster_id` a directory of another cluster is refused. `overrides` are lines for Kafka's
        `server.properties`. With `listener` clients need TLS, a name and a right; `bootstrap` is
        then the administrator's.
        """
        self.data_dir = data_dir.absolute()
        super().__init__(DataDirLock(self.data_dir))
        self._wanted_port = port
        self._wanted_cluster_id = cluster_id
        self._cache_dir = cache_dir or default_cache_dir()
        self._listener = listener
        self._overrides = (listener.overrides() if listener else {}) | dict(overrides or {})
        self._console = console or Console(stderr=True)
        self._address: NodeAddress | None = None

    @property
    def bootstrap(self) -> str:
        """The address for clients; it stays the same when this object stops and starts again."""
        assert self._address is not None, "start() comes first"
        return self._told(self._address)

    def _told(self, address: NodeAddress) -> str:
        """The address for clients, with how it is spoken to."""
        plain = address.bootstrap
        return self._listener.brokers(plain) if self._listener else plain

    @property
    def log_file(self) -> Path:
        """Where the broker writes its log, a few files of bounded size."""
        return self._files.server_log

    @property
    def _files(self) -> NodeFiles:
        return NodeFiles(self.data_dir / "broker-1")

    def start(self) -> str:
        """The bootstrap address of the broker, which has answered there."""
        assert not self.is_running, "start() was called twice"
        node = self._node()
        self.stop()  # A broker that ended by itself leaves its guard's pipe and our lock.
        self._lock.acquire(PREDECESSOR_WAIT_S)
        try:
            keep_to_shape(self.data_dir, brokers=1)
            words = self._listener.format_arguments() if self._listener else []
            ensure_formatted(node, self.data_dir, self._wanted_cluster_id, self._overrides, words)
            address = self._launched(node)
        except BaseException:
            self._lock.release()
            raise
        self._lock.leave_to_broker()
        self._remember(address)
        return self._told(address)

    def _node(self) -> Node:
        installation = ensure_installed(self._cache_dir, self._console)
        cache = ensure_start_cache(installation, self._console)
        flags = [f"-XX:AOTCache={cache}"] if cache else []
        return Node(installation, self._files, java_flags=flags)

    def _launched(self, node: Node) -> NodeAddress:
        """Where the broker serves; tries other ports when a program was faster to ours."""
        for attempt in range(1, PORT_ATTEMPTS + 1):
            address = self._chosen_address(is_first=attempt == 1)
            self._process = self._served(node, address)
            if self._process is not None:
                return address
        raise OperatorError(
            f"Kafka found its port in use {PORT_ATTEMPTS} times.",
            "Other programs take ports faster than Kafka starts.",
            "Name a port outside the range that this computer hands out.",
        )

    def _served(self, node: Node, address: NodeAddress) -> GuardedProcess | None:
        """The process, ready for clients; None if another program was faster to its port."""
        try:
            return served(
                node,
                address,
                [address],
                self._overrides,
                self._lock,
                bootstrap=self._told(address),
            )
        except PortTaken:
            if self._wanted_port is not None:
                raise
            return None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def _memory_file(self) -> Path:
        return self.data_dir / "flumina.json"

    def _chosen_address(self, is_first: bool) -> NodeAddress:
        port, controller_port = free_ports(2)
        if self._wanted_port is not None:
            if not is_free(self._wanted_port):
                raise OperatorError(
                    f"Port {self._wanted_port} of 127.0.0.1 is in use.",
                    "Another Kafka or another program listens there.",
                    "End that program, choose another port, or set KAFKA_BROKERS to use the "
                    "Kafka that is there.",
                )
            return NodeAddress(1, self._wanted_port, controller_port)
        if is_first:
            known = self._address or self._remembered_address()
            if known and is_free(known.port) and is_free(known.controller_port):
                return known
        return NodeAddress(1, port, controller_port)

    def _remembered_address(self) -> NodeAddress | None:
        try:
            content = self._memory_file.read_bytes()
            return msgspec.json.decode(content, type=_Remembered).addresses[0]
        except (FileNotFoundError, IndexError, *BAD_BYTES):
            return None  # Only a convenience: any free port will do.

    def _remember(self, address: NodeAddress) -> None:
        self._address = address
        self._memory_file.write_bytes(msgspec.json.encode(_Remembered([address])))


def main() -> int:
    """Run one broker until a signal, the end of standard input if asked for, or its own end."""
    parser = argparse.ArgumentParser(prog="python -m streams.kafka.embedded")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--port", type=int)
    parser.add_argument("--until-stdin-closes", action="store_true")
    arguments = parser.parse_args()
    is_over = threading.Event()
    for stopping in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stopping, lambda *_: is_over.set())
    if arguments.until_stdin_closes:

        def watch() -> None:
            sys.stdin.read()
            is_over.set()

        threading.Thread(target=watch, daemon=True).start()
    try:
        with EmbeddedKafka(arguments.data_dir, port=arguments.port) as kafka:
            print(f"ready {kafka.bootstrap}", flush=True)
            while not is_over.wait(FOREGROUND_POLL_S):
                if not kafka.is_running:
                    print(f"Kafka ended with code {kafka.wait()}; see {kafka.log_file}.")
                    return 1
    except OperatorError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
