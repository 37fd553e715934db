"""Requests that change or end what is there: sizes, kills, and operators' commands.

The one thing to know: an unknown id is published like any other, because its submission may stand
in the same partition just before it. So whether a job is unknown, over or of the wrong kind is the
fold's word, and its state right after says which status that is.
"""

import json
from http import HTTPStatus
from typing import NamedTuple

from starlette.responses import Response

from connectors.web.api import Api
from connectors.web.call import Call
from connectors.web.policy import status_of
from connectors.web.problems import refused
from connectors.web.requests import actor_of, find_doubled, refuse_body, small_body
from connectors.web.writing import Written, write, written_response
from scheduler.model.changes import JobRejected
from scheduler.model.foreign_records import encode_kill_job, encode_kill_task, encode_scale_job
from scheduler.model.ids import JobId, TaskId, job_id_of
from scheduler.model.inbound import Fault
from scheduler.model.job import Service
from scheduler.model.reading.checks import job_id_check, task_id_check
from scheduler.model.reading.fields import Fields
from scheduler.model.rules_document.commands import SWITCHES
from scheduler.model.v3.limits import SERVICE_SIZE_MAX


class Bounds(NamedTuple):
    """A service's size as a caller wants it; None leaves a bound as it is."""

    minimum: int | None
    desired: int | None
    maximum: int | None


async def kill_job(call: Call) -> Response:
    """``200 {"id"}`` once the fold has taken the job's end."""
    why = call.query.text("why") or ""
    call.query.done()
    refuse_body(call.request)
    job_id = _job_id(call)
    value = encode_kill_job(job_id, actor_of(call.request), why)
    written = await write(
        call.api, "jobs", job_id, value, subject=job_id, actor=actor_of(call.request)
    )
    _check_job_answer(call.api, job_id, written)
    return written_response(written, job_id)


async def set_capacity(call: Call) -> Response:
    """``200 {"id"}`` once the fold has taken all three bounds of a service."""
    why = call.query.text("why") or ""
    call.query.done()
    job_id = _job_id(call)
    fields, faults = await small_body(call.request)
    minimum = fields.whole("min", 0, SERVICE_SIZE_MAX, default=0)
    desired = fields.whole("desired", 0, SERVICE_SIZE_MAX)
    maximum = fields.whole("max", 0, SERVICE_SIZE_MAX)
    fields.close()
    if faults:
        raise refused(faults.all())
    return await _scale(call, job_id, why, Bounds(minimum, desired, maximum))


async def change_capacity(call: Call) -> Response:
    """``200 {"id"}`` once the fold has taken the bounds that were given; the others stay."""
    why = call.query.text("why") or ""
    call.query.done()
    job_id = _job_id(call)
    fields, faults = await small_body(call.request)
    minimum, desired, maximum = (_size(fields, name) for name in ("min", "desired", "max"))
    fields.close()
    if faults:
        raise refused(faults.all())
    return await _scale(call, job_id, why, Bounds(minimum, desired, maximum))


def _size(fields: Fields, name: str) -> int | None:
    return fields.whole(name, 0, SERVICE_SIZE_MAX) if fields.has(name) else None


async def _scale(call: Call, job_id: JobId, why: str, bounds: Bounds) -> Response:
    value = encode_scale_job(
        job_id,
        desired=bounds.desired,
        minimum=bounds.minimum,
        maximum=bounds.maximum,
        actor=actor_of(call.request),
        why=why,
    )
    written = await write(
        call.api, "jobs", job_id, value, subject=job_id, actor=actor_of(call.request)
    )
    _check_job_answer(call.api, job_id, written)
    return written_response(written, job_id)


async def kill_task(call: Call) -> Response:
    """``200 {"id"}`` once the fold has taken the task's end."""
    why = call.query.text("why") or ""
    is_shrink = call.query.truth("shrink")
    call.query.done()
    refuse_body(call.request)
    task_id = TaskId(call.path_id)
    job_id = job_id_of(task_id)
    complaint = task_id_check(task_id)
    if complaint is not None or job_id is None:
        raise refused([Fault("taskId", *(complaint or ("is no task id",)))], HTTPStatus.NOT_FOUND)
    value = encode_kill_task(task_id, actor_of(call.request), why, is_shrink=is_shrink)
    written = await write(
        call.api, "jobs", job_id, value, subject=task_id, actor=actor_of(call.request)
    )
    if isinstance(written.answer, JobRejected):
        raise refused(written.answer.faults, _task_status(call.api, task_id))
    return written_response(written, task_id)


