"""Evictions: quotas, budgeted termination, and the budget of a job.

The one thing to know: an eviction that the budgets do not allow now is no error. It is answered
with 200 and ``allowed: false``, the reason and what would change it; Titus' reply has that field,
and yet answers with an error instead. What cannot be evicted at all is one: 404 for a task that is
not known, 409 for one that is on no host.
"""

from collections.abc import Callable
from typing import Any, Final

from starlette.responses import Response

from connectors.web.call import Call
from connectors.web.lifecycle import asking, job_id, publish, task_and_job
from connectors.web.problems import json_response, refused
from connectors.web.requests import actor_of, refuse_body, small_body
from connectors.web.writing import TOKEN, write, written_response
from projections import disruption
from projections.cell_view import CellView
from projections.disruption import reason_code
from scheduler.model.changes import EvictionDecided, JobRejected
from scheduler.model.foreign_disruption import encode_evict_task, encode_set_budget
from scheduler.model.ids import JobId, TaskId
from scheduler.model.inbound import Fault
from scheduler.model.reading.checks import words_check
from scheduler.model.reading.faults import shown_text
from scheduler.model.reading.requests import WHY_BYTES_MAX
from scheduler.model.v3.disruption import read_budget_of, written_budget

PATH: Final = "/api/v3/eviction"
_REASON: Final = words_check(WHY_BYTES_MAX)


async def show_system_quota(call: Call) -> Response:
    """How many tasks of the cell may be evicted now."""
    call.query.done()
    return json_response(disruption.system_quota(call.api.cell.view))


async def show_tier_quota(call: Call) -> Response:
    """The same of a tier."""
    return _shown(call, "tier", disruption.tier_quota)


async def show_group_quota(call: Call) -> Response:
    """The same of a capacity group."""
    return _shown(call, "capacityGroup", disruption.group_quota)


async def show_job_quota(call: Call) -> Response:
    """How many tasks of a job may be evicted now, by its budget."""
    return _shown(call, "jobId", lambda view, name: disruption.job_quota(view, JobId(name)))


async def show_task_quota(call: Call) -> Response:
    """1 where this very task may be evicted now, else 0 and why."""
    return _shown(call, "taskId", lambda view, name: disruption.task_quota(view, TaskId(name)))


def _shown(
    call: Call, field: str, quota_of: Callable[[CellView, str], dict[str, Any] | None]
) -> Response:
    call.query.done()
    found = quota_of(call.api.cell.view, call.path_id)
    if found is None:
        text = f"is {shown_text(call.path_id)}, which the cell does not know"
        raise refused([Fault(field, text, "its name or id, letter by letter", code="unknown")])
    return json_response(found)


async def evict_task(call: Call) -> Response:
    """``200 {"allowed", "reasonCode", "reasonMessage"}`` once the fold has decided."""
    reason = call.query.text("reason", _REASON) or ""
    call.query.done()
    refuse_body(call.request)
    task, owner = task_and_job(call)
    actor = actor_of(call.request)
    value = encode_evict_task(task, reason, actor)
    written = await write(call.api, "jobs", owner, value, subject=task, actor=actor)
    if isinstance(written.answer, JobRejected):
        raise refused(written.answer.faults)
    if not isinstance(written.answer, EvictionDecided):
        return written_response(written, task)
    found = written.answer
    answer = {
        "allowed": found.is_allowed,
        "reasonCode": reason_code(found.limit),
        "reasonMessage": found.message,
    }
    if found.limit:
        answer["flumina.limit"] = found.limit
    return json_response(answer, headers={TOKEN: str(written.token)})


async def set_budget(call: Call) -> Response:
    """``200 {"id"}`` once the job has this budget; ``{}`` takes its own one away."""
    said, job = asking(call), job_id(call)
    fields, faults = await small_body(call.request)
    names = fields.items(64)
    budget = written_budget(read_budget_of(fields)) if names else {}
    if faults:
        raise refused(faults.all())
    value = encode_set_budget(job, budget, **said._asdict())
    return await publish(call, job, value, job, said.actor)
