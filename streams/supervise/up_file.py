"""`up.json`: how other commands find a running `up`, and the lock that allows only one.

The one thing to know: the lock says whether it runs, never the file and never a process id. The
kernel lets go of the lock however `up` ends, so a file that was left behind misleads nobody.
"""

import fcntl
import os
import time
from pathlib import Path
from typing import IO, Final, Literal

import msgspec

from scheduler.model.reading.bad_bytes import BAD_BYTES
from streams.errors import OperatorError

UP_FILE: Final = "up.json"
LOCK_FILE: Final = "up.lock"
LOCK_POLL_S: Final = 0.05
# Commands that look whether somebody runs hold the lock for a moment.
LOCK_GRACE_S: Final = 1.0


KeeperState = Literal["starting", "ready", "waiting", "failed", "stopped"]


class PartView(msgspec.Struct, frozen=True):
    """A part as it is now."""

    name: str
    state: KeeperState
    address: str
    pid: int | None
    starts: int
    log_file: str


class DevClusterView(msgspec.Struct, frozen=True):
    """The dev cluster of this `up`."""

    port: int
    data_dir: str
    agents: int


class CellAddress(msgspec.Struct, frozen=True):
    """One cell of several, and the API that follows it."""

    name: str
    api: str


class UpView(msgspec.Struct, frozen=True):
    """What `up` tells about itself; fields are only ever added."""

    version: int
    pid: int
    started_at_ms: int
    data_dir: str
    api: str
    kafka: str
    topic_prefix: str
    mesos: tuple[str, ...]
    dev_cluster: DevClusterView | None
    parts: tuple[PartView, ...]
    cells: tuple[CellAddress, ...] = ()
    """In the order of their partitions; `api` is the federation's front where there are several."""
    console: str = ""
    """Where a browser finds the console, and the command line live queries."""


class UpLock:
    """The right to run `up` on one data directory."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._lock: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock; raises `OperatorError` when another `up` has it."""
        try:
            self._data_dir.mkdir(parents=True, exist_ok=True)
            lock = (self._data_dir / LOCK_FILE).open("a+", encoding="utf-8")
        except OSError as error:
            raise OperatorError(
                f"The data directory {self._data_dir} cannot be used: {error.strerror}.",
                "It belongs to another user, or lies on a disk that is full or read-only.",
                "Choose another one with --data-dir.",
            ) from error
        deadline = time.monotonic() + LOCK_GRACE_S
        while not _could_take(lock, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                lock.close()
                raise OperatorError(
                    f"Another flumina{_who(lock.name)} runs on the directory {self._data_dir}.",
                    "One directory serves one `up` or `demo` at a time.",
                    "Stop that one first, or choose another directory with --data-dir.",
                )
            time.sleep(LOCK_POLL_S)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    @property
    def is_held(self) -> bool:
        """Whether this process has the right."""
        return self._lock is not None

    def release(self) -> None:
        """Let go of the lock; twice is once."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _who(lock_path: str) -> str:
    pid = Path(lock_path).read_text("utf-8").strip()
    return f", process {pid}," if pid else ""


def _could_take(lock: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_up_file(view: UpView) -> None:
    """Replace the file as a whole, readable for its owner only."""
    path = Path(view.data_dir) / UP_FILE
    temporary = path.with_name(f".{UP_FILE}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(msgspec.json.format(msgspec.json.encode(view), indent=1) + b"\n")
    temporary.replace(path)


def forget_up_file(data_dir: Path) -> None:
    """Remove the file, for nobody runs here any more."""
    (data_dir / UP_FILE).unlink(missing_ok=True)


def running_up(data_dir: Path) -> UpView | None:
    """The `up` that runs on this directory now, or None."""
    try:
        lock = (data_dir / LOCK_FILE).open("r", encoding="utf-8")
    except OSError:
        return None
    with lock:
        if _could_take(lock, fcntl.LOCK_SH):
            return None
    return read_up_file(data_dir)


def running_ups(parent: Path) -> list[UpView]:
    """Every `up` that runs on this directory or on one directly below it."""
    below = sorted(each.parent for each in parent.glob(f"*/{LOCK_FILE}"))
    return [found for each in (parent, *below) if (found := running_up(each)) is not None]


def read_up_file(data_dir: Path) -> UpView | None:
    """What the file tells, whoever wrote it; None where there is none. Raises `OperatorError`."""
    try:
        return msgspec.json.decode((data_dir / UP_FILE).read_bytes(), type=UpView)
    except FileNotFoundError:
        return None  # It has the lock and is about to write the file.
    except BAD_BYTES as error:
        raise OperatorError(
            f"{data_dir / UP_FILE} cannot be read: {error}.",
            "Another release of flumina runs there.",
            "Use its own commands, or name the API with --api.",
        ) from error