def _job_id(call: Call) -> JobId:
    complaint = job_id_check(call.path_id)
    if complaint is not None:
        raise refused([Fault("jobId", *complaint)], HTTPStatus.NOT_FOUND)
    return JobId(call.path_id)


def _check_job_answer(api: Api, job_id: JobId, written: Written) -> None:
    """Return unless the fold refused a scale or a kill; raises `Problem` with its faults then."""
    if not isinstance(written.answer, JobRejected):
        return
    job = api.cell.view.machine.state.jobs.get(job_id)
    if job is None:
        status = HTTPStatus.NOT_FOUND
    elif isinstance(job.spec.kind, Service) and job.state != "Accepted":
        status = HTTPStatus.CONFLICT
    else:
        status = HTTPStatus.BAD_REQUEST
    raise refused(written.answer.faults, status)


def _task_status(api: Api, task_id: TaskId) -> HTTPStatus:
    """Unknown, of a batch job (which never shrinks), or of a service that wants none already."""
    state = api.cell.view.machine.state
    task = state.tasks.get(task_id)
    if task is None:
        return HTTPStatus.NOT_FOUND
    job = state.jobs.get(task.job_id)
    is_service = job is not None and isinstance(job.spec.kind, Service)
    return HTTPStatus.CONFLICT if is_service else HTTPStatus.BAD_REQUEST


async def set_policy(call: Call) -> Response:
    """``200 {"id": "policy"}`` once the fold decides by the new numbers."""
    return await _command(call, "SetPolicy", ("values",), "policy")


async def change_rules(call: Call) -> Response:
    """``200 {"id": "rules"}`` once the fold decides by the switches; the others stay."""
    return await _command(call, "ChangeRules", SWITCHES, "rules")


async def set_host(call: Call) -> Response:
    """``200 {"id": "host"}`` once the host is used as the operator says."""
    return await _command(call, "SetHost", ("hostId", "standing"), "host")


async def skip_record(call: Call) -> Response:
    """``200 {"id": "skip"}`` once the fold has gone on; asked for while nobody leads as well."""
    return await _command(call, "SkipRecord", ("offset", "digest"), "skip")


async def forget_orphan(call: Call) -> Response:
    """``200 {"id": "forget-orphan"}`` once the orphan is no longer shown."""
    return await _command(call, "ForgetOrphan", ("taskId", "hostId"), "forget-orphan")


async def confirm_finding(call: Call) -> Response:
    """``200 {"id": "confirm-finding"}`` once the cell does what its finding leads to."""
    return await _command(call, "ConfirmFinding", ("finding", "tasks"), "confirm-finding")


async def reject_finding(call: Call) -> Response:
    """``200 {"id": "reject-finding"}`` once the finding is dropped, and Mesos asked anew."""
    return await _command(call, "RejectFinding", ("finding",), "reject-finding")


async def _command(call: Call, kind: str, names: tuple[str, ...], subject: str) -> Response:
    call.query.done()
    actor = actor_of(call.request, is_required=True)
    fields, faults = await small_body(call.request)
    record: dict[str, object] = {"type": kind, "actor": actor}
    for name in (*names, "why"):
        if fields.has(name):
            record[name] = fields.raw(name)
    fields.close()
    for name in ("values", "setSelectors", "setGroups"):
        if isinstance(record.get(name), dict):
            find_doubled(record[name], name, faults)
    if faults:
        raise refused(faults.all())
    # The reader of topic ``commands`` checks every field: NaN and the like must reach it.
    value = json.dumps(record, allow_nan=True).encode()
    written = await write(
        call.api,
        "commands",
        actor,
        value,
        subject=subject,
        # A skip is what a halted fold waits for, and a halted fold sees no leader.
        is_leader_needed=kind != "SkipRecord",
    )
    if isinstance(written.answer, JobRejected):
        raise refused(written.answer.faults, status_of(written.answer.faults))
    return written_response(written, subject)
