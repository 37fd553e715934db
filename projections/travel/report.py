"""The report of an incident: what happened in a stretch of the log, for people, in Markdown.

The one thing to know: everything in it is counted from the log between two instants, and each line
names the event that it rests on.
"""

from collections import Counter
from html import escape
from typing import Final

import msgspec

from projections.travel.diff import Difference
from projections.words import duration, instant
from scheduler.model.address import Address
from scheduler.model.changes import (
    CellPaged,
    Change,
    JobChanged,
    JobRejected,
    OrphanSeen,
    ProposalRefused,
    TaskChanged,
    TimeGapped,
)
from scheduler.model.events import CellRecord, LeaderElected, PolicySet, RoundRecord
from scheduler.state import State

LISTED_MAX: Final = 100
"""Notable events that are listed; more are counted."""


class Notable(msgspec.Struct, frozen=True):
    """Something that an investigator looks at first."""

    address: str
    at_ms: int
    text: str


class Incident:
    """Gathers what a report says while the stretch is folded."""

    def __init__(self) -> None:
        self.notables: list[Notable] = []
        self.dropped = 0
        self.events: Counter[str] = Counter()
        self.steps: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()
        self.waiting_most = 0
        self.placed = 0

    def take(
        self, state: State, offset: int, record: CellRecord, changes: list[tuple[int, Change]]
    ) -> None:
        """Take one folded record and what it changed."""
        now_ms = state.clock.now_ms
        for index, event in enumerate(record.events):
            self.events[type(event).__name__] += 1
            if isinstance(event, RoundRecord):
                self.waiting_most = max(self.waiting_most, event.waiting)
                self.placed += event.placed
            elif isinstance(event, LeaderElected):
                self._note(state, (offset, index), now_ms, f"{event.candidate} was elected")
            elif isinstance(event, PolicySet):
                self._note(state, (offset, index), now_ms, f"policy {event.version} was set")
        for index, change in changes:
            text = self._text(change)
            if text:
                self._note(state, (offset, index), now_ms, text)

    def _text(self, change: Change) -> str:  # noqa: PLR0911 - one arm a kind of change
        match change:
            case TaskChanged():
                self.steps[change.state] += 1
                if change.state == "Finished":
                    self.ends[change.reason] += 1
                    if change.reason not in {"normal", "killed", "scaledDown"}:
                        return f"{change.task_id} ended: {change.reason} {change.message}".strip()
                if change.state == "Disconnected":
                    return f"{change.task_id} is disconnected with host {change.hostname}"
            case JobChanged() if change.state == "Finished" and change.reason != "normal":
                return f"job {change.job_id} ended: {change.reason}"
            case JobRejected():
                return f"a request was refused: {change.faults[0].text if change.faults else ''}"
            case OrphanSeen():
                return f"orphan {change.task_id} was seen"
            case ProposalRefused():
                return f"proposal {change.proposal_id} ({change.kind}) was refused: {change.why}"
            case TimeGapped():
                return f"time went on by {duration(change.to_ms - change.from_ms)} at once"
            case CellPaged():
                return f"paged: {change.what}: {change.why}"
            case _:
                pass
        return ""

    def _note(self, state: State, spot: tuple[int, int], at_ms: int, text: str) -> None:
        if len(self.notables) >= LISTED_MAX:
            self.dropped += 1
            return
        address = str(Address(state.cell, state.generation, *spot))
        self.notables.append(Notable(address, at_ms, " ".join(text.split())))


class ReportFacts(msgspec.Struct, frozen=True):
    """What a report says beside the incident itself."""

    cell: str
    first: str
    last: str
    first_at_ms: int
    end_at_ms: int
    records: int
    checkpoints: int
    is_masked: bool
    digest: str
    members: tuple[tuple[str, int, int], ...]
    """Name, records and bytes of each slice."""
    missing: tuple[str, ...]


