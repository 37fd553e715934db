"""Webhooks: shown from the fold, changed by records of topic ``commands``.

The one thing to know: nothing is sent from here, not even a test. The process of the webhooks asks
for this list, sends, and its word comes back by the log like everybody's.
"""

import json
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import Response

from connectors.web.call import Call
from connectors.web.problems import json_response, refused
from connectors.web.requests import actor_of, find_doubled, if_match, refuse_body, small_body
from connectors.web.resource import Operation
from connectors.web.shapes import base
from connectors.web.shapes import webhooks as shapes
from connectors.web.standing import standing_of
from connectors.web.writing import write, written_response
from projections.webhooks import webhook_json, webhooks_json
from scheduler.model.changes import JobRejected
from scheduler.model.foreign_webhooks import (
    NAME_CHECK,
    encode_pause_webhook,
    encode_remove_webhook,
    encode_test_webhook,
)
from scheduler.model.inbound import Fault
from scheduler.model.reading.faults import shown_text
from scheduler.model.webhooks import Webhook

PATH: Final = "/api/flumina/webhooks"
_FIELDS: Final = ("url", "filter", "secret", "pauseAfterS")


async def list_webhooks(call: Call) -> Response:
    """All webhooks, by name, and whether this process knows the cell as it is."""
    call.query.done()
    cell = call.api.cell
    state = cell.view.state
    log = {"cell": state.cell, "generation": state.generation}
    is_current = standing_of(cell).is_healthy
    return json_response({**log, "isCurrent": is_current, "items": webhooks_json(cell.view)})


async def show_webhook(call: Call) -> Response:
    """The webhook of the path; 404 where there is none."""
    call.query.done()
    webhook = _find(call)
    return json_response(webhook_json(webhook), headers={"ETag": f'"{webhook.version}"'})


async def add_webhook(call: Call) -> Response:
    """``201 {"id"}`` once events are sent to a new receiver; 409 where the name is taken."""
    why = call.query.text("why") or ""
    call.query.done()
    fields, faults = await small_body(call.request)
    name = fields.raw("name")
    entry = {each: fields.raw(each) for each in _FIELDS if fields.has(each)}
    fields.close()
    find_doubled(entry, "", faults)
    if faults:
        raise refused(faults.all())
    return await _set(call, name, entry, why, 0, HTTPStatus.CREATED)


async def put_webhook(call: Call) -> Response:
    """``200 {"id"}`` once the webhook is so, be it new or another than before."""
    why = call.query.text("why") or ""
    call.query.done()
    fields, faults = await small_body(call.request)
    if fields.has("name") and fields.raw("name") != call.path_id:
        fields.fault("name", "is another than the path's", "leave it out")
    entry = {each: fields.raw(each) for each in _FIELDS if fields.has(each)}
    fields.close()
    find_doubled(entry, "", faults)
    if faults:
        raise refused(faults.all())
    return await _set(call, call.path_id, entry, why, if_match(call.request), HTTPStatus.OK)


async def remove_webhook(call: Call) -> Response:
    """``200 {"id"}`` once nothing is sent any more."""
    actor, why = _said(call)
    name, version = _find(call).name, if_match(call.request)
    return await _publish(call, name, encode_remove_webhook(name, actor, why, version))


async def pause_webhook(call: Call) -> Response:
    """``200 {"id"}`` once nothing is sent for now."""
    actor, why = _said(call)
    name = _find(call).name
    return await _publish(call, name, encode_pause_webhook(name, True, actor, why))


async def resume_webhook(call: Call) -> Response:
    """``200 {"id"}`` once it goes on where it stopped."""
    actor, why = _said(call)
    name = _find(call).name
    return await _publish(call, name, encode_pause_webhook(name, False, actor, why))


async def try_webhook(call: Call) -> Response:
    """``200 {"id"}`` once an event to try the receiver is asked for; ``test`` tells how it went."""
    actor, why = _said(call)
    name = _find(call).name
    return await _publish(call, name, encode_test_webhook(name, actor, why))


def _said(call: Call) -> tuple[str, str]:
    why = call.query.text("why") or ""
    call.query.done()
    refuse_body(call.request)
    actor = actor_of(call.request, is_required=True)
    if not why:
        raise refused([_no_why()])
    return actor, why


def _no_why() -> Fault:
    return Fault("why", "is missing", "add ?why=TEXT")


def _find(call: Call) -> Webhook:
    name = call.path_id
    found = call.api.cell.view.state.webhooks.get(name)
    if NAME_CHECK(name) is not None or found is None:
        text = f"is {shown_text(name)}, no webhook here"
        raise refused([Fault("name", text, f"GET {PATH} lists them", code="unknown")])
    return found


async def _set(  # noqa: PLR0917 - what both ways to set one know
    call: Call,
    name: object,
    entry: dict[str, Any],
    why: str,
    if_version: int | None,
    status: HTTPStatus,
) -> Response:
    if not why:
        raise refused([_no_why()])
    actor = actor_of(call.request, is_required=True)
    version = {} if if_version is None else {"ifVersion": if_version}
    record = {"type": "SetWebhook", "name": name, **entry, **version, "actor": actor, "why": why}
    # The reader of topic ``commands`` checks every field: NaN and the like must reach it.
    value = json.dumps(record, allow_nan=True).encode()
    return await _publish(call, name if isinstance(name, str) else "", value, status)


async def _publish(
    call: Call, name: str, value: bytes, status: HTTPStatus = HTTPStatus.OK
) -> Response:
    actor = actor_of(call.request, is_required=True)
    written = await write(call.api, "commands", actor, value, subject=name)
    if isinstance(written.answer, JobRejected):
        raise refused(written.answer.faults)
    return written_response(written, name, status)


def _order(handler: Any) -> Operation:  # noqa: ANN401 - as `Operation` takes it
    return Operation(
        handler, ("why",), answer=base.Written, required=("why",), is_actor_required=True
    )


WEBHOOK_ROUTES: Final[dict[str, dict[str, Operation]]] = {
    PATH: {
        "GET": Operation(list_webhooks, is_read=True, answer=shapes.Webhooks),
        "POST": Operation(
            add_webhook,
            ("why",),
            body=shapes.WebhookBody,
            answer=base.Written,
            success=(201,),
            required=("why",),
            is_actor_required=True,
        ),
    },
    f"{PATH}/{{id}}": {
        "GET": Operation(show_webhook, is_read=True, answer=shapes.Webhook),
        "PUT": Operation(
            put_webhook,
            ("why",),
            body=shapes.WebhookChange,
            answer=base.Written,
            required=("why",),
            is_actor_required=True,
            is_versioned=True,
        ),
        "DELETE": Operation(
            remove_webhook,
            ("why",),
            answer=base.Written,
            required=("why",),
            is_actor_required=True,
            is_versioned=True,
        ),
    },
    f"{PATH}/{{id}}/pause": {"POST": _order(pause_webhook)},
    f"{PATH}/{{id}}/resume": {"POST": _order(resume_webhook)},
    f"{PATH}/{{id}}/test": {"POST": _order(try_webhook)},
}
