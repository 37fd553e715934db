"""Masters and members as Titus' API v3 has them, from the elections in the cell's log.

The one thing to know: who was never elected has written nothing, so only who leads and who led is
known here; the leadership is given up by a record of topic ``commands``, like every other change.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import Response

from connectors.web.call import Call
from connectors.web.problems import Problem, json_response, refused
from connectors.web.requests import actor_of, refuse_body
from connectors.web.standing import NO_EPOCH, standing_of
from connectors.web.writing import write, written_response
from projections.leaders import Leadership
from scheduler.model.changes import JobRejected
from scheduler.model.foreign_records import encode_dismiss_leader
from scheduler.model.inbound import Fault
from scheduler.model.reading.faults import shown_text

Json = dict[str, Any]
_SINCE_UNKNOWN: Final = 0


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
    return json_response({"items": [shape(call, each) for each in reversed(_known(call))]})


def _shown(call: Call, shape: Callable[[Call, Leadership], Json]) -> Response:
    call.query.done()
    found = next((each for each in _known(call) if each.candidate == call.path_id), None)
    if found is None:
        raise _unknown(call.path_id)
    return json_response(shape(call, found))


def _known(call: Call) -> list[Leadership]:
    """All whom the view remembers, who leads at the end."""
    view = call.api.cell.view
    found, state = list(view.leaders.by_candidate.values()), view.state
    if state.epoch != NO_EPOCH and (not found or found[-1].epoch != state.epoch):
        # The election stands before the snapshot that this view began with.
        found.append(Leadership(state.leader, state.epoch, _SINCE_UNKNOWN, _SINCE_UNKNOWN, 1))
    return found


def _leader(call: Call) -> Leadership | None:
    known = _known(call)
    return known[-1] if known else None


def _is_leader(call: Call, each: Leadership) -> bool:
    return each.epoch == call.api.cell.view.state.epoch


def _master(call: Call, each: Leadership) -> Json:
    leads = _is_leader(call, each)
    silent = standing_of(call.api.cell).stale if leads else ""
    state = call.api.cell.view.state
    return {
        "instanceId": each.candidate,
        "instanceGroupId": str(state.cell),
        "status": {
            "state": _master_state(is_leader=leads, is_judging=state.clock.is_judging),
            "timestamp": each.elected_at_ms,
            "reasonMessage": silent or ("leads" if leads else "led before"),
        },
        "labels": _labels(each),
    }


def _master_state(*, is_leader: bool, is_judging: bool) -> str:
    """A leader that has not copied the backlog yet is activating, as Titus' services are."""
    if not is_leader:
        return "NonLeader"
    return "LeaderActivated" if is_judging else "LeaderActivating"


def _member(call: Call, each: Leadership) -> Json:
    leads = _is_leader(call, each)
    state = call.api.cell.view.state
    master = _master_state(is_leader=leads, is_judging=state.clock.is_judging)
    words = {"LeaderActivated": "Leader"}
    return {
        "memberId": each.candidate,
        "enabled": True,
        "active": leads and not standing_of(call.api.cell).stale,
        "leadershipState": words.get(master, master),
        "registeredAtMs": each.first_elected_at_ms,
        "labels": _labels(each),
    }


def _labels(each: Leadership) -> dict[str, str]:
    return {
        "flumina.epoch": str(each.epoch),
        "flumina.elections": str(each.elections),
        "flumina.build": each.build,
    }


def _unknown(name: str) -> Problem:
    faults = [Fault("id", f"is {shown_text(name)}, whom the log does not know", code="unknown")]
    return Problem(
        HTTPStatus.NOT_FOUND,
        f"No process {shown_text(name)} was ever elected in this cell",
        "Who was never elected is not in the log; GET /api/v3/supervisor/instances lists the rest.",
        faults=faults,
    )
