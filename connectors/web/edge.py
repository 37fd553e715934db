"""The outermost layer: every answer's headers, every error's shape, limits of time, and counting.

The one thing to know: nothing that a caller sends ends in a 500. A 500 is a mistake of ours; it is
logged with its traceback, and the caller gets the same shape as for any other problem.
"""

import time
from collections.abc import Collection
from http import HTTPStatus
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connectors.http.host_names import is_called
from connectors.web.api import Api
from connectors.web.limits.deadlines import Deadlines
from connectors.web.problems import Problem, unavailable
from connectors.web.resource import PATH_IN_SCOPE
from connectors.web.standing import header_of, why_stale

logger = structlog.get_logger(__name__)

REQUEST_S_MAX: Final = 30.0
"""From a request's head to the end of its answer; nothing here needs more than half of it."""
LIMIT_IN_SCOPE: Final = "flumina.limit"
"""Where an answer that goes on for as long as it is read finds that limit, to lift it."""
OFFSET: Final = "X-Flumina-Offset"
STALE: Final = "X-Flumina-Stale"
_OFFSET: Final = OFFSET.lower().encode()
_STALE: Final = STALE.lower().encode()
_ALWAYS: Final = {b"x-content-type-options": b"nosniff", b"cache-control": b"no-store"}
"""On every answer, whatever a handler has said."""
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})


class Edge:
    """Wraps the whole application."""

    def __init__(self, app: ASGIApp, api: Api, hosts: Collection[str]) -> None:
        self._app = app
        self._api = api
        self._deadlines = Deadlines(REQUEST_S_MAX)
        self._hosts = frozenset(hosts)
        """Names by which this server may be called; empty for any."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens inside."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(self._api, scope, send)
        begun_s = time.perf_counter()
        try:
            await self._answered(scope, receive, answer)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            path = scope.get(PATH_IN_SCOPE, "other")
            # Of an answer that goes on until its reader leaves, the time to its head counts.
            limit = scope.get(LIMIT_IN_SCOPE)
            is_stream = limit is not None and limit.is_lifted
            seconds = (answer.begun_s if is_stream else time.perf_counter()) - begun_s
            self._api.metrics.answered(method, path, answer.status, seconds)

    async def _answered(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        try:
            async with self._deadlines.limit() as limit:
                scope[LIMIT_IN_SCOPE] = limit
                self._check_host(scope)
                await self._app(scope, receive, answer.send)
                return
        except Problem as problem:
            response = problem.response()
        except TimeoutError:
            response = unavailable(
                f"The request was not answered within {REQUEST_S_MAX:.0f} s",
                "Ask for less, or again when the cell is less busy.",
            ).response()
        except Exception:  # Whatever it is, it is logged and answered.
            logger.exception("request failed", method=scope["method"], path=scope["path"])
            response = Problem(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "The API failed to answer this request",
                "This is a mistake of ours; the server's log has its cause.",
            ).response()
        if answer.is_begun:
            raise ConnectionAbortedError("the answer broke off; the connection is closed")
        await response(scope, receive, answer.send)

    def _check_host(self, scope: Scope) -> None:
        """Refuse names that are not ours, by which a web page could reach a loopback server."""
        if not self._hosts:
            return
        named = next((value for name, value in scope["headers"] if name == b"host"), b"")
        if not is_called(named.decode("latin-1"), self._hosts):
            raise Problem(
                HTTPStatus.MISDIRECTED_REQUEST,
                "This server is not called by that name",
                f"Use one of {', '.join(sorted(self._hosts))}, or bind it to another address.",
            )


class _Answer:
    """Sends an answer with the headers that each one has."""

    def __init__(self, api: Api, scope: Scope, send: Send) -> None:
        self._api, self._scope = api, scope
        self._send = send
        self.is_begun = False
        self.begun_s = 0.0
        self.status = 500

    async def send(self, message: Message) -> None:
        """Pass an ASGI message on."""
        if message["type"] == "http.response.start":
            self.is_begun, self.begun_s = True, time.perf_counter()
            self.status = message["status"]
            cell = self._api.cell
            headers = [each for each in message["headers"] if each[0] not in _ALWAYS]
            headers.append((_OFFSET, b"%d" % (cell.view.machine.state.next_offset - 1)))
            if stale := why_stale(cell):
                headers.append((_STALE, header_of(stale).encode("ascii")))
            headers += _ALWAYS.items()
            message["headers"] = headers
        elif message.get("more_body") and not await self._api.door.still(self._scope):
            # Of what goes on for hours, each piece: whoever lost his rights hears no more.
            raise ConnectionAbortedError("who reads is no longer let in")
        await self._send(message)
