"""A page of metrics in a thread of its own, for processes that serve nothing else.

The one thing to know: it has the same door as every other server: beyond loopback it asks who
reads, and speaks TLS. A connection has seconds and its own thread, so none keeps another waiting.
"""

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from connectors.access.door import CERTIFICATE, Denied
from connectors.access.table import METRICS
from streams.access.opening import demand_closed, door_of, tls_of
from streams.errors import OperatorError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from streams.settings import Settings

REQUEST_S_MAX: Final = 10.0
CONNECTIONS_MAX: Final = 16
PATH: Final = "/metrics"
Start = Callable[[str, list[tuple[str, str]]], Any]


class _Server(ThreadingMixIn, WSGIServer):
    """Serves each connection in a thread, as many as there may be; the handshake is its own."""

    daemon_threads = True
    tls: ssl.SSLContext | None = None

    def __init__(self, *args: Any) -> None:  # noqa: ANN401 - the library's
        super().__init__(*args)
        self._room = threading.Semaphore(CONNECTIONS_MAX)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - see above
        """Begin a thread, or turn the connection away."""
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Answer one connection."""
        try:
            request.settimeout(REQUEST_S_MAX)
            if self.tls is not None:
                # Here and not where it listens: a slow handshake keeps nobody else waiting.
                request = self.tls.wrap_socket(request, server_side=True)
            super().process_request_thread(request, client_address)
        except OSError:
            self.shutdown_request(request)  # A stranger, or one who is too slow.
        finally:
            self._room.release()

    def handle_error(self, *_: Any) -> None:  # noqa: ANN401 - see above
        """Say nothing of connections that break."""


class _Handler(WSGIRequestHandler):
    def get_environ(self) -> dict[str, Any]:
        """The request, with the client's certificate."""
        found: dict[str, Any] = super().get_environ()
        if isinstance(self.connection, ssl.SSLSocket):
            found[CERTIFICATE] = self.connection.getpeercert(binary_form=True) or b""
        return found

    def log_message(self, *_: Any) -> None:  # noqa: ANN401 - the library's
        """Nothing: who scrapes does so every few seconds."""


class MetricsPage:
    """A page that is served until `close`."""

    def __init__(
        self, settings: "Settings", port: int, registry: "CollectorRegistry", bind: str = ""
    ) -> None:
        """Begin to serve; port 0 takes a free one. Raises `OperatorError`."""
        address = bind or settings.metrics_bind
        demand_closed(settings, address)
        self._door, tls = door_of(settings), tls_of(settings)
        self._registry = registry
        self._entering = threading.Lock()
        """Held while one is let in: what is asked for that belongs to one loop at a time."""
        try:
            self._server = _Server((address, port), _Handler)
        except OSError as error:
            raise OperatorError(
                f"Metrics cannot be served on port {port}: {error}.",
                "Another process listens there.",
                "Choose another --metrics-port; 0 takes a free one.",
            ) from error
        self._server.tls = tls
        self._server.set_app(self._answered)
        scheme, shown = "https" if tls else "http", address
        self.url = f"{scheme}://{shown}:{self._server.server_port}{PATH}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answered(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest  # noqa: PLC0415 - see there

        if environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
            return _said(start, HTTPStatus.METHOD_NOT_ALLOWED, "Only GET is taken.", [])
        try:
            with self._entering:
                asyncio.run(self._enter(environ))
        except Denied as denied:
            return _said(start, denied.status, denied.text, list(denied.headers.items()))
        if environ["PATH_INFO"] not in {PATH, "/"}:
            return _said(start, HTTPStatus.NOT_FOUND, f"The page is {PATH}.", [])
        start("200 OK", [("Content-Type", CONTENT_TYPE_LATEST), ("Cache-Control", "no-store")])
        return [generate_latest(self._registry)]

    async def _enter(self, environ: dict[str, Any]) -> None:
        if not self._door.is_guarded:
            return
        scope = _scope_of(environ)
        principal = await self._door.admit(scope)
        rule = METRICS["GET", PATH]
        assert principal is not None
        self._door.check(scope, principal, rule.action, "cell")


def _scope_of(environ: dict[str, Any]) -> dict[str, Any]:
    """The request as the door looks at it."""
    headers = [
        (name.removeprefix("HTTP_").replace("_", "-").lower().encode(), value.encode("latin-1"))
        for name, value in environ.items()
        if name.startswith("HTTP_")
    ]
    return {
        "headers": headers,
        "method": environ["REQUEST_METHOD"],
        "path": environ["PATH_INFO"],
        "client": (environ.get("REMOTE_ADDR", "nowhere"), 0),
        CERTIFICATE: environ.get(CERTIFICATE, b""),
    }


def _said(
    start: Start, status: HTTPStatus, text: str, headers: list[tuple[str, str]]
) -> list[bytes]:
    start(f"{status.value} {status.phrase}", [("Content-Type", "text/plain"), *headers])
    return [f"{text}\n".encode()]
