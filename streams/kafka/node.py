"""One node of an embedded Kafka: its configuration, its storage, its process.

A node is broker and controller in one process. Several nodes differ in their ids, ports and
directories only; who votes is given from outside, so a cluster of three is three of these.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from streams.errors import OperatorError
from streams.kafka.guarded import GuardedProcess
from streams.kafka.installation import Installation
from streams.kafka.ports import LOOPBACK

FORMAT_TIMEOUT_S = 60.0
LOG_FILE_BYTES_MAX = 5_000_000
LOG_FILES = 2
# A start writes a few lines here; a flood of them comes from a Java that is in trouble.
CONSOLE_BYTES_KEPT = 100_000

# Measured on two cores with 800 MB of records: with the serial collector less processor time than
# with the default one, and a lower 99th percentile. Both compilers: with the first alone a busy
# broker takes 0.65 ms for a launch of `flumina load` for ever, with both 0.6 in the first minutes
# and 0.37 then, for 40 MiB more; a start from the cache takes 1.2 s of processor time either way.
JVM_FLAGS = (
    "-Xms64m",
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:+ExitOnOutOfMemoryError",
    # Kafka 4.1 unmaps its index files through it; Java 25 would print a warning at each start.
    "--sun-misc-unsafe-memory-access=allow",
    "-Djava.awt.headless=true",
    "-Djava.net.preferIPv4Stack=true",
    "-Duser.timezone=UTC",
)
# These would change a Java that we have measured, or load foreign code into it.
FOREIGN_JAVA_VARIABLES = ("JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH")

LOGGING_PROPERTIES = """\
handlers=java.util.logging.FileHandler
.level=INFO
# Three pages of every default value at each start.
org.apache.kafka.common.config.level=WARNING
java.util.logging.FileHandler.pattern={directory}/server-%g.log
java.util.logging.FileHandler.limit={limit}
java.util.logging.FileHandler.count={count}
java.util.logging.FileHandler.append=true
java.util.logging.FileHandler.formatter=java.util.logging.SimpleFormatter
java.util.logging.SimpleFormatter.format=%1$tF %1$tT.%1$tL %4$s %3$s %5$s%6$s%n
"""


class NodeAddress(NamedTuple):
    """Where one node listens, for clients and for the other controllers."""

    node_id: int
    port: int
    controller_port: int

    @property
    def bootstrap(self) -> str:
        """What a client is given to connect to."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def voter(self) -> str:
        """What the controllers are given to find each other."""
        return f"{self.node_id}@{LOOPBACK}:{self.controller_port}"


class NodeFiles(NamedTuple):
    """Where one node keeps things: everything lies under `root`."""

    root: Path
    node_id: int = 1

    @property
    def data(self) -> Path:
        """Kafka's own directory, with the partitions."""
        return self.root / "kafka"

    @property
    def identity(self) -> Path:
        """The file that tells which cluster and node the data belong to."""
        return self.data / "meta.properties"

    @property
    def properties(self) -> Path:
        """Kafka's configuration, written anew at each start."""
        return self.root / "server.properties"

    @property
    def logging(self) -> Path:
        """The configuration of Java's logging, written anew at each start."""
        return self.root / "logging.properties"

    @property
    def server_log(self) -> Path:
        """What Kafka logs, the newest of a few files of bounded size."""
        return self.root / "server-0.log"

    @property
    def console(self) -> Path:
        """What Java itself prints; usually empty."""
        return self.root / "console.log"


def server_properties(
    address: NodeAddress,
    voters: Sequence[NodeAddress],
    data: Path,
    overrides: Mapping[str, str],
) -> str:
    """Kafka's configuration file for this node among these voters."""
    copies = str(min(3, len(voters)))
    acknowledged = "2" if len(voters) >= 3 else "1"
    properties = {
        "process.roles": "broker,controller",
        "node.id": str(address.node_id),
        "controller.quorum.voters": ",".join(each.voter for each in voters),
        "listeners": f"CLIENTS://{address.bootstrap},"
        f"CONTROLLER://{LOOPBACK}:{address.controller_port}",
        "advertised.listeners": f"CLIENTS://{address.bootstrap}",
        "listener.security.protocol.map": "CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "CLIENTS",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(data),
        # A topic that nobody declared is a mistake, and shall look like one.
        "auto.create.topics.enable": "false",
        "unclean.leader.election.enable": "false",
        "default.replication.factor": copies,
        "min.insync.replicas": acknowledged,
        "offsets.topic.num.partitions": "1",
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.num.partitions": "1",
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": acknowledged,
        # The wait is for a fleet that starts together; here it would be three seconds of nothing.
        "group.initial.rebalance.delay.ms": "0",
        # After `kill -9` a broker is let back in when its old session has ended: default 9 s.
        "broker.session.timeout.ms": "4000",
        "broker.heartbeat.interval.ms": "500",
        # Buffer of the compactor, which here sees only Kafka's own small topics; default 128 MiB.
        "log.cleaner.dedupe.buffer.size": "4194304",
        "num.network.threads": "2",
        "num.io.threads": "4",
    }
    lines = (f"{key}={value}" for key, value in (properties | dict(overrides)).items())
    return "\n".join(lines) + "\n"


