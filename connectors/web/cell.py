"""What the API needs of a cell, as Protocols; `streams.api` has it from Kafka, tests from memory.

The one thing to know: the API never changes a cell. It publishes to a topic that anybody may
publish to, and looks at a fold of the cell log.
"""

import re
from typing import Final, Literal, Protocol

import msgspec

from connectors.web.passing import Passing
from projections.cell_view import CellView
from scheduler.model.ids import TaskId

Topic = Literal["jobs", "commands"]
FileName = str
"""stdout, stderr, or a path below the log folder; checked by `connectors.tasklogs.layout`."""

OFFSET_MAX: Final = 2**63 - 1
_TOKEN: Final = re.compile(r"(jobs|commands|cell):([0-9]{1,9}):([0-9]{1,19})", re.ASCII)


class Token(msgspec.Struct, frozen=True):
    """A place that a read can demand as "at least": an inbound record, or one of the cell log."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        """The token as answers carry it: ``jobs:0:123``."""
        return f"{self.topic}:{self.partition}:{self.offset}"


def token_of(text: str) -> Token | None:
    """The token that ``text`` writes, or None."""
    found = _TOKEN.fullmatch(text)
    if found is None or int(found[3]) > OFFSET_MAX:
        return None
    return Token(found[1], int(found[2]), int(found[3]))


class NotWritten(Exception):
    """Kafka did not acknowledge a record; it may be in the log all the same. Says why."""


class Progress(msgspec.Struct, frozen=True):
    """How well this process knows its cell, apart from what the fold itself says."""

    halt: str = ""
    """Why and where the fold halted, as a sentence; empty while it folds."""
    halted_at: tuple[int, str] | None = None
    """Offset and digest of the record at which the fold halted."""
    lag_records: int = 0
    """Records of the cell log that were not looked at yet."""
    kafka_silent_ms: int | None = 0
    """Since when the end of the cell log could not be asked for; None before the first time."""


class Cell(Protocol):
    """One cell, seen by one process that follows it."""

    @property
    def partition(self) -> int:
        """The cell's partition in every topic."""
        ...

    @property
    def view(self) -> CellView:
        """The fold as it is now; another object after the log was folded anew."""
        ...

    @property
    def passing(self) -> Passing:
        """Who waits for the fold."""
        ...

    def progress(self) -> Progress:
        """Whether the fold goes on, and how far behind it is."""
        ...

    def now_ms(self) -> int:
        """Wall time in milliseconds since 1970."""
        ...

    async def publish(self, topic: Topic, key: str, value: bytes) -> Token:
        """Where the record stands, once it is on all in-sync replicas; raises `NotWritten`."""
        ...


class Sandbox(msgspec.Struct, frozen=True):
    """Where to ask for what a task has written: its host, and its place in the store."""

    host_url: str
    """Empty where nobody knows it any more."""
    framework_id: str
    task_id: TaskId
    cell: str = ""
    job_id: str = ""
    is_over: bool = False
    """The task has ended, or was forgotten: it writes nothing more."""


class Piece(msgspec.Struct, frozen=True):
    """Some bytes of a file, where they begin, and how long the file was then."""

    data: bytes
    offset: int
    size: int
    next_offset: int | None = None
    """Where to read on, where that is not behind the data: bytes that are kept nowhere are left
    out, and ``data`` is a line that says so."""
    note: str = ""
    """What a reader should know of this answer; empty where there is nothing."""

    @property
    def following(self) -> int:
        """Where to read on."""
        return self.offset + len(self.data) if self.next_offset is None else self.next_offset


class LogUnavailable(Exception):
    """A task's file cannot be read; the text says why and what to do."""

    def __init__(self, kind: Literal["missing", "unreachable", "broken"], text: str) -> None:
        super().__init__(text)
        self.kind: Literal["missing", "unreachable", "broken"] = kind


class TaskFiles(Protocol):
    """What tasks have written, read from their hosts and from the store as one."""

    async def read(
        self, sandbox: Sandbox, name: FileName, offset: int | None, length: int
    ) -> Piece:
        """Up to ``length`` bytes from ``offset``, or the last ones where it is None.

        Raises `LogUnavailable`.
        """
        ...

    async def offset_at(self, sandbox: Sandbox, name: FileName, at_ms: int) -> int:
        """From where on the file holds all that was written since that instant, and little more.

        Raises `LogUnavailable`.
        """
        ...
