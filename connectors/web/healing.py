"""REST of hosts' health and of healing: shown from the fold, ordered by topic ``commands``.

The one thing to know: nothing is decided here. A runbook that is set, a run that is approved, a
host that is released: each is a record with actor and reason, and the fold answers it.
"""

from dataclasses import replace
from typing import Any, Final

from starlette.responses import Response

from connectors.web.call import Call, Handler
from connectors.web.orders import asked, ordered
from connectors.web.problems import json_response, refused
from connectors.web.requests import actor_of, document_body
from connectors.web.resource import Operation
from connectors.web.shapes import base
from connectors.web.shapes import host_health as shapes
from projections.healing import run_json, runbooks_json, runs_json
from projections.host_health import health_json, host_named_json
from scheduler.model.inbound import Fault
from scheduler.model.reading.faults import shown_text

HEALTH: Final = "/api/flumina/health"
HEALING: Final = "/api/flumina/healing"
_HOSTS: Final = f"GET {HEALTH}, or `flumina host health`"
_RUNS: Final = f"GET {HEALING}/runs, or `flumina heal list`"


async def show_health(call: Call) -> Response:
    """Hosts that are not simply well, silent tasks, and ways in which tasks of many jobs fail."""
    call.query.done()
    return json_response(health_json(call.api.cell.view.state))


async def show_host(call: Call) -> Response:
    """The host of the path, by its id or name; 404 where there is none."""
    call.query.done()
    found = host_named_json(call.api.cell.view.state, call.path_id)
    if found is None:
        text, hint = f"is {shown_text(call.path_id)}, no host of this cell", _HOSTS
        raise refused([Fault("id", text, hint, code="unknown")])
    return json_response(found)


async def release_host(call: Call) -> Response:
    """``200 {"id"}`` once nothing is held against the host any more; it is on trial then."""
    record, actor, why = await asked(call, ())
    record |= {"verb": "release", "hostId": call.path_id}
    return await ordered(call, "OrderHealing", record, (actor, why), call.path_id)


async def list_runbooks(call: Call) -> Response:
    """Every runbook, with how it does and which sick hosts it may not heal now."""
    call.query.done()
    return json_response({"items": runbooks_json(call.api.cell.view.state)})


async def put_runbooks(call: Call) -> Response:
    """``200 {"id": "runbooks"}`` once these are all runbooks of the cell."""
    call.query.done()
    actor = actor_of(call.request, is_required=True)
    document = await document_body(call.request)
    for name in document:
        if name not in {"runbooks", "why"}:
            raise refused([Fault(name, "is an unknown field", "give runbooks and why")])
    record = {"runbooks": document.get("runbooks")}
    why = document.get("why")
    said = (actor, why if isinstance(why, str) else "")
    return await ordered(call, "SetRunbooks", record, said, "runbooks")


async def resume_runbook(call: Call) -> Response:
    """``200 {"id"}`` once a runbook that had stopped by itself may run again."""
    record, actor, why = await asked(call, ())
    record |= {"verb": "resume", "runbook": call.path_id}
    return await ordered(call, "OrderHealing", record, (actor, why), call.path_id)


async def list_runs(call: Call) -> Response:
    """Every run that is remembered, the newest first."""
    call.query.done()
    return json_response({"items": runs_json(call.api.cell.view.state)})


async def show_run(call: Call) -> Response:
    """The run of the path with every step; 404 where there is none."""
    call.query.done()
    state = call.api.cell.view.state
    run = state.healing_runs.get(call.path_id)
    if run is None:
        text, hint = f"is {shown_text(call.path_id)}, no run of this cell", _RUNS
        raise refused([Fault("id", text, hint, code="unknown")])
    return json_response(run_json(state, run))


async def start_run(call: Call) -> Response:
    """``200 {"id"}`` of the host once a run on it has begun; limits do not hold an operator."""
    record, actor, why = await asked(call, ("runbook", "hostId", "dryRun"))
    record["verb"] = "start"
    subject = record.get("hostId")
    said = (actor, why)
    return await ordered(
        call, "OrderHealing", record, said, subject if isinstance(subject, str) else ""
    )


async def approve_run(call: Call) -> Response:
    """``200 {"id"}`` once the run goes on that waited for it."""
    return await _order_run(call, "approve")


async def stop_run(call: Call) -> Response:
    """``200 {"id"}`` once the run has ended; a script under way is not taken back."""
    return await _order_run(call, "stop")


async def _order_run(call: Call, verb: str) -> Response:
    record, actor, why = await asked(call, ())
    record |= {"verb": verb, "runId": call.path_id}
    return await ordered(call, "OrderHealing", record, (actor, why), call.path_id)


def _command(handler: Handler, body: type[Any]) -> Operation:
    return Operation(handler, body=body, answer=base.Written, is_actor_required=True)


_READ: Final = Operation(show_health, is_read=True, answer=shapes.Health)

HEALING_ROUTES: Final[dict[str, dict[str, Operation]]] = {
    HEALTH: {"GET": _READ},
    f"{HEALTH}/hosts/{{id}}": {"GET": replace(_READ, handler=show_host, answer=shapes.HostHealth)},
    f"{HEALTH}/hosts/{{id}}/release": {"POST": _command(release_host, shapes.ReleaseBody)},
    f"{HEALING}/runbooks": {
        "GET": replace(_READ, handler=list_runbooks, answer=shapes.Runbooks),
        "PUT": _command(put_runbooks, shapes.RunbooksBody),
    },
    f"{HEALING}/runbooks/{{id}}/resume": {"POST": _command(resume_runbook, shapes.OrderBody)},
    f"{HEALING}/runs": {
        "GET": replace(_READ, handler=list_runs, answer=shapes.Runs),
        "POST": _command(start_run, shapes.StartBody),
    },
    f"{HEALING}/runs/{{id}}": {"GET": replace(_READ, handler=show_run, answer=shapes.RunShown)},
    f"{HEALING}/runs/{{id}}/approve": {"POST": _command(approve_run, shapes.OrderBody)},
    f"{HEALING}/runs/{{id}}/stop": {"POST": _command(stop_run, shapes.OrderBody)},
}
