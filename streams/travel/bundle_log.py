"""The log and the snapshot of a bundle, as the time machine reads them: offline, without Kafka.

The one thing to know: the log of a bundle begins at its snapshot; nothing before it can be asked.
"""

from bisect import bisect_left
from collections.abc import AsyncIterator, Sequence
from itertools import accumulate
from typing import Final

from projections.snapshot.format import BadSnapshot, Expected, decode
from scheduler.machine import Machine
from scheduler.model.codec import Undecodable, decode_record, digest_of
from streams.cell.follower import LogRecord
from streams.history.reading import LogBounds, LogHole
from streams.travel.bundle_file import CELL_LOG, SKIPPED, SNAPSHOT, BundleBad, BundleFile
from streams.travel.sources import SnapshotPlace

BATCH_RECORDS: Final = 500


class BundleLog:
    """The slice of the cell log in a bundle."""

    def __init__(self, bundle: BundleFile) -> None:
        manifest = bundle.manifest
        self._bounds = LogBounds(manifest.generation, manifest.first_offset, manifest.end_offset)
        records = list(bundle.slice(CELL_LOG))
        self._values = [each.value or b"" for each in records]
        self.skips = {
            each.offset: digest_of(each.value or b"") for each in records if each.key == SKIPPED
        }
        """Records that an operator had left out, with the digests that they have here."""
        self._times_ms: list[int] | None = None
        if len(self._values) != manifest.end_offset - manifest.first_offset:
            raise BundleBad(bundle.path, "records of the cell log are missing in it")

    async def bounds(self) -> LogBounds:
        """What the bundle has."""
        return self._bounds

    async def records(
        self, first_offset: int, end_offset: int
    ) -> AsyncIterator[Sequence[LogRecord]]:
        """The records of these offsets, in batches; raises `LogHole`."""
        begin, end = self._bounds.first_offset, self._bounds.end_offset
        if first_offset < begin or end_offset > end:
            raise LogHole(f"the bundle has records {begin} to {end - 1} only")
        for first in range(first_offset, end_offset, BATCH_RECORDS):
            last = min(end_offset, first + BATCH_RECORDS)
            yield [LogRecord(each, self._values[each - begin]) for each in range(first, last)]

    async def offset_at(self, at_ms: int) -> int:
        """The first offset whose record is not before this time; the end if none."""
        if self._times_ms is None:
            self._times_ms = list(accumulate(map(_at_ms, self._values), max))
        return self._bounds.first_offset + bisect_left(self._times_ms, at_ms)

    async def close(self) -> None:
        """Nothing is open: it was read at once."""


class BundleSnapshot:
    """The one snapshot of a bundle."""

    def __init__(self, bundle: BundleFile) -> None:
        self._bundle = bundle

    async def places(self) -> Sequence[SnapshotPlace]:
        """The snapshot at which the bundle begins; none where it begins at the log's beginning."""
        manifest = self._bundle.manifest
        if SNAPSHOT not in self._bundle.names():
            return ()
        return (SnapshotPlace(manifest.first_offset, manifest.first_at_ms, SNAPSHOT),)

    async def load(self, place: SnapshotPlace) -> Machine | None:
        """Its machine; raises `BundleBad` where it proves wrong: there is no other."""
        manifest = self._bundle.manifest
        expected = Expected(manifest.cell, manifest.cell_uuid, manifest.generation)
        try:
            return decode(self._bundle.member(place.key), expected).machine
        except BadSnapshot as bad:
            raise BundleBad(self._bundle.path, f"its snapshot is bad: {bad}") from bad


def _at_ms(data: bytes) -> int:
    try:
        return decode_record(data).at_ms
    except Undecodable:
        return 0
