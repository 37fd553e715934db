"""Everything that is folded for alerts and objectives of one cell, driven record by record.

The one thing to know: samples are taken when the log's own clock passes a multiple of five
seconds, behind the record that passed it; so every process that folds the log takes the same.
Only while the log is silent wall time is looked at, for then silence is the news.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from projections.alerts.book import AlertBook, KeptAlerts
from projections.alerts.measures import OfProcess, Sample
from projections.alerts.rules import RuleBook
from projections.alerts.watch import KeptWatch, Watch
from projections.slo.book import Kept, SloBook
from scheduler.model.alerts import AlertAcknowledged, AlertsSilenced, AlertsUnsilenced
from scheduler.model.changes import CellPaged, Change, TaskChanged
from scheduler.model.events import CellRecord, Copied
from scheduler.state import State

EVERY_MS: Final = 5_000
SILENT_MS: Final = 10_000
"""A leader stamps the log every second; after so long its silence is looked at by wall clock."""
LATE_MS: Final = 5_000
"""So far behind the wall clock the log may be: of that time nobody is said not to have led."""
FORMAT: Final = 1
_ABOUT_ALERTS: Final = (AlertsSilenced, AlertsUnsilenced, AlertAcknowledged)


class KeptWhole(msgspec.Struct, frozen=True):
    """What another process needs to go on from here."""

    format: int = FORMAT
    cell_uuid: str = ""
    at_ms: int = 0
    slo: Kept = Kept()
    alerts: KeptAlerts = KeptAlerts()
    watch: KeptWatch = KeptWatch()


class Alerting:
    """Objectives' books, the watch, and the book of alerts, of one cell."""

    def __init__(
        self, rules: RuleBook, kept: KeptWhole | None = None, sampled_from_ms: int = 0
    ) -> None:
        """``sampled_from_ms``: of what is longer ago nothing is alerted; it is only counted."""
        found = kept or KeptWhole()
        self.slo = SloBook(found.slo, rules.objectives)
        self.book = AlertBook(found.alerts)
        self._watch = Watch(found.watch)
        self.rules = rules
        self._cell_uuid = found.cell_uuid
        self._sampled_ms = found.at_ms
        self._from_ms = sampled_from_ms
        self.process = OfProcess()
        """Measures of the process that folds, as it said them last."""
        self.last: Sample | None = None

    def kept(self) -> KeptWhole:
        """What another process needs to go on from here."""
        return KeptWhole(
            FORMAT,
            self._cell_uuid,
            self._sampled_ms,
            self.slo.kept(),
            self.book.kept(),
            self._watch.kept(),
        )

    def use(self, rules: RuleBook) -> None:
        """Go on by other rules; alerts of those that are gone end."""
        self.rules = rules
        self.slo.objectives = rules.objectives

    def fold(
        self,
        state: State,
        offset: int,
        record: CellRecord,
        changes: Sequence[tuple[int, Change]],
    ) -> None:
        """Take one record that the state has just folded."""
        if state.cell_uuid != self._cell_uuid:
            self._begin_cell(state)
        if not self.slo.begin(state, offset):
            return
        now_ms = state.clock.now_ms
        if record.epoch == state.epoch:
            self.slo.led(state)
            for event in record.events:
                if type(event) is Copied:
                    self._copied(state, record, event)
        for _, change in changes:
            if type(change) is TaskChanged:
                self.slo.task_changed(state, change)
            elif type(change) is CellPaged:
                self._watch.paged(change, now_ms)
        self.slo.count_late(state)
        self._watch.passed(state)
        at_ms = now_ms - now_ms % EVERY_MS
        if at_ms > self._sampled_ms and now_ms >= self._from_ms:
            self._sample(state, at_ms)

    def _begin_cell(self, state: State) -> None:
        """Forget what was kept of another cell of this name."""
        if self._cell_uuid:
            self.slo = SloBook(None, self.rules.objectives)
            self.book, self._watch = AlertBook(), Watch()
            self._sampled_ms, self.last = 0, None
        self._cell_uuid = state.cell_uuid

    def _copied(self, state: State, record: CellRecord, event: Copied) -> None:
        """Look at one inbound record that the leader has copied."""
        topic, now_ms = event.source.topic, state.clock.now_ms
        if event.observed_at_ms:
            self._watch.copied(topic, now_ms, record.at_ms - event.observed_at_ms)
        if topic == "jobs":
            self.slo.requested(state, event, record.at_ms)
        elif topic == "commands" and isinstance(event.body, _ABOUT_ALERTS):
            self.book.heard(event.body, now_ms)

    def look(self, state: State, wall_ms: int, process: OfProcess) -> None:
        """Look at a log that may be silent, by wall clock; and note what the process says."""
        self.process = process
        now_ms = state.clock.now_ms
        is_silent = now_ms and wall_ms - now_ms > SILENT_MS
        at_ms = wall_ms - wall_ms % EVERY_MS
        if is_silent and at_ms > self._sampled_ms:
            self.slo.pass_time(at_ms - SILENT_MS - LATE_MS)
            self._sample(state, at_ms)

    def _sample(self, state: State, at_ms: int) -> None:
        self._sampled_ms = at_ms
        self.last = self._watch.sample(state, self.slo, at_ms, self.process)
        self.book.evaluate(self.rules.rules, self.last)
