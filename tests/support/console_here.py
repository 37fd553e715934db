"""The console over a cell in memory, behind a real socket: one origin, as the query process has it.

The one thing to know: static files and API are the delivered ones; only the cell behind them is in
memory, so it can have ten thousand hosts a moment after the start.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.support.served import served
from tests.support.web_cell import WebCell

STATIC: Final = Path(__file__).parents[2] / "connectors" / "web" / "console" / "static"
POLICY: Final = (
    b"default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
    b"frame-ancestors 'none'"
)
"""What the console may load: nothing but its own origin, and no text as script or style."""


class OneOrigin:
    """The API below ``/api``, ``/health`` and ``/metrics``, and the console's files elsewhere."""

    def __init__(self, api: ASGIApp) -> None:
        self._api = api
        self._files = StaticFiles(directory=STATIC, html=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        is_api = scope["type"] != "http" or scope["path"].startswith(("/api/", "/health"))
        if is_api:
            await self._api(scope, receive, send)
            return

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message["headers"], (b"content-security-policy", POLICY)]
                message = {**message, "headers": headers}
            await send(message)

        await self._files(scope, receive, send_with_policy)


@contextmanager
def console_of(web: WebCell) -> Iterator[str]:
    """The address of the console over this cell, for as long as the ``with`` lasts."""
    with served(OneOrigin(web.app)) as there:
        yield there.url
