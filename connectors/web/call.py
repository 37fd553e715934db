"""One request as a handler sees it: the API, the path's names, the query, and the body's reader.

The one thing to know: a handler reads all that it wants, calls ``query.done()``, and only then
looks or writes.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from connectors.web.api import Api
from connectors.web.requests import Query


@dataclass(frozen=True, slots=True)
class Call:
    """One request."""

    api: Api
    request: Request
    query: Query

    @property
    def path_id(self) -> str:
        """The id in the path."""
        return str(self.request.path_params["id"])


Handler = Callable[[Call], Awaitable[Response]]
