"""Alerts beside the api process' fold: opened with it, run with it, closed with it.

The one thing to know: they join this process, for it folds the log anyway, and several may follow
one cell: what each would send it claims first, so one does. If the api process is away nobody
alerts from inside; that is what the black-box prober is outside for.
"""

import asyncio
from collections.abc import Mapping

import structlog
from prometheus_client import CollectorRegistry

from connectors.cancelling import end_all
from projections.rated import RatedDoor
from streams.alerts.metrics import AlertCollector, AlertMetrics
from streams.alerts.watching import AlertWatch
from streams.api.followed_cell import FollowedCell
from streams.settings import Settings
from streams.snapshots.opening import Beginnings
from streams.store import store_of

logger = structlog.get_logger(__name__)


class AlertsBeside:
    """The alerts of one followed cell."""

    def __init__(self, watch: AlertWatch, cell: FollowedCell, rated: RatedDoor) -> None:
        self.watch = watch
        self._rated = rated
        self._cell = cell
        self._running = asyncio.create_task(self._run())

    async def _run(self) -> None:
        await self.watch.run(lambda: self._cell.view.state, self._process)

    def _process(self) -> Mapping[str, int]:
        progress = self._cell.progress()
        return {
            "fold_lag": progress.lag_records,
            "fold_halted": int(bool(progress.halt)),
            "cell_full_share": self._rated.full_ppm(self._cell.view.state),
        }

    async def close(self) -> None:
        """Send what can be sent at once, keep what is known, and end."""
        await end_all(self._running)
        if not self._running.cancelled() and (error := self._running.exception()) is not None:
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
    return AlertsBeside(watch, cell, rated)
