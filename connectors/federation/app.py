"""The federation's front as an ASGI application.

The one thing to know: it keeps nothing of any cell. It may be killed at any moment and any number
of it may run; what it remembers, which cell has which job, is looked for again.
"""

import asyncio
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


def front_app(front: Front) -> Starlette:
    """The application that answers for all cells."""

    async def endpoint(request: Request) -> Response:
        try:
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
