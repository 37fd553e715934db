"""What every embedded broker is, alone or one of three: a directory, a lock, a Java process.

The one thing to know: whoever starts a broker chooses its address and its voters; here is how it
is formatted, started until it answers, stopped and killed.
"""

import base64
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from streams.errors import OperatorError
from streams.kafka.data_lock import DataDirLock
from streams.kafka.guarded import GuardedProcess
from streams.kafka.node import Node, NodeAddress
from streams.kafka.ports import free_ports
from streams.kafka.probe import in_own_loop, wait_until_ready

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
# A broker whose owner was killed is given this long to end before its directory is called taken.
PREDECESSOR_WAIT_S = STOP_TIMEOUT_S + 10
BIND_FAILURE = "Address already in use"


class PortTaken(OperatorError):
    """Another program was faster to a port that was free a moment ago."""


class BrokerProcess:
    """A broker that runs or does not: what its owner can ask of it and do to it."""

    def __init__(self, lock: DataDirLock) -> None:
        self._lock = lock
        self._process: GuardedProcess | None = None

    @property
    def pid(self) -> int:
        """The process id of the broker itself, which is a Java program."""
        assert self._process is not None, "start() comes first"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the broker was started and has not ended since."""
        return self._process is not None and self._process.poll() is None

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


def served(
    node: Node,
    address: NodeAddress,
    voters: Sequence[NodeAddress],
    overrides: Mapping[str, str],
    lock: DataDirLock,
    *,
    stop_timeout_s: float = STOP_TIMEOUT_S,
    bootstrap: str | None = None,
) -> GuardedProcess:
    """The process, ready for clients; raises `PortTaken` or another `OperatorError`.

    ``bootstrap`` is its address with how it is spoken to, where that is not in the clear.
    """
    log_file = node.files.server_log
    node.write_configuration(address, voters, overrides)
    process = node.spawn(stop_timeout_s, keep_open=[lock.broker_fd])
    try:
        view = in_own_loop(
            wait_until_ready(
                bootstrap or address.bootstrap,
                broker=address.node_id,
                timeout_s=START_TIMEOUT_S,
                has_ended=lambda: process.poll() is not None,
            )
        )
    except TimeoutError as error:
        process.stop()
        raise OperatorError(
            f"Kafka (process {process.pid}) did not answer on {address.bootstrap} within "
            f"{START_TIMEOUT_S:.0f} s and was stopped.",
            f"{_why_silent(voters)} {node.last_words()}",
            f"Read {log_file} and start again.",
        ) from error
    except BaseException:
        process.stop()
        raise
    if view is not None and view.cluster_id == node.cluster_id():
        process.confirm_ready()
        return process
    code = process.stop()
    words = node.last_words()
    kind = PortTaken if BIND_FAILURE in words else OperatorError
    raise kind(
        f"Kafka ended with code {code} before it was ready.",
        f"Its last words: {words}",
        f"Read {log_file}; the data under {node.files.root} are untouched.",
    )


def _why_silent(voters: Sequence[NodeAddress]) -> str:
    if len(voters) > 1:
        return (
            f"Fewer than {len(voters) // 2 + 1} of its {len(voters)} brokers run, this computer is "
            "overloaded, or Kafka recovers a large log."
        )
    return "This computer is overloaded, or Kafka recovers a large log."


def ensure_formatted(
    node: Node,
    directory: Path,
    wanted_cluster_id: str | None,
    overrides: Mapping[str, str],
    words: Sequence[str] = (),
) -> None:
    """The node's directory belongs to a cluster; to the wanted one, if one is wanted.

    ``words`` are more for the tool that formats: users, which are part of the storage.
    """
    stored = node.cluster_id()
    if stored is None:
        cluster_id = wanted_cluster_id or new_cluster_id()
        # The tool reads the directories from the configuration; the ports do not matter yet.
        address = NodeAddress(node.files.node_id, *free_ports(2))
        node.write_configuration(address, [address], overrides)
        node.format(cluster_id, words)
    elif wanted_cluster_id not in {None, stored}:
        raise OperatorError(
            f"The data under {directory} belong to the Kafka cluster {stored}, not to "
            f"{wanted_cluster_id}.",
            "The directory is of another installation, or was restored from one.",
            "Choose another data directory; nothing was changed.",
        )


def new_cluster_id() -> str:
    """A new cluster id in Kafka's form: 16 random bytes, base64, 22 characters."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):  # Kafka's tool would take it for an option.
            return text
