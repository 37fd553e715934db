"""REST of what the console draws: hosts, what waits, waits, marks, lines and single events.

The one thing to know: what is asked of now comes from the api's own fold, all else from the time
machine (`connectors.web.travel`), by the same functions of `projections.glance`. Sizes of hosts
that offer nothing are what our own fold has seen of them, also of an instant before.
"""

from typing import Any, Final

import msgspec
from starlette.responses import Response

from connectors.web import travel
from connectors.web.call import Call
from connectors.web.gate import may, refuse_some
from connectors.web.problems import JSON, json_response, refused
from connectors.web.resource import Operation
from projections.glance.event import EventWhole
from projections.glance.failing import FailingGlance, failing_glance
from projections.glance.hosts import (
    HostGlance,
    HostsGlance,
    host_glance,
    host_with_size,
    hosts_glance,
    with_sizes,
)
from projections.glance.lines import LinesGlance
from projections.glance.marks import MarksGlance
from projections.glance.waiting import WaitingGlance, waiting_glance
from projections.glance.waits import WaitsGlance
from projections.travel.questions import (
    EventAt,
    FailingAt,
    HostAt,
    HostsAt,
    LinesOf,
    MarksOf,
    WaitingAt,
    WaitsOf,
)
from scheduler.model.inbound import Fault
from scheduler.model.reading.faults import shown_text

PATH: Final = "/api/flumina/glance"
EVENT: Final = "/api/flumina/event"
FROM: Final = "-1h"
LINES_FROM: Final = "-15m"
"""Where no beginning is named; lines are many."""


class EventShown(EventWhole, frozen=True, rename="camel"):
    """One event whole, with the partition of the cell's topic that it stands in."""

    partition: int = 0


async def hosts(call: Call) -> Response:
    """All hosts in columns."""
    at = _at(call)
    view = call.api.cell.view
    if at is None:
        return json_response(hosts_glance(view.state, view.host_sizes.known))
    answer = await travel.asked(call, HostsAt(at))
    then = msgspec.json.decode(bytes(answer.body), type=HostsGlance)
    return json_response(with_sizes(then, view.host_sizes.known))


async def host(call: Call) -> Response:
    """The host of the path, by its id or name; 404 where there is none."""
    at = _at(call)
    view = call.api.cell.view
    if at is not None:
        answer = await travel.asked(call, HostAt(call.path_id, at))
        then = msgspec.json.decode(bytes(answer.body), type=HostGlance)
        return json_response(host_with_size(then, view.host_sizes.known))
    found = host_glance(view.state, call.path_id, view.host_sizes.known)
    if found is None:
        text = f"is {shown_text(call.path_id)}, no host of this cell"
        raise refused([Fault("id", text, f"GET {PATH}/hosts has them", code="unknown")])
    return json_response(found)


async def waiting(call: Call) -> Response:
    """What waits for a host, by job."""
    at = _at(call)
    if at is not None:
        return await travel.asked(call, WaitingAt(at))
    return json_response(waiting_glance(call.api.cell.view.state))


async def failing(call: Call) -> Response:
    """Jobs in a crash loop that are within reach of who asks, the longest first."""
    at, api = _at(call), call.api
    if at is not None:
        refuse_some(api, "What failed at an instant")
        return await travel.asked(call, FailingAt(at))
    return json_response(failing_glance(api.cell.view.state, lambda job: may(api, job.spec)))


async def waits(call: Call) -> Response:
    """How long tasks waited, and how many were launched, by tier."""
    return await travel.asked(call, WaitsOf(*_range(call, FROM)))


async def marks(call: Call) -> Response:
    """What to jump to in a range of the log."""
    return await travel.asked(call, MarksOf(*_range(call, FROM)))


async def lines(call: Call) -> Response:
    """Lines of hosts by level and template."""
    return await travel.asked(call, LinesOf(*_range(call, LINES_FROM)))


async def event(call: Call) -> Response:
    """The event at an address, whole."""
    address = call.query.text("address")
    if address is None:
        call.query.faults.add("address", "is missing", "name one, such as main/1a2b3c4d:1042[0]")
    call.query.done()
    answer = await travel.asked(call, EventAt(address or ""))
    found: dict[str, Any] = msgspec.json.decode(bytes(answer.body))
    found["partition"] = call.api.cell.partition
    return Response(msgspec.json.encode(found), 200, media_type=JSON)


def _at(call: Call) -> str | None:
    at = call.query.text("at")
    call.query.done()
    return at


def _range(call: Call, usual: str) -> tuple[str, str]:
    first, second = call.query.text("from") or usual, call.query.text("to") or "now"
    call.query.done()
    return first, second


def _read(handler: Any, answer: Any, *parameters: str) -> Operation:  # noqa: ANN401 - as `Operation` takes them
    return Operation(handler, parameters, is_read=True, answer=answer, errors=(404,))


GLANCE_ROUTES: Final[dict[str, dict[str, Operation]]] = {
    f"{PATH}/hosts": {"GET": _read(hosts, HostsGlance, "at")},
    f"{PATH}/hosts/{{id}}": {"GET": _read(host, HostGlance, "at")},
    f"{PATH}/waiting": {"GET": _read(waiting, WaitingGlance, "at")},
    f"{PATH}/failing": {"GET": _read(failing, FailingGlance, "at")},
    f"{PATH}/waits": {"GET": _read(waits, WaitsGlance, "from", "to")},
    f"{PATH}/marks": {"GET": _read(marks, MarksGlance, "from", "to")},
    f"{PATH}/lines": {"GET": _read(lines, LinesGlance, "from", "to")},
    EVENT: {
        "GET": Operation(
            event,
            ("address",),
            is_read=True,
            answer=EventShown,
            required=("address",),
            errors=(404,),
        )
    },
}
