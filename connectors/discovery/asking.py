"""One HTTP request to a registry or the API: a time-out, no retry, no redirect, a bounded answer.

The one thing to know: only the standard library is needed, in a thread, so that the registrar
stays small; and no proxy is asked, for a registry stands as near as the API does.
"""

import asyncio
import http.client
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

from connectors.access.outgoing import Credentials
from connectors.http.connecting import connection_to
from connectors.ports import RegistrationFailed
from scheduler.model.reading.bad_bytes import BAD_BYTES

TIMEOUT_S: Final = 5.0
"""For connecting, and for each wait for bytes."""
ANSWER_BYTES_MAX: Final = 64 << 20
NOT_FOUND: Final = 404
_GOOD: Final = range(200, 300)


class Answer(NamedTuple):
    """A status and a body."""

    status: int
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 - whatever a registry says
        """The body, read; raises `RegistrationFailed`."""
        try:
            return msgspec.json.decode(self.body)
        except BAD_BYTES as error:
            text = f"the registry answered {self.status} with no JSON: {error}"
            raise RegistrationFailed(text) from error


class Asking:
    """Requests to one address."""

    def __init__(
        self, url: str, timeout_s: float = TIMEOUT_S, credentials: Credentials | None = None
    ) -> None:
        """``credentials`` where it is a server of ours that is asked."""
        self._credentials = credentials
        self.url = url.rstrip("/")
        self._parts = urlsplit(self.url)
        self._timeout_s = timeout_s

    async def __call__(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        is_found: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """A good answer, or a 404 without ``is_found``; raises `RegistrationFailed` for others."""
        answer = await asyncio.to_thread(self._asked, method, path, body, headers or {})
        is_missing = answer.status == NOT_FOUND and not is_found
        if answer.status in _GOOD or is_missing:
            return answer
        said = answer.body[:200].decode("utf-8", "replace")
        raise RegistrationFailed(f"{self.url} answered {answer.status} to {method} {path}: {said}")

    def _asked(self, method: str, path: str, body: object, more: Mapping[str, str]) -> Answer:
        parts = self._parts
        own = self._credentials
        context = own.context if own is not None else lambda: None
        connection = connection_to(
            parts.hostname or "",
            parts.port,
            self._timeout_s,
            context if parts.scheme == "https" else None,
        )
        headers: Mapping[str, str] = {"Accept": "application/json", **more}
        if own is not None:
            headers = {**headers, **own.headers()}
        data = None
        if body is not None:
            data = msgspec.json.encode(body)
            headers = {**headers, "Content-Type": "application/json"}
        try:
            connection.request(method, parts.path + path, data, dict(headers))
            answer = connection.getresponse()
            found = answer.read(ANSWER_BYTES_MAX + 1)
        except (OSError, http.client.HTTPException) as error:
            raise RegistrationFailed(f"{self.url} cannot be asked: {error!r}") from error
        finally:
            connection.close()
        if len(found) > ANSWER_BYTES_MAX:
            raise RegistrationFailed(f"{self.url} answered with over {ANSWER_BYTES_MAX} bytes")
        return Answer(answer.status, found)
