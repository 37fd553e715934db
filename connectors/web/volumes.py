"""Volumes and static addresses: shown from the fold, changed by records of topic ``commands``.

The one thing to know: an order is answered when the cell has taken it. What becomes of it the
volume's state and the job's events tell: a copy of data may take an hour.
"""

from typing import Final

import msgspec
from starlette.responses import Response

from connectors.web.call import Call
from connectors.web.problems import json_response, refused
from connectors.web.requests import actor_of, if_match, small_body
from connectors.web.resource import Operation
from connectors.web.shapes import base
from connectors.web.shapes import volumes as shapes
from connectors.web.writing import write, written_response
from projections.volumes import addresses_json, volume_json, volumes_json
from scheduler.model.changes import JobRejected
from scheduler.model.ids import JobId
from scheduler.model.inbound import Fault
from scheduler.model.reading.checks import job_id_check
from scheduler.model.reading.faults import shown_text

PATH: Final = "/api/flumina/volumes"
ADDRESSES: Final = "/api/flumina/addresses"


async def list_volumes(call: Call) -> Response:
    """All volumes, or with ``jobId`` those of a job."""
    job_id = call.query.text("jobId", job_id_check)
    call.query.done()
    view = call.api.cell.view
    return json_response({"items": volumes_json(view, JobId(job_id) if job_id else None)})


async def show_volume(call: Call) -> Response:
    """The volume of the path; 404 where there is none."""
    call.query.done()
    found = volume_json(call.api.cell.view, call.path_id)
    if found is None:
        text = f"is {shown_text(call.path_id)}, no volume here"
        raise refused([Fault("volumeId", text, f"see GET {PATH}", code="unknown")])
    return json_response(found, headers={"ETag": f'"{found["version"]}"'})


async def order_volume(call: Call) -> Response:
    """``200 {"id"}`` once the cell has taken the order; it is carried out after that."""
    if_version = if_match(call.request)
    call.query.done()
    actor = actor_of(call.request, is_required=True)
    fields, faults = await small_body(call.request)
    record: dict[str, object] = {"type": "OrderVolume", "volumeId": call.path_id, "actor": actor}
    record |= {each: fields.raw(each) for each in ("order", "argument", "why") if fields.has(each)}
    if if_version is not None:
        record["ifVersion"] = if_version
    fields.close()
    if faults:
        raise refused(faults.all())
    return await _written(call, record, actor, call.path_id)


async def release_holds(call: Call) -> Response:
    """``200 {"id"}`` once what the task held is free for the one in its place."""
    call.query.done()
    actor = actor_of(call.request, is_required=True)
    fields, faults = await small_body(call.request)
    record: dict[str, object] = {"type": "ReleaseHolds", "actor": actor}
    record |= {each: fields.raw(each) for each in ("taskId", "why") if fields.has(each)}
    fields.close()
    if faults:
        raise refused(faults.all())
    return await _written(call, record, actor, "release-holds")


async def _written(call: Call, record: dict[str, object], actor: str, subject: str) -> Response:
    # The reader of topic ``commands`` checks every field.
    value = msgspec.json.encode(record)
    written = await write(call.api, "commands", actor, value, subject=subject)
    if isinstance(written.answer, JobRejected):
        raise refused(written.answer.faults)
    return written_response(written, subject)


async def list_addresses(call: Call) -> Response:
    """The static addresses of active jobs, and the task that has each."""
    call.query.done()
    return json_response({"items": addresses_json(call.api.cell.view)})


VOLUME_ROUTES: Final[dict[str, dict[str, Operation]]] = {
    PATH: {"GET": Operation(list_volumes, ("jobId",), is_read=True, answer=shapes.Volumes)},
    f"{PATH}/{{id}}": {
        "GET": Operation(show_volume, is_read=True, answer=shapes.VolumeItem),
        "POST": Operation(
            order_volume,
            body=shapes.VolumeOrderBody,
            answer=base.Written,
            is_actor_required=True,
            is_versioned=True,
        ),
    },
    ADDRESSES: {"GET": Operation(list_addresses, is_read=True, answer=shapes.Addresses)},
    "/api/flumina/commands/release-holds": {
        "POST": Operation(
            release_holds, body=shapes.ReleaseBody, answer=base.Written, is_actor_required=True
        )
    },
}
