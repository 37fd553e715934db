"""What is read and not yet archived: one open range for each series, in memory.

The one thing to know: a track knows only what comes next and what it has; Kafka is read no further
than an open range may grow. A track of derived rows may be behind the records', while a fold is
halted, and then closes its ranges by itself.
"""

from collections.abc import Sequence

import msgspec

from connectors.archive.archive import NewRange
from connectors.archive.columns import raw_bytes_of
from connectors.archive.ranges import Series, Span
from connectors.archive.rows import ArchivedRecord, Row
from scheduler.chain import Chain
from streams.cell.follower import LogRecord
from streams.history.heads import archived_record
from streams.history.limits import HistoryLimits


class Made(msgspec.Struct, frozen=True):
    """When and by which build ranges are made, as their manifests say."""

    at_ms: int
    build: str


class Track:
    """The open range of one series."""

    def __init__(self, series: Series, next_offset: int, at_ms_max: int) -> None:
        self.series = series
        self.next_offset = next_offset
        """Everything below is archived or in the open range."""
        self.first_offset = next_offset
        self.at_ms_max = at_ms_max
        self.rows: list[Row] = []
        self.bytes_total = 0
        self._opened_at_ms: int | None = None

    def add(self, rows: Sequence[Row], next_offset: int, now_ms: int) -> None:
        """Take rows into the open range; with them it reaches up to, without, ``next_offset``."""
        if self._opened_at_ms is None:
            self._opened_at_ms = now_ms
        self.rows += rows
        self.bytes_total += sum(raw_bytes_of(each) for each in rows)
        for row in rows:
            self.at_ms_max = max(self.at_ms_max, row.at_ms)
        self.next_offset = next_offset

    def is_due(self, limits: HistoryLimits, now_ms: int) -> bool:
        """Whether the open range has to be closed."""
        if self._opened_at_ms is None or self.next_offset == self.first_offset:
            return False
        return (
            self.next_offset - self.first_offset >= limits.range_records_max
            or self.bytes_total >= limits.range_bytes_max
            or now_ms - self._opened_at_ms >= limits.range_age_ms
        )

    def open_ms(self, now_ms: int) -> int:
        """How long the oldest record of the open range waits; 0 while there is none."""
        return 0 if self._opened_at_ms is None else max(0, now_ms - self._opened_at_ms)

    def range(self, made: Made) -> NewRange:
        """The open range as it is archived, if it is now."""
        return NewRange(
            series=self.series,
            span=Span(self.first_offset, self.next_offset - 1),
            rows=tuple(self.rows),
            at_ms_max=self.at_ms_max,
            made_at_ms=made.at_ms,
            build=made.build,
        )

    def archived(self) -> None:
        """Begin the next range: this one is in the archive."""
        self.first_offset = self.next_offset
        self.rows = []
        self.bytes_total = 0
        self._opened_at_ms = None

    def jump(self, next_offset: int) -> None:
        """Go on behind a gap that nobody can fill; only between two ranges."""
        assert not self.rows, "an open range has no gap"
        self.first_offset = self.next_offset = next_offset


class RecordTrack(Track):
    """The open range of the raw records of a cell log, with the chain over them."""

    def __init__(self, series: Series, next_offset: int, at_ms_max: int, chain: Chain) -> None:
        super().__init__(series, next_offset, at_ms_max)
        self.chain = chain
        self._chain_before = chain.hex

    def take(self, records: Sequence[LogRecord], now_ms: int) -> None:
        """Take these records, which are the next ones, into the open range."""
        rows: list[ArchivedRecord] = []
        at_ms_max = self.at_ms_max
        for record in records:
            row = archived_record(record.offset, record.value, at_ms_max)
            at_ms_max = row.at_ms_max
            self.chain.take(record.value)
            rows.append(row)
        if rows:
            self.add(rows, rows[-1].offset + 1, now_ms)

    def range(self, made: Made) -> NewRange:
        """The open range as it is archived, if it is now."""
        return msgspec.structs.replace(
            super().range(made), chain_before=self._chain_before, chain_after=self.chain.hex
        )

    def archived(self) -> None:
        """Begin the next range: this one is in the archive."""
        super().archived()
        self._chain_before = self.chain.hex

    def jump(self, next_offset: int) -> None:
        """Go on behind a gap: what the chain would have been there, nobody knows."""
        super().jump(next_offset)
        self.chain = Chain()
        self._chain_before = ""
