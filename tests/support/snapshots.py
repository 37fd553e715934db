"""Snapshots of a log in memory, for tests: a shelf, a reader of the log, and a follower of it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from connectors.objects.directory import DirectoryStore
from streams.cell.follower import BareFold, Follower, LogRecord
from streams.snapshots.loading import Bases
from streams.snapshots.names import SnapshotName
from streams.snapshots.shelf import Shelf
from streams.snapshots.taking import SnapshotTaker, TakingPolicy
from tests.support.log_in_memory import LogInMemory

CELL = "test"
"""As `CellInMemory` names it."""


class Scene:
    """A cell's log in memory, followed from its beginning, and a store in a directory."""

    def __init__(self, folder: Path, log: Sequence[bytes]) -> None:
        self.log = list(log)
        self.store = DirectoryStore(folder / "store")
        self.shelf = Shelf(self.store, CELL)
        self.reader = LogInMemory(self.log)
        self.bases = Bases(self.shelf, self.reader)
        self.follower = Follower("cell", 0, BareFold)
        self.pages: list[tuple[str, str]] = []
        self.taker = SnapshotTaker(
            self.shelf, self.follower, TakingPolicy(), page=lambda *said: self.pages.append(said)
        )

    def fold_to(self, offset: int) -> None:
        """Fold up to this offset, and not the record there."""
        first = self.follower.wanted_offset
        self.follower.take([LogRecord(at, self.log[at]) for at in range(first, offset)])

    def take_at(self, *offsets: int) -> list[SnapshotName]:
        """Take a snapshot at each of these offsets."""
        names = []
        for offset in offsets:
            self.fold_to(offset)
            names.append(asyncio.run(self.taker.take()).name)
        return names

    def damage(self, name: SnapshotName, data: bytes) -> None:
        """Put other bytes under the snapshot's key."""
        self.store.delete(name.key)
        self.store.put_new(name.key, data)
