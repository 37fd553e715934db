"""The operators' endpoints of the master over HTTP: GET for people, POST /api/v1 for programs.

The one thing to know: it decides nothing; each request becomes one call of a pure module, and what
that led to is carried out before the answer leaves. Answers that grow with the cluster are written
piece by piece, so that no view of 100,000 tasks keeps the master from its agents.
"""

import asyncio
import functools
import re
from collections.abc import AsyncIterator, Callable, Iterator
from urllib.parse import parse_qs

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from connectors.devcluster.master import (
    maintenance,
    metrics,
    observed,
    operator_calls,
    v1_views,
    views,
)
from connectors.devcluster.master.model import Task
from connectors.devcluster.master.operator_calls import Reply
from connectors.devcluster.master.roles import roles_view
from connectors.devcluster.master.rows import pieces, plain, rendered, size_of
from connectors.devcluster.master.state import MasterState
from connectors.devcluster.wire import codec
from connectors.devcluster.wire.convert import ShapeError, convert
from connectors.devcluster.wire.event_stream import EventStream
from connectors.devcluster.wire.negotiation import NOT_ACCEPTABLE, accepted, read_body, refusal
from connectors.devcluster.words import VERSION_INFO, Json

View = Callable[[Request], Json | list[Json] | None]

JSON_TYPE = "application/json"
# A view of fewer rows is made at once, so that all of it is of one moment.
_ROWS_AT_ONCE = 500
_MACHINES_BYTES_MAX = 1024 * 1024
# As stout reads a Duration: a number and a unit.
_DURATION = re.compile(r"(\d+(\.\d*)?|\.\d+)(ns|us|ms|secs|mins|hrs|days|weeks)")
_METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH"]


class OperatorHttp:
    """The routes, over the master's state."""

    def __init__(
        self,
        state: MasterState,
        now: Callable[[], float],
        carry_out: Callable[[], None],
        streams: dict[str, EventStream],
        new_uuid: Callable[[], str],
    ) -> None:
        self._state = state
        self._now = now
        self._carry_out = carry_out
        self._streams = streams
        self._new_uuid = new_uuid

    def routes(self) -> list[Route]:
        """All of them, with and without ``/master`` as in Mesos."""
        cluster = self._state.cluster
        shown: dict[str, View] = {
            "health": lambda _request: None,
            "version": lambda _request: VERSION_INFO,
            "state": lambda _request: views.state_view(cluster),
            "state-summary": lambda _request: views.state_summary_view(cluster),
            "slaves": lambda request: views.slaves_view(cluster, _asked(request, "slave_id")),
            "frameworks": lambda request: views.frameworks_view(
                cluster, _asked(request, "framework_id")
            ),
            "tasks": self._tasks,
            "roles": lambda _request: roles_view(cluster),
            "flags": lambda _request: {"flags": views.flags_view(cluster)},
        }
        # Mesos serves its views whatever the method is.
        routes = [
            Route(f"{prefix}/{name}", functools.partial(_show, view), methods=_METHODS)
            for name, view in shown.items()
            for prefix in ("", "/master")
        ]
        for name, handler, methods in (
            ("maintenance/schedule", self._schedule, ["GET", "POST"]),
            ("maintenance/status", self._maintenance_status, ["GET"]),
            ("machine/down", self._machine_down, ["POST"]),
            ("machine/up", self._machine_up, ["POST"]),
            ("teardown", self._teardown, ["POST"]),
            ("api/v1", self._api, ["POST"]),
        ):
            routes += [Route(f"{p}/{name}", handler, methods=methods) for p in ("", "/master")]
        return [
            *routes,
            Route("/metrics/snapshot", self._metrics, methods=_METHODS),
            Route("/logging/toggle", _logging_toggle),
            *(
                Route(f"{prefix}/{name}", functools.partial(_nothing_set, empty), methods=_METHODS)
                for name, empty in (("quota", {}), ("weights", []))
                for prefix in ("", "/master")
            ),
            Route("/files/debug", _no_files),
        ]

    def _tasks(self, request: Request) -> Json:
        wanted_task, wanted_framework = (
            _asked(request, name) for name in ("task_id", "framework_id")
        )

        def is_wanted(task: Task) -> bool:
            return wanted_task in (None, task.task_id) and wanted_framework in (
                None,
                task.framework_id,
            )

        return views.tasks_view(
            self._state.cluster,
            _count(request, "limit", views.TASKS_LIMIT),
            _count(request, "offset", 0),
            is_wanted,
            is_oldest_first=request.query_params.get("order") == "asc",
        )

    async def _metrics(self, request: Request) -> Response:
        timeout = _asked(request, "timeout")
        problem = None if timeout is None else _duration_error(timeout)
        if problem is not None:
            return refusal(400, f"Invalid timeout '{timeout}': {problem}")
        return _json(metrics.snapshot(self._state.cluster, self._now()))

    async def _maintenance_status(self, _request: Request) -> Response:
        return _json(maintenance.status(self._state.cluster))

    async def _schedule(self, request: Request) -> Response:
        if request.method == "GET":
            return _json(self._state.cluster.operator.schedule)
        value = await _parsed(request)
        if isinstance(value, Response):
            return value
        try:
            schedule = convert("maintenance.Schedule", value)
        except ShapeError as error:
            return refusal(400, str(error))
        return self._done(maintenance.update_schedule(self._state.cluster, schedule, self._now()))

    async def _machine_down(self, request: Request) -> Response:
        machines = await _machines(request)
        if isinstance(machines, Response):
            return machines
        return self._done(maintenance.take_down(self._state.cluster, machines, self._now()))

    async def _machine_up(self, request: Request) -> Response:
        machines = await _machines(request)
        if isinstance(machines, Response):
            return machines
        return self._done(maintenance.bring_up(self._state.cluster, machines))

    async def _teardown(self, request: Request) -> Response:
        sent = parse_qs((await _limited(request)).decode("utf-8", "replace"))
        if "frameworkId" not in sent:
            return refusal(400, "Missing 'frameworkId' query parameter in the request body")
        reply = operator_calls.teardown(self._state, sent["frameworkId"][-1], self._now())
        self._carry_out()
        return refusal(reply.status, reply.text) if reply.text else Response()

    def _done(self, problem: str | None) -> Response:
        self._carry_out()
        return Response() if problem is None else refusal(400, problem)

    async def _api(self, request: Request) -> Response | EventStream:
        """``POST /api/v1``."""
        body = await read_body(request)
        if isinstance(body, Response):
            return body
        try:
            call = codec.parse("master.Call", *body)
        except codec.CallError as error:
            return refusal(400, str(error))
        answer_type = accepted(request)
        if problem := operator_calls.call_error(call):
            return refusal(400, problem)
        if answer_type is None:
            return refusal(406, NOT_ACCEPTABLE)
        if call["type"] == "SUBSCRIBE":
            return self._subscribe(answer_type)
        reply = operator_calls.answer(self._state, call, self._now())
        self._carry_out()
        return _replied(reply, answer_type)

    def _subscribe(self, content_type: codec.ContentType) -> EventStream:
        stream_id = self._new_uuid()
        closed = functools.partial(self._stream_closed, stream_id)
        stream = EventStream({}, closed, "master.Event", content_type)
        self._streams[stream_id] = stream
        state = plain(v1_views.get_state(self._state.cluster))
        observed.subscribe(self._state.cluster, stream_id, state, self._now())
        self._carry_out()
        return stream

    def _stream_closed(self, stream_id: str) -> None:
        del self._streams[stream_id]
        self._state.cluster.operator.streams.pop(stream_id, None)


