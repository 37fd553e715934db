"""The operators' endpoints of an agent: its views, its metrics, and the v1 operator API.

The one thing to know: it only reads, but for sessions (``session_http.py``). Other calls that would
change something (nested and standalone containers, resource providers) are refused with a sentence;
files come from ``files.py``.
"""

import base64
import functools
from collections.abc import Callable, Mapping

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.devcluster.agent import operator_views
from connectors.devcluster.agent.files import FileError, SandboxFiles
from connectors.devcluster.agent.operator_views import Statistics
from connectors.devcluster.agent.session_http import RECORDIO, SessionStream, attach_input
from connectors.devcluster.agent.sessions import SessionError, Sessions
from connectors.devcluster.agent.state import AgentState
from connectors.devcluster.master import metrics
from connectors.devcluster.master.operator_calls import LOGGING_LEVEL
from connectors.devcluster.wire import codec
from connectors.devcluster.wire.negotiation import (
    NOT_ACCEPTABLE,
    accepted,
    last_header,
    read_body,
    refusal,
)
from connectors.devcluster.words import VERSION_INFO, Json

LAUNCH_SESSION = "LAUNCH_NESTED_CONTAINER_SESSION"
WAIT_NESTED = "WAIT_NESTED_CONTAINER"
# Call types whose sub-message must be there.
_NEEDS_BODY = frozenset(
    {
        "ADD_RESOURCE_PROVIDER_CONFIG",
        "ATTACH_CONTAINER_INPUT",
        "ATTACH_CONTAINER_OUTPUT",
        "GET_METRICS",
        "KILL_CONTAINER",
        "KILL_NESTED_CONTAINER",
        "LAUNCH_CONTAINER",
        "LAUNCH_NESTED_CONTAINER",
        "LAUNCH_NESTED_CONTAINER_SESSION",
        "LIST_FILES",
        "READ_FILE",
        "REMOVE_CONTAINER",
        "REMOVE_NESTED_CONTAINER",
        "SET_LOGGING_LEVEL",
        "WAIT_CONTAINER",
        "WAIT_NESTED_CONTAINER",
    }
)


