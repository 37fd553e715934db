"""Rules tried on lines that are past: those of a file, or of topic ``host-logs`` and its archive.

The one thing to know: it is the fold of the health process that judges, on a memory of its own, and
nothing is published. What it says is what these rules would have said, had they begun there.
"""

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, Final

from connectors.archive.archive import Archive
from connectors.archive.sql import SqlLimits
from projections.health.blocks import LineRecord
from projections.health.judging import HealthFold
from projections.health.rules import RuleSet
from scheduler.model.health import HostJudged
from streams.errors import OperatorError
from streams.health.log_files import FileLine
from streams.health.records import Unreadable, line_records
from streams.history.asking import ask
from streams.settings import Settings

TOPIC: Final = "host-logs"
PAGE_RECORDS: Final = 500
"""Records read at a time; of the largest that is 250 MB."""
FILE_LINES: Final = 1_000
_LANE: Final = "0"
_PAGE: Final = (
    "SELECT at_ms, generation, partition, log_offset, key, body FROM host_logs "
    "WHERE at_ms <= {end} AND (at_ms, generation, partition, log_offset) > "
    "({at_ms}, '{generation}', {partition}, {offset}) "
    "ORDER BY at_ms, generation, partition, log_offset"
)


class Backtest:
    """Judges lines as they come, and counts what each rule did."""

    def __init__(self, rules: RuleSet) -> None:
        self._rules = rules
        self._fold = HealthFold(rules)
        self._hosts: set[str] = set()
        self._sick: set[str] = set()
        self._suspect: set[str] = set()
        self.unreadable = 0

    def take(self, records: list[LineRecord]) -> list[HostJudged]:
        """The verdicts that these records lead to."""
        self._hosts.update(each.host_id for each in records)
        found = self._fold.take(records)
        self._sick.update(each.host_id for each in found if each.standing == "sick")
        self._suspect.update(each.host_id for each in found if each.standing == "suspect")
        return found

    def summary(self) -> dict[str, Any]:
        """What was read, and what each rule did."""
        totals = self._fold.memory.totals
        return {
            "lines": totals.lines,
            "hosts": len(self._hosts),
            "sick": len(self._sick),
            "suspect": len(self._suspect),
            "quarantined": totals.quarantined,
            "unreadable": self.unreadable,
            "rules": {
                each.rule_id: totals.by_rule.get(each.rule_id, 0) for each in self._rules.rules
            },
        }


def records_of(lines: Iterable[FileLine], name: str) -> Iterator[list[LineRecord]]:
    """The lines of a file as records, a thousand lines at a time; their own clock is believed."""
    page: list[LineRecord] = []
    batch: list[FileLine] = []
    newest_ms = 0
    for lines_read, line in enumerate(lines, start=1):
        newest_ms = line.at_ms or newest_ms
        if batch and line.host != batch[0].host:
            page.append(_record(batch, name))
            batch = []
        batch.append(line._replace(at_ms=newest_ms))
        if lines_read % FILE_LINES == 0:
            yield [*page, _record(batch, name)]
            page, batch = [], []
    if batch:
        yield [*page, _record(batch, name)]


def lines_between(lines: Iterable[FileLine], begins_ms: int, ends_ms: int) -> Iterator[FileLine]:
    """The lines of a time; one without a time of its own is of the line before it.

    Raises `OperatorError` where no line has a time: nothing could be said of any.
    """
    newest_ms = 0
    for line in lines:
        newest_ms = line.at_ms or newest_ms
        if newest_ms and begins_ms <= newest_ms <= ends_ms:
            yield line
    if not newest_ms:
        raise OperatorError(
            "No line of the file has a time, so none is of the time that was named.",
            "Plain text has no times, and a CSV file has them in a column of its own.",
            "Name the column of the times with --time-column, or leave out --from and --to.",
        )


def _record(lines: list[FileLine], name: str) -> LineRecord:
    times = [each.at_ms for each in lines]
    texts = [f"{each.level.upper()}: {each.text}" if each.level else each.text for each in lines]
    source = f"{name}:{lines[0].number}"
    return LineRecord(lines[0].host or name, texts, times, source, _LANE, times[-1])


async def records_between(
    settings: Settings, archive: Archive, first_ms: int, last_ms: int, test: Backtest
) -> AsyncIterator[list[LineRecord]]:
    """Records of host logs by their time, archived and in Kafka; the unreadable are counted."""
    at: tuple[int, str, int, int] = (first_ms, "", -1, -1)
    limits = SqlLimits(rows_max=PAGE_RECORDS)
    while True:
        question = _PAGE.format(
            end=last_ms, at_ms=at[0], generation=at[1], partition=at[2], offset=at[3]
        )
        found = await ask(settings, archive, question, limits)
        page: list[LineRecord] = []
        for at_ms, generation, partition, offset, key, body in found.rows:
            at = (at_ms, generation, partition, offset)
            source = f"{TOPIC}:{partition}:{offset}"
            try:
                page += line_records(
                    (body or "").encode(), key and key.encode(), source, str(partition), at_ms
                )
            except Unreadable:
                test.unreadable += 1
        yield page
        if not found.is_cut:
            return
