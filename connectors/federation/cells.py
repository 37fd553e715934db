"""The cells' APIs as the federation asks them: each with a time-out of its own, none for another.

The one thing to know: a cell that does not answer is a fact to be told, and never an error of the
whole. Only where the one cell that matters is silent has a request failed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextvars import ContextVar
from typing import Any, Final, NamedTuple

import aiohttp
import msgspec
import structlog

from connectors.access.door import ACTING_FOR
from connectors.access.outgoing import Credentials
from connectors.federation.configuration import FederatedCell

logger = structlog.get_logger(__name__)

ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024
WRITE_S_MAX: Final = 25.0
"""Below what the edge gives a request; a cell waits two seconds for its fold."""
STREAM_SILENT_S_MAX: Final = 120.0
"""A stream says something every few seconds; one that is silent for so long is broken."""
STALE: Final = "X-Flumina-Stale"
PASSED_DOWN: Final = (
    "X-Flumina-Actor",
    "X-Flumina-At-Least",
    "Idempotency-Key",
    "If-Match",
    "Content-Type",
    "Accept",
    "Last-Event-ID",
)
PASSED_UP: Final = (
    "ETag",
    "Location",
    "Retry-After",
    "Content-Type",
    "X-Flumina-Offset",
    "X-Flumina-Token",
    "X-Flumina-Repeated",
    "X-Flumina-Cell-Full",
    "X-Flumina-Log-Offset",
    "X-Flumina-Log-Next-Offset",
    "X-Flumina-Log-Note",
    "X-Flumina-Stale",
)


class Asker(NamedTuple):
    """Who asked the front; the same asks every cell, and no cell is asked with more rights."""

    token: str = ""
    name: str = ""
    """Where a certificate says it; empty behind an open door."""


ASKER: Final[ContextVar[Asker | None]] = ContextVar("asker", default=None)
"""Set while a request is answered; None for what the front asks by itself."""


class Answer(msgspec.Struct, frozen=True):
    """What a cell's API said."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def stale(self) -> str:
        """Why it may be behind; empty where it is not."""
        return self.headers.get(STALE, "")


class Silent(msgspec.Struct, frozen=True):
    """A cell that did not answer, and how."""

    cell: str
    why: str


class Opened:
    """An answer that goes on: a stream of events, as its cell sends it."""

    def __init__(self, cell: str, response: aiohttp.ClientResponse) -> None:
        self._cell = cell
        self._response = response
        self.status = response.status
        self.headers = _passed_up(response)

    async def pieces(self) -> AsyncIterator[bytes]:
        """What the cell sends, until it or the reader ends; a stream that breaks has an end."""
        try:
            async for piece in self._response.content.iter_any():
                yield piece
        except (aiohttp.ClientError, OSError) as error:
            # The reader sees the end, and asks again from the last event's id.
            logger.info("a cell's stream broke", cell=self._cell, why=repr(error))
        finally:
            self._response.close()


class Ask(msgspec.Struct, frozen=True):
    """One request, as it goes to a cell."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = {}
    body: bytes | None = None


class Cells:
    """Connections to the cells' APIs."""

    def __init__(self, credentials: Credentials | None = None) -> None:
        """``credentials`` are the front's own: for what it asks by itself, and for others."""
        self._credentials = credentials or Credentials()
        self._http: aiohttp.ClientSession | None = None

    async def ask(self, cell: FederatedCell, ask: Ask, timeout_s: float) -> Answer | Silent:
        """What the cell answers, whatever its status."""
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._session().request(
                    ask.method,
                    cell.api + ask.path,
                    params=list(ask.query),
                    headers=self._shown(ask.headers),
                    data=ask.body,
                    allow_redirects=False,
                    **self._secure(cell.api),
                ) as answer,
            ):
                body = await answer.content.read(ANSWER_BYTES_MAX + 1)
                while len(body) <= ANSWER_BYTES_MAX and (more := await answer.content.readany()):
                    body += more
                if len(body) > ANSWER_BYTES_MAX:
                    return Silent(cell.name, f"answered with more than {ANSWER_BYTES_MAX} bytes")
                return Answer(answer.status, _passed_up(answer), body)
        except TimeoutError:
            return Silent(cell.name, f"did not answer within {timeout_s:g} s")
        except (aiohttp.ClientError, OSError) as error:
            return Silent(cell.name, f"cannot be reached: {error!r}")

    async def open(self, cell: FederatedCell, ask: Ask, timeout_s: float) -> Opened | Silent:
        """The cell's stream, once it has begun within the time; it may last for ever."""
        try:
            async with asyncio.timeout(timeout_s):
                response = await self._session().request(
                    ask.method,
                    cell.api + ask.path,
                    params=list(ask.query),
                    headers=self._shown(ask.headers),
                    allow_redirects=False,
                    **self._secure(cell.api),
                    timeout=aiohttp.ClientTimeout(total=None, sock_read=STREAM_SILENT_S_MAX),
                )
        except TimeoutError:
            return Silent(cell.name, f"did not answer within {timeout_s:g} s")
        except (aiohttp.ClientError, OSError) as error:
            return Silent(cell.name, f"cannot be reached: {error!r}")
        return Opened(cell.name, response)

    def _shown(self, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers, and for whom it is asked; by itself where nobody asked."""
        asker = ASKER.get()
        own = self._credentials.headers()
        if asker is None:
            return {**headers, **own}
        if asker.token:
            return {**headers, "Authorization": f"Bearer {asker.token}"}
        # A certificate ends here: the cell believes the front, which it knows as a delegate.
        return {**headers, **own, ACTING_FOR: asker.name} if asker.name else dict(headers)

    def _secure(self, url: str) -> dict[str, Any]:
        return {"ssl": self._credentials.context()} if url.startswith("https:") else {}

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        return self._http

    async def ask_each(
        self, asked: Mapping[FederatedCell, Ask], timeout_s: float
    ) -> dict[str, Answer | Silent]:
        """What each cell answers, all asked at the same time."""
        found = await asyncio.gather(
            *(self.ask(cell, ask, timeout_s) for cell, ask in asked.items())
        )
        return {cell.name: answer for cell, answer in zip(asked, found, strict=True)}

    async def ask_until(
        self,
        asked: Mapping[FederatedCell, Ask],
        timeout_s: float,
        is_enough: Callable[[Answer | Silent], bool],
    ) -> dict[str, Answer | Silent]:
        """What the cells answer, all asked at the same time, up to the first that is enough."""
        tasks = {
            asyncio.ensure_future(self.ask(cell, ask, timeout_s)): cell.name
            for cell, ask in asked.items()
        }
        found: dict[str, Answer | Silent] = {}
        waiting = set(tasks)
        try:
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                found |= {tasks[each]: each.result() for each in done}
                if any(is_enough(each.result()) for each in done):
                    break
        finally:
            for each in waiting:
                each.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        return {cell.name: found[cell.name] for cell in asked if cell.name in found}

    async def close(self) -> None:
        """Give the connections back."""
        http, self._http = self._http, None
        if http is not None:
            await http.close()


def _passed_up(answer: aiohttp.ClientResponse) -> dict[str, str]:
    return {name: value for name in PASSED_UP if (value := answer.headers.get(name, ""))}
