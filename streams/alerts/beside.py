"""Alerts beside the api process' fold: opened with it, run with it, closed with it.

The one thing to know: they join this process, for it folds the log anyway, and several may follow
one cell: what each would send it claims first, so one does. If the api process is away nobody
alerts from inside; that is what the black-box prober is outside for.
"""

import asyncio
from typing import Final

import structlog
from prometheus_client import CollectorRegistry

from connectors.cancelling import end_all
from connectors.ports import StoreFailed
from projections.alerts.measures import NO_LABELS, OfProcess
from projections.rated import RatedDoor
from streams.alerts.metrics import AlertCollector, AlertMetrics
from streams.alerts.watching import AlertWatch
from streams.api.followed_cell import FollowedCell
from streams.clock import now_ms
from streams.pages.notes import NoteReader
from streams.settings import Settings
from streams.snapshots.opening import Beginnings
from streams.store import store_of

logger = structlog.get_logger(__name__)

NOTES_S: Final = 10.0
"""Between two looks at what processes paged of themselves: one listing of a store."""


class AlertsBeside:
    """The alerts of one followed cell."""

    def __init__(
        self, watch: AlertWatch, cell: FollowedCell, rated: RatedDoor, notes: NoteReader
    ) -> None:
        self.watch = watch
        self._rated = rated
        self._cell = cell
        self._notes = notes
        self._paged = OfProcess()
        self._running = asyncio.create_task(self._run())
        self._reading = asyncio.create_task(self._read())

    async def _run(self) -> None:
        await self.watch.run(lambda: self._cell.view.state, self._process)

    async def _read(self) -> None:
        """Follow what the cell's processes paged of themselves."""
        while True:
            try:
                self._paged = await asyncio.to_thread(self._notes.read, now_ms())
            except StoreFailed as failure:
                logger.warning("notes of pages cannot be read now", why=str(failure))
            await asyncio.sleep(NOTES_S)

    def _process(self) -> OfProcess:
        progress = self._cell.progress()
        own = {
            "fold_lag": progress.lag_records,
            "fold_halted": int(bool(progress.halt)),
            "cell_full_share": self._rated.full_ppm(self._cell.view.state),
        }
        values = {name: {NO_LABELS: value} for name, value in own.items()}
        return OfProcess(values | dict(self._paged.values), self._paged.notes)

    async def close(self) -> None:
        """Send what can be sent at once, keep what is known, and end."""
        await end_all(self._reading, self._running)
        for each in (self._reading, self._running):
            if not each.cancelled() and (error := each.exception()) is not None:
                logger.error("alerts ended early", why=repr(error))
        await self.watch.close()


async def alerts_beside(
    settings: Settings,
    cell: FollowedCell,
    beginnings: Beginnings,
    registry: CollectorRegistry,
    rated: RatedDoor,
) -> AlertsBeside:
    """The alerts of a cell that is about to be followed."""
    metrics = AlertMetrics(registry)
    store = store_of(settings)
    watch = await asyncio.to_thread(AlertWatch, settings, store, metrics, settings.alert_rules)
    beginnings.needed_offset = watch.needed_offset
    cell.on_record = watch.folded
    registry.register(AlertCollector(watch.alerting))
    return AlertsBeside(watch, cell, rated, NoteReader(store, settings.cell))
