"""Keys of secrets: values sealed for publishers of records, keys made anew and destroyed.

The one thing to know: an order about keys is written into the log first, as a note, and carried out
when the fold has it. So nothing is forgotten of which the log does not say by whom, and why.
"""

import json
from typing import TYPE_CHECKING, Any, Final

import msgspec
from starlette.responses import Response

from connectors.web.call import Call
from connectors.web.gate import demand_owner
from connectors.web.problems import json_response, refused, unavailable
from connectors.web.requests import actor_of, document_body, small_body
from connectors.web.resource import Operation
from connectors.web.secret_gate import within
from connectors.web.shapes import secrets as shapes
from connectors.web.writing import write
from scheduler.model.changes import JobRejected
from scheduler.model.inbound import Fault
from scheduler.model.incident_notes import ABOUT_BYTES_MAX, NOTE_BYTES_MAX
from scheduler.model.reading.checks import job_id_check, name_check, pattern_check, process_check
from scheduler.model.reading.faults import Faults
from scheduler.model.reading.fields import Fields
from scheduler.model.v3 import limits

if TYPE_CHECKING:
    from connectors.secrets.ring import Tenant

PATH: Final = "/api/flumina/secrets"
WHY_BYTES_MAX: Final = NOTE_BYTES_MAX - 2 * limits.NAME_BYTES_MAX - limits.EMAIL_BYTES_MAX
_NAME: Final = name_check(limits.NAME_BYTES_MAX)
_EMAIL: Final = name_check(limits.EMAIL_BYTES_MAX)
_WHY: Final = name_check(WHY_BYTES_MAX)
_VARIABLE: Final = pattern_check("[A-Za-z_][A-Za-z0-9_]*", limits.NAME_BYTES_MAX, "DB_PASSWORD")
_VALUE: Final = process_check(limits.ENVIRONMENT_BYTES_MAX)


async def list_keys(call: Call) -> Response:
    """Which keys there are, by owner and application; no key is shown to anybody."""
    call.query.done()
    ring = call.api.secrets.ring("")
    tenants = await within(ring.tenants, "")
    items = [msgspec.to_builtins(each) for each in tenants]
    return json_response({"url": ring.url, "provider": ring.provider.name, "items": items})


async def seal_values(call: Call) -> Response:
    """The values of the body, sealed for its job; nothing is written."""
    call.query.done()
    faults = Faults()
    fields = Fields(await document_body(call.request), "", faults)
    job_id = fields.text("jobId", job_id_check)
    tenant = _tenant(fields)
    values = fields.pairs(
        "values",
        _VARIABLE,
        _VALUE,
        count_max=limits.ENVIRONMENT_ENTRIES_MAX,
        bytes_max=limits.ENVIRONMENT_BYTES_MAX,
    )
    _close(fields, faults)
    demand_owner(call.api, tenant.owner, tenant.application)
    from connectors.secrets.sealing import Variable, seal  # noqa: PLC0415 - ciphers, on demand

    ring = call.api.secrets.ring("values")

    def sealed() -> dict[str, str]:
        return {name: seal(ring, Variable(tenant, job_id, name), value) for name, value in values}

    return json_response({"values": await within(sealed, "values")})


async def rotate_key(call: Call) -> Response:
    """``200 {"version"}`` once new values of an application are sealed under a new key."""
    call.query.done()
    actor = actor_of(call.request, is_required=True)
    fields, faults = await small_body(call.request)
    tenant = _tenant(fields)
    why = fields.text("why", _WHY)
    _close(fields, faults)
    ring = call.api.secrets.ring("")
    whose = f"{tenant.application} of {tenant.owner}"
    await _noted(call, actor, f"secrets: a new key for {whose}: {why}", tenant.application)
    return json_response({"version": await within(lambda: ring.rotate(tenant), "ownerEmail")})


async def forget(call: Call) -> Response:
    """``200 {"tenantKeys", "jobKeys"}`` once keys are destroyed, and what they sealed is lost."""
    call.query.done()
    actor = actor_of(call.request, is_required=True)
    fields, faults = await small_body(call.request)
    owner = fields.text("ownerEmail", _EMAIL, default="")
    application = fields.text("applicationName", _NAME, default="")
    job_id = fields.text("jobId", job_id_check, default="")
    why = fields.text("why", _WHY)
    if bool(owner) == bool(job_id):
        fields.fault("ownerEmail", "or jobId is needed, and not both", "say whose secrets")
    if application and not owner:
        fields.fault("applicationName", "is given without ownerEmail", "say whose it is")
    _close(fields, faults)
    ring = call.api.secrets.ring("")
    if job_id:
        await _noted(call, actor, f"secrets: those of job {job_id} forgotten: {why}", job_id)
        removed = await within(lambda: ring.forget_job(job_id, actor), "jobId")
        return json_response(msgspec.to_builtins(removed))
    tenants = await within(lambda: ring.tenants_of(owner, application), "ownerEmail")
    if not tenants:
        text = "has no keys" + (f" for application {application}" if application else "")
        hint = f"GET {PATH} lists whose there are"
        raise refused([Fault("ownerEmail", text, hint, code="unknown")])
    whose = f"{application} of {owner}" if application else owner
    await _noted(call, actor, f"secrets: those of {whose} forgotten: {why}", application or owner)
    gone = await within(lambda: [ring.forget_tenant(each, actor) for each in tenants], "")
    answer = {
        "tenantKeys": sum(each.tenant_keys for each in gone),
        "jobKeys": sum(each.job_keys for each in gone),
    }
    return json_response(answer)


def _tenant(fields: Fields) -> "Tenant":
    from connectors.secrets.ring import Tenant  # noqa: PLC0415 - ciphers, on demand

    return Tenant(fields.text("ownerEmail", _EMAIL), fields.text("applicationName", _NAME))


def _close(fields: Fields, faults: Faults) -> None:
    fields.close()
    if faults:
        raise refused(faults.all())


async def _noted(call: Call, actor: str, text: str, about: str) -> None:
    """Return once the log says who orders this, and why; raises `Problem` before that."""
    record: dict[str, Any] = {"type": "NoteIncident", "actor": actor, "text": text}
    about = about.encode()[:ABOUT_BYTES_MAX].decode(errors="ignore")
    value = json.dumps({**record, "about": about}).encode()
    written = await write(call.api, "commands", actor, value, subject="note")
    if isinstance(written.answer, JobRejected):
        raise refused(written.answer.faults)
    if written.answer is None:
        raise unavailable(
            "The order is written and the cell has not folded it yet; no key was touched",
            "Order it again: an order that is there already does no harm.",
        )


def _operation(handler: Any, body: type[Any], answer: type[Any]) -> Operation:  # noqa: ANN401
    return Operation(handler, body=body, answer=answer, is_actor_required=True)


SECRET_ROUTES: Final[dict[str, dict[str, Operation]]] = {
    PATH: {"GET": Operation(list_keys, is_read=True, answer=shapes.KeyRing)},
    f"{PATH}/seal": {
        "POST": Operation(
            seal_values, body=shapes.SealBody, answer=shapes.SealedValues, is_published=False
        )
    },
    f"{PATH}/rotate": {"POST": _operation(rotate_key, shapes.RotateBody, shapes.Rotated)},
    f"{PATH}/forget": {"POST": _operation(forget, shapes.ForgetBody, shapes.Forgotten)},
}
