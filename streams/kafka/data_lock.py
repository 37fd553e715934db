"""Who may use a data directory: one owner, one broker, told apart by two locks of the kernel.

`owner.lock` is held by the process that started the broker, `broker.lock` by the broker itself,
which inherits it. A free owner's lock with a taken broker's lock therefore means: the owner is
gone and its broker is just ending, so waiting helps. No process id is ever trusted, for ids are
given again.
"""

import fcntl
import os
import time
from pathlib import Path
from typing import IO

from streams.errors import OperatorError

LOCK_POLL_S = 0.05
# A process that was killed a moment ago holds its locks until the kernel has cleared it away.
OWNER_GRACE_S = 1.0


class DataDirLock:
    """The right to run a broker on one directory, from `acquire` to `release`."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._owner: IO[str] | None = None
        self._broker: IO[str] | None = None

    @property
    def broker_fd(self) -> int:
        """The descriptor that the broker is to inherit."""
        assert self._broker is not None, "acquire() comes first"
        return self._broker.fileno()

    def acquire(self, predecessor_wait_s: float) -> None:
        """Take both locks, waiting only for a broker whose owner is gone."""
        try:
            self._data_dir.mkdir(parents=True, exist_ok=True)
            self._owner = (self._data_dir / "owner.lock").open("a+", encoding="utf-8")
            self._broker = (self._data_dir / "broker.lock").open("a+", encoding="utf-8")
        except OSError as error:
            self.release()
            raise OperatorError(
                f"Kafka's data directory {self._data_dir} cannot be used: {error.strerror}.",
                "It belongs to another user, or lies on a disk that is full or read-only.",
                "Choose a directory that you can write to.",
            ) from error
        is_ours = _lock_within(self._owner, OWNER_GRACE_S) and _lock_within(
            self._broker, predecessor_wait_s
        )
        if not is_ours:
            holder = self._holder()
            self.release()
            raise OperatorError(
                f"The data under {self._data_dir} are in use by a running Kafka{holder}.",
                "Another flumina runs on the same directory.",
                "Stop it first, or choose another data directory.",
            )
        self._owner.truncate(0)
        self._owner.write(str(os.getpid()))
        self._owner.flush()

    def _holder(self) -> str:
        assert self._owner is not None
        self._owner.seek(0)
        pid = self._owner.read().strip()
        return f", started by process {pid}" if pid else ""

    def leave_to_broker(self) -> None:
        """Let go of the broker's lock here, so that from now on only the broker holds it."""
        if self._broker is not None:
            self._broker.close()
            self._broker = None

    def release(self) -> None:
        """Let go of whatever this process still holds; twice is once."""
        self.leave_to_broker()
        if self._owner is not None:
            self._owner.close()
            self._owner = None


def _lock_within(lock: IO[str], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(LOCK_POLL_S)
        else:
            return True
