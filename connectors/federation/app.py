"""The federation's front as an ASGI application.

The one thing to know: it keeps nothing of any cell. It may be killed at any moment and any number
of it may run; what it remembers, which cell has which job, is looked for again.
"""

import asyncio
from collections.abc import Collection
from http import HTTPStatus
from typing import Final

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.access.door import PRINCIPAL, Denied, Door
from connectors.access.table import FEDERATION
from connectors.federation.cells import ASKER, WRITE_S_MAX, Asker
from connectors.federation.configuration import Configuration
from connectors.federation.front import Front
from connectors.http.host_names import is_called
from connectors.web.gate import problem_of
from connectors.web.problems import Problem, unavailable

logger = structlog.get_logger(__name__)

REST_S: Final = 2.0
"""For what the front does by itself, beside waiting for cells."""
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE")


def front_app(front: Front, hosts: Collection[str] = (), door: Door | None = None) -> Starlette:
    """The application that answers for all cells.

    ``hosts`` are the names by which it may be called; none given, it answers to any.
    """
    names, entrance = frozenset(hosts), door or Door()

    async def endpoint(request: Request) -> Response:
        limit_s = request_s(front.configuration)
        try:
            _check_host(request, names)
            await _admit(entrance, request)
            async with asyncio.timeout(limit_s):
                response = await front.answer(request)
        except Problem as problem:
            response = problem.response()
        except Denied as denied:
            response = problem_of(denied).response()
        except TimeoutError:
            response = unavailable(
                f"The request was not answered within {limit_s:.0f} s", "Ask for less."
            ).response()
        except Exception:  # Whatever it is, it is logged and answered.
            logger.exception("request failed", method=request.method, path=request.url.path)
            response = Problem(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "The federation failed to answer this request",
                "This is a mistake of ours; the process's log has its cause.",
            ).response()
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cache-Control"] = "no-store"
        return response

    app = Starlette(routes=[Route("/{path:path}", endpoint, methods=list(METHODS))])
    app.router.redirect_slashes = False
    return app


def request_s(configuration: Configuration) -> float:
    """How long a whole request may take: who has it is asked of all cells, then it goes there.

    30 s by the usual configuration, and always longer than what it waits for.
    """
    patience_s = configuration.timeout_ms / 1_000
    return patience_s + max(patience_s, WRITE_S_MAX) + REST_S


async def _admit(door: Door, request: Request) -> None:
    """Remember who asks, for the cells; raises `Denied`."""
    scope = request.scope
    if not door.is_guarded:
        # Each cell looks for itself: an open front lends nobody its own rights.
        shown = request.headers.get("authorization", "").partition(" ")[2].strip()
        ASKER.set(Asker(shown))
        return
    rule = FEDERATION.get((request.method, request.url.path))
    if rule is not None and rule.reach == "open":
        ASKER.set(Asker())
        return
    principal = await door.admit(scope)
    assert principal is not None
    scope[PRINCIPAL] = principal
    if rule is not None:
        door.check(scope, principal, rule.action, "list")
    proof = door.proof(scope)
    is_own = proof.token and not proof.acting_for
    ASKER.set(Asker(token=proof.token) if is_own else Asker(name=principal.name))


def _check_host(request: Request, names: frozenset[str]) -> None:
    """Refuse names that are not ours, by which a web page could reach a loopback server."""
    if not is_called(request.headers.get("host", ""), names):
        raise Problem(
            HTTPStatus.MISDIRECTED_REQUEST,
            "This server is not called by that name",
            f"Use one of {', '.join(sorted(names))}, or bind it to another address.",
        )
