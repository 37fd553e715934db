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

from connectors.federation.front import Front
from connectors.web.problems import Problem, unavailable

logger = structlog.get_logger(__name__)

REQUEST_S_MAX: Final = 30.0
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE")


def front_app(front: Front, hosts: Collection[str] = ()) -> Starlette:
    """The application that answers for all cells.

    ``hosts`` are the names by which it may be called; none given, it answers to any.
    """
    names = frozenset(hosts)

    async def endpoint(request: Request) -> Response:
        try:
            _check_host(request, names)
            async with asyncio.timeout(REQUEST_S_MAX):
                response = await front.answer(request)
        except Problem as problem:
            response = problem.response()
        except TimeoutError:
            response = unavailable(
                f"The request was not answered within {REQUEST_S_MAX:.0f} s", "Ask for less."
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


def _check_host(request: Request, names: frozenset[str]) -> None:
    """Refuse names that are not ours, by which a web page could reach a loopback server."""
    given = request.headers.get("host", "")
    name = given.rpartition(":")[0] if given.rpartition(":")[2].isdecimal() else given
    if names and name.lower() not in names:
        raise Problem(
            HTTPStatus.MISDIRECTED_REQUEST,
            "This server is not called by that name",
            f"Use one of {', '.join(sorted(names))}, or bind it to another address.",
        )
