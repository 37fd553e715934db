"""Every call to the projections, in one place: what the API shows, from the fold as it is now.

The one thing to know: nothing is computed here. Shapes and words are the projections'; this turns
their "unknown" into 404 and their refused queries into 400.
"""

from http import HTTPStatus
from typing import Any

import msgspec

from connectors.access.principals import reach_of
from connectors.tasklogs.layout import task_prefix
from connectors.web.call import Call
from connectors.web.problems import Problem, refused
from projections import scheduling
from projections.cell_view import CellView, Job
from projections.entries import Spot
from projections.history import HistoryOf, history_of_job, history_of_task
from projections.summary import Summary, summary
from projections.v3 import job_json, task_json
from projections.v3_query import (
    CRITERIA,
    LIST_CRITERIA,
    PAGE_SIZE_MAX,
    TASKS_PAGE_SIZE_MAX,
    Query,
    QueryRefusedError,
    jobs_page,
    parse_query,
    tasks_page,
)
from projections.why import Unknown, Why, why
from scheduler.model.address import parse_address
from scheduler.model.codec import RECORD_EVENTS_MAX
from scheduler.model.ids import JobId, TaskId, job_id_of
from scheduler.model.reading.faults import shown_text
from scheduler.model.task import Task

Json = dict[str, Any]


def jobs(call: Call) -> Json:
    """The page of jobs that the request's query asks for."""
    return jobs_page(call.api.cell.view, criteria(call, PAGE_SIZE_MAX))


def tasks(call: Call) -> Json:
    """The page of tasks that the request's query asks for."""
    query = criteria(call, TASKS_PAGE_SIZE_MAX)
    page = tasks_page(call.api.cell.view, query)
    if not query.fields or any(each.startswith("logLocation") for each in query.fields):
        for item in page["items"]:
            _locate_log(call, item)
    return page


def job(call: Call) -> Json:
    """The job of the path; raises a 404 `Problem`."""
    found = job_json(call.api.cell.view, JobId(call.path_id))
    if found is None:
        raise _unknown(call, "job")
    return found


def task(call: Call) -> Json:
    """The task of the path; raises a 404 `Problem`."""
    found = task_json(call.api.cell.view, TaskId(call.path_id))
    if found is None:
        raise _unknown(call, "task")
    _locate_log(call, found)
    return found


def version_of(found: Json) -> dict[str, str]:
    """The header that says which version of a job or task an answer shows."""
    return {"ETag": f'"{found["version"]["version"]}"'}


def task_or_problem(call: Call) -> Task:
    """The task of the path as the fold has it; raises a 404 `Problem`."""
    found = call.api.cell.view.task(TaskId(call.path_id))
    if found is None:
        raise _unknown(call, "task")
    return found


def job_or_problem(call: Call) -> Job:
    """The job of the path as the fold has it; raises a 404 `Problem`."""
    found = call.api.cell.view.job(JobId(call.path_id))
    if found is None:
        raise _unknown(call, "job")
    return found


def job_events(call: Call, *, is_with_tasks: bool) -> HistoryOf:
    """What happened to the job of the path; raises a 404 `Problem`."""
    view = call.api.cell.view
    found = history_of_job(view, JobId(call.path_id), is_with_tasks=is_with_tasks)
    if found is None:
        raise _unknown(call, "job")
    return found


def task_events(call: Call) -> HistoryOf:
    """What happened to the task of the path; raises a 404 `Problem`."""
    found = history_of_task(call.api.cell.view, TaskId(call.path_id))
    if found is None:
        raise _unknown(call, "task")
    return found


def why_job(call: Call) -> Why:
    """Why the job of the path is where it is; raises a 404 `Problem`."""
    return _why(call, "job")


def why_task(call: Call) -> Why:
    """Why the task or orphan of the path is where it is; raises a 404 `Problem`."""
    return _why(call, "task", "orphan")