def report_markdown(facts: ReportFacts, incident: Incident, found: Difference) -> str:
    """The report as Markdown."""
    span = duration(facts.end_at_ms - facts.first_at_ms)
    lines = [
        f"# Cell {facts.cell}, {instant(facts.first_at_ms)} and the {span} since",
        "",
        (
            f"{facts.records} records, `{facts.first}` to `{facts.last}`; the state at the end has "
            f"digest `{facts.digest}`. {facts.checkpoints} checkpoints of it were proven."
        ),
        "",
    ]
    if facts.is_masked:
        lines += ["Values of environment variables and of secrets are masked in this bundle.", ""]
    lines += ["## What was different in the end", "", "| | appeared | went | changed |"]
    lines += ["| --- | ---: | ---: | ---: |"]
    for kind, counts in found.counts.items():
        numbers = " | ".join(str(counts.get(each, 0)) for each in ("appeared", "went", "changed"))
        lines.append(f"| {kind} | {numbers} |")
    lines += ["", "## What happened", ""]
    lines += [f"- {count} tasks became {state}" for state, count in sorted(incident.steps.items())]
    lines += [f"- {count} tasks ended: {why}" for why, count in sorted(incident.ends.items())]
    lines.append(f"- rounds placed {incident.placed}; at most {incident.waiting_most} waited")
    lines += ["", "## Events to look at first", ""]
    lines += ["| time | address | what |", "| --- | --- | --- |"]
    lines += [
        f"| {instant(each.at_ms)} | `{each.address}` | {_cell(each.text)} |"
        for each in incident.notables
    ]
    if incident.dropped:
        lines += ["", f"{incident.dropped} more of this kind are in the log."]
    lines += ["", "## What is in this file", "", "| slice | records | bytes |"]
    lines += ["| --- | ---: | ---: |"]
    lines += [f"| {name} | {count} | {size} |" for name, count, size in facts.members]
    lines += [f"\nMissing: {each}" for each in facts.missing]
    lines += [
        "",
        (
            "`flumina replay FILE` folds it again without Kafka and proves it; `--policy` shows "
            "what another policy would have decided; `--why NAME --at INSTANT` explains."
        ),
        "",
    ]
    return "\n".join(lines)


def _cell(text: str) -> str:
    """Text from strangers as a cell of a Markdown table."""
    return escape(text[:300], quote=False).replace("|", "\\|").replace("`", "'")


def report_html(markdown: str, title: str) -> str:
    """The report as a page: the same text, tables as tables, nothing active in it."""
    body: list[str] = []
    table: list[list[str]] = []
    for line in [*markdown.split("\n"), ""]:
        if line.startswith("|"):
            table.append([each.strip() for each in line.strip("|").split(" | ")])
            continue
        if table:
            body.append(_html_table(table))
            table = []
        if line.startswith("#"):
            level = len(line) - len(line.lstrip("#"))
            body.append(f"<h{level}>{_html(line.lstrip('# '))}</h{level}>")
        elif line.startswith("- "):
            body.append(f"<p>• {_html(line[2:])}</p>")
        elif line:
            body.append(f"<p>{_html(line)}</p>")
    style = "body{font:15px sans-serif;margin:2em}td,th{padding:2px 12px;text-align:left}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{style}</style><body>{''.join(body)}</body></html>\n"
    )


def _html_table(rows: list[list[str]]) -> str:
    kept = [row for row in rows if not all(set(each) <= {"-", ":", " "} and each for each in row)]
    cells = (
        "".join(f"<{tag}>{_html(each)}</{tag}>" for each in row)
        for tag, row in (("th" if number == 0 else "td", row) for number, row in enumerate(kept))
    )
    return f"<table>{''.join(f'<tr>{each}</tr>' for each in cells)}</table>"


def _html(text: str) -> str:
    # What came from strangers is escaped once already, for Markdown; that is taken back first.
    plain = text.replace("\\|", "|").replace("&lt;", "<").replace("&gt;", ">")
    return escape(plain.replace("&amp;", "&")).replace("`", "")
