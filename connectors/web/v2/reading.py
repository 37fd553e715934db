"""GETs of API v2 (2017): jobs, tasks, the queue and hosts, from the fold as it is.

The one thing to know: v2 has no pages; a list is cut at ``limit``. What has ended is shown only
where its state is asked for, as in v3.
"""

from http import HTTPStatus
from typing import Final

from starlette.responses import Response

from connectors.web.call import Call
from connectors.web.problems import Problem, json_response, refused
from connectors.web.v2.spec import no_job
from projections import v2
from projections.scheduling import scheduling_result
from scheduler.model.ids import JobId, TaskId
from scheduler.model.inbound import Fault
from scheduler.model.reading.faults import nearest_name, shown_text

LIMIT: Final = 1_000
LIMIT_MAX: Final = 5_000
JOB_FILTERS: Final = (
    "taskState",
    "labels",
    "labels.op",
    "applicationName",
    "appName",
    "type",
    "limit",
    "jobGroupStack",
    "jobGroupDetail",
    "jobGroupSequence",
)


async def list_jobs(call: Call) -> Response:
    """The jobs that the filters let through, oldest first, each with its tasks."""
    filters = v2.Filters(
        states=_states(call),
        labels=tuple(each.partition(":") for each in call.query.words("labels")),
        is_any_label_enough=call.query.choice("labels.op", ("and", "or")) == "or",
        kind=call.query.choice("type", ("batch", "service")) or "",
        texts={name: call.query.text(name) or "" for name in TEXTS},
        limit=call.query.whole("limit", 1, LIMIT_MAX) or LIMIT,
    )
    call.query.done()
    return json_response(v2.jobs_json(call.api.cell.view, filters))


TEXTS: Final = (
    "applicationName",
    "appName",
    "jobGroupStack",
    "jobGroupDetail",
    "jobGroupSequence",
)


def _states(call: Call) -> frozenset[str]:
    words = call.query.words("taskState")
    known = {each.lower(): each for each in v2.STATES}
    for word in words:
        if word.lower() not in known:
            text = f"holds {shown_text(word)}, which is no state"
            call.query.faults.add("taskState", text, nearest_name(word, v2.STATES))
    return frozenset(known[each.lower()] for each in words if each.lower() in known)


async def show_job(call: Call) -> Response:
    """One job with all its tasks that are remembered."""
    call.query.done()
    found = v2.job_json(call.api.cell.view, JobId(call.path_id), is_with_ended=True)
    if found is None:
        raise refused([no_job(call.path_id)])
    return json_response(found)


async def show_task(call: Call) -> Response:
    """One task."""
    call.query.done()
    found = v2.task_of_v2(call.api.cell.view, TaskId(call.path_id))
    if found is None:
        raise _no_task(call.path_id)
    return json_response(found)


async def tasks_summary(call: Call) -> Response:
    """How many tasks are in each state."""
    call.query.done()
    return json_response(v2.summary_json(call.api.cell.view))


async def show_logs(call: Call) -> Response:
    """Where the task's output is read."""
    call.query.done()
    if call.api.cell.view.task(TaskId(call.path_id)) is None:
        raise _no_task(call.path_id)
    at = f"/api/v3/tasks/{call.path_id}/log"
    told = {"taskId": call.path_id, "stdout": f"{at}?file=stdout", "stderr": f"{at}?file=stderr"}
    return json_response(told)


async def list_queue(call: Call) -> Response:
    """The tasks that wait for a host."""
    limit = call.query.whole("limit", 1, LIMIT_MAX) or LIMIT
    call.query.done()
    return json_response(v2.queue_json(call.api.cell.view, limit))


async def queue_summary(call: Call) -> Response:
    """How many tasks wait, by tier and capacity group."""
    call.query.done()
    return json_response(v2.queue_summary_json(call.api.cell.view))


async def task_failures(call: Call) -> Response:
    """Why no host takes the task, as the last round said."""
    call.query.done()
    found = scheduling_result(call.api.cell.view, TaskId(call.path_id))
    if found is None:
        raise _no_task(call.path_id)
    return json_response(
        {
            "taskId": call.path_id,
            "failures": found.get("failures", []),
            "message": found.get("message", ""),
        }
    )


async def list_hosts(call: Call) -> Response:
    """Every host that the cell knows."""
    call.query.done()
    return json_response(v2.hosts_json(call.api.cell.view))


async def list_jobs_on_hosts(call: Call) -> Response:
    """Every host that has tasks, with them."""
    call.query.done()
    return json_response(v2.jobs_on_hosts_json(call.api.cell.view))


def _no_task(name: str) -> Problem:
    fault = Fault("taskId", f"is {shown_text(name)}, no task", "GET /api/v2/jobs", code="unknown")
    return refused([fault], HTTPStatus.NOT_FOUND)