class Node:
    """One node: prepared by `write_configuration` and `format`, run by `spawn`."""

    def __init__(
        self, installation: Installation, files: NodeFiles, java_flags: Sequence[str] = ()
    ) -> None:
        self.files = files
        self._installation = installation
        self._java_flags = (
            *JVM_FLAGS,
            f"-XX:ErrorFile={files.root}/java-crash-%p.log",
            # A start cache that does not fit costs a second and nothing else: no word about it.
            "-Xlog:disable",
            *java_flags,
        )

    def write_configuration(
        self, address: NodeAddress, voters: Sequence[NodeAddress], overrides: Mapping[str, str]
    ) -> None:
        """Write what this node is to be, for the next start."""
        self.files.root.mkdir(parents=True, exist_ok=True)
        properties = server_properties(address, voters, self.files.data, overrides)
        self.files.properties.write_text(in_java_properties(properties), "ascii")
        logging = LOGGING_PROPERTIES.format(
            directory=self.files.root, limit=LOG_FILE_BYTES_MAX // LOG_FILES, count=LOG_FILES
        )
        self.files.logging.write_text(in_java_properties(logging), "ascii")

    def cluster_id(self) -> str | None:
        """The cluster that the stored data belong to; None before the first format."""
        return stored_cluster_id(self.files)

    def format(self, cluster_id: str, words: Sequence[str] = ()) -> None:
        """Make the data directory one of this cluster's, by Kafka's own tool."""
        partitions = [path.name for path in self.files.data.glob("*-[0-9]*") if path.is_dir()]
        if partitions:
            raise OperatorError(
                f"{self.files.data} holds partitions ({partitions[0]} …) but no "
                f"{self.files.identity.name}.",
                "The file that says which cluster they belong to was deleted.",
                "Restore it, or choose another data directory; nothing was changed.",
            )
        tool = self._java("kafka.tools.StorageTool", "format", "--cluster-id", cluster_id)
        try:
            done = subprocess.run(
                [*tool, "--config", str(self.files.properties), "--ignore-formatted", *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=FORMAT_TIMEOUT_S,
                env=java_environment(),
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise OperatorError(
                f"Kafka's StorageTool could not be run: {error}.",
                "The Java of this environment does not work on this computer.",
                "Delete .venv and run ./flumina again, or set KAFKA_BROKERS to another Kafka.",
            ) from error
        if done.returncode != 0:
            raise OperatorError(
                f"Kafka could not format {self.files.data}: {(done.stderr or done.stdout).strip()}",
                "The directory cannot be written to, or its disk is full.",
                "Make room or choose another data directory.",
            )

    def spawn(self, stop_timeout_s: float, keep_open: Sequence[int] = ()) -> GuardedProcess:
        """The started process; it is not ready yet."""
        self._trim_console()
        return GuardedProcess(
            self._java("kafka.Kafka", str(self.files.properties)),
            output=self.files.console,
            environment=java_environment(),
            stop_timeout_s=stop_timeout_s,
            keep_open=keep_open,
        )

    def _trim_console(self) -> None:
        console = self.files.console
        if console.exists() and console.stat().st_size > CONSOLE_BYTES_KEPT:
            console.write_bytes(console.read_bytes()[-CONSOLE_BYTES_KEPT:])

    def _java(self, main_class: str, *arguments: str) -> list[str]:
        return [
            str(self._installation.java),
            *self._java_flags,
            f"-Djava.util.logging.config.file={self.files.logging}",
            *("-cp", self._installation.class_path),
            main_class,
            *arguments,
        ]

    def last_words(self) -> str:
        """The last lines that explain why the process ended, from both of its logs."""
        found: list[str] = []
        for log, is_telling in ((self.files.server_log, _is_complaint), (self.files.console, bool)):
            if log.exists():
                lines = log.read_text("utf-8", errors="replace").splitlines()
                found += [line for line in lines[-200:] if is_telling(line)][-3:]
        return "\n".join(found) or "It wrote nothing."


def stored_cluster_id(files: NodeFiles) -> str | None:
    """The cluster that the data in these files belong to; None before the first format."""
    try:
        lines = files.identity.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return None
    for line in lines:
        key, _, value = line.partition("=")
        if key == "cluster.id":
            return value.strip()
    raise OperatorError(
        f"{files.identity} names no cluster.",
        "The file was damaged or written by something else.",
        "Restore it, or choose another data directory.",
    )


def _is_complaint(line: str) -> bool:
    return " SEVERE " in line or "Exception" in line


def java_environment() -> dict[str, str]:
    """The environment of this process without what would change Java's behaviour."""
    kept = {key: value for key, value in os.environ.items() if key not in FOREIGN_JAVA_VARIABLES}
    # By another one Java would not find a directory whose name has other letters than English ones.
    return kept | {"LC_ALL": "C.UTF-8"}


def in_java_properties(text: str) -> str:
    """The text as Java reads it from a file of properties, which knows no UTF-8.

    A directory `Ö` would be another one, `Ã`, and Kafka's data would lie there.
    """
    units = text.encode("utf-16-be")
    codes = (int.from_bytes(units[at : at + 2]) for at in range(0, len(units), 2))
    return "".join(chr(each) if each < 128 else f"\\u{each:04x}" for each in codes)
