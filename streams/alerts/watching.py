"""Alerts beside a fold: each record is looked at once it is folded, and what fires is sent.

The one thing to know: nothing of it may hurt the process that folds. A record that cannot be
looked at is counted and paged, and alerts go on with the next; sending is done by threads.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog

from connectors.ports import ObjectStore, StoreFailed
from projections.alerts.measures import NO_LABELS, OfProcess
from projections.alerts.whole import Alerting
from scheduler.model.changes import Change
from scheduler.model.events import CellRecord
from scheduler.state import State
from streams.alerts.keeping import Keeping
from streams.alerts.metrics import AlertMetrics
from streams.alerts.receivers import Receivers
from streams.alerts.rule_file import followed
from streams.clock import elapsed_s, now_ms
from streams.settings import Settings

logger = structlog.get_logger(__name__)

LOOK_S: Final = 1.0
REFRESH_S: Final = 2.0
KEEP_S: Final = 60.0
NOTICE_AGE_MS: Final = 3_600_000
"""What began to fire, or ended, longer ago is not news."""
SAMPLED_MS: Final = 2 * 3_600_000
"""Of what is longer ago nothing is alerted when a log is folded from far back."""
LIVE_RECORDS: Final = 100
"""So near the log's end what is folded is news and not history."""
Process = Callable[[], OfProcess]


class AlertWatch:
    """Alerts of the cell that a process follows."""

    def __init__(
        self,
        settings: Settings,
        store: ObjectStore,
        metrics: AlertMetrics,
        rules: Path | None,
    ) -> None:
        self._metrics = metrics
        self._file = followed(rules)
        self._keeping = Keeping(store, settings.cell)
        self._receivers = Receivers(settings, store, metrics)
        self._receivers.use(self._file.rules.receivers)
        kept = self._keeping.newest()
        self.alerting = Alerting(self._file.rules, kept, now_ms() - SAMPLED_MS)
        self.needed_offset = None if kept is None else kept.slo.next_offset
        """From where on records are needed so that nothing is missed."""
        self._put: str = ""
        """The last notice that was handed over."""
        self._kept_s = self._refreshed_s = elapsed_s()
        self._is_failing = False

    @property
    def rule_fault(self) -> str:
        """Why the rules of the file are not in force; empty while they are."""
        return self._file.fault

    def folded(
        self,
        state: State,
        offset: int,
        record: CellRecord,
        changes: Sequence[tuple[int, Change]],
    ) -> None:
        """Look at one record that was just folded; never raises."""
        try:
            self.alerting.fold(state, offset, record, changes)
        except Exception as error:
            # Whatever it is: reads and writes of this process must go on without alerts.
            self._metrics.faults.inc()
            if not self._is_failing:
                logger.critical(
                    "alerts cannot look at a record",
                    page=True,
                    why=f"record {offset}: {error!r}; alerts and objectives may be wrong from here",
                    exc_info=error,
                )
            self._is_failing = True

    async def run(self, state_of: Callable[[], State], process: Process) -> None:
        """Look at silence, send what fires, follow the rules' file, and keep what is known."""
        while True:
            await asyncio.sleep(LOOK_S)
            state, measures = state_of(), process()
            try:
                self.alerting.look(state, now_ms(), measures)
            except Exception:
                # As above: what is shown of alerts is wrong, and nothing else.
                logger.exception("alerts cannot look at silence")
                self._metrics.faults.inc()
            if measures.values["fold_lag"][NO_LABELS] <= LIVE_RECORDS:
                self._send(state)
            if elapsed_s() >= self._refreshed_s + REFRESH_S:
                self._refreshed_s = elapsed_s()
                await self._refresh()
            if elapsed_s() >= self._kept_s + KEEP_S:
                self._kept_s = elapsed_s()
                await self.keep()

    def _send(self, state: State) -> None:
        notices = list(self.alerting.book.notices)
        names = [each.id for each in notices]
        first = names.index(self._put) + 1 if self._put in names else 0
        oldest_ms = now_ms() - NOTICE_AGE_MS
        for each in notices[first:]:
            if each.at_ms >= oldest_ms:
                self._receivers.put(each, state.cell, state.cell_uuid)
        if names:
            self._put = names[-1]

    async def _refresh(self) -> None:
        if await asyncio.to_thread(self._file.refresh):
            await asyncio.to_thread(self._receivers.use, self._file.rules.receivers)
            self.alerting.use(self._file.rules)

    async def keep(self) -> None:
        """Write down what is known, if anything was folded."""
        if not self.alerting.slo.next_offset:
            return
        kept = self.alerting.kept()
        data = msgspec.msgpack.encode(kept)
        try:
            await asyncio.to_thread(self._keeping.keep, data, self.alerting.slo.now_ms)
        except StoreFailed as error:
            self._metrics.faults.inc()
            logger.warning("what is known of alerts cannot be kept now", why=str(error))

    async def close(self) -> None:
        """Keep what is known, and end."""
        await self.keep()
        await asyncio.to_thread(self._receivers.close)
