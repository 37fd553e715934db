"""Which of the masters leads: the one that holds a lock of the kernel on the registry's directory.

The one thing to know: the kernel releases the lock however its holder ends, kill -9 included, and
names the holder's process to whoever asks; an address in the file counts only while that process
holds the lock. It stands for ZooKeeper: all who look share the disk, so no cut hides the leader.
"""

import fcntl
import json
import os
import struct
from dataclasses import asdict, dataclass
from pathlib import Path

from connectors.devcluster.node import ClusterConfig

_LOCK_FILE = "leader.lock"
# struct flock of Linux on 64 bits: type, whence, start, length, process.
_FLOCK = "hhqqi4x"


@dataclass(frozen=True)
class Leader:
    """The master that leads."""

    node: str
    host: str
    port: int
    pid: int

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://{self.host}:{self.port}"


class Leadership:
    """One master's try to lead."""

    def __init__(self, config: ClusterConfig, node: str) -> None:
        self._me = Leader(node, config.host, config.port_of(node), os.getpid())
        path = _lock_path(config)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Never opened a second time here: closing any descriptor of it would release the lock.
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self) -> bool:
        """Lead, if nobody does; whether we lead now, and do so until this process ends."""
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        text = json.dumps(asdict(self._me)).encode()
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text, 0)
        return True


def leader_of(config: ClusterConfig) -> Leader | None:
    """The master that leads now, as others see it; None while there is none."""
    try:
        descriptor = os.open(_lock_path(config), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        question = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        answer = fcntl.fcntl(descriptor, fcntl.F_GETLK, question)
        kind, _, _, _, holder = struct.unpack(_FLOCK, answer)
        text = os.pread(descriptor, 4096, 0)
    finally:
        os.close(descriptor)
    if kind == fcntl.F_UNLCK:
        return None
    try:
        leader = Leader(**json.loads(text))
    except ValueError:
        # It has the lock and is just writing who it is.
        return None
    return leader if leader.pid == holder else None


def _lock_path(config: ClusterConfig) -> Path:
    return config.root / "master" / _LOCK_FILE
