"""The snapshots of one cell in a store: listed, written, read, and fallen back over.

The one thing to know: every call blocks; coroutines call them in a thread. What is read is checked
whole, each time: header, checksums, and the digest of the state.
"""

from collections.abc import Iterator
from typing import Final

import structlog

from connectors.ports import NoSuchObject, ObjectExists, ObjectStore
from projections.snapshot.format import (
    BadSnapshot,
    Captured,
    Encoded,
    Expected,
    Header,
    Restored,
    check_against,
    decode,
    encode,
    read_header,
)
from streams.snapshots.metrics import SnapshotMetrics
from streams.snapshots.names import SnapshotName, key_of, name_of, prefix_of

logger = structlog.get_logger(__name__)

HEADER_READ_BYTES: Final = 64 * 1024
"""A header of a cell with a hundred inbound partitions has a tenth of that."""


class Shelf:
    """Where the snapshots of a cell lie."""

    def __init__(
        self, store: ObjectStore, cell: str, metrics: SnapshotMetrics | None = None
    ) -> None:
        self.store = store
        self.cell = cell
        self.metrics = metrics

    def names(self, generation: str = "") -> list[SnapshotName]:
        """All snapshots, or those of one generation, by generation and offset."""
        found = map(name_of, self.store.facts(prefix_of(self.cell, generation)))
        names = [each for each in found if each is not None]
        return sorted(names, key=lambda each: (each.generation, each.next_offset, each.key))

    def generations(self) -> list[str]:
        """The generations of which there are snapshots, the one written to last at the end."""
        newest: dict[str, int] = {}
        for each in self.names():
            newest[each.generation] = max(newest.get(each.generation, 0), each.written_at_ms)
        return sorted(newest, key=lambda each: (newest[each], each))

    def known_generations(self, current: str) -> list[str]:
        """The generations of which the store holds anything, the archive included.

        Of the archive only ``current`` is looked for and, where nothing else is known, any other:
        a cell may have been archived and be too young for a snapshot.
        """
        known = self.generations()
        if current in known:
            return known
        archived = f"archive/cells/{self.cell}/"
        if current and next(iter(self.store.facts(f"{archived}{current}/")), None):
            return [*known, current]
        first = next(iter(self.store.facts(archived)), None) if not known else None
        return [first.key.removeprefix(archived).partition("/")[0]] if first else known

    def put(self, captured: Captured) -> SnapshotName:
        """Write a snapshot and read it back; raises `BadSnapshot` where that is not the same.

        One that is there already under the same key is of the same state, taken by somebody else:
        it counts if it proves itself, and is replaced if it does not.
        """
        encoded = encode(captured)
        key = key_of(encoded.header)
        try:
            self.store.put_new(key, encoded.data)
        except ObjectExists:
            self._put_again(key, encoded)
        check_against(self.store.get(key), captured)
        name = name_of(next(iter(self.store.facts(key))))
        assert name is not None
        return name

    def _put_again(self, key: str, encoded: Encoded) -> None:
        """Leave the snapshot that is there, or replace it where it is damaged."""
        try:
            decode(self.store.get(key), self._expected(encoded.header.generation))
        except BadSnapshot as bad:
            logger.warning("a damaged snapshot is written anew", key=key, why=str(bad))
            self.store.delete(key)
            self.store.put_new(key, encoded.data)
        else:
            logger.info("somebody else took this snapshot", key=key)

    def header(self, name: SnapshotName) -> Header:
        """What the snapshot says of itself; raises `BadSnapshot` or `NoSuchObject`."""
        return read_header(self.store.get_range(name.key, 0, HEADER_READ_BYTES))[0]

    def load(self, name: SnapshotName, *, is_proven: bool = True) -> Restored:
        """The machine of this snapshot; raises `BadSnapshot` or `NoSuchObject`."""
        restored = decode(
            self.store.get(name.key), self._expected(name.generation), is_proven=is_proven
        )
        if key_of(restored.header) != name.key:
            raise BadSnapshot(f"it belongs under the key {key_of(restored.header)}: it was moved")
        return restored

    def newest_good(self, generation: str) -> Restored | None:
        """The newest snapshot of a generation that proves itself; None where none does."""
        return self.nearest_below(generation, None)

    def nearest_below(
        self, generation: str, offset: int | None, *, is_proven: bool = True
    ) -> Restored | None:
        """The newest good snapshot that holds no record at or behind the offset; None without."""
        for name in self.candidates(generation, offset):
            try:
                return self.load(name, is_proven=is_proven)
            except NoSuchObject:
                continue  # Retention removed it since the listing.
            except BadSnapshot as bad:
                self.say_bad(name, bad)
        return None

    def candidates(self, generation: str, offset: int | None) -> Iterator[SnapshotName]:
        """The snapshots of a generation at or below an offset, newest first."""
        for name in reversed(self.names(generation)):
            if offset is None or name.next_offset <= offset:
                yield name

    def say_bad(self, name: SnapshotName, bad: BadSnapshot) -> None:
        """Tell that a snapshot cannot be used, and that an older one is tried."""
        if self.metrics is not None:
            self.metrics.bad.labels(self.cell).inc()
        logger.critical(
            "a snapshot cannot be used; the one before it is tried",
            page=True,
            key=name.key,
            store=self.store.url,
            why=f"{name.key}: {bad}",
        )

    def delete(self, name: SnapshotName) -> None:
        """Remove a snapshot."""
        self.store.delete(name.key)

    def _expected(self, generation: str) -> Expected:
        return Expected(cell=self.cell, generation=generation)
