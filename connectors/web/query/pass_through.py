"""What is not answered here is asked of the cell's api, byte by byte, in both directions.

The one thing to know: the page has one origin, so that it needs no permission for any other. What
concerns one connection only (RFC 9110, 7.6.1) is not passed on, and an answer that streams is
passed on as it comes. Where the api does not answer, the caller is told so in a sentence.
"""

from collections.abc import AsyncIterator, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import structlog
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from connectors.access.door import ACTING_FOR, PRINCIPAL, Door
from connectors.access.outgoing import Credentials
from connectors.web.query.masked import Kind, TooLarge, kind_of, masked_lines, masked_whole
from connectors.web.query.problems import QueryProblem
from projections.masking import Masker

if TYPE_CHECKING:
    import httpx

logger = structlog.get_logger(__name__)

BODY_BYTES_MAX: Final = 8 * 1024 * 1024
"""As much as the api takes of any body; it says so itself for less."""
CONNECT_S_MAX: Final = 3.0
SILENCE_S_MAX: Final = 60.0
"""Twice what the api allows itself for an answer (`connectors.web.edge`); its streams send a sign
of life more often than that."""
CONNECTIONS_MAX: Final = 400
OF_A_HOP: Final = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te"),
        *("trailer", "transfer-encoding", "upgrade", "proxy-connection", "host"),
    }
)
"""Headers that are of one connection, and not of the message."""
AUTHORIZATION: Final = "authorization"
OF_THE_DOOR: Final = frozenset({AUTHORIZATION, "cookie", ACTING_FOR.lower()})
"""Headers by which somebody is let in here; the api is told by one of our own who asks."""
OF_OURS: Final = frozenset({"content-length", "content-encoding", "date", "server"})
"""Of an answer: what is said of the answer that goes out from here."""
STREAMS: Final = "text/event-stream"


class PassThrough:
    """The api behind this process; its client is made with the first request."""

    def __init__(
        self, api: str, masker: Masker | None = None, credentials: Credentials | None = None
    ) -> None:
        """``credentials`` are this process' own, by which it asks for whoever has a certificate."""
        self._credentials = credentials or Credentials()
        self._api = api.rstrip("/")
        self._masker = masker or Masker()
        self._client: httpx.AsyncClient | None = None
        self.passed = 0
        self.failed = 0

    async def answer(self, request: Request, door: Door | None = None) -> Response:
        """The api's answer to whoever the door has let in; raises `QueryProblem` for none."""
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > BODY_BYTES_MAX:
            raise _too_large()
        found = await self._sent(request, self._asker(request, door))
        self.passed += 1
        headers = [
            (name, value)
            for name, value in found.headers.multi_items()
            if name not in OF_A_HOP and name not in OF_OURS
        ]
        kind = kind_of(request.method, found.headers.get("content-type", ""))
        if kind:
            return await self._masked(found, kind, headers, request.url.path)
        # Not decoded on the way: what the api packed stays packed.
        kept = [
            (name, found.headers[name])
            for name in ("content-encoding", "content-length")
            if name in found.headers
        ]
        answer = StreamingResponse(_body(found, request.url.path), found.status_code)
        answer.raw_headers = [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in headers + kept
        ]
        return answer

    async def _masked(
        self, found: "httpx.Response", kind: Kind, headers: list[tuple[str, str]], path: str
    ) -> Response:
        """The answer as a page may show it; raises `QueryProblem` for one that is too large."""
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        if kind == "lines":
            lines = masked_lines(found, self._masker)
            answer: Response = StreamingResponse(_closed(found, lines, path), found.status_code)
        else:
            try:
                body = b"".join(
                    [each async for each in _closed(found, _once(found, kind, self._masker), path)]
                )
            except (TooLarge, ConnectionAbortedError) as error:
                self.failed += 1
                raise QueryProblem(
                    "api-broken",
                    "The answer of the api process was too large, or broke off. Ask for less.",
                    HTTPStatus.BAD_GATEWAY,
                ) from error
            answer = Response(body, found.status_code)
            raw.append((b"content-length", str(len(body)).encode()))
        answer.raw_headers = raw
        return answer

    def _asker(self, request: Request, door: Door | None) -> dict[str, str]:
        """For whom the api is asked: by his own token, or by ours and his name."""
        if door is None or not door.is_guarded:
            shown = request.headers.get(AUTHORIZATION)
            return {} if shown is None else {AUTHORIZATION: shown}
        principal = request.scope.get(PRINCIPAL)
        if principal is None:
            return {}
        proof = door.proof(request.scope)
        if proof.token and not proof.acting_for:
            return {AUTHORIZATION: f"Bearer {proof.token}"}
        return {**self._credentials.headers(), ACTING_FOR: principal.name}

    async def _sent(self, request: Request, asker: dict[str, str]) -> "httpx.Response":
        # 15 MiB and a third of a second: only who passes something on pays for it.
        import httpx  # noqa: PLC0415

        if self._client is None:
            self._client = httpx.AsyncClient(
                timeout=httpx.Timeout(SILENCE_S_MAX, connect=CONNECT_S_MAX),
                limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
                follow_redirects=False,
                trust_env=False,
                verify=self._credentials.verify(self._api),
            )
        path = request.scope.get("raw_path") or request.url.path.encode()
        query = request.scope["query_string"]
        headers = request.headers
        has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        # Not the client's `build_request`, which adds headers that the caller did not send.
        asked = httpx.Request(
            request.method,
            httpx.URL(self._api).copy_with(raw_path=path + (b"?" + query if query else b"")),
            headers=[*_passed_on(headers.items(), self._api), *asker.items()],
            content=_limited(request) if has_body else None,
            extensions={"timeout": self._client.timeout.as_dict()},
        )
        try:
            return await self._client.send(asked, stream=True)
        except httpx.ConnectError as error:
            self.failed += 1
            raise QueryProblem(
                "api-away",
                "The api process does not answer; the page goes on as soon as it does.",
                HTTPStatus.SERVICE_UNAVAILABLE,
            ) from error
        except httpx.TimeoutException as error:
            self.failed += 1
            raise QueryProblem(
                "api-late",
                "The api process did not answer in time. Ask for less, or again.",
                HTTPStatus.GATEWAY_TIMEOUT,
            ) from error
        except (httpx.HTTPError, httpx.StreamError) as error:
            self.failed += 1
            raise QueryProblem(
                "api-broken",
                f"The api process broke off its answer ({type(error).__name__}). Ask again.",
                HTTPStatus.BAD_GATEWAY,
            ) from error

    async def close(self) -> None:
        """Give back the connections."""
        if self._client is not None:
            await self._client.aclose()


