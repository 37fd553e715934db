"""Bodies of requests to the query process, which are small."""

from http import HTTPStatus

from starlette.requests import Request

from connectors.web.query.problems import QueryProblem


async def bounded_body(request: Request, bytes_max: int) -> bytes:
    """The body; raises `QueryProblem` as soon as it has more bytes."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > bytes_max:
            raise QueryProblem(
                "too-large",
                f"A body has at most {bytes_max} bytes.",
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            )
    return bytes(body)
