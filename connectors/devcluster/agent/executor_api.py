"""The v1 executor API over HTTP: calls of executors in, their streams of events out.

The one thing to know: statuses and sentences are those of Mesos 1.11.0, in its order: the body is
checked before anyone asks whether framework and executor exist. HEARTBEAT is 202 to everybody.
"""

import functools
import uuid
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from connectors.devcluster.agent.state import AgentState
from connectors.devcluster.wire.calls import is_uuid
from connectors.devcluster.wire.codec import CallError, parse
from connectors.devcluster.wire.event_stream import EventStream
from connectors.devcluster.wire.negotiation import NOT_ACCEPTABLE, accepted, read_body
from connectors.devcluster.words import Json

# Under the agent's pid too, which is what MESOS_SLAVE_PID tells an executor.
PATHS = ("/api/v1/executor", "/slave(1)/api/v1/executor")


class ExecutorApi:
    """The endpoint, and the streams that are open on it."""

    def __init__(
        self, state: AgentState, now: Callable[[], float], carry_out: Callable[[], None]
    ) -> None:
        self._state = state
        self._now = now
        self._carry_out = carry_out
        self._streams: dict[str, EventStream] = {}

    def routes(self) -> list[Route]:
        """The HTTP routes."""
        return [Route(path, self._answer, methods=["POST"]) for path in PATHS]

    def write(self, stream_id: str, event: Json) -> None:
        """Write an event to a stream; nothing when it is gone."""
        if stream := self._streams.get(stream_id):
            stream.send(event)

    def end(self, stream_id: str) -> None:
        """End a stream after what was written to it."""
        if stream := self._streams.get(stream_id):
            stream.end()

    async def _answer(self, request: Request) -> Response | EventStream:
        body = await read_body(request)
        if isinstance(body, Response):
            return body
        try:
            call = parse("executor.Call", *body)
        except CallError as error:
            return PlainTextResponse(str(error), 400)
        if problem := call_error(call):
            return PlainTextResponse(f"Failed to validate Executor::Call: {problem}", 400)
        if call["type"] == "SUBSCRIBE":
            return self._subscribe(request, call)
        status, text = self._state.executor_called(call, self._now())
        self._carry_out()
        return PlainTextResponse(text, status) if text else Response(status_code=status)

    def _subscribe(self, request: Request, call: Json) -> Response | EventStream:
        content_type = accepted(request)
        if content_type is None:
            return PlainTextResponse(NOT_ACCEPTABLE, 406)
        stream_id = str(uuid.uuid4())
        closed = functools.partial(self._closed, stream_id)
        stream = EventStream({}, closed, "executor.Event", content_type)
        self._streams[stream_id] = stream
        problem = self._state.executor_subscribed(call, stream_id, self._now())
        if problem is not None:
            del self._streams[stream_id]
            return PlainTextResponse(problem, 400)
        self._carry_out()
        return stream

    def _closed(self, stream_id: str) -> None:
        del self._streams[stream_id]
        self._state.executor_stream_closed(stream_id)
        self._carry_out()


def call_error(call: Json) -> str | None:
    """Why a well-formed call makes no sense, in Mesos' words, or None."""
    kind = call.get("type")
    if kind is None or kind == "UNKNOWN":
        return "Expecting 'type' to be present"
    if kind == "HEARTBEAT":
        return None
    if kind.lower() not in call:
        return f"Expecting '{kind.lower()}' to be present"
    return _status_error(call) if kind == "UPDATE" else None


def _status_error(call: Json) -> str | None:
    status = call["update"]["status"]
    framework_id, executor_id = call["framework_id"]["value"], call["executor_id"]["value"]
    who = f"from executor {executor_id} of framework {framework_id}"
    if "uuid" not in status:
        return "Expecting 'uuid' to be present"
    if not is_uuid(status["uuid"]):
        return "Not a valid UUID"
    named = status.get("executor_id", {}).get("value", executor_id)
    if named != executor_id:
        return f"ExecutorID in Call: {executor_id} does not match ExecutorID in TaskStatus: {named}"
    if status.get("source") != "SOURCE_EXECUTOR":
        return f"Received Call {who} with invalid source, expecting 'SOURCE_EXECUTOR'"
    if status["state"] == "TASK_STAGING":
        return f"Received TASK_STAGING {who} which is not allowed"
    return None
