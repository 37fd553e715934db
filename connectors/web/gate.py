"""Requests of the API before the door: who asks, whether he may, and what he can reach.

The one thing to know: a job that is out of reach is answered like one that never was, with 404, so
that nobody learns its name by asking. What only the body names is checked where the record is
written (`connectors.web.writing`).
"""

from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from connectors.access.door import PRINCIPAL, Denied
from connectors.access.principals import Job, decide, reach_of
from connectors.access.table import API, Rule
from connectors.web.api import Api
from connectors.web.problems import Problem
from projections.cell_view import CellView
from scheduler.model.ids import JobId, TaskId, job_id_of
from scheduler.model.job import JobSpec
from scheduler.model.reading.faults import shown_text


def problem_of(denied: Denied) -> Problem:
    """The refusal in the API's shape."""
    return Problem(denied.status, denied.text, denied.hint, headers=denied.headers)


async def enter(api: Api, scope: MutableMapping[str, Any], method: str, path: str) -> Api:
    """The API as this request may use it; raises `Problem`. Behind an open door, as it is."""
    door = api.door
    if not door.is_guarded:
        return api
    rule = API.get((method, path))
    try:
        if rule is not None and rule.reach == "open":
            return api
        principal = await door.admit(scope)
        assert principal is not None
        scope[PRINCIPAL] = principal
        if rule is None:
            text = f"{method} {path} is in no table of who may what, so nobody may"
            raise door.denied(scope, HTTPStatus.FORBIDDEN, "unlisted", text, "Tell its makers.")
        target = rule.reach if rule.reach in {"cell", "all"} else "list"
        door.check(scope, principal, rule.action, target)
    except Denied as denied:
        raise problem_of(denied) from denied
    api = replace(api, asking=principal, asked=rule.action)
    if rule.reach in {"job", "task"}:
        _check_path(api, scope["path_params"], rule)
    return api


def _check_path(api: Api, names: Mapping[str, str], rule: Rule) -> None:
    id_ = names["id"]
    if rule.reach == "task":
        demand_task(api, TaskId(id_))
    else:
        demand_job(api, JobId(id_))


def has_all(api: Api) -> bool:
    """Whether every job is within reach of who asks."""
    return api.asking is None or reach_of(api.asking, api.asked, api.door.cell) is None


def demand_job(api: Api, job_id: JobId) -> None:
    """Return where the job is within reach; raises a 404 `Problem` else."""
    if has_all(api):
        return
    job = api.cell.view.job(job_id)
    if job is None or not may(api, job.spec):
        raise _none("job", job_id)


def demand_task(api: Api, task_id: TaskId) -> None:
    """Return where the task's job is within reach; raises a 404 `Problem` else."""
    if has_all(api):
        return
    job = job_of_task(api.cell.view, task_id)
    found = None if job is None else api.cell.view.job(job)
    if found is None or not may(api, found.spec):
        raise _none("task", task_id)


def job_of_task(view: CellView, task_id: TaskId) -> JobId | None:
    """Whose task it is now: it may have been moved to another job than its name says."""
    task = view.task(task_id)
    return task.job_id if task is not None else job_id_of(task_id)


def may(api: Api, spec: JobSpec) -> bool:
    """Whether a job like this is within reach of who asks."""
    if api.asking is None:
        return True
    job = Job(spec.owner_email, spec.application_name)
    return decide(api.asking, api.asked, job, api.door.cell) is None


def demand_spec(api: Api, spec: JobSpec, known: JobSpec | None) -> None:
    """Return where who asks may have a job like this under its id; raises `Problem` else.

    ``known`` is the job that the id names already.
    """
    if known is not None and not may(api, known):
        # Before anything of the two is compared: an answer may not tell what is in the other one.
        raise Problem(
            HTTPStatus.CONFLICT, "The id is of another job", "Submit under another id, or none."
        )
    demand_owner(api, spec.owner_email, spec.application_name)


def demand_owner(api: Api, owner: str, application: str) -> None:
    """Return where jobs of this owner and application are within reach; a 403 `Problem` else."""
    if api.asking is None:
        return
    refusal = decide(api.asking, api.asked, Job(owner, application), api.door.cell)
    if refusal is None:
        return
    api.door.refusals.note(
        refusal.code, who=api.asking.name, address="", method="", path="", why=refusal.text
    )
    shown = f"owner {shown_text(owner)} and application {shown_text(application)}"
    raise Problem(
        HTTPStatus.FORBIDDEN,
        f"{api.asking.name} may not run jobs of {shown}",
        "Name an owner and an application that you were granted (docs/access.md).",
    )


def refuse_some(api: Api, what: str) -> None:
    """Return where every job is within reach; raises a 403 `Problem` else."""
    if has_all(api):
        return
    assert api.asking is not None
    raise Problem(
        HTTPStatus.FORBIDDEN,
        f"{what} shows jobs of others, and {api.asking.name} has some jobs only",
        "Ask for what is now, and for one job at a time.",
    )


def _none(kind: str, id_: str) -> Problem:
    return Problem(
        HTTPStatus.NOT_FOUND,
        f"There is no {kind} {shown_text(id_)}",
        "It never was, is not folded yet (read with atLeast), or ended long ago.",
    )
