"""Requests that change or end what is there: sizes, kills, and operators' commands.

The one thing to know: an unknown id is published like any other, because its submission may stand
in the same partition just before it. So whether a job is unknown, over or of the wrong kind is the
fold's word, and the code of its fault says which status that is (`connectors.web.statuses`).
"""

import json
from typing import NamedTuple

from starlette.responses import Response

from connectors.web.call import Call
from connectors.web.cell import Progress
from connectors.web.lifecycle import Asking, asking, job_id, publish, task_and_job
from connectors.web.problems import refused
from connectors.web.requests import actor_of, find_doubled, refuse_body, small_body
from connectors.web.writing import write, written_response
from scheduler.model.changes import JobRejected
from scheduler.model.foreign_records import encode_kill_job, encode_kill_task, encode_scale_job
from scheduler.model.ids import JobId
from scheduler.model.reading.faults import Faults
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
    said, job = asking(call), job_id(call)
    refuse_body(call.request)
    value = encode_kill_job(job, said.actor, said.why, if_version=said.if_version)
    return await publish(call, job, value, job, said.actor)


async def set_capacity(call: Call) -> Response:
    """``200 {"id"}`` once the fold has taken all three bounds of a service."""
    said, job = asking(call), job_id(call)
    fields, faults = await small_body(call.request)
    minimum = fields.whole("min", 0, SERVICE_SIZE_MAX, default=0)
    desired = fields.whole("desired", 0, SERVICE_SIZE_MAX)
    maximum = fields.whole("max", 0, SERVICE_SIZE_MAX)
    fields.close()
    if faults:
        raise refused(faults.all())
    return await scale(call, job, said, Bounds(minimum, desired, maximum))


async def change_capacity(call: Call) -> Response:
    """``200 {"id"}`` once the fold has taken the bounds that were given; the others stay."""
    said, job = asking(call), job_id(call)
    fields, faults = await small_body(call.request)
    minimum, desired, maximum = (_size(fields, name) for name in ("min", "desired", "max"))
    fields.close()
    if faults:
        raise refused(faults.all())
    return await scale(call, job, said, Bounds(minimum, desired, maximum))


def _size(fields: Fields, name: str) -> int | None:
    return fields.whole(name, 0, SERVICE_SIZE_MAX) if fields.has(name) else None


async def scale(call: Call, job: JobId, said: Asking, bounds: Bounds) -> Response:
    """``200 {"id"}`` once the fold has taken the bounds."""
    value = encode_scale_job(
        job,
        desired=bounds.desired,
        minimum=bounds.minimum,
        maximum=bounds.maximum,
        **said._asdict(),
    )
    return await publish(call, job, value, job, said.actor)


async def kill_task(call: Call) -> Response:
    """``200 {"id"}`` once the fold has taken the task's end."""
    is_shrink = call.query.truth("shrink")
    is_kept = call.query.truth("preventMinSizeUpdate")
    said, (task, owner) = asking(call), task_and_job(call)
    refuse_body(call.request)
    value = encode_kill_task(
        task,
        said.actor,
        said.why,
        is_shrink=is_shrink,
        is_minimum_kept=is_kept,
        if_version=said.if_version,
    )
    return await publish(call, owner, value, task, said.actor)


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
    """``200 {"id": "skip"}`` once the fold has gone on; asked for while nobody leads as well.

    An order with another digest than that of the record at which this fold stands would pass
    nothing, so it is refused at once, with the report of the halt.
    """
    return await _command(call, "SkipRecord", ("offset", "digest"), "skip")


async def forget_orphan(call: Call) -> Response:
    """``200 {"id": "forget-orphan"}`` once the orphan is no longer shown."""
    return await _command(call, "ForgetOrphan", ("taskId", "hostId"), "forget-orphan")


async def note_registry_health(call: Call) -> Response:
    """``200 {"id": "registry-health"}`` once budgets count with what the registry says."""
    names = ("registry", "healthy", "unhealthy")
    return await _command(call, "NoteRegistryHealth", names, "registry-health")


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
    if kind == "SkipRecord":
        _find_another_record(call.api.cell.progress(), record, faults)
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
        raise refused(written.answer.faults)
    return written_response(written, subject)


def _find_another_record(progress: Progress, order: dict[str, object], faults: Faults) -> None:
    """Add a fault where the order's digest is not that of the record at which the fold halted."""
    if progress.halted_at is None:
        return
    offset, digest = progress.halted_at
    if order.get("offset") == offset and order.get("digest") not in (digest, None):
        faults.add("digest", f"is not that of record {offset}", progress.halt)
