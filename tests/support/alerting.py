"""Alerts and objectives of a cell in memory: its log is folded beside it, record by record."""

from projections.alerts.book import Notice
from projections.alerts.measures import NO_LABELS, OfProcess
from projections.alerts.rules import AlertRule, RuleBook, read_alert_rules
from projections.alerts.whole import Alerting, KeptWhole
from scheduler.machine import Machine
from scheduler.model.codec import decode_record
from scheduler.model.reading.faults import Faults
from streams.policy_file.reading import read_yaml
from tests.support.cell import CellInMemory


def book_of(text: str) -> RuleBook:
    """The rules that a text of YAML says."""
    faults = Faults()
    found = read_alert_rules(read_yaml(text, faults).document, faults)
    assert not faults, faults.all()
    return found


def rules_of(*lines: str) -> RuleBook:
    """Rules, each written as the inside of YAML's braces."""
    body = "\n".join(f"  - {{summary: s, {each}}}" for each in lines)
    return book_of(f"version: 1\nrules:\n{body}\n")


class Watched:
    """A cell, and what is folded beside it."""

    def __init__(
        self,
        cell: CellInMemory,
        rules: RuleBook | None = None,
        kept: KeptWhole | None = None,
        sampled_from_ms: int = 0,
    ) -> None:
        self.cell = cell
        self.alerting = Alerting(rules or RuleBook(), kept, sampled_from_ms)
        self._machine = Machine()
        self._next = 0

    def catch_up(self, first_offset: int = 0) -> Alerting:
        """Fold what the cell has written since the last time; the books see no earlier record."""
        for offset in range(self._next, len(self.cell.log)):
            record = decode_record(self.cell.log[offset])
            changes = self._machine.apply(offset, record)
            if offset >= first_offset:
                self.alerting.fold(self._machine.state, offset, record, changes)
        self._next = len(self.cell.log)
        return self.alerting

    def look(self, after_ms: int, paged: OfProcess | None = None, **process: int) -> Alerting:
        """Look by wall clock, so long after the last record; with what processes have paged."""
        self.catch_up()
        of_all = paged or OfProcess()
        values = {name: {NO_LABELS: value} for name, value in process.items()}
        said = OfProcess(values | dict(of_all.values), of_all.notes)
        self.alerting.look(self._machine.state, self.cell.now_ms + after_ms, said)
        return self.alerting

    def told(self) -> list[Notice]:
        """Every notice until now."""
        return list(self.catch_up().book.notices)

    @property
    def rules(self) -> tuple[AlertRule, ...]:
        """The rules in force."""
        return self.alerting.rules.rules
