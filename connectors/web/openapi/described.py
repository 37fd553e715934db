"""The handler that serves the description of the very table it stands in.

The one thing to know: it is made when it is first asked for, some 20 ms, and kept as bytes.
"""

from functools import cache

import orjson
from starlette.responses import Response

from connectors.web.call import Call, Handler
from connectors.web.openapi.document import Routes, openapi_document
from connectors.web.problems import JSON


def described(routes: Routes) -> Handler:
    """What answers with the OpenAPI description of these routes."""

    @cache
    def document() -> bytes:
        return orjson.dumps(openapi_document(routes))

    async def openapi(call: Call) -> Response:
        """The description of all paths, OpenAPI 3.1."""
        call.query.done()
        return Response(document(), media_type=JSON)

    return openapi
