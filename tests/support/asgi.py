"""Calls an ASGI application without a socket: a request in, the whole answer out.

Each answer is held against the OpenAPI description of the API.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from starlette.types import ASGIApp, Message

from tests.support.described import check_described

JSON = {"Content-Type": "application/json"}
Body = bytes | str | list[Any] | dict[str, Any] | None
Headers = Mapping[str, str | bytes]


@dataclass(frozen=True)
class Answer:
    """What came back; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body's JSON value."""
        return json.loads(self.body)


async def answer(
    app: ASGIApp,
    method: str,
    target: str,
    body: Body = None,
    headers: Headers | None = None,
    *,
    pieces: int = 1,
) -> Answer:
    """The answer to one request; a body that is no bytes is written as JSON, in ``pieces``."""
    data = b"" if body is None else body if isinstance(body, bytes) else _json(body)
    named = {**(JSON if body is not None else {}), **(headers or {})}
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode("latin-1"),
        "root_path": "",
        "headers": [
            *((name.lower().encode(), _bytes(value)) for name, value in named.items()),
            *([(b"content-length", str(len(data)).encode())] if body is not None else []),
        ],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 7_100),
        "state": {},
    }
    size = max(1, -(-len(data) // pieces))
    parts = [data[at : at + size] for at in range(0, len(data), size)] or [b""]
    sent: list[Message] = []

    async def receive() -> Message:
        if not parts:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    begun = sent[0]
    found = {name.decode(): value.decode("latin-1") for name, value in begun["headers"]}
    given = b"".join(each.get("body", b"") for each in sent[1:])
    check_described(method, unquote(path), begun["status"], found.get("content-type", ""), given)
    return Answer(begun["status"], found, given)


def call(
    app: ASGIApp,
    method: str,
    target: str,
    body: Body = None,
    headers: Headers | None = None,
) -> Answer:
    """The same, for a test without other coroutines."""
    return asyncio.run(answer(app, method, target, body, headers))


def _json(body: str | list[Any] | dict[str, Any]) -> bytes:
    return (body if isinstance(body, str) else json.dumps(body)).encode()


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("latin-1")