def _passed_on(headers: Iterable[tuple[str, str]], api: str) -> list[tuple[str, str]]:
    """The caller's headers as the api is told them: by its own name, on a connection of its own."""
    pairs = list(headers)
    named = {
        each.strip().lower()
        for name, value in pairs
        if name == "connection"
        for each in value.split(",")
    }
    kept = [
        (name, value)
        for name, value in pairs
        if name not in OF_A_HOP | OF_THE_DOOR and name not in named and name != "content-length"
    ]
    lengths = [(name, value) for name, value in pairs if name == "content-length"]
    return [*kept, *lengths, ("host", api.partition("://")[2])]


def _too_large() -> QueryProblem:
    return QueryProblem(
        "too-large",
        f"The body is larger than {BODY_BYTES_MAX} bytes, or does not say its length.",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    )


async def _limited(request: Request) -> AsyncIterator[bytes]:
    taken = 0
    async for piece in request.stream():
        taken += len(piece)
        if taken > BODY_BYTES_MAX:
            raise _too_large()
        yield piece


async def _once(found: "httpx.Response", kind: Kind, masker: Masker) -> AsyncIterator[bytes]:
    yield await masked_whole(found, kind, masker)


def _body(found: "httpx.Response", path: str) -> AsyncIterator[bytes]:
    """The api's bytes as they come; a break of the api is a break of the answer."""
    return _closed(found, found.aiter_raw(), path)


async def _closed(
    found: "httpx.Response", pieces: AsyncIterator[bytes], path: str
) -> AsyncIterator[bytes]:
    """The pieces, and the connection given back behind them."""
    import httpx  # noqa: PLC0415 - it is loaded: see `PassThrough`

    try:
        async for piece in pieces:
            yield piece
    except httpx.HTTPError as error:
        logger.info("an answer of the api broke off", path=path, why=repr(error))
        raise ConnectionAbortedError("the api's answer broke off") from error
    finally:
        await found.aclose()
