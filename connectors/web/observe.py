"""Streams of a cell's events: what each one is of, and with which criteria.

The one thing to know: Titus streams by gRPC only; these are the same streams as server-sent events,
each a full snapshot, an explicit `SnapshotEnd`, and then deltas (`connectors.web.event_stream`).
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from starlette.responses import Response

from connectors.web.call import Call, Handler
from connectors.web.event_stream import LAST_EVENT_ID, MEDIA, EventStream, Filter, Reading, place_of
from connectors.web.problems import Problem, refused, unavailable
from connectors.web.requests import header_text
from connectors.web.resource import Operation
from connectors.web.views import criteria, job_or_problem
from connectors.web.walking import Walking
from projections.observe.names import Stream
from projections.observe.snapshots import pieces
from projections.observe.wanted import Named, Wanted
from projections.v3_query import CRITERIA, JOB_STATES, PAGE_SIZE_MAX, Query
from scheduler.model.ids import JobId
from scheduler.model.inbound import Fault
from scheduler.model.reading.faults import shown_text

NAMED: Final = ("jobIds", "taskIds")
OF_JOBS: Final = tuple(each for each in CRITERIA if each not in {"pageSize", "cursor"})
FULL_RETRY_AFTER_S: Final = 30
"""A stream is kept for long; who is turned away need not hurry."""


async def observe_jobs(call: Call) -> Response:
    """Jobs and tasks that the criteria let through, and each change of them, without end."""
    query = criteria(call, PAGE_SIZE_MAX)
    return await _opened(call, "jobs", query, lambda is_back: Wanted(query, is_resumed=is_back))


async def observe_job(call: Call) -> Response:
    """One job and its tasks, and each change of them, until the job has finished."""
    call.query.done()
    job = job_or_problem(call)
    named = frozenset((str(job.job_id),))
    query = Query(job_ids=named, job_states=frozenset(JOB_STATES))
    return await _opened(
        call, "jobs", query, lambda is_back: Wanted(query, is_resumed=is_back), job.job_id
    )


async def observe_agents(call: Call) -> Response:
    """Groups of hosts and hosts, and each change of them, without end."""
    return await _named(call, "agents")


async def observe_evictions(call: Call) -> Response:
    """The quota of evictions, and each one that is granted or refused, without end."""
    return await _named(call, "eviction")


async def observe_relocations(call: Call) -> Response:
    """Plans of tasks that have to leave their hosts, as they come and go, without end."""
    return await _named(call, "relocation")


async def observe_results(call: Call) -> Response:
    """What each round of placement says of tasks that wait or found a place, without end."""
    return await _named(call, "scheduler")


async def observe_members(call: Call) -> Response:
    """Who leads and who led, and each election, without end."""
    return await _named(call, "membership")


async def _named(call: Call, stream: Stream) -> Response:
    jobs, tasks = (frozenset(call.query.words(name)) for name in NAMED)
    call.query.done()
    return await _opened(call, stream, Query(), lambda _: Named(jobs, tasks))


async def _opened(
    call: Call,
    stream: Stream,
    query: Query,
    wanted: Callable[[bool], Filter],
    job_id: JobId | None = None,
) -> EventStream:
    """The stream, from a snapshot or from behind the event that the reader had last."""
    api, address = call.api, call.request.client.host if call.request.client else "nowhere"
    observing = api.observing
    _check_room(call, address)
    last = _last_event(call)
    place, restart = await _place(call, stream, last) if last else (None, "")
    walk: Walking | None = None
    if isinstance(place, Walking):
        walk, place = place, 0
    if not observing.begin(api.cell.view, api.cell.progress().lag_records):
        raise unavailable(
            "The fold is not near the end of the cell's log yet",
            "Ask again a little later; /health says how far behind it is.",
        )
    reading = Reading(stream, wanted(place is not None), walk=walk, restart=restart, job_id=job_id)
    if place is None:
        # No pause from here to the first piece: what is told later stands behind this place.
        reading.pieces = pieces(api.cell.view, stream, query)
        reading.place = observing.ring(stream).end
    else:
        reading.place = place
    return EventStream(api, reading, address)


def _check_room(call: Call, address: str) -> None:
    """Return if one more stream may be opened from there; raises `Problem` else."""
    observing, limits = call.api.observing, call.api.observing.limits
    if observing.of_address[address] >= limits.of_address_max:
        observing.refused += 1
        raise Problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"{limits.of_address_max} streams of events go to your address, and no more are opened",
            "Close some, or have several readers share one.",
            headers={"Retry-After": str(FULL_RETRY_AFTER_S)},
        )
    if observing.open.total() >= limits.streams_max:
        observing.refused += 1
        raise unavailable(
            f"{limits.streams_max} streams of events are open, and no more are opened",
            "Ask another api process of the cell, or come again later.",
        )


def _last_event(call: Call) -> str:
    text = header_text(call.request, LAST_EVENT_ID)
    if text and place_of(text) is None:
        hint = "give the id of an event of this stream, or leave the header out"
        raise refused([Fault(LAST_EVENT_ID, f"is {shown_text(text)}, no event's id", hint)])
    return text or ""


async def _place(call: Call, stream: Stream, last: str) -> tuple[int | Walking | None, str]:
    """The place behind the reader's last event, or a walk there, or None and why there is none."""
    api, wanted = call.api, place_of(last)
    assert wanted is not None
    state = api.cell.view.state
    if wanted.log != f"{state.cell}/{state.generation}":
        return None, f"{last} is an event of another log than this cell's now"
    offset = wanted.spot[0]
    # Another api process may be further than this one.
    lane = ("cell", api.cell.partition)
    is_there = offset < api.cell.view.next_offset
    if not is_there and not await api.cell.passing.until(lane, offset, api.wait_s):
        raise unavailable(
            f"The fold has not passed {last}", "Ask again: another api process was further."
        )
    if not api.observing.begin(api.cell.view, api.cell.progress().lag_records):
        return None, ""
    place = api.observing.ring(stream).place_after(wanted.spot)
    if place is not None:
        return place, ""
    walk = Walking(api, stream, wanted.spot)
    refused = await walk.begin()
    if not refused:
        return walk, ""
    return None, f"what followed {last} is no longer kept here, and {refused}"


def _stream(handler: Callable[[Call], Awaitable[Response]], *parameters: str) -> Operation:
    return Operation(handler, parameters, is_read=True, media=MEDIA, is_stream=True)


_ONE: Final[dict[str, Handler]] = {
    "/api/v3/observe/agents": observe_agents,
    "/api/v3/clustermembership/observe": observe_members,
}
_OF_TASKS: Final[dict[str, Handler]] = {
    "/api/v3/eviction/observe": observe_evictions,
    "/api/v3/relocation/observe": observe_relocations,
    "/api/v3/scheduler/observe": observe_results,
}
OBSERVE_ROUTES: Final[dict[str, dict[str, Operation]]] = {
    "/api/v3/jobs/{id}/observe": {"GET": _stream(observe_job)},
    "/api/v3/observe/jobs": {"GET": _stream(observe_jobs, *OF_JOBS)},
    **{path: {"GET": _stream(each)} for path, each in _ONE.items()},
    **{path: {"GET": _stream(each, *NAMED)} for path, each in _OF_TASKS.items()},
}
