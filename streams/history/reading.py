"""What readers of a cell's whole log expect, wherever its records are kept.

The one thing to know: offsets are those of one generation of the log. A reader joins what is
archived and what Kafka still has, and raises rather than leave a hole.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec

from streams.cell.follower import LogRecord


class LogHole(Exception):
    """Records that were asked for are neither archived nor in Kafka; names the first one."""


class LogBounds(msgspec.Struct, frozen=True):
    """Which offsets there are: from ``first_offset`` up to, and without, ``end_offset``."""

    generation: str
    first_offset: int
    end_offset: int


class LogReader(Protocol):
    """Reads one partition of the cell log, from its first record to its end."""

    async def bounds(self) -> LogBounds:
        """What there is now."""
        ...

    def records(self, first_offset: int, end_offset: int) -> AsyncIterator[Sequence[LogRecord]]:
        """The records from ``first_offset`` up to, and without, ``end_offset``, in batches.

        In order and without a gap; raises `LogHole` where one is missing.
        """
        ...

    async def offset_at(self, at_ms: int) -> int:
        """The first offset whose record is not before this time (its ``at_ms``); the end if none.

        The fold's clock never runs backwards, a leader's may: the answer is by the largest
        ``at_ms`` of all records up to each offset.
        """
        ...

    async def close(self) -> None:
        """Give back connections and files."""
        ...
