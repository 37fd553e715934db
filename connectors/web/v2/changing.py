"""POSTs of API v2 (2017): submissions, sizes, in service or not, and ends of jobs and tasks.

The one thing to know: each becomes the very record that v3 would write, by ``user``, so what the
log says does not tell which API was asked. Done is 204, as in 2017; a record that is not folded in
time is 202 with a token, as everywhere here.
"""

import uuid
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import Response

from connectors.web.call import Call
from connectors.web.images import Known, with_digest
from connectors.web.problems import json_response, refused
from connectors.web.requests import document_body, idempotency_key, said_by, small_body
from connectors.web.submitting import derived_id, submit
from connectors.web.titan import job_of_titan
from connectors.web.v2.spec import SERVICE_MAX, descriptor_of_v2, faults_as_v2
from connectors.web.writing import Written, write, written_response
from scheduler.model.changes import JobRejected
from scheduler.model.descriptor import spec_of
from scheduler.model.foreign_jobs import encode_set_job_enabled
from scheduler.model.foreign_records import encode_kill_job, encode_kill_task, encode_scale_job
from scheduler.model.ids import JobId, TaskId, job_id_of
from scheduler.model.inbound import Fault
from scheduler.model.job import JobSpec
from scheduler.model.reading.checks import job_id_check, name_check, task_id_check
from scheduler.model.reading.faults import Faults
from scheduler.model.reading.fields import Fields
from scheduler.model.v3.titan import is_titan_spec

TASKS_MAX: Final = 1_000
_USER: Final = name_check(255)


async def submit_job(call: Call) -> Response:
    """``201 {"id", "jobUri"}`` once the fold made the job that the v2 spec asks for."""
    call.query.done()
    key = idempotency_key(call.request)
    raw = await document_body(call.request)
    if is_titan_spec(raw):
        job_id, spec = job_of_titan(call, raw)
    else:
        read = job_spec(raw)
        if isinstance(read, tuple):
            raise refused(read)
        job_id, spec = JobId(f"job-{uuid.uuid4().hex}"), read
    job_id = derived_id(key) if key else job_id
    there = call.api.cell.view.state.jobs.get(job_id)
    known = None if there is None else Known(there.spec, there.digest)
    spec, _ = await with_digest(call.api.images, spec, known)
    response = await submit(call.api, job_id, spec, said_by(call.request, spec.owner_email))
    if response.status_code != HTTPStatus.CREATED:
        return response
    kept = {name: value for name, value in response.headers.items() if name.startswith("x-")}
    uri = f"/api/v2/jobs/{job_id}"
    told = {"id": job_id, "jobUri": uri}
    return json_response(told, HTTPStatus.CREATED, {**kept, "Location": uri})


def job_spec(raw: dict[str, Any]) -> JobSpec | tuple[Fault, ...]:
    """The job that a v2 spec asks for, or everything that is wrong with it, by v2's names."""
    descriptor = descriptor_of_v2(raw)
    if isinstance(descriptor, tuple):
        return descriptor
    spec = spec_of(descriptor)
    return faults_as_v2(spec) if isinstance(spec, tuple) else spec


async def set_instance_counts(call: Call) -> Response:
    """204 once the service has these bounds."""
    fields, faults, user = await _body(call)
    job_id = JobId(fields.text("jobId", job_id_check))
    desired = fields.whole("instancesDesired", 0, SERVICE_MAX)
    minimum = fields.whole("instancesMin", 0, SERVICE_MAX)
    maximum = fields.whole("instancesMax", 0, SERVICE_MAX)
    _close(fields, faults)
    value = encode_scale_job(job_id, desired=desired, minimum=minimum, maximum=maximum, actor=user)
    return await _done(call, job_id, value, job_id, user)


async def set_in_service(call: Call) -> Response:
    """204 once the service is in service, or out of it."""
    fields, faults, user = await _body(call)
    job_id = JobId(fields.text("jobId", job_id_check))
    if not fields.has("inService"):
        fields.fault("inService", "is missing", "it is required, true or false")
    is_enabled = fields.truth("inService", default=True)
    _close(fields, faults)
    value = encode_set_job_enabled(job_id, is_enabled=is_enabled, actor=user)
    return await _done(call, job_id, value, job_id, user)


async def kill_job(call: Call) -> Response:
    """204 once the job is ended."""
    fields, faults, user = await _body(call)
    job_id = JobId(fields.text("jobId", job_id_check))
    _close(fields, faults)
    return await _done(call, job_id, encode_kill_job(job_id, user), job_id, user)


async def kill_tasks(call: Call) -> Response:
    """204 once the tasks are ended; with ``strict`` none is where one of them is unknown."""
    fields, faults, user = await _body(call)
    names = _task_ids(fields)
    is_shrink = fields.truth("shrink", default=False)
    is_strict = fields.truth("strict", default=False)
    _close(fields, faults)
    if is_strict:
        _demand_known(call, names)
    refusals: list[Fault] = []
    last: Written | None = None
    for name in names:
        job_id = job_id_of(TaskId(name)) or JobId("")
        value = encode_kill_task(TaskId(name), user, is_shrink=is_shrink)
        last = await write(call.api, "jobs", job_id, value, subject=name, actor=user)
        if isinstance(last.answer, JobRejected):
            refusals += last.answer.faults
    if refusals and (is_strict or len(refusals) >= len(names)):
        raise refused(refusals)
    if last is None or last.answer is not None:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return written_response(last, names[-1])


def _task_ids(fields: Fields) -> tuple[str, ...]:
    """One of ``taskId`` and ``taskIds``, each checked by its form."""
    has_one, has_many = fields.has("taskId"), fields.has("taskIds")
    many = fields.texts("taskIds", task_id_check, TASKS_MAX, 512 * 1024)
    one = fields.text("taskId", task_id_check) if has_one else ""
    fields.raw("taskId")
    if has_one and has_many:
        fields.fault("taskIds", "is given beside taskId", "keep one of them")
    if not one and not many:
        fields.fault("taskId", "is missing, and so is taskIds", "give one of them")
    return tuple(dict.fromkeys((one,) if has_one else many))


def _demand_known(call: Call, names: tuple[str, ...]) -> None:
    tasks = call.api.cell.view.state.tasks
    missing = [name for name in names if TaskId(name) not in tasks]
    if missing:
        faults = [Fault("taskId", f"no task {name}", code="unknown") for name in missing[:32]]
        raise refused(faults)


async def _body(call: Call) -> tuple[Fields, Faults, str]:
    """The body's fields, where faults go, and the user who asks."""
    call.query.done()
    fields, faults = await small_body(call.request)
    return fields, faults, said_by(call.request, fields.text("user", _USER))


def _close(fields: Fields, faults: Faults) -> None:
    fields.close()
    if faults:
        raise refused(faults.all())


async def _done(call: Call, key: JobId, value: bytes, subject: str, user: str) -> Response:
    written = await write(call.api, "jobs", key, value, subject=subject, actor=user)
    if isinstance(written.answer, JobRejected):
        raise refused(written.answer.faults)
    if written.answer is None:
        return written_response(written, subject)
    return Response(status_code=HTTPStatus.NO_CONTENT)
