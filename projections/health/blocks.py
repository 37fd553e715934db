"""Records of lines as one block, and where each line of it comes from.

The one thing to know: lines are looked at a thousand at a time, whether they came in one record or
in a thousand; only a line that something was found in is traced back to its record.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Final, NamedTuple

import msgspec

AHEAD_MS_MAX: Final = 5 * 60 * 1_000
"""A clock that goes so far before the receiver's is wrong."""
BEHIND_MS_MAX: Final = 24 * 60 * 60 * 1_000
"""What is older says nothing of a host's health today."""


class LineRecord(msgspec.Struct, frozen=True):
    """Lines of one host as one record held them."""

    host_id: str
    lines: Sequence[str]
    times_ms: Sequence[int]
    """One for each line, or one for all."""
    source: str
    """``topic:partition:offset``; a line's own source has its place in the record behind it."""
    lane: str
    """What has a watermark of its own: a partition."""
    received_at_ms: int

    def is_near(self, at_ms: int) -> bool:
        """Whether a line's clock may be right, by when the record was received."""
        return -BEHIND_MS_MAX <= at_ms - self.received_at_ms <= AHEAD_MS_MAX

    @property
    def newest_ms(self) -> int:
        """The newest time that may be right; 0 where there is none."""
        newest = max(self.times_ms, default=0)
        if self.is_near(newest):
            return newest
        return max(filter(self.is_near, self.times_ms), default=0)

    def quarantined(self) -> int:
        """How many lines have a clock that cannot be right."""
        times = self.times_ms
        if not times or (self.is_near(min(times)) and self.is_near(max(times))):
            return 0
        wrong = sum(not self.is_near(each) for each in times)
        return wrong if len(times) > 1 else wrong * len(self.lines)


class Place(NamedTuple):
    """Where a line of a block stands; `at_ms` is None where its clock cannot be right."""

    record: LineRecord
    at_ms: int | None
    source: str


class Block:
    """The lines of some records, one after the other."""

    def __init__(self, records: Sequence[LineRecord]) -> None:
        self.records = records
        self._firsts = [0, *accumulate(len(each.lines) for each in records)]
        lines: Sequence[str] = [line for record in records for line in record.lines]
        text = "\n".join(lines).encode("utf-8", "replace")
        if lines and text.count(b"\n") != len(lines) - 1:
            lines = [each.replace("\n", " ") for each in lines]
            text = "\n".join(lines).encode("utf-8", "replace")
        self.lines = lines
        """None of them has a line feed within."""
        self.text = text
        """The same in UTF-8, with line feeds between."""

    def place(self, line: int) -> Place:
        """Where a line stands."""
        number = bisect_right(self._firsts, line) - 1
        record, inner = self.records[number], line - self._firsts[number]
        times = record.times_ms
        at_ms = times[inner] if len(times) > 1 else times[0]
        return Place(record, at_ms if record.is_near(at_ms) else None, f"{record.source}:{inner}")
