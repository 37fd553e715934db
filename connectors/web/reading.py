"""GETs of jobs and tasks: what they are, what happened to them, and why.

The one thing to know: everything comes from the fold at once, without waiting for anything; the
answer's headers say at which offset of the cell log it is true. Only "why" and histories may come
from the time machine: of another instant, or where they began before our own fold did.
"""

from starlette.responses import Response

from connectors.web import travel, views
from connectors.web.call import Call
from connectors.web.problems import json_response
from projections.travel.questions import EventsAt, WhyAt


async def list_jobs(call: Call) -> Response:
    """One page of jobs: ``{"items", "pagination"}``."""
    return json_response(views.jobs(call))


async def show_job(call: Call) -> Response:
    """One job in Titus' shape."""
    call.query.done()
    found = views.job(call)
    return json_response(found, headers=views.version_of(found))


async def list_tasks(call: Call) -> Response:
    """One page of tasks: ``{"items", "pagination"}``."""
    return json_response(views.tasks(call))


async def show_task(call: Call) -> Response:
    """One task in Titus' shape."""
    call.query.done()
    found = views.task(call)
    return json_response(found, headers=views.version_of(found))


async def job_events(call: Call) -> Response:
    """The job's history, and with ``tasks=true`` its tasks' too."""
    is_with_tasks = call.query.truth("tasks")
    return await _events(call, is_with_tasks=is_with_tasks) or json_response(
        views.job_events(call, is_with_tasks=is_with_tasks)
    )


async def task_events(call: Call) -> Response:
    """The task's history."""
    return await _events(call) or json_response(views.task_events(call))


async def _events(call: Call, *, is_with_tasks: bool = False) -> Response | None:
    """The history until another instant, or where our own view began too late to know all of it."""
    at = call.query.text("at")
    call.query.done()
    if at is not None:
        return await travel.asked(call, EventsAt(call.path_id, at, is_with_tasks))
    view = call.api.cell.view
    until = travel.newest_folded(view)
    return await travel.earlier(call, view, EventsAt(call.path_id, until, is_with_tasks))


async def why_job(call: Call) -> Response:
    """Why the job is where it is, or was at another instant."""
    return await _why(call) or json_response(views.why_job(call))


async def why_task(call: Call) -> Response:
    """Why the task is where it is, or was at another instant."""
    return await _why(call) or json_response(views.why_task(call))


async def _why(call: Call) -> Response | None:
    """The answer of another instant, or where our own view began too late to know all of it."""
    at = call.query.text("at")
    call.query.done()
    if at is not None:
        return await travel.asked(call, WhyAt(call.path_id, at))
    view = call.api.cell.view
    return await travel.earlier(call, view, WhyAt(call.path_id, travel.newest_folded(view)))


async def scheduling_result(call: Call) -> Response:
    """What the last round said of the task's placement, or the one at an address."""
    spot = views.round_spot(call, call.query.text("round"))
    call.query.done()
    return json_response(views.scheduling_result(call, spot))
