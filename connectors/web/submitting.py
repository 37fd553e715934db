"""POST of a job: who names it, what a repetition is, what a dry run says.

The one thing to know: a job's id is its idempotency. The caller gives it, or gives a key from
which it is derived, or else it is made here, at the edge, and told in every answer. The same id
with the same content is the same submission, whoever sends it and however often.
"""

import uuid
from hashlib import blake2b
from http import HTTPStatus
from typing import Final

from starlette.responses import Response

from connectors.web.api import Api
from connectors.web.call import Call
from connectors.web.cell import Token
from connectors.web.gate import demand_spec
from connectors.web.images import WARNING, Known, with_digest
from connectors.web.problems import json_response, refused
from connectors.web.rated import demand_room
from connectors.web.requests import (
    IDEMPOTENCY_KEY,
    actor_of,
    descriptor_body,
    idempotency_key,
)
from connectors.web.writing import TOKEN, check_readable, write, written_response
from projections.dry_run import would_be_refused
from scheduler.model.changes import JobAccepted, JobRejected
from scheduler.model.descriptor import decode_descriptor, descriptor_of, spec_digest
from scheduler.model.foreign import FOREIGN_BYTES_MAX
from scheduler.model.foreign_records import encode_kill_job, encode_submit
from scheduler.model.ids import JobId
from scheduler.model.inbound import Fault
from scheduler.model.job import JobSpec
from scheduler.model.reading.checks import job_id_check

REPEATED: Final = "X-Flumina-Repeated"
"""``true`` on the answer to a submission that is known already."""


async def submit_job(call: Call) -> Response:
    """``201 {"id"}`` once the fold made the job, ``202 {"id", "token"}`` if it has not yet."""
    is_dry = call.query.truth("dryRun")
    named = call.query.text("jobId", job_id_check)
    why = call.query.text("why") or ""
    call.query.done()
    key, actor = idempotency_key(call.request), actor_of(call.request)
    if named is not None and key is not None:
        text = f"is given beside {IDEMPOTENCY_KEY}"
        hint = "keep one of them: a job's id is its idempotency key"
        raise refused([Fault(field="jobId", text=text, hint=hint)])
    spec = decode_descriptor(await descriptor_body(call.request))
    if isinstance(spec, tuple):
        raise refused(spec)
    job_id = JobId(named or (derived_id(key) if key else f"job-{uuid.uuid4().hex}"))
    there = call.api.cell.view.machine.state.jobs.get(job_id)
    demand_spec(call.api, spec, there.spec if there is not None else None)
    known = None if there is None else Known(there.spec, there.digest)
    asked, (spec, warning) = spec, await with_digest(call.api.images, spec, known)
    if is_dry:
        known_spec = None if there is None else there.spec
        shown, guessed = await call.api.secrets.sealed(job_id, spec, known_spec, is_dry=True)
        return _warning_of(_dry_run(call.api, job_id, shown, actor), guessed)
    response = await submit(call.api, job_id, spec, actor, why, is_as_read=spec is asked)
    return _warning_of(response, warning)


def derived_id(key: str) -> JobId:
    """The job id that an idempotency key stands for, the same on every computer."""
    return JobId(f"job-{blake2b(key.encode(), digest_size=16).hexdigest()}")


async def submit(
    api: Api, job_id: JobId, spec: JobSpec, actor: str, why: str = "", *, is_as_read: bool = False
) -> Response:
    """The answer to a submission under this id, once the fold has made the job or refused it.

    ``is_as_read``: the spec is what was read from a descriptor, nothing has been changed in it.
    """
    known = api.cell.view.machine.state.jobs.get(job_id)
    demand_spec(api, spec, known.spec if known is not None else None)
    asked = spec
    spec, warning = await api.secrets.sealed(job_id, spec, None if known is None else known.spec)
    if known is not None and known.digest == spec_digest(spec):
        # Answered from the fold: a retry is most likely just when nobody leads.
        there = Token("cell", api.cell.partition, known.accepted_offset)
        headers = {**_location(job_id), TOKEN: str(there), REPEATED: "true"}
        answer = json_response({"id": job_id}, HTTPStatus.CREATED, headers)
        return _warning_of(answer, warning)
    if known is None:
        demand_room(api, spec.desired)
    value = encode_submit(job_id, descriptor_of(spec), actor, why)
    is_read = is_as_read and spec is asked and len(value) <= FOREIGN_BYTES_MAX
    if is_read:
        # A spec that was read and written is read again as the same (a property of its writer, see
        # tests/properties/test_descriptor_round_trip.py), and that takes a sixth of a submission.
        # What is new beside it stands in the same fields in a shorter record.
        check_readable("jobs", job_id, encode_kill_job(job_id, actor, why))
    written = await write(
        api, "jobs", job_id, value, subject=job_id, actor=actor, is_read=is_read, is_new=True
    )
    headers = _location(job_id)
    match written.answer:
        case JobRejected(faults=faults):
            raise refused(faults)
        case JobAccepted(is_repeated=True):
            headers[REPEATED] = "true"
        case _:
            pass
    return _warning_of(written_response(written, job_id, HTTPStatus.CREATED, headers), warning)


def _warning_of(response: Response, warning: str) -> Response:
    """The answer with one more thing that its reader should know; the same where there is none."""
    if warning:
        told = response.headers.get(WARNING)
        both = f"{told}; {warning}" if told else warning
        response.headers[WARNING] = both.encode("ascii", "replace").decode()
    return response


def _dry_run(api: Api, job_id: JobId, spec: JobSpec, actor: str) -> Response:
    descriptor = descriptor_of(spec)
    check_readable("jobs", job_id, encode_submit(job_id, descriptor, actor))
    faults = would_be_refused(api.cell.view, job_id, spec_digest(spec), spec)
    if faults:
        raise refused(faults)
    made = {"dryRun": True, "id": job_id, "actor": actor, "jobDescriptor": descriptor}
    return json_response(made)


def _location(job_id: JobId) -> dict[str, str]:
    return {"Location": f"/api/v3/jobs/{job_id}"}
