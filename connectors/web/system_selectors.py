"""Operators' rules of placement (system selectors): shown from the policy, changed by command.

The one thing to know: a selector is part of the cell's policy. So each change is a record of topic
``commands`` like any other, a new version of the policy in the log, and never a store of its own.
"""

from http import HTTPStatus
from typing import Any, Final

from starlette.responses import Response

from connectors.web.call import Call
from connectors.web.problems import Problem, json_response, refused
from connectors.web.requests import actor_of, refuse_body, small_body
from connectors.web.writing import Written, write, written_response
from scheduler.model.changes import JobRejected
from scheduler.model.foreign_records import encode_change_rules
from scheduler.model.inbound import Fault
from scheduler.model.reading.checks import name_check
from scheduler.model.reading.faults import path_below, shown_text
from scheduler.model.reading.fields import Fields
from scheduler.model.rules import Selector
from scheduler.model.rules_document.known import NAME_BYTES_MAX
from scheduler.model.rules_document.writing import selector_document

PATH: Final = "/api/v3/scheduler/systemSelectors"
_NAME: Final = name_check(NAME_BYTES_MAX)
_FIELDS: Final = ("strength", "constraint", "for", "reason")
"""The entry of a selector in the policy, as `scheduler.model.rules_document` reads it."""
_VERSION_MAX: Final = 2**53


async def list_selectors(call: Call) -> Response:
    """All selectors, by name, and the version of the policy that holds them."""
    call.query.done()
    items = [_shown(each) for each in _selectors(call)]
    return json_response({"items": items, "policyVersion": _version(call)})


async def show_selector(call: Call) -> Response:
    """The selector of the path; raises a 404 `Problem`."""
    call.query.done()
    found = _find(call, call.path_id)
    if found is None:
        raise _unknown(call.path_id)
    return json_response(_shown(found))


async def add_selector(call: Call) -> Response:
    """``201 {"id"}`` once the fold decides by the new selector; 409 where the name is taken."""
    why = call.query.text("why") or ""
    call.query.done()
    fields, entry, faults = await _read(call, ("id",))
    name = fields.text("id", _NAME)
    fields.close()
    if faults:
        raise refused(faults.all())
    if _find(call, name) is not None:
        text = f"is {shown_text(name)}, which is there"
        raise refused([Fault("id", text, "change it by PUT", code="taken")])
    # Whoever adds one of this name in between changes the version: the fold refuses then.
    written = await _change(call, name, entry, why, _version(call))
    headers = {"Location": f"{PATH}/{name}"} if name.isascii() and name.isalnum() else {}
    return written_response(written, name, HTTPStatus.CREATED, headers)


async def put_selector(call: Call) -> Response:
    """``200 {"id"}`` once the fold decides by the selector, be it new or another than before."""
    why = call.query.text("why") or ""
    if_version = call.query.whole("ifVersion", 0, _VERSION_MAX)
    call.query.done()
    name = _path_name(call)
    fields, entry, faults = await _read(call, ("id",))
    if fields.has("id") and fields.raw("id") != name:
        fields.fault("id", "is another than the path's", "leave it out")
    fields.close()
    if faults:
        raise refused(faults.all())
    return written_response(await _change(call, name, entry, why, if_version), name)


async def remove_selector(call: Call) -> Response:
    """``200 {"id"}`` once the fold decides without the selector."""
    why = call.query.text("why") or ""
    if_version = call.query.whole("ifVersion", 0, _VERSION_MAX)
    call.query.done()
    refuse_body(call.request)
    name = _path_name(call)
    if _find(call, name) is None:
        raise _unknown(name)
    return written_response(await _change(call, name, None, why, if_version), name)


def _selectors(call: Call) -> tuple[Selector, ...]:
    return call.api.cell.view.state.policy.placement.selectors


def _version(call: Call) -> int:
    return call.api.cell.view.state.policy_version


def _find(call: Call, name: str) -> Selector | None:
    return next((each for each in _selectors(call) if each.name == name), None)


def _shown(selector: Selector) -> dict[str, Any]:
    return {"id": selector.name, **selector_document(selector)}


def _unknown(name: str) -> Problem:
    return Problem(
        HTTPStatus.NOT_FOUND, f"No system selector {shown_text(name)}", f"GET {PATH} lists them."
    )


def _path_name(call: Call) -> str:
    complaint = _NAME(call.path_id)
    if complaint is not None:
        raise refused([Fault("id", *complaint, code="unknown")])
    return call.path_id


async def _read(call: Call, more: tuple[str, ...]) -> tuple[Fields, dict[str, Any], Any]:
    """The body's fields, what of it is the selector's entry, and where faults go."""
    fields, faults = await small_body(call.request)
    entry = {name: fields.raw(name) for name in _FIELDS if fields.has(name)}
    for name in more:
        fields.raw(name)
    return fields, entry, faults


async def _change(
    call: Call, name: str, entry: dict[str, Any] | None, why: str, if_version: int | None
) -> Written:
    """Order the selector set, or removed where there is no entry; raises `Problem` if refused."""
    actor = actor_of(call.request, is_required=True)
    reason = (entry or {}).get("reason")
    why = why or (reason if isinstance(reason, str) else "")
    if not why:
        hint = "add ?why=TEXT" if entry is None else "add ?why=TEXT, or a reason to the selector"
        raise refused([Fault("why", "is missing", hint)])
    value = encode_change_rules(
        set_selectors=None if entry is None else {name: entry},
        remove_selectors=[name] if entry is None else [],
        if_version=if_version,
        actor=actor,
        why=why,
    )
    try:
        written = await write(call.api, "commands", actor, value, subject=name)
    except Problem as problem:
        problem.faults = _as_asked(name, problem.faults)
        raise
    if isinstance(written.answer, JobRejected):
        faults = _as_asked(name, written.answer.faults)
        raise refused(faults)
    return written


def _as_asked(name: str, faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
    """The faults by the paths of the caller's own body."""
    prefix = path_below("setSelectors", name)
    return tuple(
        Fault(each.field.removeprefix(prefix).removeprefix("."), each.text, each.hint, each.code)
        for each in faults
    )
