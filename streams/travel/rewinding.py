"""What a GET of the REST API answered at an instant: its own handler, over the view of then.

The one thing to know: of one job or task the histories are completed from notes, as everywhere in
time travel; lists tell none that began before the snapshot that the view was made from.
"""

from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from connectors.web.problems import Problem
from connectors.web.rewinding import OF_ONE, REWOUND, read_then
from connectors.web.routes import ROUTES
from projections.travel.overlay import CompletedView
from projections.travel.questions import ReadAt
from streams.travel.errors import TravelError

if TYPE_CHECKING:
    from streams.travel.machine import TimeMachine
    from streams.travel.traveller import Traveller


class Then(msgspec.Struct, frozen=True):
    """An answer of then, as it was written."""

    data: bytes


async def read_at(machine: "TimeMachine", traveller: "Traveller", question: ReadAt) -> Then:
    """The answer of the question's path at its instant; raises `TravelError`."""
    if question.path not in REWOUND:
        raise TravelError("unclear", f"{question.path} is of now only.", "Leave out at.")
    end = await traveller.end_of(question.at)
    if question.path in OF_ONE:
        view = await traveller.completed(end, question.names["id"])
    else:
        view = CompletedView(await machine.view_at(end, is_proving=False))
    try:
        return Then(await read_then(view, question, ROUTES[question.path]["GET"]))
    except Problem as problem:
        raise _refusal(problem) from problem


def _refusal(problem: Problem) -> TravelError:
    match problem.status:
        case HTTPStatus.NOT_FOUND:
            return TravelError("unknown", problem.message, problem.details)
        case HTTPStatus.BAD_REQUEST:
            return TravelError("unclear", problem.message, problem.details)
        case _:
            return TravelError("unavailable", problem.message, problem.details)
