"""Updates of a job's spec, and schedules of cron jobs: asked for, ordered, and shown.

The one thing to know: an update is asked for by a record of topic ``jobs`` and goes on in the fold;
this says how far it is. A request that is sent again under way begins nothing new.
"""

import json
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import Response

from connectors.web.call import Call
from connectors.web.gate import demand_owner
from connectors.web.images import described_with_digest, with_digest
from connectors.web.lifecycle import asking, job_id, publish
from connectors.web.problems import json_response, refused
from connectors.web.requests import document_body, find_doubled, refuse_body
from connectors.web.writing import write, written_response
from projections import job_updates
from scheduler.model.changes import JobRejected
from scheduler.model.descriptor import descriptor_of, spec_of
from scheduler.model.foreign_updates import NUMBER_MAX, encode_order_update, encode_update_job
from scheduler.model.ids import JobId
from scheduler.model.inbound import Fault
from scheduler.model.job_updates import UpdateOrder
from scheduler.model.reading.faults import Faults, nearest_name, shown_text

PATH: Final = "/api/flumina/jobs/{id}/updates"
CRON_PATH: Final = "/api/flumina/jobs/{id}/cron"
_BODY: Final = ("job", "plan")


async def list_updates(call: Call) -> Response:
    """The job by version, and its updates, the latest first; 404 where there is no such job."""
    call.query.done()
    job = job_id(call)
    found = job_updates.updates_json(call.api.cell.view, job)
    if found is None:
        raise refused([_no_job(job)])
    return json_response(found, headers={"ETag": f'"{found["jobVersion"]}"'})


async def show_update(call: Call) -> Response:
    """One update of the job; 404 where there is none of this number."""
    call.query.done()
    job, number = job_id(call), _number(call)
    found = job_updates.one_update_json(call.api.cell.view, job, number)
    if found is None:
        raise refused([_no_update(job, number)])
    return json_response(found)


def _demand_within_reach(call: Call, descriptor: object) -> None:
    """Return where the new version is of an owner and application that who asks was granted."""
    if not isinstance(descriptor, dict):
        return  # The reader of the topic says what is wrong with it.
    owner = descriptor.get("owner")
    email = owner.get("teamEmail") if isinstance(owner, dict) else None
    application = descriptor.get("applicationName")
    if isinstance(email, str) and isinstance(application, str):
        demand_owner(call.api, email, application)


async def begin_update(call: Call) -> Response:
    """``200 {"id"}`` once the fold has begun the update: ``{"job": descriptor, "plan": {...}}``."""
    said, job = asking(call), job_id(call)
    body = await document_body(call.request)
    faults = Faults()
    for name in body:
        if name not in _BODY:
            faults.add(name, "is an unknown field", nearest_name(name, _BODY))
    if "job" not in body:
        faults.add("job", "is missing", "it is required: the whole descriptor of the new version")
    find_doubled(body, "", faults)
    if faults:
        raise refused(faults.all())
    _demand_within_reach(call, body["job"])
    body["job"] = await described_with_digest(call.api.images, body["job"])
    body = {**body, "job": await _sealed(call, job, await _by_digest(call, body["job"]))}
    record: dict[str, Any] = json.loads(
        encode_update_job(job, {}, actor=said.actor, why=said.why, if_version=said.if_version)
    )
    # The reader of topic ``jobs`` checks every field: NaN and the like must reach it.
    value = json.dumps({**record, **body}, allow_nan=True).encode()
    written = await write(call.api, "jobs", job, value, subject=job, actor=said.actor)
    if isinstance(written.answer, JobRejected):
        raise refused(written.answer.faults)
    location = {"Location": PATH.format(id=job)}
    return written_response(written, job, HTTPStatus.OK, location)


async def _by_digest(call: Call, descriptor: Any) -> Any:  # noqa: ANN401 - JSON
    """The descriptor with its image by digest, as at a submission; what is faulty as it came."""
    spec = spec_of(descriptor)
    if isinstance(spec, tuple):
        return descriptor
    resolved, _ = await with_digest(call.api.images, spec, None)
    return descriptor if resolved == spec else descriptor_of(resolved)


async def _sealed(call: Call, job: JobId, descriptor: Any) -> Any:  # noqa: ANN401 - JSON
    """The descriptor with its secrets sealed, those that the job has as they are."""
    spec = spec_of(descriptor)
    if isinstance(spec, tuple):
        return descriptor
    known = call.api.cell.view.state.jobs.get(job)
    sealed, _ = await call.api.secrets.sealed(job, spec, None if known is None else known.spec)
    return descriptor if sealed is spec else descriptor_of(sealed)


async def pause_update(call: Call) -> Response:
    """``200 {"id"}`` once the update makes no move any more."""
    return await _order(call, "pause")


async def resume_update(call: Call) -> Response:
    """``200 {"id"}`` once the update goes on."""
    return await _order(call, "resume")


async def roll_back_update(call: Call) -> Response:
    """``200 {"id"}`` once the job is on its way back to the version before."""
    return await _order(call, "rollback")


async def _order(call: Call, order: UpdateOrder) -> Response:
    said, job, number = asking(call), job_id(call), _number(call)
    refuse_body(call.request)
    value = encode_order_update(job, order, number, **said._asdict())
    return await publish(call, job, value, job, said.actor)


async def show_cron(call: Call) -> Response:
    """A cron job's next firings and its runs; 404 where the job is none."""
    count = call.query.whole("limit", 1, job_updates.FIRINGS_SHOWN_MAX)
    call.query.done()
    job = job_id(call)
    found = job_updates.cron_json(call.api.cell.view, job, count or 5)
    if found is None:
        text = f"is {shown_text(job)}, no cron job here"
        raise refused([Fault("jobId", text, "see GET /api/v3/jobs", code="unknown")])
    return json_response(found)


def _number(call: Call) -> int:
    text = str(call.request.path_params["number"])
    if text.isascii() and text.isdecimal() and 1 <= int(text[:12]) <= NUMBER_MAX:
        return int(text[:12])
    raise refused([Fault("number", f"is {shown_text(text)}, no number", code="unknown")])


def _no_job(job: JobId) -> Fault:
    return Fault("jobId", f"is {shown_text(job)}, no job here", code="unknown")


def _no_update(job: JobId, number: int) -> Fault:
    text = f"is {number}; job {job} has no such update, or it is forgotten"
    return Fault("number", text, "see GET .../updates", code="unknown")
