"""The paths of what is kept by name: saved queries, streams, dashboards.

The one thing to know: who writes says who he is (`X-Flumina-Actor`), and is answered once Kafka has
it on all its replicas. Times are stamped here; nothing else is decided.
"""

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from connectors.web.kept.ports import DashboardsPort, KeptPort, NotKept
from connectors.web.problems import Problem, json_response
from connectors.web.query.problems import QueryProblem, problem_of
from connectors.web.requests import actor_of, small_body
from projections.dashboards.filling import filled, values_of
from projections.dashboards.model import Dashboard
from projections.query.kept import (
    KEPT_MAX,
    NAME_CHECK,
    STREAMS_MAX,
    Entry,
    Kept,
    Sort,
    read_saved,
    read_stream,
    told,
)
from projections.query.scanner import QueryError
from scheduler.model.inbound import Fault
from scheduler.model.reading.faults import Faults, nearest_name, shown_text

SAVED: Final = "/api/flumina/query/saved"
STREAMS: Final = "/api/flumina/query/streams"
DASHBOARDS: Final = "/api/flumina/dashboards"
_LISTS: Final[dict[Sort, str]] = {"saved": "saved", "stream": "streams"}
_MOST: Final[dict[Sort, int]] = {"saved": KEPT_MAX, "stream": STREAMS_MAX}
Endpoint = Callable[[Request], Awaitable[Response]]
Clock = Callable[[], int]


def kept_routes(kept: KeptPort, dashboards: DashboardsPort, now_ms: Clock) -> list[BaseRoute]:
    """All of these paths; errors are raised as `QueryProblem`."""
    routes: list[BaseRoute] = []
    for path, sort in ((SAVED, "saved"), (STREAMS, "stream")):
        named = _Named(kept, "saved" if sort == "saved" else "stream", now_ms)
        routes += [
            _route(path, named.list, "GET"),
            _route(f"{path}/{{name}}", named.show, "GET"),
            _route(f"{path}/{{name}}", named.put, "PUT"),
            _route(f"{path}/{{name}}", named.remove, "DELETE"),
        ]
    shown = _Dashboards(dashboards)
    routes += [
        _route(DASHBOARDS, shown.list, "GET"),
        _route(f"{DASHBOARDS}/{{name}}", shown.show, "GET"),
    ]
    return routes


def _route(path: str, endpoint: Endpoint, method: str) -> Route:
    async def answered(request: Request) -> Response:
        try:
            return await endpoint(request)
        except QueryError as error:
            raise problem_of(error) from error
        except NotKept as error:
            raise QueryProblem("unavailable", str(error), HTTPStatus.SERVICE_UNAVAILABLE) from error
        except Problem as problem:
            raise _problem(problem.faults, problem.message, problem.status) from problem

    return Route(path, answered, methods=[method])


def _problem(
    faults: Sequence[Fault],
    message: str = "",
    status: HTTPStatus = HTTPStatus.BAD_REQUEST,
) -> QueryProblem:
    """What is wrong with a request's fields, in the shape of queries' problems."""
    if not message:
        first = faults[0]
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        hint = f"; {first.hint}" if first.hint else ""
        message = f"Refused: {first.field} {first.text}{hint}{more}"
    listed = [{"field": each.field, "text": each.text, "hint": each.hint} for each in faults]
    return QueryProblem("refused", message, status, also={"faults": listed})


class _Named:
    """What is kept of one sort."""

    def __init__(self, kept: KeptPort, sort: Sort, now_ms: Clock) -> None:
        self._kept, self._sort, self._now_ms = kept, sort, now_ms

    async def list(self, _: Request) -> Response:
        """All of them, by name."""
        entries = await self._kept.entries(self._sort)
        return json_response({_LISTS[self._sort]: [self._told(each) for each in entries]})

    async def show(self, request: Request) -> Response:
        """The one of the path; 404 where there is none."""
        entry = await self._find(request)
        return json_response(self._told(entry), headers={"ETag": f'"{entry.version}"'})

    async def put(self, request: Request) -> Response:
        """Keep what the body says by the name of the path; what was there before is replaced."""
        name, actor = _name_of(request), actor_of(request, is_required=True)
        fields, faults = await small_body(request)
        read = read_saved if self._sort == "saved" else read_stream
        kept = read(name, fields, actor, self._now_ms())
        if faults:
            raise _problem(faults.all())
        there = await self._kept.entries(self._sort)
        names = {each.kept.name for each in there}
        if name not in names and len(names) >= _MOST[self._sort]:
            raise QueryProblem(
                "full",
                f"There are {len(names)} of them, which is the most. Remove one first.",
                HTTPStatus.TOO_MANY_REQUESTS,
            )
        version = await self._kept.put(kept)
        is_new = name not in names
        return json_response(
            self._told(Entry(kept, version)), HTTPStatus.CREATED if is_new else HTTPStatus.OK
        )

    async def remove(self, request: Request) -> Response:
        """Keep it no longer; a stream ends."""
        actor = actor_of(request, is_required=True)
        entry = await self._find(request)
        gone = Kept(sort=self._sort, name=entry.kept.name, actor=actor, at_ms=self._now_ms())
        version = await self._kept.put(gone)
        return json_response({"name": gone.name, "version": version})

    async def _find(self, request: Request) -> Entry:
        name = _name_of(request)
        entries = await self._kept.entries(self._sort)
        for each in entries:
            if each.kept.name == name:
                return each
        raise _none(name, [each.kept.name for each in entries])

    def _told(self, entry: Entry) -> dict[str, Any]:
        status = {}
        if self._sort == "stream":
            status = {"status": self._kept.stream_status(entry.kept.name)}
        return told(entry) | status


class _Dashboards:
    """Dashboards, read from their files."""

    def __init__(self, port: DashboardsPort) -> None:
        self._port = port

    async def list(self, _: Request) -> Response:
        """All of them without their panels, and what is wrong with which file."""
        found, faults = self._port.all()
        return json_response(
            {
                "dashboards": [
                    {
                        "name": each.name,
                        "title": each.title,
                        "description": each.description,
                        "variables": msgspec.to_builtins(each.variables),
                        "isOwn": is_own,
                    }
                    for each, is_own in found
                ],
                "faults": list(faults),
            }
        )

    async def show(self, request: Request) -> Response:
        """The one of the path with its panels, about what the parameters say."""
        name = request.path_params["name"]
        found = {each.name: each for each, _ in self._port.all()[0]}
        dashboard = found.get(name)
        if dashboard is None:
            raise _none(name, list(found))
        faults = Faults()
        values = values_of(dashboard, request.query_params, faults)
        if faults:
            raise _problem(faults.all())
        return json_response(_dashboard_told(dashboard, values))


def _dashboard_told(dashboard: Dashboard, values: dict[str, str]) -> dict[str, Any]:
    missing = [each.name for each in dashboard.variables if each.name not in values]
    shown = dashboard if missing else filled(dashboard, values)
    found: dict[str, Any] = msgspec.to_builtins(shown)
    return found | {"values": values, "missing": missing}


def _name_of(request: Request) -> str:
    name = str(request.path_params["name"])
    complaint = NAME_CHECK(name)
    if complaint is not None:
        raise _problem([Fault("name", *complaint)])
    return name


def _none(name: str, known: Sequence[str]) -> QueryProblem:
    others = f"; {nearest_name(name, known)}" if known else ", and no other"
    return QueryProblem(
        "unknown", f"There is none called {shown_text(name)}{others}.", HTTPStatus.NOT_FOUND
    )
