"""An incident as one HTML file: it asks for nothing, runs nothing, and opens without a network.

The one thing to know: there is no script in it, and its content policy would let none run and
nothing be loaded; what is in it comes from strangers and is escaped, all of it, in one function.
The same facts stand at its end as JSON, for programs.
"""

from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from html import escape
from typing import Final

import msgspec

from projections.incident.drawing import lanes
from projections.incident.shapes import (
    Chain,
    End,
    Incident,
    IncidentLine,
    Mover,
    RuleAlert,
    Section,
    ShownNote,
)
from projections.incident.style import STYLE
from projections.words import counted, duration, instant, line_text

TEXTS_OF_STEP_MAX: Final = 6
_HASH: Final = b64encode(sha256(STYLE.encode()).digest()).decode()
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"
)
"""What a browser lets the file do: use its own style, and nothing else."""


class PageFacts(msgspec.Struct, frozen=True):
    """What the file says beside the incident."""

    build: str = ""


def incident_page(found: Incident, chains: Sequence[Chain], facts: PageFacts) -> str:
    """The file's text; ``found`` and ``chains`` are masked already."""
    title = f"Cell {found.cell}, {instant(found.first.at_ms)}"
    body = [
        _head(found, facts),
        _ends(found),
        _notes(found.notes, found.notes_total),
        _rule_alerts(found.rule_alerts),
        _figure(found),
        *(_section(each) for each in found.sections if each.total),
        _quiet(found),
        _movers(found),
        _chains(chains),
        _replay(found),
        _data(found, chains),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{_text(title)}</title>\n<style>{STYLE}</style></head>\n"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def _text(value: object) -> str:
    """Text from anybody, as text of a page: nothing in it is markup, and nothing turns it round."""
    printable = "".join(
        each if each.isprintable() or each in "\n\t" else f"\\u{ord(each):04x}"
        for each in str(value)
    )
    return escape(printable, quote=True)


def _head(found: Incident, facts: PageFacts) -> str:
    span = duration(found.last.at_ms - found.first.at_ms)
    alerts = sum(each.total for each in found.sections if each.name == "alerts")
    alerts += len(found.rule_alerts)
    build = f" by flumina {_text(facts.build)}" if facts.build else ""
    return (
        f"<header><h1>Incident in cell {_text(found.cell)}</h1>"
        f"<p>{_text(instant(found.first.at_ms))} and the {_text(span)} since: "
        f"{counted(found.records, 'record')}, {counted(alerts, 'alert')}. "
        f"<code>{_text(found.first.address)}</code> to <code>{_text(found.last.address)}</code></p>"
        f"<p class=muted>Written{build} from the cell's log alone. Values under names of secrets "
        f"are masked. Each line names its event.</p>{_halt(found)}</header>"
    )


def _halt(found: Incident) -> str:
    if not found.halt:
        return ""
    return f"<p><strong>Nothing is told of what came later.</strong> {_text(found.halt)}</p>"


def _ends(found: Incident) -> str:
    rows: tuple[tuple[str, Callable[[End], object]], ...] = (
        ("Leader", lambda it: it.leader or "nobody"),
        ("Policy", lambda it: f"version {it.policy_version}"),
        ("Hosts", lambda it: it.hosts),
        ("Tasks on hosts", lambda it: it.tasks_on_hosts),
        ("Tasks waiting", lambda it: it.waiting),
        ("Safe mode", lambda it: "on" if it.is_safe else "off"),
    )
    table = _table(
        ("", "at the beginning", "at the end"),
        [(name, _text(tell(found.first)), _text(tell(found.last))) for name, tell in rows],
    )
    moved = ", ".join(f"{count} {state}" for state, count in found.steps.items()) or "no task moved"
    ended = ", ".join(f"{count} {why}" for why, count in found.ends.items()) or "none"
    return (
        f"<section><h2>Before and after</h2>{table}"
        f"<p>Tasks that entered a state: {_text(moved)}. Ends: {_text(ended)}.</p></section>"
    )


def _notes(notes: Sequence[ShownNote], total: int) -> str:
    if not notes:
        return ""
    rows = [
        (_time(each.from_ms), _text(each.actor), _text(each.about), _text(each.text))
        for each in notes
    ]
    more = _more(total - len(notes), "older notes are in the log")
    return f"<section><h2>Notes</h2>{_table(('of', 'by', 'about', 'note'), rows)}{more}</section>"


def _rule_alerts(alerts: Sequence[RuleAlert]) -> str:
    if not alerts:
        return ""
    rows = [
        (
            _time(each.fired_ms),
            _time(each.resolved_ms) if each.resolved_ms else "fires",
            f"<b>{_text(each.rule)}</b><br>{_text(each.severity)}",
            _text(each.labels),
            _text(each.summary),
        )
        for each in alerts
    ]
    columns = ("fired", "over", "rule", "about", "")
    return f"<section><h2>Alerts of rules</h2>{_table(columns, rows)}</section>"


def _figure(found: Incident) -> str:
    lines = [(each.title, each.lines) for each in found.sections if each.lines]
    if not lines:
        return ""
    return f"<section><h2>When</h2>{lanes(lines, found.first.at_ms, found.last.at_ms)}</section>"


def _section(section: Section) -> str:
    heading = f"<h2>{_text(section.title)} <small>{section.total}</small></h2>"
    rows = [
        (
            _time(each.at_ms),
            _weighed(each),
            _about(each),
            _text(each.actor),
            _text(each.text),
            f"<code>{_text(each.address)}</code>",
        )
        for each in section.lines
    ]
    columns = ("time", "what", "about", "by", "", "event")
    more = _more(section.total - len(section.lines), "more are in the log")
    table = _table(columns, rows, "lines")
    return f'<section id="{section.name}">{heading}{table}{more}</section>'


def _quiet(found: Incident) -> str:
    """Where nothing is told, by name: that nothing happened is a finding as well."""
    titles = [each.title for each in found.sections if not each.total]
    if not titles:
        return ""
    return f"<p class=muted>Nothing in: {_text(', '.join(titles))}.</p>"


def _weighed(line: IncidentLine) -> str:
    """The kind of a line, graver ones said in words as well as in colour."""
    if not line.weight:
        return _text(line.what)
    return f'<b class="{line.weight}">{_text(line.what)}</b>'


def _about(line: IncidentLine) -> str:
    host = line.hostname or line.host_id
    parts = [line.task_id or line.job_id, host]
    return "<br>".join(_text(each) for each in parts if each)


def _movers(found: Incident) -> str:
    movers = found.movers
    parts = (
        ("Jobs", movers.jobs),
        ("Hosts", movers.hosts),
        ("Ways in which tasks failed", movers.failures),
        ("What detectors saw", movers.templates),
    )
    tables = [f"<h3>{name}</h3>{_mover_table(rows)}" for name, rows in parts if rows]
    if not tables:
        return ""
    more = _more(movers.untracked, "movements are of others")
    return f"<section><h2>What moved most</h2>{''.join(tables)}{more}</section>"


def _mover_table(movers: Iterable[Mover]) -> str:
    rows = []
    for each in movers:
        numbers = ", ".join(f"{count} {name}" for name, count in each.numbers.items())
        ends = "" if each.before is None else f"{each.before} → {each.after}"
        rows.append(
            (
                _text(each.name),
                _text(numbers),
                _text(ends),
                _text(each.example),
                f"<code>{_text(each.first_address)}</code>",
            )
        )
    return _table(("name", "moved", "tasks on hosts", "example", "first event"), rows)


def _chains(chains: Sequence[Chain]) -> str:
    if not chains:
        return ""
    return f"<section><h2>Chains of tasks</h2>{''.join(_chain(each) for each in chains)}</section>"


def _chain(chain: Chain) -> str:
    told = [
        (_time(each.at_ms), _text(line_text(each)), f"<code>{_text(each.address)}</code>")
        for each in chain.lines
    ]
    parts = [_table(("time", "what", "event"), told)]
    parts.append(_more(chain.total - len(chain.lines), "older lines are in the log"))
    if chain.causes is not None:
        steps = [
            (
                _time(each.at_ms) if each.at_ms else "",
                "<br>".join(_text(text) for text in each.texts[:TEXTS_OF_STEP_MAX])
                + _more(len(each.texts) - TEXTS_OF_STEP_MAX, "more"),
                f"<code>{_text(each.address)}</code>",
                "<br>".join(f"<code>{_text(by)}</code>" for by in (*each.led_to_by, *each.sources)),
            )
            for each in chain.causes.steps
        ]
        parts.append("<h4>What led to the last of it</h4>")
        parts.append(_table(("time", "what", "event", "led to by"), steps))
    return f"<details><summary>{_text(chain.task_id)}</summary>{''.join(parts)}</details>"


def _replay(found: Incident) -> str:
    first, last = _text(found.replay_from), _text(found.replay_to)
    return (
        "<section><h2>The events, to run again</h2><p>The slice of the same events is made by "
        f"<code>flumina bundle FILE --from {first} --to {last}</code> where the cell or its archive"
        " is, or by the console beside this file. <code>flumina replay FILE</code> folds it again "
        "anywhere and proves it; <code>flumina replay FILE --why NAME --at INSTANT</code> explains."
        "</p></section>"
    )


def _data(found: Incident, chains: Sequence[Chain]) -> str:
    """The facts as JSON; not even their characters can end the element that they stand in."""
    value = msgspec.json.encode({"incident": found, "chains": chains}).decode()
    for each in "<>&\u2028\u2029":
        value = value.replace(each, f"\\u{ord(each):04x}")
    return f'<script type="application/json" id="facts">{value}</script>'


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "") -> str:
    """A table; cells are HTML already."""
    head = "".join(f'<th scope="col">{_text(each)}</th>' for each in columns)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f'<div class="wide" tabindex="0"><table class="{kind}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _more(count: int, words: str) -> str:
    return f"<p class=muted>{count} {words}.</p>" if count > 0 else ""


def _time(at_ms: int) -> str:
    return f"<time>{_text(instant(at_ms))}</time>"
