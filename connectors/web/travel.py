"""REST of other instants: state, diff, timeline, why, causes and effects at any place of the log.

The one thing to know: nothing of this is answered from the api's own fold. The question goes to a
time machine (a process of its own, see `streams.travel.client`), and its answer is passed on.
"""

from http import HTTPStatus
from typing import Final

from starlette.responses import Response

from connectors.web.call import Call
from connectors.web.problems import JSON, Problem, unavailable
from connectors.web.travelling import TravelRefused
from projections.cell_view import CellView
from projections.travel.overlay import needs_completion
from projections.travel.questions import (
    LIMIT,
    LIMIT_MAX,
    DiffOf,
    EventsAt,
    Question,
    StateAt,
    TimelineOf,
    TraceOf,
    WhyAt,
)

SKIP_MAX: Final = 10_000_000


async def diff(call: Call) -> Response:
    """What was different at the second instant, with the events that made it so."""
    first, second = call.query.text("from"), call.query.text("to")
    limit, skip = _page(call)
    if first is None:
        call.query.faults.add("from", "is missing", "name an instant, such as -1h")
    call.query.done()
    return await asked(call, DiffOf(first or "", second or "now", limit, skip))


async def timeline(call: Call) -> Response:
    """What happened to a job, task or host, also long ago, oldest first."""
    first, second = call.query.text("from"), call.query.text("to")
    limit, skip = _page(call)
    call.query.done()
    return await asked(call, TimelineOf(call.path_id, first or "", second or "", limit, skip))


async def trace(call: Call) -> Response:
    """What led to the event at an address, or what followed from it."""
    address = call.query.text("address")
    direction = call.query.choice("direction", ("causes", "effects"))
    if address is None:
        call.query.faults.add("address", "is missing", "name one, such as main/1a2b3c4d:1042[0]")
    call.query.done()
    is_forward = direction == "effects"
    return await asked(call, TraceOf(address or "", "effects" if is_forward else "causes"))


async def asked(call: Call, question: Question) -> Response:
    """The answer, as the time machine gave it; raises `Problem`."""
    try:
        return Response(await call.api.travel.ask(question), 200, media_type=JSON)
    except TravelRefused as error:
        raise _problem(error) from error


async def earlier(call: Call, view: CellView, question: WhyAt | EventsAt) -> Response | None:
    """The answer of the time machine, where the view began too late to know all of it.

    None where the view knows it all, and answers itself.
    """
    if not needs_completion(view, question.name):
        return None
    try:
        return Response(await call.api.travel.ask(question), 200, media_type=JSON)
    except TravelRefused as error:
        if error.kind == "unknown":
            return None  # The view has the nearest names.
        raise _problem(error) from error


def state_question(at: str) -> StateAt:
    """How the cell stood at an instant."""
    return StateAt(at)


def newest_folded(view: CellView) -> str:
    """The instant up to which the view has folded."""
    return str(view.next_offset - 1)


def _page(call: Call) -> tuple[int, int]:
    limit = call.query.whole("limit", 1, LIMIT_MAX)
    return limit or LIMIT, call.query.whole("skip", 0, SKIP_MAX) or 0


def _problem(error: TravelRefused) -> Problem:
    match error.kind:
        case "unclear":
            return Problem(HTTPStatus.BAD_REQUEST, error.what, error.remedy)
        case "unknown":
            return Problem(HTTPStatus.NOT_FOUND, error.what, error.remedy)
        case "unavailable":
            return unavailable(error.what, error.remedy)
