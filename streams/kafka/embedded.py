"""A real Apache Kafka as a child of this process: `EmbeddedKafka`.

The one thing to know: the broker cannot outlive its owner. However the owner ends, the broker is
stopped within seconds, and the lock of its data directory is free only when it has ended.

`python -m streams.kafka.embedded --data-dir D` runs one in the foreground.
"""

import argparse
import base64
import signal
import sys
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
from rich.console import Console

from streams.errors import OperatorError
from streams.kafka.data_lock import DataDirLock
from streams.kafka.guarded import GuardedProcess
from streams.kafka.installation import ensure_installed
from streams.kafka.node import Node, NodeAddress, NodeFiles
from streams.kafka.ports import free_ports, is_free
from streams.kafka.probe import in_own_loop, wait_until_ready
from streams.kafka.start_cache import ensure_start_cache
from streams.settings import default_cache_dir

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
PORT_ATTEMPTS = 4
# A broker whose owner was killed is given this long to end before its directory is called taken.
PREDECESSOR_WAIT_S = STOP_TIMEOUT_S + 10
FOREGROUND_POLL_S = 0.2
BIND_FAILURE = "Address already in use"


class _Remembered(msgspec.Struct, frozen=True):
    """What a data directory keeps for its next start, in `flumina.json`."""

    addresses: list[NodeAddress]


class EmbeddedKafka:
    """A Kafka of one node, its data under one directory, on the loopback address."""

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        cluster_id: str | None = None,
        cache_dir: Path | None = None,
        overrides: Mapping[str, str] | None = None,
        console: Console | None = None,
    ) -> None:
        """Describe the broker; nothing happens before `start`.

        Without `port` the directory's last port is used again if it is free, or else any. With
        `cluster_id` a directory of another cluster is refused. `overrides` are lines for Kafka's
        `server.properties`.
        """
        self.data_dir = data_dir.absolute()
        self._wanted_port = port
        self._wanted_cluster_id = cluster_id
        self._cache_dir = cache_dir or default_cache_dir()
        self._overrides = dict(overrides or {})
        self._console = console or Console(stderr=True)
        self._lock = DataDirLock(self.data_dir)
        self._address: NodeAddress | None = None
        self._process: GuardedProcess | None = None

    @property
    def bootstrap(self) -> str:
        """The address for clients; it stays the same when this object stops and starts again."""
        assert self._address is not None, "start() comes first"
        return self._address.bootstrap

    @property
    def pid(self) -> int:
        """The process id of the broker itself, which is a Java program."""
        assert self._process is not None, "start() comes first"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the broker was started and has not ended since."""
        return self._process is not None and self._process.poll() is None

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
            self._ensure_formatted(node)
            address = self._launched(node)
        except BaseException:
            self._lock.release()
            raise
        self._lock.leave_to_broker()
        self._remember(address)
        return address.bootstrap

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
        node.write_configuration(address, [address], self._overrides)
        process = node.spawn(STOP_TIMEOUT_S, keep_open=[self._lock.broker_fd])
        try:
            view = in_own_loop(
                wait_until_ready(
                    address.bootstrap,
                    brokers=1,
                    timeout_s=START_TIMEOUT_S,
                    has_ended=lambda: process.poll() is not None,
                )
            )
        except TimeoutError as error:
            process.stop()
            raise OperatorError(
                f"Kafka (process {process.pid}) did not answer on {address.bootstrap} within "
                f"{START_TIMEOUT_S:.0f} s and was stopped.",
                f"This computer is overloaded, or Kafka recovers a large log. {node.last_words()}",
                f"Read {self.log_file} and start again.",
            ) from error
        except BaseException:
            process.stop()
            raise
        if view is not None and view.cluster_id == node.cluster_id():
            process.confirm_ready()
            return process
        code = process.stop()
        if BIND_FAILURE in node.last_words() and self._wanted_port is None:
            return None
        raise OperatorError(
            f"Kafka ended with code {code} before it was ready.",
            f"Its last words: {node.last_words()}",
            f"Read {self.log_file}; the data under {self.data_dir} are untouched.",
        )

    def stop(self) -> None:
        """End the broker cleanly, or by force when that takes too long; twice is once."""
        if self._process is not None:
            self._process.stop()
            self._process = None
            self._lock.release()

    def kill(self) -> None:
        """End the broker with SIGKILL, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process = None
            self._lock.release()

    def wait(self, timeout_s: float | None = None) -> int:
        """The exit code of the broker, once it has ended; `TimeoutError` if it does not."""
        assert self._process is not None, "start() comes first"
        return self._process.wait(timeout_s)

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

    def _ensure_formatted(self, node: Node) -> None:
        stored = node.cluster_id()
        if stored is None:
            cluster_id = self._wanted_cluster_id or new_cluster_id()
            # The tool reads the directories from the configuration; the ports do not matter yet.
            address = NodeAddress(1, *free_ports(2))
            node.write_configuration(address, [address], self._overrides)
            node.format(cluster_id)
        elif self._wanted_cluster_id not in {None, stored}:
            raise OperatorError(
                f"The data under {self.data_dir} belong to the Kafka cluster {stored}, not to "
                f"{self._wanted_cluster_id}.",
                "The directory is of another installation, or was restored from one.",
                "Choose another data directory; nothing was changed.",
            )

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
        except (FileNotFoundError, msgspec.DecodeError, IndexError):
            return None  # Only a convenience: any free port will do.

    def _remember(self, address: NodeAddress) -> None:
        self._address = address
        self._memory_file.write_bytes(msgspec.json.encode(_Remembered([address])))


def new_cluster_id() -> str:
    """A new cluster id in Kafka's form: 16 random bytes, base64, 22 characters."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):  # Kafka's tool would take it for an option.
            return text


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
