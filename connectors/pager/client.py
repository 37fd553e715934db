"""The webhook: one request for one page, with time-outs, and no more than that.

The one thing to know: whoever calls it decides about retries. A redirect is not followed and of an
answer only the status counts, so the receiver cannot lead us anywhere.
"""

import contextlib
import http.client
from typing import Final
from urllib.parse import urlsplit

from connectors.http.patience import ended_after
from connectors.pager.translate import Page, body_of, headers_of

TIMEOUT_S: Final = 5.0
"""For connecting, and for each wait for bytes; of the answer only its head is waited for."""
TOTAL_S: Final = 15.0
"""For one request in all, however slowly its answer comes."""
OK_LEAST: Final = 200
OK_END: Final = 300


class PageFailed(OSError):
    """The webhook did not take a page; says why, without the URL's secrets."""

    def __init__(self, text: str, retry_after_s: float = 0.0) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s
        """What the receiver asked for; 0 where it did not."""


class Webhook:
    """Where pages go. The URL may hold a secret, so it is never shown: `shown_url` is."""

    def __init__(self, url: str, secret: str = "", timeout_s: float = TIMEOUT_S) -> None:
        self._parts = urlsplit(url)
        self._secret = secret
        self._timeout_s = timeout_s

    @property
    def shown_url(self) -> str:
        """Scheme and host, for people."""
        return f"{self._parts.scheme}://{self._parts.hostname}/..."

    def send(self, page: Page, at_ms: int) -> None:
        """Return when the receiver has taken the page (2xx); raises `PageFailed` else."""
        body = body_of(page)
        headers = headers_of(page, body, self._secret, at_ms)
        target = self._parts.path or "/"
        if self._parts.query:
            target = f"{target}?{self._parts.query}"
        status, retry_after = self._asked(target, body, headers)
        if not OK_LEAST <= status < OK_END:
            raise PageFailed(f"{self.shown_url} answered {status}", _seconds(retry_after))

    def _asked(self, target: str, body: bytes, headers: dict[str, str]) -> tuple[int, str | None]:
        connection = self._connection()
        try:
            with ended_after(connection, TOTAL_S):
                connection.request("POST", target, body, headers)
                with contextlib.closing(connection.getresponse()) as answer:
                    return answer.status, answer.getheader("Retry-After")
        except (OSError, http.client.HTTPException) as error:
            raise PageFailed(f"{self.shown_url} does not answer: {error!r}") from error
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        host = self._parts.hostname or ""
        kind = (
            http.client.HTTPSConnection
            if self._parts.scheme == "https"
            else http.client.HTTPConnection
        )
        return kind(host, self._parts.port, timeout=self._timeout_s)


def _seconds(text: str | None) -> float:
    """A Retry-After in seconds, at most a minute; other forms of it are not heeded."""
    return min(float(text), 60.0) if text and text.isdecimal() else 0.0
