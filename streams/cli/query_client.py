"""A live query as a command follows it: events from the query process, over breaks of any kind.

The one thing to know: the id of the last event says where to go on, so a break costs no row and
repeats none, as long as Kafka or the archive has what comes next.
"""

import http.client
import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from functools import partial
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import orjson

from connectors.http.connecting import connection_to
from streams.access.opening import context_of, credentials_of
from streams.cli.client import EXIT_UNAVAILABLE, ApiError, checked_address
from streams.errors import OperatorError
from streams.settings import settings_of

STREAM: Final = "/api/flumina/query/stream"
SILENCE_S_MAX: Final = 15.0
"""The process speaks each second; a connection that is silent for so long is broken."""
PAUSE_S: Final = 0.5
PATIENCE_S: Final = 120.0
"""After so long without an answer the command gives up."""
LINE_BYTES_MAX: Final = 64 * 1024 * 1024
RETRIED: Final = frozenset({429, 502, 503, 504})


class Event(NamedTuple):
    """A row, or a message about the stream."""

    kind: str
    data: dict[str, Any]


class LiveQuery:
    """One question at one address; `events` goes on until the query ends."""

    def __init__(
        self,
        url: str,
        parameters: Mapping[str, str],
        told: Callable[[str], None],
        patience_s: float = PATIENCE_S,
    ) -> None:
        """``told`` hears what happens to the connection."""
        parts = checked_address(url if "://" in url else f"http://{url}")
        self._is_secret = parts.scheme == "https"
        usual = http.client.HTTPS_PORT if self._is_secret else http.client.HTTP_PORT
        self._host, self._port = parts.hostname or "", parts.port or usual
        self._parameters = dict(parameters)
        self._told = told
        self._patience_s = patience_s
        self.last_id = ""
        self.dropped = 0
        self._dropped_before = 0

    def events(self) -> Generator[Event, None, None]:
        """Rows and messages, in order; raises `OperatorError` where the question is refused."""
        away_since_s: float | None = None
        while True:
            try:
                for event in self._connected():
                    if away_since_s is not None:
                        self._told("connected again")
                        away_since_s = None
                    yield event
                    if event.kind == "meta" and event.data.get("state") == "ended":
                        return
                why = "the connection ended"
            except (OSError, http.client.HTTPException, _Later) as error:
                why = str(error) or type(error).__name__
            self._dropped_before = self.dropped
            now_s = time.monotonic()
            if away_since_s is None:
                away_since_s = now_s
                where = " from the last row" if self.last_id else ""
                self._told(f"{self._host}:{self._port}: {why}; asking again{where}")
            if now_s - away_since_s > self._patience_s:
                raise ApiError(
                    f"The query process at {self._host}:{self._port} does not answer.",
                    f"For {self._patience_s:.0f} s: {why}.",
                    "Look at its log; `flumina up` starts one, `flumina doctor` checks it.",
                    exit_code=EXIT_UNAVAILABLE,
                )
            time.sleep(PAUSE_S)

    def _connected(self) -> Iterator[Event]:
        credentials = credentials_of(settings_of(os.environ))
        context = partial(context_of, credentials) if self._is_secret else None
        connection = connection_to(self._host, self._port, SILENCE_S_MAX, context)
        try:
            headers = {"Last-Event-ID": self.last_id} if self.last_id else {}
            headers |= credentials.headers()
            connection.request("GET", f"{STREAM}?{urlencode(self._parameters)}", headers=headers)
            answer = connection.getresponse()
            if answer.status != 200:
                raise _refusal(answer.status, answer.read(LINE_BYTES_MAX))
            yield from self._read(answer)
        finally:
            connection.close()

    def _read(self, answer: http.client.HTTPResponse) -> Iterator[Event]:
        id_, kind, data = "", "", b""
        while line := answer.readline(LINE_BYTES_MAX):
            name, _, value = line.rstrip(b"\r\n").partition(b": ")
            if name == b"id":
                id_ = value.decode()
            elif name == b"event":
                kind = value.decode()
            elif name == b"data":
                data = value
            elif not name and data:
                self.last_id = id_ or self.last_id
                event = Event(kind, orjson.loads(data))
                id_, kind, data = "", "", b""
                if event.kind == "meta":
                    self.dropped = self._dropped_before + int(event.data.get("dropped", 0))
                yield event


class _Later(Exception):
    """The process cannot answer now."""


def _refusal(status: int, body: bytes) -> Exception:
    """What to raise for an answer that is no stream."""
    try:
        found = orjson.loads(body)
        message, caret = str(found["message"]), found.get("caret")
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        message, caret = f"It answered with status {status}.", None
    if status in RETRIED:
        return _Later(message)
    return OperatorError(
        f"{message}\n{caret}" if caret else message,
        "The query process refused the question.",
        "docs/mql.md has the grammar, the streams and their fields.",
    )
