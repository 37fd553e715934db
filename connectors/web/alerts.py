"""REST of alerts and objectives: shown from the folds beside the cell, ordered by ``commands``.

The one thing to know: a silence and a word of "I look at it" are records of the log, with actor
and reason; rules are a file of the process and are only shown.
"""

from typing import Any, Final

import msgspec
from starlette.responses import Response

from connectors.web import travel
from connectors.web.call import Call, Handler
from connectors.web.orders import asked, ordered
from connectors.web.problems import json_response, refused
from connectors.web.requests import actor_of, refuse_body
from connectors.web.resource import Operation
from connectors.web.shapes import alerts as shapes
from connectors.web.shapes import base
from projections.alerts.view import alerts_json, measures_json, rules_json
from projections.slo.objectives import SCOPE_KINDS, ScopeKind
from projections.slo.report import SloReport, report
from projections.travel.instants import AtOffset, AtTime, InstantUnclear, parse_instant
from scheduler.model.inbound import Fault
from scheduler.model.reading.faults import shown_text

ALERTS: Final = "/api/flumina/alerts"
SLO: Final = "/api/flumina/slo"
ALL: Final = "all"


async def list_alerts(call: Call) -> Response:
    """What fires, what is about to, what was over within a day, and silences."""
    call.query.done()
    return json_response(alerts_json(call.api.alerting, call.api.cell.view.state.cell))


async def list_rules(call: Call) -> Response:
    """The rules in force, and who is told."""
    call.query.done()
    return json_response(rules_json(call.api.alerting))


async def list_measures(call: Call) -> Response:
    """Every measure that a rule may name, with its values at the last look."""
    call.query.done()
    return json_response(measures_json(call.api.alerting))


async def put_silence(call: Call) -> Response:
    """``200 {"id"}`` once nothing is told of alerts that match, for so long."""
    record, actor, why = await asked(call, ("matches", "forS"))
    record["name"] = call.path_id
    return await ordered(call, "SilenceAlerts", record, (actor, why), call.path_id)


async def remove_silence(call: Call) -> Response:
    """``200 {"id"}`` once alerts that match are told again."""
    why = call.query.text("why") or ""
    call.query.done()
    refuse_body(call.request)
    actor = actor_of(call.request, is_required=True)
    name = call.path_id
    if name not in call.api.alerting.book.silences:
        text = f"is {shown_text(name)}, no silence here"
        raise refused([Fault("id", text, f"GET {ALERTS} lists them", code="unknown")])
    return await ordered(call, "UnsilenceAlerts", {"name": name}, (actor, why), name)


async def acknowledge(call: Call) -> Response:
    """``200 {"id"}`` once the alert that fires is not told again until it ends."""
    record, actor, why = await asked(call, ("key",))
    key = record.get("key")
    if isinstance(key, str):
        known = call.api.alerting.book.alerts.get(key)
        if known is None or known.state != "firing":
            text = f"is {shown_text(key)}, no alert that fires"
            raise refused([Fault("key", text, f"GET {ALERTS} lists them", code="unknown")])
    subject = key if isinstance(key, str) else ""
    return await ordered(call, "AcknowledgeAlert", record, (actor, why), subject)


async def show_slo(call: Call) -> Response:
    """The three objectives: budgets, what is left of them, and how fast they burn."""
    scope = call.query.choice("scope", (*SCOPE_KINDS, ALL))
    text = call.query.text("at") or ""
    at_ms, instant = None, None
    try:
        instant = parse_instant(text, call.api.cell.now_ms())
    except InstantUnclear as error:
        call.query.faults.add("at", str(error), "name a time, such as -1h")
    else:
        if isinstance(instant, AtTime):
            at_ms = instant.at_ms
    call.query.done()
    if isinstance(instant, AtOffset):
        # Objectives are counted by time, and a place of the log has one: that of its record.
        there = await travel.asked(call, travel.state_question(text))
        at_ms = msgspec.json.decode(bytes(there.body))["atMs"]
    kinds: tuple[ScopeKind, ...] = tuple(
        each for each in SCOPE_KINDS if scope in {each, ALL} or (scope is None and each == "cell")
    )
    cell = call.api.cell.view.state.cell
    return json_response(report(call.api.alerting.slo, cell, at_ms, kinds))


def _command(handler: Handler, body: type[Any]) -> Operation:
    return Operation(handler, body=body, answer=base.Written, is_actor_required=True)


_SCOPES: Final = {"type": "string", "enum": [*SCOPE_KINDS, ALL]}

ALERT_ROUTES: Final[dict[str, dict[str, Operation]]] = {
    ALERTS: {"GET": Operation(list_alerts, is_read=True, answer=shapes.Alerts)},
    f"{ALERTS}/rules": {"GET": Operation(list_rules, is_read=True, answer=shapes.AlertRules)},
    f"{ALERTS}/measures": {"GET": Operation(list_measures, is_read=True, answer=shapes.Measures)},
    f"{ALERTS}/acknowledge": {"POST": _command(acknowledge, shapes.AcknowledgeBody)},
    f"{ALERTS}/silences/{{id}}": {
        "PUT": _command(put_silence, shapes.SilenceBody),
        "DELETE": Operation(
            remove_silence,
            ("why",),
            answer=base.Written,
            required=("why",),
            is_actor_required=True,
        ),
    },
    SLO: {
        "GET": Operation(
            show_slo,
            ("scope", "at"),
            is_read=True,
            answer=SloReport,
            schemas={"scope": (_SCOPES, "whose objectives; the cell's where it is left out")},
        )
    },
}
