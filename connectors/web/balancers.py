"""Load balancers of jobs: shown from the fold, added and removed by records of topic ``jobs``.

The one thing to know: nothing is registered here. The registrar asks for the endpoints, and knows
by ``isCurrent`` whether anything may be concluded from what it is told.
"""

from typing import Final

from starlette.responses import Response

from connectors.web.call import Call
from connectors.web.lifecycle import asking, publish
from connectors.web.problems import json_response, refused
from connectors.web.requests import refuse_body
from connectors.web.standing import standing_of
from projections import endpoints
from scheduler.model.foreign_balancers import (
    LOAD_BALANCER_ID_CHECK,
    encode_add_load_balancer,
    encode_remove_load_balancer,
)
from scheduler.model.ids import JobId
from scheduler.model.inbound import Fault
from scheduler.model.reading.checks import job_id_check
from scheduler.model.reading.faults import shown_text

PATH: Final = "/api/v3/loadBalancers"
ENDPOINTS: Final = "/api/flumina/endpoints"


async def list_load_balancers(call: Call) -> Response:
    """The load balancers of all jobs: ``{"jobLoadBalancers"}``."""
    call.query.done()
    return json_response({"jobLoadBalancers": endpoints.load_balancers(call.api.cell.view)})


async def load_balancers_of_job(call: Call) -> Response:
    """Those of the job of the path; 404 where there is no such job."""
    call.query.done()
    job_id = JobId(call.path_id)
    if call.api.cell.view.job(job_id) is None:
        text = f"is {shown_text(job_id)}, no job here"
        raise refused([Fault("jobId", text, "see GET /api/v3/jobs", code="unknown")])
    (found,) = endpoints.load_balancers(call.api.cell.view, job_id)
    return json_response(found)


async def add_load_balancer(call: Call) -> Response:
    """``200 {"id"}`` once the job has the load balancer."""
    job_id, name = _named(call)
    said = asking(call)
    refuse_body(call.request)
    value = encode_add_load_balancer(job_id, name, **said._asdict())
    return await publish(call, job_id, value, name, said.actor)


async def remove_load_balancer(call: Call) -> Response:
    """``200 {"id"}`` once the job has the load balancer no more."""
    job_id, name = _named(call)
    said = asking(call)
    refuse_body(call.request)
    value = encode_remove_load_balancer(job_id, name, **said._asdict())
    return await publish(call, job_id, value, name, said.actor)


def _named(call: Call) -> tuple[JobId, str]:
    job_id = call.query.text("jobId", job_id_check)
    name = call.query.text("loadBalancerId", LOAD_BALANCER_ID_CHECK)
    for field, value in (("jobId", job_id), ("loadBalancerId", name)):
        if value is None:
            call.query.faults.add(field, "is missing", "it is required")
    return JobId(job_id or ""), name or ""


async def list_endpoints(call: Call) -> Response:
    """Where the tasks of jobs with load balancers are, or with ``services`` those of services."""
    is_discovery = call.query.truth("services")
    call.query.done()
    cell = call.api.cell
    is_current = standing_of(cell).is_healthy
    told = endpoints.endpoints(cell.view, is_discovery=is_discovery, is_current=is_current)
    return json_response(told)
