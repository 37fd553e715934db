"""GETs of jobs and tasks: what they are, what happened to them, and why.

The one thing to know: everything comes from the fold at once, without waiting for anything; the
answer's headers say at which offset of the cell log it is true.
"""

from starlette.responses import Response

from connectors.web import views
from connectors.web.call import Call
from connectors.web.problems import json_response


async def list_jobs(call: Call) -> Response:
    """One page of jobs: ``{"items", "pagination"}``."""
    return json_response(views.jobs(call))


async def show_job(call: Call) -> Response:
    """One job in Titus' shape."""
    call.query.done()
    return json_response(views.job(call))


async def list_tasks(call: Call) -> Response:
    """One page of tasks: ``{"items", "pagination"}``."""
    return json_response(views.tasks(call))


async def show_task(call: Call) -> Response:
    """One task in Titus' shape."""
    call.query.done()
    return json_response(views.task(call))


async def job_events(call: Call) -> Response:
    """The job's history, and with ``tasks=true`` its tasks' too."""
    is_with_tasks = call.query.truth("tasks")
    call.query.done()
    return json_response(views.job_events(call, is_with_tasks=is_with_tasks))


async def task_events(call: Call) -> Response:
    """The task's history."""
    call.query.done()
    return json_response(views.task_events(call))


async def why_job(call: Call) -> Response:
    """Why the job is where it is."""
    call.query.done()
    return json_response(views.why_job(call))


async def why_task(call: Call) -> Response:
    """Why the task is where it is."""
    call.query.done()
    return json_response(views.why_task(call))


async def scheduling_result(call: Call) -> Response:
    """What the last round said of the task's placement, or the one at an address."""
    spot = views.round_spot(call, call.query.text("round"))
    call.query.done()
    return json_response(views.scheduling_result(call, spot))
