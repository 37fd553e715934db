"""What every answer of every door has: a request id, and headers that keep browsers from harm.

The one thing to know: this stands outside of the applications, so that refusals, failures and what
a handler forgot have them too. An application that says a header itself is not contradicted: the
console has its own policy of contents, and an API answer, which nobody should ever run, the
strictest one.
"""

import re
import secrets
from collections.abc import Iterable
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUEST_ID: Final = "X-Request-Id"
"""A caller's name for a request; in our log lines it is ``request_id``."""
REQUEST_ID_IN_SCOPE: Final = "flumina.request_id"
_GOOD_ID: Final = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}", re.ASCII)
"""Printable, without blanks or quotes: it stands in log lines and headers as it came."""
API_POLICY: Final = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE_POLICY: Final = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""Of an HTML file that the API hands out: it says the rest itself, by the hashes of its parts."""
HSTS: Final = "max-age=31536000; includeSubDomains"
"""A year, as hstspreload.org asks for; only where TLS is spoken."""
ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

Header = tuple[bytes, bytes]
_REQUEST_ID: Final = REQUEST_ID.lower().encode()
_ALWAYS: Final = tuple((name.lower().encode(), value.encode()) for name, value in ALWAYS.items())
_POLICY: Final = b"content-security-policy"
_API_POLICY: Final = (_POLICY, API_POLICY.encode())
_PAGE_POLICY: Final = (_POLICY, PAGE_POLICY.encode())
_HSTS: Final = (b"strict-transport-security", HSTS.encode())


class Guarding:
    """Wraps the application of a door."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on under its id, and its answer back with what each one has."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = request_id_of(_given_id(scope["headers"]))
        scope[REQUEST_ID_IN_SCOPE] = request_id
        is_secure = scope.get("scheme") == "https"

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message.get("headers", ())
                message["headers"] = _guarded(given, request_id.encode(), is_secure=is_secure)
            await send(message)

        # Not `bound_contextvars`: it copies the whole context to learn what was bound before, and
        # nothing is, for each request has a context of its own.
        structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            await self._app(scope, receive, sent)
        finally:
            structlog.contextvars.unbind_contextvars("request_id")


def _given_id(headers: Iterable[Header]) -> str:
    """The request's own name for itself, if it has one."""
    for name, value in headers:
        if name == _REQUEST_ID:
            return value.decode("latin-1")
    return ""


def _guarded(given: Iterable[Header], request_id: bytes, *, is_secure: bool) -> list[Header]:
    """The headers of an answer with those that each one has; what it says itself stays."""
    headers = [each for each in given if each[0] != _REQUEST_ID]
    said = dict(headers)
    headers.append((_REQUEST_ID, request_id))
    headers += [each for each in _ALWAYS if each[0] not in said]
    if _POLICY not in said:
        is_page = said.get(b"content-type", b"").startswith(b"text/html")
        headers.append(_PAGE_POLICY if is_page else _API_POLICY)
    if is_secure and _HSTS[0] not in said:
        headers.append(_HSTS)
    return headers


def request_headers() -> list[tuple[str, bytes]]:
    """The request under way as headers of a Kafka record, so that the log names who caused it."""
    request_id = structlog.contextvars.get_contextvars().get("request_id", "")
    return [(REQUEST_ID.lower(), str(request_id).encode())] if request_id else []


def request_id_of(given: str) -> str:
    """The caller's own id where it is one; else a new one. Never a reason to refuse."""
    return given if _GOOD_ID.fullmatch(given) else secrets.token_hex(16)
