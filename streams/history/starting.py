"""Where the fold of the archiving process begins, and what goes on beside it.

The one thing to know: it begins at a snapshot that lies at or below the first row that is missing
in the archive, or at the log's beginning, read out of the archive. So a restart folds a tail, and
archives nothing again.
"""

from collections.abc import Awaitable, Callable

import structlog

from connectors.archive.archive import Archive
from connectors.cancelling import TaskGroup
from projections.cell_view import CellView
from projections.travel.notes import Noted
from scheduler.machine import Machine
from streams.cell.follower import Follower
from streams.history.archived_log import ArchivedLog
from streams.history.folding import NotedFold
from streams.history.joined_log import JoinedLog
from streams.history.range_writer import Page
from streams.snapshots.loading import Bases, CannotFold
from streams.snapshots.metrics import SnapshotMetrics
from streams.snapshots.proving import RestoreTest
from streams.snapshots.shelf import Shelf
from streams.snapshots.taking import SnapshotTaker

logger = structlog.get_logger(__name__)


class Begun:
    """A follower of one log, and the snapshots that are taken of it."""

    def __init__(self, follower: Follower, beside: Callable[[], Awaitable[None]]) -> None:
        self.follower = follower
        self.run_beside = beside
        """Takes snapshots and tests them until cancelled."""


class Starter:
    """Begins the fold of a cell's log at its snapshots."""

    def __init__(
        self, archive: Archive, cell: str, metrics: SnapshotMetrics, page: Page, build: str
    ) -> None:
        self._archive = archive
        self._cell = cell
        self._shelf = Shelf(archive.store, cell, metrics)
        self._metrics = metrics
        self._page = page
        self._build = build

    async def begin(self, topic: str, partition: int, log: JoinedLog, offset: int) -> Begun:
        """A follower that needs no record below what it can have, and lacks none from here on."""
        bases = Bases(self._shelf, log, self._generation, wrap=_noted)
        follower = Follower(topic, partition, NotedFold, find_base=bases.at_or_below)
        try:
            base = await bases.at_or_below(offset)
        except CannotFold as error:
            # The raw records are archived all the same.
            self._page("history-fold", str(error))
            bounds = await log.bounds()
            follower.stop_at_hole(bounds.first_offset, bounds.end_offset)
        else:
            follower.begin_at(base)
        taker = SnapshotTaker(
            self._shelf, follower, metrics=self._metrics, page=self._page, build=self._build
        )
        test = RestoreTest(bases, metrics=self._metrics, page=self._page)

        async def beside() -> None:
            async with TaskGroup() as group:
                group.create_task(taker.run())
                group.create_task(test.run())

        return Begun(follower, beside)

    def _generation(self, generation: str) -> ArchivedLog:
        return ArchivedLog(self._archive, self._cell, generation)


def _noted(machine: Machine) -> NotedFold:
    return NotedFold(Noted(CellView.restored(machine)))
