"""The body of a request: whole, in parts, packed, and never larger in memory than it may be."""

import asyncio
import gzip
from collections.abc import Iterable

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from connectors.devcluster.wire.codec import JSON, PROTOBUF
from connectors.devcluster.wire.negotiation import BODY_BYTES_MAX, accepted, read_body


def request(parts: Iterable[bytes] = (), **headers: str) -> Request:
    """A request as the server hands it on."""
    waiting = list(parts)

    async def receive() -> Message:
        body = waiting.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(waiting)}

    raw = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
    return Request({"type": "http", "method": "POST", "headers": raw}, receive)


def read(*parts: bytes, **headers: str) -> tuple[str, bytes] | tuple[int, str]:
    """Type and bytes of the body, or status and text of the refusal."""
    body = asyncio.run(read_body(request(parts, content_type=JSON, **headers)))
    if isinstance(body, Response):
        return body.status_code, bytes(body.body).decode()
    return body


def test_a_body_is_read_in_its_parts() -> None:
    assert read(b"{", b"", b"}") == (JSON, b"{}")


def test_a_packed_body_is_unpacked() -> None:
    packed = gzip.compress(b'{"type":"REVIVE"}')
    assert read(packed[:7], packed[7:], content_encoding="gzip") == (JSON, b'{"type":"REVIVE"}')


@pytest.mark.parametrize(
    ("packed", "status", "text"),
    [
        (b"{}", 400, "Failed to decode the body as gzip: Error -3"),
        (
            gzip.compress(b"{}", mtime=0)[:-1],
            400,
            "Failed to decode the body as gzip: it is cut off",
        ),
        (
            gzip.compress(b" " * (BODY_BYTES_MAX + 1), 1, mtime=0),
            413,
            "The call is larger than 16777216",
        ),
    ],
)
def test_what_does_not_unpack_to_a_call_is_refused(packed: bytes, status: int, text: str) -> None:
    refused = read(packed, content_encoding="gzip")
    assert refused[0] == status
    assert str(refused[1]).startswith(text)


def test_a_body_is_refused_as_soon_as_it_is_too_large() -> None:
    part = b" " * (BODY_BYTES_MAX // 4)
    # The fifth part is too much; a sixth would have to come before the body could end.
    assert read(*[part] * 4, b" ", b"never read")[0] == 413
    assert read(*[part] * 4)[0] == JSON


def test_the_most_exact_range_decides() -> None:
    assert accepted(request(accept="*/*;q=0, application/x-protobuf")) == PROTOBUF
    assert accepted(request(accept="application/*;q=0, */*")) is None
    assert accepted(request(accept=",, ;q=1")) is None
    assert accepted(request()) == JSON