def _replied(reply: Reply, content_type: codec.ContentType) -> Response:
    if reply.text:
        return refusal(reply.status, reply.text)
    if reply.response is None:
        return Response(status_code=reply.status)
    if content_type == codec.JSON:
        return _written(reply.response)
    value = plain(reply.response)
    return Response(codec.encode("master.Response", content_type, value), media_type=content_type)


async def _show(view: View, request: Request) -> Response:
    body = view(request)
    return Response() if body is None else _written(body)


def _written(value: object) -> Response:
    if size_of(value) <= _ROWS_AT_ONCE:
        return Response(rendered(value), media_type=JSON_TYPE)
    return StreamingResponse(_in_turn(pieces(value)), media_type=JSON_TYPE)


async def _in_turn(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces in chunks of a size worth sending, with the loop's other work between them."""
    chunk: list[bytes] = []
    size = 0
    for part in parts:
        chunk.append(part)
        size += len(part)
        if size >= 1 << 16:
            yield b"".join(chunk)
            chunk, size = [], 0
            await asyncio.sleep(0)
    yield b"".join(chunk)


def _json(value: object) -> Response:
    return Response(orjson.dumps(value), media_type=JSON_TYPE)


def _asked(request: Request, name: str) -> str | None:
    return request.query_params.get(name)


def _count(request: Request, name: str, default: int) -> int:
    """A number in the query; what is none counts as not said, as in Mesos."""
    text = request.query_params.get(name, "")
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
        return default
    # Mesos reads a size_t: a negative number is a very large one.
    return int(text) if int(text) >= 0 else 2**63


async def _limited(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _MACHINES_BYTES_MAX:
            break
    return bytes(body)


async def _parsed(request: Request) -> object:
    """The JSON of the body, or a refusal."""
    body = await _limited(request)
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        first = body.decode("utf-8", "replace").partition("\n")[0]
        return refusal(400, f"syntax error at line 1 near: {first}")
    return value


async def _machines(request: Request) -> list[Json] | Response:
    value = await _parsed(request)
    if isinstance(value, Response):
        return value
    if not isinstance(value, list):
        return refusal(400, "Unexpected JSON type parsed")
    try:
        return [convert("MachineID", item) for item in value]
    except ShapeError as error:
        return refusal(400, str(error))


async def _logging_toggle(request: Request) -> Response:
    """Show the level; to change it is checked as in Mesos and then refused: the log has one."""
    level, duration = (_asked(request, name) for name in ("level", "duration"))
    if level is None and duration is None:
        return refusal(200, f"{operator_calls.LOGGING_LEVEL}\n")
    if level is None or duration is None:
        missing = "level" if level is None else "duration"
        return refusal(400, f"Expecting '{missing}=value' in query.\n")
    problem = _level_error(level) or _duration_error(duration)
    if problem is not None:
        return refusal(400, problem)
    if int(level) != operator_calls.LOGGING_LEVEL:
        return refusal(501, operator_calls.ONE_LEVEL)
    return Response()


def _level_error(text: str) -> str | None:
    if not text.removeprefix("-").isdecimal():
        return f"Failed to convert '{text}' to number.\n"
    return f"Invalid level '{text}'.\n" if int(text) < 0 else None


def _duration_error(text: str) -> str | None:
    if _DURATION.fullmatch(text):
        return None
    number = re.match(r"[\d.]*", text)
    return f"Failed to convert '{number.group() if number else ''}' to number.\n"


async def _nothing_set(empty: object, request: Request) -> Response:
    """Quota and weights can be read, and there are none."""
    if request.method in ("GET", "HEAD"):
        return _json(empty)
    return refusal(501, "This development cluster has no quota and no weights")


async def _no_files(_request: Request) -> Response:
    return _json({})
