"""What users change of jobs and tasks that live: switches, attributes, and a move between jobs.

The one thing to know: as in `connectors.web.changing`, nothing is decided here. Each request is a
record of topic ``jobs``, and its answer is what the fold said to it; ``If-Match`` goes into the
record, so that the version is compared at the record's own place in the log.
"""

from typing import NamedTuple

from starlette.responses import Response

from connectors.web.call import Call
from connectors.web.gate import demand_job
from connectors.web.problems import refused
from connectors.web.requests import actor_of, if_match, refuse_body, small_body
from connectors.web.writing import write, written_response
from scheduler.model.changes import JobRejected
from scheduler.model.foreign_jobs import (
    encode_move_task,
    encode_set_job_enabled,
    encode_set_job_processes,
    encode_update_job_attributes,
    encode_update_task_attributes,
)
from scheduler.model.ids import JobId, TaskId, job_id_of
from scheduler.model.inbound import Fault
from scheduler.model.reading.checks import job_id_check, task_id_check
from scheduler.model.reading.fields import Fields
from scheduler.model.v3.container import read_attributes, refuse_our_attributes


class Asking(NamedTuple):
    """Who asks, why, and of which version."""

    actor: str
    why: str
    if_version: int | None


def asking(call: Call) -> Asking:
    """What every change says of itself; done with the query."""
    why = call.query.text("why") or ""
    call.query.done()
    return Asking(actor_of(call.request), why, if_match(call.request))


def job_id(call: Call) -> JobId:
    """The job of the path; raises a 404 `Problem` where the name can be nobody's."""
    complaint = job_id_check(call.path_id)
    if complaint is not None:
        raise refused([Fault("jobId", *complaint, code="unknown")])
    return JobId(call.path_id)


def task_and_job(call: Call) -> tuple[TaskId, JobId]:
    """The task of the path, and the job that its name says; raises a 404 `Problem` for none."""
    task_id = TaskId(call.path_id)
    owner, complaint = job_id_of(task_id), task_id_check(task_id)
    if complaint is not None or owner is None:
        text, hint = complaint or ("is no task id", "GET /api/v3/tasks lists them")
        raise refused([Fault("taskId", text, hint, code="unknown")])
    return task_id, owner


async def publish(call: Call, key: JobId, value: bytes, subject: str, actor: str) -> Response:
    """``200 {"id"}`` once the fold has taken a record of topic ``jobs``; raises `Problem`."""
    written = await write(call.api, "jobs", key, value, subject=subject, actor=actor)
    if isinstance(written.answer, JobRejected):
        raise refused(written.answer.faults)
    return written_response(written, subject)


async def enable_job(call: Call) -> Response:
    """``200 {"id"}`` once the service is in service."""
    return await _switch(call, is_enabled=True)


async def disable_job(call: Call) -> Response:
    """``200 {"id"}`` once the service is out of service: it is not scaled by itself."""
    return await _switch(call, is_enabled=False)


async def _switch(call: Call, *, is_enabled: bool) -> Response:
    said, job = asking(call), job_id(call)
    refuse_body(call.request)
    value = encode_set_job_enabled(job, is_enabled=is_enabled, **said._asdict())
    return await publish(call, job, value, job, said.actor)


async def set_processes(call: Call) -> Response:
    """``200 {"id"}`` once the desired size is held, or let go, as the body says."""
    said, job = asking(call), job_id(call)
    fields, faults = await small_body(call.request)
    up = _truth(fields, "disableIncreaseDesired")
    down = _truth(fields, "disableDecreaseDesired")
    fields.close()
    if faults:
        raise refused(faults.all())
    value = encode_set_job_processes(
        job, is_increase_disabled=up, is_decrease_disabled=down, **said._asdict()
    )
    return await publish(call, job, value, job, said.actor)


def _truth(fields: Fields, name: str) -> bool | None:
    return fields.truth(name, default=False) if fields.has(name) else None


async def set_job_attributes(call: Call) -> Response:
    """``200 {"id"}`` once the job has these attributes; the others stay."""
    said, job = asking(call), job_id(call)
    attributes = await _attributes(call)
    value = encode_update_job_attributes(job, attributes, **said._asdict())
    return await publish(call, job, value, job, said.actor)


async def remove_job_attributes(call: Call) -> Response:
    """``200 {"id"}`` once the job has these attributes no more."""
    keys = _keys(call)
    said, job = asking(call), job_id(call)
    refuse_body(call.request)
    value = encode_update_job_attributes(job, {}, keys, **said._asdict())
    return await publish(call, job, value, job, said.actor)


async def set_task_attributes(call: Call) -> Response:
    """``200 {"id"}`` once the task has these attributes; the others stay."""
    said, (task, owner) = asking(call), task_and_job(call)
    attributes = await _attributes(call)
    value = encode_update_task_attributes(task, attributes, **said._asdict())
    return await publish(call, owner, value, task, said.actor)


async def remove_task_attributes(call: Call) -> Response:
    """``200 {"id"}`` once the task has these attributes no more."""
    keys = _keys(call)
    said, (task, owner) = asking(call), task_and_job(call)
    refuse_body(call.request)
    value = encode_update_task_attributes(task, {}, keys, **said._asdict())
    return await publish(call, owner, value, task, said.actor)


async def _attributes(call: Call) -> dict[str, str]:
    fields, faults = await small_body(call.request)
    if not fields.raw("attributes"):
        fields.fault("attributes", "is missing or empty", "name at least one attribute")
    found = dict(read_attributes(fields))
    refuse_our_attributes(fields)
    fields.close()
    if faults:
        raise refused(faults.all())
    return found


def _keys(call: Call) -> tuple[str, ...]:
    keys = call.query.words("keys")
    if not keys:
        call.query.faults.add("keys", "is missing", "name the attributes to remove: ?keys=a,b")
    return keys


async def move_task(call: Call) -> Response:
    """``200 {"id"}`` once the task is of the target job; both jobs change at one place."""
    said = asking(call)
    fields, faults = await small_body(call.request)
    source = JobId(fields.text("sourceJobId", job_id_check))
    target = JobId(fields.text("targetJobId", job_id_check))
    task = TaskId(fields.text("taskId", task_id_check))
    fields.close()
    if faults:
        raise refused(faults.all())
    demand_job(call.api, target)
    value = encode_move_task(task, source, target, **said._asdict())
    return await publish(call, source, value, task, said.actor)
