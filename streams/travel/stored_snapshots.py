"""The stored snapshots of one generation of a cell, as the time machine asks for them.

The one thing to know: a snapshot that is damaged is passed over, loudly, and an older one or a
longer tail takes its place. A snapshot's bytes are checked; its digest, which takes longer than
the question may, is proven by the restore test and not here.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import structlog

from connectors.ports import NoSuchObject, ObjectStore, StoreFailed
from projections.snapshot.format import BadSnapshot
from scheduler.machine import Machine
from streams.snapshots.names import SnapshotName
from streams.snapshots.shelf import Shelf
from streams.travel.sources import SnapshotPlace

logger = structlog.get_logger(__name__)

LISTED_S_MAX: Final = 10.0
"""How long a list of snapshots is good for: new ones only make answers quicker."""


class StoredSnapshots:
    """What `streams.travel.sources.SnapshotSource` asks for, from a store."""

    def __init__(self, store: ObjectStore, cell: str, generation: str) -> None:
        self._shelf = Shelf(store, cell)
        self._generation = generation
        self._names: dict[str, SnapshotName] = {}
        self._listed_at_s = 0.0

    async def places(self) -> Sequence[SnapshotPlace]:
        """Those that are there now, oldest first; none while the store does not answer."""
        now_s = time.monotonic()
        if not self._names or now_s > self._listed_at_s + LISTED_S_MAX:
            try:
                names = await asyncio.to_thread(self._shelf.names, self._generation)
                self._names = {each.key: each for each in names}
            except StoreFailed as error:
                logger.warning("snapshots cannot be listed", why=str(error))
            self._listed_at_s = now_s
        return [
            SnapshotPlace(each.next_offset, each.at_ms, each.key, each.digest)
            for each in self._names.values()
        ]

    async def load(self, place: SnapshotPlace) -> Machine | None:
        """The machine that the snapshot holds; None where it cannot be used, which is logged."""
        name = self._names.get(place.key)
        if name is None:
            return None
        try:
            restored = await asyncio.to_thread(self._shelf.load, name, is_proven=False)
        except (BadSnapshot, NoSuchObject, StoreFailed) as error:
            why = str(error)
            logger.error("a snapshot cannot be used", page=True, key=place.key, why=why)  # noqa: TRY400 - told in its own words
            self._names.pop(place.key, None)
            return None
        return restored.machine
