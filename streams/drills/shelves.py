"""Snapshots of a drill's cell: put into its store as the history process puts them, at once.

The one thing to know: each is of a fold of the log itself, at an offset of its own.
"""

import asyncio

from projections.snapshot.format import Captured, capture
from streams.drills.installation import Installation
from streams.history.kafka_log import KafkaLog
from streams.snapshots.loading import Bases, followed_to
from streams.snapshots.shelf import Shelf
from streams.store import store_of

Taken = tuple[str, Captured]
"""The key of a snapshot, and what it is of."""


def shelf_of(here: Installation) -> Shelf:
    """Where the snapshots of the drill's cell lie."""
    settings = here.options.settings
    return Shelf(store_of(settings), settings.cell)


def take_snapshots(here: Installation, count: int) -> list[Taken]:
    """So many snapshots that are in the store now, of the log's last offsets, oldest first."""
    return asyncio.run(_take(here, count))


async def _take(here: Installation, count: int) -> list[Taken]:
    shelf = shelf_of(here)
    log = KafkaLog(here.kafka, here.cell_topic, 0)
    bases = Bases(shelf, log)
    taken: list[Taken] = []
    try:
        end = (await log.ends()).end
        for offset in range(end - count, end):
            follower = await followed_to(bases, offset)
            previous = taken[-1][0] if taken else ""
            captured = capture(follower.machine, follower.chain.hex, previous)
            taken.append((shelf.put(captured).key, captured))
    finally:
        await log.close()
    return taken
