"""One request for one event: a checked address, an end in time, and of the answer only its status.

The one thing to know: whoever calls it decides about retries. A redirect is an answer that is no
success, the body of an answer is never read, and no proxy is asked, so the receiver cannot lead us
anywhere or make us hold anything.
"""

import contextlib
import functools
import http.client
import socket
import ssl
from collections.abc import Callable
from typing import Final
from urllib.parse import SplitResult, urlsplit

from connectors.http.patience import ended_after
from connectors.webhooks.addresses import Network, permitted, resolved
from connectors.webhooks.translate import Event, body_of, headers_of

TIMEOUT_S: Final = 5.0
"""For connecting, and for each wait for bytes."""
TOTAL_S: Final = 15.0
"""For one request in all, however slowly its answer comes."""
ADDRESSES_MAX: Final = 4
"""Of a name, tried one after the other."""
RETRY_AFTER_S_MAX: Final = 3_600.0
_GOOD: Final = range(200, 300)


class DeliveryFailed(OSError):
    """A receiver did not take an event; says why, without what the URL may hide in its query."""

    def __init__(self, text: str, retry_after_s: float = 0.0, status: int = 0) -> None:
        super().__init__(text)
        self.status = status
        """What it answered; 0 where it did not."""
        self.retry_after_s = retry_after_s
        """What the receiver asked for; 0 where it did not."""


Resolver = Callable[[str, int], list[str]]


class Sender:
    """Sends to any receiver; may be used by several threads at once."""

    def __init__(
        self,
        allowed: tuple[Network, ...] = (),
        *,
        resolver: Resolver = resolved,
        context: ssl.SSLContext | None = None,
        timeout_s: float = TIMEOUT_S,
        total_s: float = TOTAL_S,
    ) -> None:
        """``allowed``: networks that may be connected to although they are not public."""
        self._allowed = allowed
        self._resolver = resolver
        self._own_context = context
        self._timeout_s, self._total_s = timeout_s, total_s

    def send(self, url: str, name: str, event: Event, secret: str, at_ms: int) -> int:
        """The status with which the receiver took the event (2xx); raises `DeliveryFailed`."""
        parts = urlsplit(url)
        shown = f"{parts.scheme}://{parts.netloc}"
        body = body_of(event)
        headers = headers_of(event, name, body, secret, at_ms)
        target = parts.path or "/"
        if parts.query:
            target = f"{target}?{parts.query}"
        try:
            with (
                contextlib.closing(self._connection(parts)) as connection,
                ended_after(connection, self._total_s),
            ):
                self._open(connection, parts)
                connection.request("POST", target, body, headers)
                with contextlib.closing(connection.getresponse()) as answer:
                    status, later = answer.status, answer.getheader("Retry-After")
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise DeliveryFailed(f"{shown} cannot be asked: {_text(error)}") from error
        if status not in _GOOD:
            where = " (redirects are not followed)" if status // 100 == 3 else ""
            raise DeliveryFailed(f"{shown} answered {status}{where}", _seconds(later), status)
        return status

    @functools.cached_property
    def _context(self) -> ssl.SSLContext:
        """Read with the first receiver that has TLS: all authorities take 20 ms."""
        return self._own_context or ssl.create_default_context()

    def _connection(self, parts: SplitResult) -> http.client.HTTPConnection:
        host = parts.hostname or ""
        if parts.scheme == "https":
            return http.client.HTTPSConnection(
                host, parts.port, timeout=self._timeout_s, context=self._context
            )
        return http.client.HTTPConnection(host, parts.port, timeout=self._timeout_s)

    def _open(self, connection: http.client.HTTPConnection, parts: SplitResult) -> None:
        """Connect to the address that was looked at, and to no other."""
        is_plain = parts.scheme != "https"
        host, port = connection.host, connection.port
        found = self._resolver(host, port)
        good = permitted(host, found, is_plain=is_plain, allowed=self._allowed)
        connection.sock = self._connected(good[:ADDRESSES_MAX], port)
        if not is_plain:
            wrapped = self._context.wrap_socket(
                connection.sock, server_hostname=host, do_handshake_on_connect=False
            )
            connection.sock = wrapped  # Before the handshake, so that it has an end as well.
            wrapped.do_handshake()

    def _connected(self, addresses: list[str], port: int) -> socket.socket:
        *others, last = addresses
        for address in others:
            with contextlib.suppress(OSError):
                return socket.create_connection((address, port), self._timeout_s)
        return socket.create_connection((last, port), self._timeout_s)


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__


def _seconds(text: str | None) -> float:
    """A Retry-After in seconds, at most an hour; other forms of it are not heeded."""
    is_number = bool(text) and text.isdecimal() and len(text) < 10 if text else False
    return min(float(text), RETRY_AFTER_S_MAX) if text and is_number else 0.0