def round_spot(call: Call, text: str | None) -> Spot | None:
    """The place in this cell's log that an address names; a fault of the query else."""
    if text is None:
        return None
    view = call.api.cell.view
    try:
        address = parse_address(text)
    except ValueError as error:
        call.query.faults.add("round", str(error), "copy it from an answer")
        return None
    if (address.cell, address.generation) != (view.state.cell, view.state.generation):
        here = f"{view.state.cell}/{view.state.generation}"
        call.query.faults.add("round", f"is an address of another log than {here}", "ask that cell")
        return None
    # Without an index it means the whole record.
    return (address.offset, address.index if "[" in text else RECORD_EVENTS_MAX)


def scheduling_result(call: Call, spot: Spot | None) -> Json:
    """What rounds said of the task of the path; raises a 404 `Problem`."""
    found = scheduling.scheduling_result(call.api.cell.view, TaskId(call.path_id), spot)
    if found is None:
        raise _unknown(call, "task")
    return found


def state(view: CellView) -> Summary:
    """The cell in numbers."""
    return summary(view)


def orphans(view: CellView) -> list[Json]:
    """The tasks that run without history in the log."""
    places = view.timeline.orphans
    return [
        {
            "taskId": each.task_id,
            "hostId": each.host_id,
            "hostname": view.hostname(each.host_id),
            "state": each.state,
            "firstSeenAtMs": each.first_seen_at_ms,
            "address": view.address(place.spot) if (place := places.get(each.task_id)) else "",
        }
        for each in view.state.orphans.values()
    ]


def _why(call: Call, *kinds: str) -> Why:
    found = why(call.api.cell.view, call.path_id)
    if isinstance(found, Why) and found.kind in kinds:
        return found
    raise _unknown(call, kinds[0])


def _unknown(call: Call, kind: str) -> Problem:
    known = why(call.api.cell.view, call.path_id)
    if isinstance(known, Unknown):
        near = f" Names like it: {', '.join(known.nearest)}." if known.nearest else ""
        hint = f"It never was, is not folded yet (read with atLeast), or ended long ago.{near}"
    else:
        place = f"jobs/{known.id}" if known.kind == "job" else f"tasks/{known.id}/why"
        hint = f"There is a {known.kind} of that name: /api/v3/{place}."
    return Problem(HTTPStatus.NOT_FOUND, f"There is no {kind} {shown_text(call.path_id)}", hint)


def _locate_log(call: Call, task_item: Json) -> None:
    """Say where the task's output is, as Titus does: followed here, and kept in a bucket."""
    path = f"/api/v3/tasks/{task_item['id']}/log?file=stdout"
    location: Json = {"ui": {"url": path}, "liveStream": {"url": path}}
    scheme, _, place = call.api.log_store.partition("://")
    task_id = TaskId(task_item["id"])
    if scheme == "s3" and (job_id := job_id_of(task_id)) is not None:
        bucket, _, before = place.partition("/")
        prefix = task_prefix(call.api.cell.view.state.cell, job_id, task_id)
        key = f"{before}/{prefix}" if before else prefix
        location["s3"] = {"bucket": bucket, "key": key}
    task_item["logLocation"] = location


def criteria(call: Call, page_size_max: int) -> Query:
    """What the request's query asks for; raises a 400 `Problem` with all that is wrong with it."""
    given: dict[str, str] = {}
    for name in CRITERIA:
        values = call.query.given(name)
        if len(values) > 1 and name not in LIST_CRITERIA:
            call.query.faults.add(name, "is given twice", "keep one of them")
        if values:
            given[name] = ",".join(values)
    call.query.done()
    try:
        query = parse_query(given, page_size_max)
    except QueryRefusedError as error:
        raise refused(error.faults) from error
    api = call.api
    reach = None if api.asking is None else reach_of(api.asking, api.asked, api.door.cell)
    return query if reach is None else msgspec.structs.replace(query, reach=reach)