class AgentOperatorHttp:
    """The routes, over an agent's state."""

    def __init__(
        self,
        state: AgentState,
        files: SandboxFiles,
        show_state: Callable[[], Json],
        statistics: Statistics,
        now: Callable[[], float],
        *,
        own_metrics: Callable[[], dict[str, float]] = dict,
        sessions: Sessions | None = None,
    ) -> None:
        self._state = state
        self._files = files
        self._show_state = show_state
        self._statistics = statistics
        self._now = now
        self._started_at = now()
        self._own_metrics = own_metrics
        self._sessions = sessions

    def routes(self) -> list[Route]:
        """All of them; as in Mesos most are there with and without ``/slave(1)``."""
        shown: dict[str, Callable[[], object]] = {
            "state": self._show_state,
            "containers": lambda: operator_views.containers_view(self._state, self._statistics),
            "monitor/statistics": lambda: operator_views.statistics_view(
                self._state, self._statistics
            ),
            "flags": lambda: {"flags": self._flags()},
            "version": lambda: VERSION_INFO,
        }
        routes = [
            Route(f"{prefix}/{name}", functools.partial(_show, view))
            for name, view in shown.items()
            for prefix in ("", "/slave(1)")
        ]
        routes += [Route(f"{prefix}/health", _healthy) for prefix in ("", "/slave(1)")]
        routes += [
            Route(f"{prefix}/api/v1", self._api, methods=["POST"]) for prefix in ("", "/slave(1)")
        ]
        snapshot = functools.partial(_show, self._metrics)
        return [*routes, Route("/metrics/snapshot", snapshot), *self._files.routes()]

    def _flags(self) -> dict[str, str]:
        info = self._state.info
        return {"hostname": info["hostname"], "ip": info["ip"], "port": str(info["port"])}

    def _metrics(self) -> dict[str, float]:
        found = operator_views.metrics(self._state, self._now(), self._started_at)
        return dict(sorted((found | metrics.host() | self._own_metrics()).items()))

    async def _api(self, request: Request) -> Response:
        """``POST /api/v1``."""
        if self._sessions is not None and last_header(request, "content-type") == RECORDIO:
            return await attach_input(self._sessions, request)
        called = await _called(request)
        if isinstance(called, Response):
            return called
        kind, body = called
        try:
            if self._sessions is not None and kind == LAUNCH_SESSION:
                self._sessions.check_launch(body)
                return SessionStream(functools.partial(self._sessions.launched, body))
            content_type = accepted(request)
            if content_type is None:
                return refusal(406, NOT_ACCEPTABLE)
            if self._sessions is not None and kind == WAIT_NESTED:
                ended = await self._sessions.waited(body["container_id"])
                answer: Json | None = {kind.lower(): ended}
            else:
                answer = self._answer(kind, body)
        except FileError as error:
            return error.response
        except SessionError as error:
            return refusal(error.status, str(error))
        if answer is None:
            return refusal(501, f"An agent of this development cluster has no operator call {kind}")
        encoded = codec.encode("agent.Response", content_type, {"type": kind, **answer})
        return Response(encoded, media_type=content_type)

    def _answer(self, kind: str, body: Json) -> Json | None:
        view = self._views().get(kind)
        answer = self._file_answer(kind, body) if view is None else view()
        return None if answer is None else {kind.lower(): answer}

    def _views(self) -> dict[str, Callable[[], Json]]:
        state = self._state
        return {
            "GET_HEALTH": lambda: {"healthy": True},
            "GET_VERSION": lambda: {"version_info": VERSION_INFO},
            "GET_FLAGS": lambda: {"flags": _named(self._flags())},
            "GET_METRICS": lambda: {"metrics": _named(self._metrics())},
            "GET_LOGGING_LEVEL": lambda: {"level": LOGGING_LEVEL},
            "GET_STATE": lambda: operator_views.get_state(state),
            "GET_TASKS": lambda: operator_views.get_tasks(state),
            "GET_EXECUTORS": lambda: operator_views.get_executors(state),
            "GET_FRAMEWORKS": lambda: operator_views.get_frameworks(state),
            "GET_AGENT": lambda: operator_views.get_agent(state),
            "GET_CONTAINERS": lambda: operator_views.get_containers(state, self._statistics),
            "GET_RESOURCE_PROVIDERS": dict,
        }

    def _file_answer(self, kind: str, body: Json) -> Json | None:
        match kind:
            case "LIST_FILES":
                return {"file_infos": self._files.listed(body["path"])}
            case "READ_FILE":
                size, data = self._files.read(body["path"], body["offset"], body.get("length"))
                return {"size": size, "data": base64.b64encode(data).decode("ascii")}
            case _:
                return None


async def _called(request: Request) -> tuple[str, Json] | Response:
    """The call's type and its own message, or the refusal of what is no call."""
    body = await read_body(request)
    if isinstance(body, Response):
        return body
    try:
        call = codec.parse("agent.Call", *body)
    except codec.CallError as error:
        return refusal(400, str(error))
    kind = call.get("type", "UNKNOWN")
    missing = "type" if kind == "UNKNOWN" else None
    if kind in _NEEDS_BODY and kind.lower() not in call:
        missing = kind.lower()
    if missing is not None:
        text = f"Failed to validate agent::Call: Expecting '{missing}' to be present"
        return refusal(400, text)
    return kind, call.get(kind.lower(), {})


def _named(values: Mapping[str, object]) -> list[Json]:
    return [{"name": name, "value": value} for name, value in values.items()]


async def _show(view: Callable[[], object], _request: Request) -> Response:
    return Response(orjson.dumps(view()), media_type="application/json")


async def _healthy(_request: Request) -> Response:
    return Response()
