"""The parts that `up` keeps running: a program with a log, and the embedded Kafka.

The one thing to know: a part is ready when it says so (a line ``ready ADDRESS`` of a program, an
answer over the protocol of Kafka), never because some time has passed.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import structlog

from streams.errors import OperatorError
from streams.kafka.embedded import EmbeddedKafka
from streams.kafka.guarded import GuardedProcess
from streams.kafka.trio import TrioBroker
from streams.supervise.log_file import LogFile

logger = structlog.get_logger(__name__)

READY_POLL_S = 0.03
READY_TIMEOUT_S = 90.0
READY_AGAIN_TIMEOUT_S = 1_800.0
"""A cell process that begins anew folds its log first, without a snapshot all of it; one that was
ended for taking long would never come to the end of it."""
READY_WORD = "ready"

ReadyLine = Callable[[str], str | None]


class Part(Protocol):
    """Something that runs beside this process and is kept running."""

    @property
    def name(self) -> str:
        """What people call it; no other part of the same `up` has this name."""
        ...

    @property
    def log_file(self) -> Path:
        """Where it writes what it has to say."""
        ...

    @property
    def pid(self) -> int | None:
        """The process id, while there is a process."""
        ...

    def start(self, is_over: threading.Event) -> str:
        """Its address (or other last word) once it is ready; raises `OperatorError` else."""
        ...

    def poll(self) -> int | None:
        """The exit code once it has ended by itself; None while it runs."""
        ...

    def tend(self) -> None:
        """Keep its files in bounds; called now and then while it runs."""
        ...

    def stop(self) -> None:
        """End it cleanly, by force when that takes too long; twice is once."""
        ...


def after_ready_word(line: str) -> str | None:
    """What follows the word ``ready`` at the beginning of a line; None for any other line."""
    word, _, rest = line.strip().partition(" ")
    return rest.strip() if word == READY_WORD else None


class Program:
    """A program as a guarded child: it ends with this process, however this process ends."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: LogFile,
        *,
        stop_timeout_s: float,
        ready_line: ReadyLine = after_ready_word,
    ) -> None:
        self.name = name
        self._command = list(command)
        self._environment = dict(environment)
        self._log = log
        self._stop_timeout_s = stop_timeout_s
        self._ready_line = ready_line
        self._process: GuardedProcess | None = None
        self._was_ready = False

    @property
    def log_file(self) -> Path:
        """Where its outputs go."""
        return self._log.path

    @property
    def pid(self) -> int | None:
        """The process id, while there is a process."""
        return None if self._process is None else self._process.pid

    def start(self, is_over: threading.Event) -> str:
        """The rest of its ready line; raises `OperatorError` when it ends or is silent."""
        self.stop()
        try:
            begins = self._log.begin()
            process = GuardedProcess(
                self._command, self._log.path, self._environment, self._stop_timeout_s
            )
        except OSError as error:
            raise OperatorError(
                f"{self.name} could not be started: {error}.",
                f"{self._log.path.parent} cannot be written to, or the system has no room for "
                "another process.",
                "Make room, or choose another data directory.",
            ) from error
        self._process = process
        limit_s = READY_AGAIN_TIMEOUT_S if self._was_ready else READY_TIMEOUT_S
        deadline = time.monotonic() + limit_s
        while (found := self._ready_since(begins)) is None:
            code = process.poll()
            if code is not None:
                self.stop()
                raise self._failed(f"ended with code {code} before it was ready", begins)
            if time.monotonic() > deadline:
                self.stop()
                raise self._failed(f"was not ready within {limit_s:.0f} s", begins)
            if is_over.wait(READY_POLL_S):
                self.stop()
                raise self._failed("was stopped before it was ready", begins)
        process.confirm_ready()
        self._was_ready = True
        return found

    def _ready_since(self, begins: int) -> str | None:
        for line in self._log.text_from(begins).splitlines():
            found = self._ready_line(line)
            if found is not None:
                return found
        return None

    def _failed(self, how: str, begins: int) -> OperatorError:
        words = self._log.last_words(begins)
        return OperatorError(
            f"{self.name} {how}.",
            f"Its last words:\n{words}\n" if words else "It wrote nothing.",
            f"Read {self._log.path} and start again.",
        )

    def poll(self) -> int | None:
        """The exit code once it has ended by itself; None while it runs."""
        return None if self._process is None else self._process.poll()

    def tend(self) -> None:
        """Shorten the log when it is too long."""
        try:
            self._log.shorten()
        except OSError as error:
            # A full disk is no reason to leave the program alone; it is tried again soon.
            logger.warning("log cannot be shortened", file=str(self._log.path), why=str(error))

    def stop(self) -> None:
        """End it with SIGTERM, with SIGKILL when that takes too long."""
        process, self._process = self._process, None
        if process is not None:
            process.stop()


class KafkaPart:
    """An embedded broker, which has its own guard, log and memory of ports."""

    def __init__(self, kafka: EmbeddedKafka | TrioBroker, name: str = "kafka") -> None:
        self.name = name
        self._kafka = kafka
        self._address: str | None = None

    @property
    def log_file(self) -> Path:
        """Kafka's own log, of bounded size by its configuration."""
        return self._kafka.log_file

    @property
    def pid(self) -> int | None:
        """The process id of the broker, while it runs."""
        return self._kafka.pid if self._kafka.is_running else None

    def start(self, is_over: threading.Event) -> str:
        """The bootstrap address, once the broker has answered there."""
        address = self._kafka.start()
        if self._address not in {None, address}:
            self._kafka.stop()
            raise OperatorError(
                f"Kafka came back at {address}, but everybody looks for it at {self._address}.",
                "Another program has taken its port meanwhile.",
                "End that program; Kafka is tried again.",
            )
        self._address = address
        if is_over.is_set():
            self._kafka.stop()
        return address

    def poll(self) -> int | None:
        """The exit code once it has ended by itself; None while it runs."""
        return None if self._kafka.is_running else self._kafka.wait()

    def tend(self) -> None:
        """Nothing: Kafka's logs have their bounds from its configuration."""

    def stop(self) -> None:
        """End the broker cleanly."""
        self._kafka.stop()


def child_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The environment for our own programs: ours, with the import path of this very code."""
    root = str(Path(__file__).parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    # Otherwise Python keeps a page of a log in memory, and the page is what a crash would explain.
    fixed = {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}
    return {**os.environ, **fixed, **extra}
