"""REST of incidents: what happened between two instants, chains of tasks, notes, export.

The one thing to know: all but notes is a question for the time machine (`connectors.web.travel`),
masked where it is answered; a note is a record of topic ``commands`` like every order.
"""

import json
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

import msgspec
from starlette.responses import Response

from connectors.web import travel
from connectors.web.call import Call
from connectors.web.problems import json_response, refused
from connectors.web.requests import actor_of, small_body
from connectors.web.resource import Operation
from connectors.web.shapes import base
from connectors.web.writing import write, written_response
from projections.alerts.view import alerts_json
from projections.incident.gathering import shown_notes
from projections.incident.shapes import TITLES, Chain, Incident, RuleAlert, Section, ShownNote
from projections.travel.instants import AtTime, InstantUnclear, Newest, parse_instant
from projections.travel.questions import (
    LIMIT_MAX,
    ChainOf,
    IncidentOf,
    IncidentPageOf,
    SliceOf,
)
from scheduler.model.changes import JobRejected
from scheduler.model.reading.faults import Faults

PATH: Final = "/api/flumina/incident"
LIMIT: Final = 50
"""Lines of each section on the first page."""
TASKS_MAX: Final = 20
ALERTS_MAX: Final = 60
TEXT_MAX: Final = 200
SKIP_MAX: Final = 10_000_000
HTML: Final = "text/html"
ZIP: Final = "application/zip"


class NoteBody(base.Shape, frozen=True, kw_only=True):
    """A note of an operator."""

    text: str
    """One line of at most 2,000 bytes."""
    about: str = ""
    """A job, task, host or address; empty: the cell."""
    # The names of the shape are camel case; `from` is a word of the language.
    from_: str = msgspec.field(default="", name="from")
    """A time, or one ago such as -5m; left out, the note is of now."""
    to: str = ""


class Notes(base.Shape, frozen=True):
    """Notes that are kept, by the time that they are of."""

    items: tuple[ShownNote, ...]
    total: int


class _Page(msgspec.Struct, frozen=True):
    name: str
    html: str


async def show(call: Call) -> Response:
    """All that matters of a stretch, or a page of one section of it."""
    first, second = _range(call)
    section = call.query.choice("section", tuple(TITLES)) or ""
    limit = call.query.whole("limit", 1, LIMIT_MAX) or LIMIT
    skip = call.query.whole("skip", 0, SKIP_MAX) or 0
    call.query.done()
    question = IncidentOf(first, second, section, limit, skip, _alerts(call))
    return await travel.asked(call, question)


async def chain(call: Call) -> Response:
    """What happened to the task of the path within the stretch, and what led to the last of it."""
    first, second = call.query.text("from") or "", call.query.text("to") or "now"
    call.query.done()
    return await travel.asked(call, ChainOf(call.path_id, first, second))


async def page(call: Call) -> Response:
    """The incident as one HTML file, to be saved."""
    first, second = _range(call)
    tasks = call.query.words("task")
    if len(tasks) > TASKS_MAX:
        call.query.faults.add("task", f"names {len(tasks)} tasks", f"name {TASKS_MAX} at most")
    call.query.done()
    answer = await travel.asked(call, IncidentPageOf(first, second, tasks, _alerts(call)))
    found = msgspec.json.decode(bytes(answer.body), type=_Page)
    return _file(found.html.encode(), found.name, HTML)


async def slice_of(call: Call) -> Response:
    """The bundle of the same events, to be folded again by `flumina replay`."""
    first, second = _range(call)
    call.query.done()
    answer = await travel.asked(call, SliceOf(first, second))
    return _file(bytes(answer.body), "incident.zip", ZIP)


async def list_notes(call: Call) -> Response:
    """The newest notes that are kept."""
    limit = call.query.whole("limit", 1, LIMIT_MAX) or LIMIT
    call.query.done()
    notes = shown_notes(call.api.cell.view.state)
    return json_response(Notes(notes[-limit:], len(notes)))


