"""The HTTP head of the v1 APIs: which content types come and go, and the body of a request.

The one thing to know: Mesos prefers JSON. Whatever the q-values say, a client that accepts both
gets JSON, and of a header that is given twice only the last one counts.
"""

import zlib
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from connectors.devcluster.wire.codec import JSON, PROTOBUF, ContentType

# What unfolds from a body of this size, two bytes to a message, stays below half a gigabyte.
BODY_BYTES_MAX = 16 * 1024 * 1024
_GZIP = zlib.MAX_WBITS | 16

WRONG_TYPE = f"Expecting 'Content-Type' of {JSON} or {PROTOBUF}"
NOT_ACCEPTABLE = f"Expecting 'Accept' to allow '{PROTOBUF}' or '{JSON}'"


def refusal(status: int, text: str) -> Response:
    """An answer that says in plain text why a request is refused."""
    return PlainTextResponse(text, status)


async def _not_found(_request: Request, _error: Exception) -> Response:
    return refusal(404, "404 Not Found.")


async def _not_allowed(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    named = (error.headers or {}).get("Allow", "").split(", ")
    allowed = ", ".join(sorted(method for method in named if method != "HEAD"))
    methods = ", ".join(f"'{method}'" for method in allowed.split(", "))
    answer = refusal(
        405,
        f"405 Method Not Allowed. Expecting one of {{ {methods} }}, "
        f"but received '{request.method}'.",
    )
    answer.headers["Allow"] = allowed
    return answer


# For Starlette: what it refuses by itself, in Mesos' words.
HTTP_ERRORS: Mapping[Any, Any] = {404: _not_found, 405: _not_allowed}


def content_type(request: Request) -> ContentType | Response:
    """What the request's body is, or the refusal of anything else."""
    match last_header(request, "content-type"):
        case None:
            return refusal(400, "Expecting 'Content-Type' to be present")
        case "application/json":
            return JSON
        case "application/x-protobuf":
            return PROTOBUF
        case _:
            return refusal(415, WRONG_TYPE)


def accepted(request: Request) -> ContentType | None:
    """What the answer shall be: JSON if the client takes it, else protobuf, else nothing."""
    accept = last_header(request, "accept")
    if accept is None:
        return JSON
    ranges = dict(_range(item) for item in accept.split(","))
    for offered in (JSON, PROTOBUF):
        # The most exact range decides, so "application/json;q=0, */*" asks for protobuf.
        for name in (offered, "application/*", "*/*"):
            if name in ranges:
                if ranges[name]:
                    return offered
                break
    return None


def last_header(request: Request, name: str) -> str | None:
    """The value of a header; the last one if it is given more than once."""
    values = request.headers.getlist(name)
    return values[-1] if values else None


def _range(item: str) -> tuple[str, bool]:
    """A media range and whether its quality is above zero; one that is no number counts as zero."""
    name, *parameters = (part.strip() for part in item.lower().split(";"))
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                return name, float(value) > 0
            except ValueError:
                return name, False
    return name, True


async def read_body(request: Request) -> tuple[ContentType, bytes] | Response:
    """Type and bytes of the request's body, or the refusal of what is none or is too large."""
    kind = content_type(request)
    if isinstance(kind, Response):
        return kind
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > BODY_BYTES_MAX:
            return refusal(413, f"The call is larger than {BODY_BYTES_MAX} bytes")
    if request.headers.get("content-encoding") == "gzip":
        return _unpacked(kind, bytes(body))
    return kind, bytes(body)


def _unpacked(kind: ContentType, body: bytes) -> tuple[ContentType, bytes] | Response:
    unpacking = zlib.decompressobj(_GZIP)
    try:
        unpacked = unpacking.decompress(body, BODY_BYTES_MAX)
    except zlib.error as error:
        return refusal(400, f"Failed to decode the body as gzip: {error}")
    if unpacking.unconsumed_tail:
        return refusal(413, f"The call is larger than {BODY_BYTES_MAX} bytes")
    if not unpacking.eof:
        return refusal(400, "Failed to decode the body as gzip: it is cut off")
    return kind, unpacked
