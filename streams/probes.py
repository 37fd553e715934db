"""Three answers about one process: does it live, may it be used, has it begun.

The one thing to know: they mean three things. ``/live`` is answered by the loop that does the work
and looks at nothing else, least of all Kafka: a process that is started again because Kafka is away
makes the outage longer. ``/ready`` is 200 while the process is caught up; ``/started`` is 200 for
good from when it was ready first. The page has no data of anybody's and asks for no token.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, NamedTuple, TypeVar

import structlog

from streams.errors import OperatorError

logger = structlog.get_logger(__name__)

Result = TypeVar("Result")

HEAD_BYTES_MAX: Final = 8_192
ASKING_S_MAX: Final = 5.0
OPEN_MAX: Final = 32
_WORDS: Final = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    503: "Service Unavailable",
}


class ProbeAddress(NamedTuple):
    """Where the three answers are given."""

    host: str
    port: int


def probe_address_of(text: str) -> ProbeAddress:
    """The address that ``HOST:PORT`` names; raises `ValueError`."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise ValueError("write HOST:PORT, such as 0.0.0.0:7190")
    return ProbeAddress(host.strip("[]"), int(port))


class Probes:
    """What one process says of itself."""

    def __init__(self, why_not_ready: Callable[[], str] = lambda: "") -> None:
        self.why_not_ready = why_not_ready
        """Asked at each request; empty while the process is caught up."""
        self.trouble = ""
        """Set by who has it at hand: why the last round came to nothing; empty when it did."""
        self.is_started = False
        self.url = ""
        """Where it is answered; empty where nobody is."""

    def begun(self, line: str) -> None:
        """Print ``line``, by which a supervisor knows, and say from now on that it has begun."""
        self.is_started = True
        print(line, flush=True)

    @contextlib.asynccontextmanager
    async def served(self, address: ProbeAddress | None) -> AsyncIterator[None]:
        """Answer at this address while the block runs; without one nobody listens.

        Raises `OperatorError` where the port is taken.
        """
        if address is None:
            yield
            return
        try:
            server = await asyncio.start_server(
                self.on_connection,
                address.host,
                address.port,
                limit=HEAD_BYTES_MAX,
                backlog=OPEN_MAX,
            )
        except OSError as error:
            raise OperatorError(
                f"Probes cannot be answered at {address.host}:{address.port}: {error}.",
                "Another process listens there.",
                "Give FLUMINA_PROBES another port; 0 takes a free one.",
            ) from error
        port = server.sockets[0].getsockname()[1]
        self.url = f"http://{address.host}:{port}"
        logger.info("probes are answered", address=self.url)
        try:
            yield
        finally:
            server.close()

    def answer(self, path: str) -> tuple[int, dict[str, object]]:
        """The status and the body for this path."""
        if path == "/live":
            return 200, {"isLive": True}
        if path == "/started":
            return (200 if self.is_started else 503), {"isStarted": self.is_started}
        if path == "/ready":
            why = self._why() if self.is_started else "it has not begun yet"
            return (503 if why else 200), {"isReady": not why, "why": why}
        return 404, {"why": "there are /live, /ready and /started"}

    def _why(self) -> str:
        return self.trouble or self.why_not_ready()

    async def on_connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer one request, and close."""
        try:
            async with asyncio.timeout(ASKING_S_MAX):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._reply(head))
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            # Who asks too slowly, or too much, is not answered; nothing was begun for it.
            return
        finally:
            writer.close()

    def _reply(self, head: bytes) -> bytes:
        body: dict[str, object]
        words = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
        if len(words) != 3:
            status, body = 400, {"why": "that is no HTTP"}
        elif words[0] not in {"GET", "HEAD"}:
            status, body = 405, {"why": "GET and HEAD only"}
        else:
            status, body = self.answer(words[1].partition("?")[0])
        text = json.dumps(body).encode()
        top = (
            f"HTTP/1.1 {status} {_WORDS[status]}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(text)}\r\nConnection: close\r\n\r\n"
        )
        return top.encode() + (b"" if words[0] == "HEAD" else text)


@contextlib.asynccontextmanager
async def probed(
    address: ProbeAddress | None, why_not_ready: Callable[[], str] = lambda: ""
) -> AsyncIterator[Probes]:
    """The answers of this process, given while the block runs; call `begun` in it."""
    probes = Probes(why_not_ready)
    async with probes.served(address):
        yield probes


async def run_probed(
    address: ProbeAddress | None, work: Callable[[Probes], Awaitable[Result]]
) -> Result:
    """What comes of the work, which is given the probes that are answered meanwhile."""
    async with probed(address) as probes:
        return await work(probes)