async def note(call: Call) -> Response:
    """``200 {"id": "note"}`` once the note is kept."""
    call.query.done()
    actor = actor_of(call.request, is_required=True)
    fields, faults = await small_body(call.request)
    record: dict[str, Any] = {"type": "NoteIncident", "actor": actor}
    record |= {name: fields.raw(name) for name in ("text", "about") if fields.has(name)}
    for name, target in (("from", "fromMs"), ("to", "toMs")):
        text = fields.raw(name) if fields.has(name) else None
        at_ms = _time(call, name, text, faults)
        if at_ms:
            record[target] = at_ms
    fields.close()
    if faults:
        raise refused(faults.all())
    value = json.dumps(record, allow_nan=True).encode()
    written = await write(call.api, "commands", actor, value, subject="note")
    if isinstance(written.answer, JobRejected):
        raise refused(written.answer.faults)
    return written_response(written, "note")


def _alerts(call: Call) -> tuple[RuleAlert, ...]:
    """The newest alerts of rules that fired, oldest first; they stand beside the log."""
    found = [
        RuleAlert(
            rule=each["rule"],
            severity=each["severity"],
            fired_ms=each["firedMs"],
            resolved_ms=each["resolvedMs"],
            labels=", ".join(f"{name} {value}" for name, value in each["labels"].items() if value),
            summary=each["summary"],
            acknowledged_by=each["acknowledgedBy"],
            silenced_by=each["silencedBy"],
        )
        for each in alerts_json(call.api.alerting, call.api.cell.view.state.cell)["items"]
        if each["firedMs"]
    ]
    newest = sorted(found, key=lambda each: each.fired_ms)[-ALERTS_MAX:]
    return tuple(map(_short, newest))


def _short(alert: RuleAlert) -> RuleAlert:
    """The alert in few bytes: a question to the time machine is one line of 64 KiB."""
    labels, summary = alert.labels[:TEXT_MAX], alert.summary[:TEXT_MAX]
    return msgspec.structs.replace(alert, labels=labels, summary=summary)


def _range(call: Call) -> tuple[str, str]:
    first, second = call.query.text("from"), call.query.text("to")
    if first is None:
        call.query.faults.add("from", "is missing", "name an instant, such as -1h")
    return first or "", second or "now"


def _time(call: Call, name: str, text: object, faults: Faults) -> int:
    """The time that a note names; 0 where it names none."""
    if text is None or text == "":
        return 0
    now_ms = call.api.cell.view.state.clock.now_ms
    try:
        instant = parse_instant(text, now_ms) if isinstance(text, str) else None
    except InstantUnclear as error:
        faults.add(name, "is no time", str(error))
        return 0
    if isinstance(instant, Newest):
        return now_ms
    if isinstance(instant, AtTime):
        return instant.at_ms
    faults.add(name, "is no time", "give a time such as 2026-01-31T12:00:00Z, or -5m")
    return 0


def _file(data: bytes, name: str, media: str) -> Response:
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
    }
    return Response(data, HTTPStatus.OK, headers, media)


_READ: Final = Operation(
    show,
    ("from", "to", "section", "limit", "skip"),
    is_read=True,
    answer=(Incident, Section),
    required=("from",),
)

INCIDENT_ROUTES: Final[dict[str, dict[str, Operation]]] = {
    PATH: {"GET": _READ},
    f"{PATH}/tasks/{{id}}": {
        "GET": replace(_READ, handler=chain, parameters=("from", "to"), answer=Chain, required=())
    },
    f"{PATH}/page": {
        "GET": replace(
            _READ, handler=page, parameters=("from", "to", "task"), answer=None, media=HTML
        )
    },
    f"{PATH}/slice": {
        "GET": replace(_READ, handler=slice_of, parameters=("from", "to"), answer=None, media=ZIP)
    },
    f"{PATH}/notes": {
        "GET": replace(_READ, handler=list_notes, parameters=("limit",), answer=Notes, required=()),
        "POST": Operation(note, body=NoteBody, answer=base.Written, is_actor_required=True),
    },
}
