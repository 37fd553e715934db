"""The console over a cell in memory, behind a real socket: one origin, as the query process has it.

The one thing to know: static files, headers and API are the delivered ones; only the cell behind
them is in memory, so it can have ten thousand hosts a moment after the start.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import Request
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from connectors.access.door import Door
from connectors.web.query.access import ME, access_routes
from connectors.web.query.app import HEADERS, PASSED
from connectors.web.query.console import ConsoleFiles
from tests.support.served import served
from tests.support.web_cell import WebCell


class OneOrigin:
    """The API where the query process passes it on, and the console's files elsewhere."""

    def __init__(self, api: ASGIApp) -> None:
        self._api = api
        self._files = ConsoleFiles()
        self._access = Router(access_routes(Door()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["path"] == ME:
            await self._access(scope, receive, send)
            return
        if scope["type"] != "http" or scope["path"].startswith(PASSED):
            await self._api(scope, receive, send)
            return
        response = await self._files.answer(Request(scope, receive))
        response.headers.update(HEADERS)
        await response(scope, receive, send)


@contextmanager
def console_of(web: WebCell) -> Iterator[str]:
    """The address of the console over this cell, for as long as the ``with`` lasts."""
    with served(OneOrigin(web.app)) as there:
        yield there.url
