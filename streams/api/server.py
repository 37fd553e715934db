"""The HTTP server: uvicorn with limits that do not depend on a caller's good will.

The one thing to know: what an application cannot see is limited here: the bytes and the time of a
request's head, and the number of connections. Bodies and whole requests are limited in
`connectors.web`.
"""

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from connectors.access.door import CERTIFICATE
from connectors.http.never_upgrading import NeverUpgrading
from connectors.web.limits.guarding import Guarding
from streams.api.whole_answer import WholeAnswer
from streams.errors import OperatorError

LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
"""Addresses that only this computer reaches."""
HEAD_BYTES_MAX: Final = 32 * 1024
HEAD_S_MAX: Final = 10.0
KEEP_ALIVE_S: Final = 15
STUCK_S_MAX: Final = 60.0
"""A peer that takes nothing of its answer for so long is cut off, with all that it was to have."""
STOP_S_MAX: Final = 5
CONNECTIONS_MAX: Final = 1_000
CONNECTIONS_OF_ADDRESS_MAX: Final = 500
"""Half of them: one who opens connections and reads nothing leaves the other half to others."""
BACKLOG: Final = 512


class ImpatientProtocol(NeverUpgrading):
    """HTTP/1.1 that ends a connection whose request's head is too long or does not arrive in time.

    So it ends one whose peer does not read.

    Between two requests uvicorn's own timer runs (``timeout_keep_alive``).
    """

    of_addresses: ClassVar[Counter[str]] = Counter()
    """Open connections by address, of one server: see `server_for`."""
    of_address_max = CONNECTIONS_OF_ADDRESS_MAX
    stuck_s_max = STUCK_S_MAX

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's signature
        super().__init__(*args, **kwargs)
        self._head_timer: asyncio.TimerHandle | None = None
        self._stuck_timer: asyncio.TimerHandle | None = None
        self._address = ""
        self._is_head_due = True
        self._is_head_begun = False
        """Whether some of a head is there and the rest is not."""
        self._idle_since_s = 0.0
        """When the last answer ended; 0: a request is under way, or none has been."""
        self._heads = 0
        """How many were whole."""
        self._head_bytes = 0
        """What has been told of the head that comes; the parser keeps what is no whole line."""
        self._certificate = b""
        """The client's, in DER, as the handshake verified it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn
        """Begin to wait for the first head; an address with too many connections gets no more."""
        super().connection_made(transport)
        self._address = str((transport.get_extra_info("peername") or ("",))[0])
        self.of_addresses[self._address] += 1
        if self.of_addresses[self._address] > self.of_address_max:
            transport.abort()
            return
        if (secure := transport.get_extra_info("ssl_object")) is not None:
            self._certificate = secure.getpeercert(binary_form=True) or b""
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Take some bytes; a head that is still not whole must not have grown too long."""
        awaited = self._heads if self._is_head_due else None
        super().data_received(data)
        if self._is_head_due and self._heads == awaited:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self.send_400_response("Head of the request too long.")
        # Nearly every head comes whole: a timer for each would cost more than to read it.
        if self._is_head_begun:
            self._wait_for_head()

    def on_message_begin(self) -> None:
        """The first byte of a head is there."""
        super().on_message_begin()
        if self._certificate:
            self.scope[CERTIFICATE] = self._certificate  # type: ignore[typeddict-unknown-key] # ours
        self._head_bytes = 0
        self._is_head_begun = True

    def on_url(self, url: bytes) -> None:
        """A part of the target is there."""
        self._grow(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header is there."""
        self._grow(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._is_head_due = self._is_head_begun = False
        self._heads += 1
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """What comes now is another head."""
        self._is_head_due = True
        self._head_bytes = 0
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Answer a request, with head and body in one piece."""
        cycle.__class__ = WholeAnswer
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """Begin with the request that waits behind this one; else wait for the next, not for ever.

        As uvicorn does, but one timer a connection looks when the last answer was.
        """
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since_s = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_for_idleness_after(self.timeout_keep_alive)

    def _look_for_idleness_after(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    def timeout_keep_alive_handler(self) -> None:
        """End a connection that has asked for nothing since its last answer, or look again."""
        self.timeout_keep_alive_task = None
        if not self._idle_since_s:
            return  # The end of the answer that is under way begins anew.
        left_s = self._idle_since_s + self.timeout_keep_alive - self.loop.time()
        if left_s > 0:
            self._look_for_idleness_after(left_s)
        else:
            super().timeout_keep_alive_handler()

    def _unset_keepalive_if_required(self) -> None:
        """Something has come: the connection is not idle."""
        self._idle_since_s = 0.0

    def pause_writing(self) -> None:
        """The peer takes less than it is sent; not for ever."""
        super().pause_writing()
        if self._stuck_timer is None:
            self._stuck_timer = self.loop.call_later(self.stuck_s_max, self.transport.abort)

    def resume_writing(self) -> None:
        """The peer takes something again."""
        super().resume_writing()
        self._stop_stuck_timer()

    def _stop_stuck_timer(self) -> None:
        if self._stuck_timer is not None:
            self._stuck_timer.cancel()
            self._stuck_timer = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers with the connection."""
        self._stop_waiting()
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
        self._stop_stuck_timer()
        self.of_addresses[self._address] -= 1
        if not self.of_addresses[self._address]:
            del self.of_addresses[self._address]
        super().connection_lost(exc)

    def _grow(self, count: int) -> None:
        """Count bytes of a head that came at once; what is raised here becomes a 400."""
        self._head_bytes += count
        if self._head_bytes > HEAD_BYTES_MAX:
            raise ValueError("the head is too long")

    def _wait_for_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_S_MAX, self._give_up)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        self.transport.close()


class Server(uvicorn.Server):
    """Serves until told to stop; signals are the business of whoever runs it."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: uvicorn would raise them again after a clean stop."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self._on_started()


def listening_socket(bind: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 takes a free one. Raises `OperatorError`."""
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((bind, port))
    except OSError as error:
        listener.close()
        raise OperatorError(
            f"The API cannot listen on {bind} port {port}: {error.strerror or error}.",
            "Another process has the port, or the address is not of this computer.",
            "Choose another with --port or --bind; port 0 takes a free one.",
        ) from error
    return listener


def url_of(listener: socket.socket, *, is_tls: bool = False) -> str:
    """The address by which the socket is reached from this computer."""
    scheme = "https" if is_tls else "http"
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - a name, no bind
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def server_for(
    app: ASGIApp,
    on_started: Callable[[], None],
    *,
    of_address_max: int = CONNECTIONS_OF_ADDRESS_MAX,
    tls: ssl.SSLContext | None = None,
) -> Server:
    """The server for ``app``, with every limit set; ``tls`` None: it speaks plain HTTP."""
    books = {"of_addresses": Counter(), "of_address_max": of_address_max}
    config = uvicorn.Config(
        Guarding(app),
        http=type("CountingProtocol", (ImpatientProtocol,), books),
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_S_MAX,
    )
    if tls is not None:
        config.load()
        config.ssl = tls
    return Server(config, on_started)
