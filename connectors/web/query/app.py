"""The query process as an ASGI application: streams of rows, the console, the way to the api.

The one thing to know: nothing that is served here may load or run anything of another origin, and
nothing may be served to another one: see `HEADERS`. What a caller sends never ends in a 500.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from http import HTTPStatus
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Message, Receive, Scope, Send

from connectors.access.door import PRINCIPAL, Denied, Door
from connectors.access.principals import Target
from connectors.access.table import QUERY
from connectors.http.host_names import is_called
from connectors.web.limits.guarding import ALWAYS
from connectors.web.query.console import ConsoleFiles
from connectors.web.query.pass_through import PassThrough
from connectors.web.query.problems import QueryProblem

logger = structlog.get_logger(__name__)

# The page draws charts and incident files; it never needs a script that is not a file.
CSP: Final = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {"Content-Security-Policy": CSP, **ALWAYS}
PASSED: Final = ("/api/", "/health")
HEALTH: Final = "/health"
Handler = Callable[[Request], Awaitable[Response]]


class QueryApp:
    """Answers by the first of: a route of ours, the api, the console's files."""

    def __init__(
        self,
        routes: Sequence[BaseRoute],
        api: PassThrough,
        files: ConsoleFiles,
        hosts: Collection[str] = (),
        door: Door | None = None,
    ) -> None:
        self._routes, self._api, self._files = list(routes), api, files
        self._hosts = frozenset(hosts)
        """Names by which this server may be called; empty for any."""
        self._door = door or Door()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens inside."""
        if scope["type"] != "http":
            raise RuntimeError(f"nothing but HTTP is spoken here, not {scope['type']}")
        answer = _Answer(self._door, scope, send)
        request = Request(scope, receive)
        response: Response | None
        try:
            _check_host(request.headers, self._hosts)
            await self._answered(request, scope, receive, answer.send)
            response = None
        except QueryProblem as problem:
            response = problem.response()
        except Denied as denied:
            response = _refusal(denied)
        except (ClientDisconnect, ConnectionAbortedError):
            if not answer.is_begun:
                return  # Nobody is there to be told.
            raise
        except Exception:  # Whatever it is, it is logged and answered.
            logger.exception("request failed", method=scope["method"], path=scope["path"])
            response = QueryProblem(
                "failed",
                "The query process failed to answer this request: a mistake of ours; its log has "
                "the cause.",
                HTTPStatus.INTERNAL_SERVER_ERROR,
            ).response()
        if response is None:
            return
        if answer.is_begun:
            raise ConnectionAbortedError("the answer broke off; the connection is closed")
        await response(scope, receive, answer.send)

    async def _answered(self, request: Request, scope: Scope, receive: Receive, send: Send) -> None:
        allowed: Match = Match.NONE
        for route in self._routes:
            match, child = route.matches(scope)
            if match is Match.FULL:
                await self._enter(scope, route)
                await route.handle({**scope, **child}, receive, send)
                return
            allowed = match if allowed is Match.NONE else allowed
        if allowed is Match.PARTIAL:
            raise QueryProblem(
                "method",
                f"{request.url.path} does not take {request.method}.",
                HTTPStatus.METHOD_NOT_ALLOWED,
            )
        if request.url.path.startswith(PASSED):
            if self._door.is_guarded and request.url.path != HEALTH:
                scope[PRINCIPAL] = await self._door.admit(scope)
            response = await self._api.answer(request, self._door)
        elif request.method in {"GET", "HEAD"}:
            response = await self._files.answer(request)
        else:
            raise QueryProblem(
                "method",
                "The console's files can be read only.",
                HTTPStatus.METHOD_NOT_ALLOWED,
            )
        await response(scope, receive, send)

    async def _enter(self, scope: Scope, route: BaseRoute) -> None:
        """Return where who asks may use the route; raises `Denied`."""
        if not self._door.is_guarded:
            return
        assert isinstance(route, Route)
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        rule = QUERY.get((method, route.path))
        if rule is not None and rule.reach == "open":
            return
        principal = await self._door.admit(scope)
        assert principal is not None
        scope[PRINCIPAL] = principal
        if rule is None:
            text = f"{method} {route.path} is in no table of who may what, so nobody may"
            status = HTTPStatus.FORBIDDEN
            raise self._door.denied(scope, status, "unlisted", text, "Tell its makers.")
        target: Target = "all" if rule.reach == "all" else "cell"
        self._door.check(scope, principal, rule.action, target)


def _refusal(denied: Denied) -> Response:
    """The refusal in the shape of queries' problems."""
    problem = QueryProblem(
        denied.code, f"{denied.text}. {denied.hint}", denied.status, headers=denied.headers
    )
    return problem.response()


def _check_host(headers: Headers, hosts: frozenset[str]) -> None:
    """Refuse names that are not ours, by which a web page could reach a loopback server."""
    if not is_called(headers.get("host", ""), hosts):
        raise QueryProblem(
            "host",
            f"This server is not called by that name. Use one of {', '.join(sorted(hosts))}.",
            HTTPStatus.MISDIRECTED_REQUEST,
        )


class _Answer:
    """Sends an answer with the headers that each one has."""

    def __init__(self, door: Door, scope: Scope, send: Send) -> None:
        self._door, self._scope = door, scope
        self._send = send
        self.is_begun = False

    async def send(self, message: Message) -> None:
        """Pass an ASGI message on."""
        if message["type"] == "http.response.start":
            self.is_begun = True
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
        elif message.get("more_body") and not await self._door.still(self._scope):
            # Of what goes on for hours, each piece: whoever lost his rights hears no more.
            raise ConnectionAbortedError("who reads is no longer let in")
        await self._send(message)
