"""Relocation: which tasks have to leave their hosts, what was tried, and hosts that are emptied.

The one thing to know: all of it is read. Who wants a task moved marks it, its job or its host;
who wants it to stay gives its job a budget.
"""

from typing import Final

from starlette.responses import Response

from connectors.web.call import Call
from connectors.web.problems import json_response, refused
from projections import disruption
from projections.disruption import Wanted
from scheduler.model.ids import TaskId
from scheduler.model.inbound import Fault
from scheduler.model.reading.faults import shown_text

PATH: Final = "/api/v3/relocation"
DRAINS: Final = "/api/flumina/drains"
CRITERIA: Final = ("jobIds", "taskIds", "applicationName", "capacityGroup", "limit", "skip")
LIMIT: Final = 1_000
LIMIT_MAX: Final = 10_000
SKIP_MAX: Final = 10_000_000


async def list_plans(call: Call) -> Response:
    """Tasks that have to leave their hosts, the earliest deadline first."""
    wanted, limit, skip = _criteria(call)
    found = disruption.plans(call.api.cell.view, wanted)
    return json_response({"plans": found[skip : skip + limit], "flumina.total": len(found)})


async def show_plan(call: Call) -> Response:
    """The plan of one task."""
    call.query.done()
    found = disruption.plan_of(call.api.cell.view, TaskId(call.path_id))
    if found is None:
        raise _unknown(call, "has no plan: it need not leave its host")
    return json_response(found)


async def list_executions(call: Call) -> Response:
    """Relocations that were tried, newest first."""
    wanted, limit, skip = _criteria(call)
    found = disruption.executions(call.api.cell.view, wanted)
    return json_response({"results": found[skip : skip + limit], "flumina.total": len(found)})


async def show_execution(call: Call) -> Response:
    """What was tried with one task."""
    call.query.done()
    found = disruption.execution_of(call.api.cell.view, TaskId(call.path_id))
    if found is None:
        raise _unknown(call, "was never tried to be relocated, or that is forgotten")
    return json_response(found)


async def list_drains(call: Call) -> Response:
    """Hosts that are drained or marked, what is left there, and what that waits for."""
    call.query.done()
    return json_response({"hosts": disruption.hosts_to_empty(call.api.cell.view)})


def _unknown(call: Call, why: str) -> Exception:
    return refused([Fault("taskId", f"{shown_text(call.path_id)} {why}", code="unknown")])


def _criteria(call: Call) -> tuple[Wanted, int, int]:
    query = call.query
    wanted = Wanted(
        job_ids=query.words("jobIds"),
        task_ids=query.words("taskIds"),
        application=query.text("applicationName") or "",
        group=query.text("capacityGroup") or "",
    )
    limit = query.whole("limit", 1, LIMIT_MAX)
    skip = query.whole("skip", 0, SKIP_MAX)
    query.done()
    return wanted, LIMIT if limit is None else limit, skip or 0
