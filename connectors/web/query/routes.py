"""The paths of live queries: the stream, what there is to ask, and a look at a query beforehand.

The one thing to know: these handlers read parameters and write answers; what a question means is
the port's.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple, Protocol

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.web.query.bodies import bounded_body
from connectors.web.query.problems import JSON, QueryProblem
from connectors.web.query.server_sent import ServerSent

STREAM: Final = "/api/flumina/query/stream"
SOURCES: Final = "/api/flumina/query/sources"
CHECK: Final = "/api/flumina/query/check"
METRICS: Final = "/api/flumina/query/metrics"
STATUS: Final = "/api/flumina/query/status"
CHECK_BYTES_MAX: Final = 512 * 1024


class Opened(NamedTuple):
    """A stream that may begin."""

    pieces: AsyncIterator[bytes]
    close: Callable[[], Awaitable[None]]


class Questions(Protocol):
    """What answers."""

    async def open(self, parameters: Mapping[str, str], last_event_id: str) -> Opened:
        """The stream of a question; raises `QueryProblem`."""
        ...

    def sources(self) -> dict[str, Any]:
        """What there is to ask."""
        ...

    def check(self, text: str) -> dict[str, Any]:
        """What a query would do; raises `QueryProblem`."""
        ...

    def status(self) -> dict[str, Any]:
        """How the process stands."""
        ...

    def metrics(self) -> bytes:
        """The metrics in the text format of Prometheus."""
        ...


def query_routes(questions: Questions) -> list[Route]:
    """The routes of live queries."""

    async def stream(request: Request) -> Response:
        if request.method == "HEAD":
            return Response(None, media_type="text/event-stream")
        parameters = dict(request.query_params)
        opened = await questions.open(parameters, request.headers.get("last-event-id", ""))
        return ServerSent(opened.pieces, opened.close)

    async def sources(_: Request) -> Response:
        return _json(questions.sources())

    async def check(request: Request) -> Response:
        body = await bounded_body(request, CHECK_BYTES_MAX)
        try:
            given = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise QueryProblem("json", f"The body is no JSON: {error}.") from error
        text = given.get("mql") if isinstance(given, dict) else None
        if not isinstance(text, str):
            raise QueryProblem("json", 'The body is an object {"mql": "select …"}.')
        return _json(questions.check(text))

    async def status(_: Request) -> Response:
        return _json(questions.status())

    async def metrics(_: Request) -> Response:
        return Response(questions.metrics(), media_type="text/plain; version=0.0.4")

    return [
        Route(STREAM, stream, methods=["GET"]),
        Route(SOURCES, sources, methods=["GET"]),
        Route(CHECK, check, methods=["POST"]),
        Route(STATUS, status, methods=["GET"]),
        Route(METRICS, metrics, methods=["GET"]),
    ]


def _json(value: Any) -> Response:  # noqa: ANN401 - any JSON value
    return Response(orjson.dumps(value), media_type=JSON)
