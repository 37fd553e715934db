"""Masters and members as Titus' API v3 has them, from the elections in the cell's log.

The one thing to know: who was never elected has written nothing, so only who leads and who led is
known here; the leadership is given up by a record of topic ``commands``, like every other change.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from connectors.web.call import Call
from connectors.web.problems import Problem, json_response, refused
from connectors.web.requests import actor_of, find_doubled, refuse_body, small_body
from connectors.web.standing import standing_of
from connectors.web.writing import write, written_response
from projections.leaders import Leadership
from projections.members import is_leader, known_leaders, master_json, member_json
from scheduler.model.changes import JobRejected
from scheduler.model.foreign_membership import encode_label_member
from scheduler.model.foreign_records import encode_dismiss_leader
from scheduler.model.inbound import Fault
from scheduler.model.reading.faults import shown_text

Json = dict[str, Any]


async def list_masters(call: Call) -> Response:
    """Who leads and who led, newest election first."""
    return _listed(call, _master)


async def show_master(call: Call) -> Response:
    """One of them."""
    return _shown(call, _master)


async def show_leader(call: Call) -> Response:
    """Who leads; 404 where nobody was elected yet."""
    call.query.done()
    found = _leader(call)
    if found is None:
        raise _unknown("the leader")
    return json_response(_master(call, found))


async def list_members(call: Call) -> Response:
    """The members of the cell that the log knows."""
    return _listed(call, _member)


async def show_member(call: Call) -> Response:
    """One of them."""
    return _shown(call, _member)


async def set_member_labels(call: Call) -> Response:
    """``200 {"id"}`` once the member has these labels; the others stay."""
    why = call.query.text("why") or "set labels"
    call.query.done()
    name = _known(call)
    fields, faults = await small_body(call.request)
    if fields.has("memberId") and fields.raw("memberId") != name:
        fields.fault("memberId", "is another than the path's", "leave it out")
    labels = fields.raw("labels")
    fields.close()
    find_doubled(labels, "labels", faults)
    if not isinstance(labels, dict) or not labels:
        faults.add("labels", "is missing, empty or no object", "name at least one label")
    if faults:
        raise refused(faults.all())
    assert isinstance(labels, dict)
    return await _label(call, name, labels, (), why)


async def remove_member_labels(call: Call) -> Response:
    """``200 {"id"}`` once the member has these labels no more."""
    keys, why = call.query.words("keys"), call.query.text("why") or "remove labels"
    if not keys:
        call.query.faults.add("keys", "is missing", "name the labels to remove: ?keys=a,b")
    call.query.done()
    refuse_body(call.request)
    return await _label(call, _known(call), {}, keys, why)


async def _label(
    call: Call, name: str, labels: dict[str, str], removed: tuple[str, ...], why: str
) -> Response:
    actor = actor_of(call.request, is_required=True)
    value = encode_label_member(name, labels, removed, actor, why)
    written = await write(call.api, "commands", actor, value, subject=name)
    if isinstance(written.answer, JobRejected):
        raise refused(written.answer.faults)
    return written_response(written, name)


def _known(call: Call) -> str:
    name = call.path_id
    if all(each.candidate != name for each in known_leaders(call.api.cell.view)):
        raise _unknown(name)
    return name


async def leader_of_v2(call: Call) -> Response:
    """Who leads, as API v2 says it; 404 where nobody was elected yet."""
    call.query.done()
    found = _leader(call)
    if found is None:
        raise _unknown("the leader")
    cell = call.api.cell.view.state.cell
    return json_response({"hostname": found.candidate, "cell": cell, "epoch": found.epoch})


async def stop_being_leader(call: Call) -> Response:
    """``200 {"id"}`` once the log says that who leads shall stop; its process ends then."""
    why = call.query.text("why") or "asked to stop being leader"
    call.query.done()
    refuse_body(call.request)
    actor = actor_of(call.request, is_required=True)
    found = _leader(call)
    if found is None:
        raise _unknown("the leader")
    wanted = call.request.path_params.get("id", found.candidate)
    if wanted != found.candidate:
        text = f"is {shown_text(wanted)}, and {found.candidate} leads"
        hint = "only who leads can stop"
        raise refused([Fault("id", text, hint, code="state")])
    value = encode_dismiss_leader(found.epoch, actor, why)
    written = await write(call.api, "commands", actor, value, subject=found.candidate)
    if isinstance(written.answer, JobRejected):
        raise refused(written.answer.faults)
    return written_response(written, found.candidate)


def _listed(call: Call, shape: Callable[[Call, Leadership], Json]) -> Response:
    call.query.done()
    return json_response(
        {"items": [shape(call, each) for each in reversed(known_leaders(call.api.cell.view))]}
    )


def _shown(call: Call, shape: Callable[[Call, Leadership], Json]) -> Response:
    call.query.done()
    found = next(
        (each for each in known_leaders(call.api.cell.view) if each.candidate == call.path_id), None
    )
    if found is None:
        raise _unknown(call.path_id)
    return json_response(shape(call, found))


def _leader(call: Call) -> Leadership | None:
    known = known_leaders(call.api.cell.view)
    return known[-1] if known else None


def _master(call: Call, each: Leadership) -> Json:
    view = call.api.cell.view
    silent = standing_of(call.api.cell).stale if is_leader(view, each) else ""
    return master_json(view, each, silent)


def _member(call: Call, each: Leadership) -> Json:
    is_heard = not standing_of(call.api.cell).stale
    return member_json(call.api.cell.view, each, is_heard=is_heard)


def _unknown(name: str) -> Problem:
    faults = [Fault("id", f"is {shown_text(name)}, whom the log does not know", code="unknown")]
    return Problem(
        HTTPStatus.NOT_FOUND,
        f"No process {shown_text(name)} was ever elected in this cell",
        "Who was never elected is not in the log; GET /api/v3/supervisor/instances lists the rest.",
        faults=faults,
    )
