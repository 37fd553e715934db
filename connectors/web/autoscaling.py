"""Scaling policies of jobs: shown from the fold, set and removed by records of topic ``jobs``.

The one thing to know: nothing is decided here. A policy is pending until the cell hears its metric;
what it does then stands in the cell log, and the activities show it with its address there.
"""

import json
import uuid
from http import HTTPStatus
from typing import Any, Final

from msgspec.structs import replace
from starlette.responses import Response

from connectors.web.call import Call
from connectors.web.problems import Problem, json_response, refused
from connectors.web.requests import (
    actor_of,
    find_doubled,
    idempotency_key,
    if_match,
    refuse_body,
    small_body,
)
from connectors.web.submitting import derived_id
from connectors.web.writing import Written, write, written_response
from projections import scaling
from scheduler.model.autoscaling import PolicyId
from scheduler.model.changes import JobRejected
from scheduler.model.foreign_scaling import POLICY_ID_CHECK, encode_delete_scaling_policy
from scheduler.model.ids import JobId
from scheduler.model.inbound import Fault
from scheduler.model.reading.checks import job_id_check
from scheduler.model.reading.faults import shown_text
from scheduler.model.reading.fields import Fields

PATH: Final = "/api/v3/autoscaling"


async def list_policies(call: Call) -> Response:
    """Every policy of the cell, by job and id: ``{"items"}``."""
    call.query.done()
    return json_response({"items": scaling.policies(call.api.cell.view)})


async def policies_of_job(call: Call) -> Response:
    """The policies of the job of the path: ``{"items"}``; 404 where there is no such job."""
    call.query.done()
    job_id = _known_job(call)
    return json_response({"items": scaling.policies(call.api.cell.view, job_id)})


async def show_policy(call: Call) -> Response:
    """The policy of the path; 404 where there is none."""
    call.query.done()
    found = scaling.policy(call.api.cell.view, PolicyId(call.path_id))
    if found is None:
        raise _unknown(call.path_id)
    return json_response(found, headers={"ETag": f'"{found["flumina.version"]}"'})


async def activities_of_job(call: Call) -> Response:
    """What scaling policies did to the job of the path, the newest first."""
    call.query.done()
    return json_response({"items": scaling.activities(call.api.cell.view, _known_job(call))})


async def add_policy(call: Call) -> Response:
    """``201 {"id"}`` once the fold has the policy; its id is new, or of the idempotency key."""
    why = call.query.text("why") or ""
    call.query.done()
    key = idempotency_key(call.request)
    fields, faults = await small_body(call.request)
    job_id = JobId(fields.text("jobId", job_id_check))
    document = _document(fields)
    fields.close()
    find_doubled(document, "scalingPolicy", faults)
    if faults:
        raise refused(faults.all())
    name = derived_id(key).removeprefix("job-") if key else uuid.uuid4().hex
    policy_id = PolicyId(f"policy-{name}")
    written = await _put(call, job_id, policy_id, document, why)
    headers = {"Location": f"{PATH}/scalingPolicy/{policy_id}"}
    return written_response(written, policy_id, HTTPStatus.CREATED, headers)


async def put_policy(call: Call) -> Response:
    """``200 {"id"}`` once the fold has the policy of the body's id with this content."""
    why = call.query.text("why") or ""
    call.query.done()
    fields, faults = await small_body(call.request)
    inner = fields.inner("policyId")
    policy_id = PolicyId(inner.text("id", POLICY_ID_CHECK))
    inner.close()
    document = _document(fields)
    fields.close()
    find_doubled(document, "scalingPolicy", faults)
    if faults:
        raise refused(faults.all())
    written = await _put(call, _job_of(call, policy_id), policy_id, document, why)
    return written_response(written, policy_id)


async def remove_policy(call: Call) -> Response:
    """``200 {"id"}`` once the policy is on its way out; it asks for nothing from then on."""
    why = call.query.text("why") or ""
    call.query.done()
    refuse_body(call.request)
    policy_id = PolicyId(call.path_id)
    job_id = _job_of(call, policy_id)
    actor = actor_of(call.request)
    value = encode_delete_scaling_policy(
        job_id, policy_id, actor=actor, why=why, if_version=if_match(call.request)
    )
    written = await write(call.api, "jobs", job_id, value, subject=policy_id, actor=actor)
    if isinstance(written.answer, JobRejected):
        raise refused(written.answer.faults)
    return written_response(written, policy_id)


def _document(fields: Fields) -> Any:  # noqa: ANN401 - JSON, checked by the reader of topic `jobs`
    document = fields.raw("scalingPolicy")
    if document is None:
        fields.fault("scalingPolicy", "is missing", "it is required, an object")
    return document


async def _put(
    call: Call, job_id: JobId, policy_id: PolicyId, document: object, why: str
) -> Written:
    actor, if_version = actor_of(call.request), if_match(call.request)
    record = {
        "type": "PutScalingPolicy",
        "jobId": job_id,
        "policyId": policy_id,
        "scalingPolicy": document,
        "actor": actor,
        "why": why,
    }
    if if_version is not None:
        record["ifVersion"] = if_version
    # The reader of topic ``jobs`` checks every field: NaN and the like must reach it.
    value = json.dumps(record, allow_nan=True).encode()
    written = await write(call.api, "jobs", job_id, value, subject=policy_id, actor=actor)
    if isinstance(written.answer, JobRejected):
        raise refused(written.answer.faults)
    return written


def _known_job(call: Call) -> JobId:
    job_id = JobId(call.path_id)
    if call.api.cell.view.job(job_id) is None:
        fault = Fault("jobId", f"is {shown_text(job_id)}, no job here", "see GET /api/v3/jobs")
        raise refused([replace(fault, code="unknown")])
    return job_id


def _job_of(call: Call, policy_id: PolicyId) -> JobId:
    """The job whose policy it is; raises a 404 `Problem`."""
    found = call.api.cell.view.state.scaling_policies.get(policy_id)
    if found is None:
        raise _unknown(policy_id)
    return found.job_id


def _unknown(policy_id: str) -> Problem:
    return refused(
        [
            Fault(
                "policyId",
                f"is {shown_text(policy_id)}, no scaling policy here",
                f"GET {PATH}/scalingPolicies lists them",
                code="unknown",
            )
        ]
    )
