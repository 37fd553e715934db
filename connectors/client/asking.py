"""One request as a value, and when it is sent again: without any network, for both clients.

The one thing to know: a request is repeated only where doing it twice is doing it once. Most say
what shall be and not what shall be added; a submission carries a name or a key. Where repeating is
not harmless (a move, an eviction, an operator's order), the first answer or failure is the last.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from connectors.client.errors import Reply, Unreachable, Unreadable, refusal_of
from scheduler.model.reading.bad_bytes import BAD_BYTES

T = TypeVar("T")
Query = Mapping[str, str | int | None]

ANSWER_TIMEOUT_S: Final = 30.0
"""As long as the API takes at most for one answer."""
PATIENCE_S: Final = 15.0
"""Leadership moves within this time, so what fails for want of a leader is worth so long."""
PAUSE_S: Final = 0.3
"""Before a repetition, where the answer does not say how long."""
ANSWER_BYTES_MAX: Final = 256 * 1024 * 1024
"""A hundred thousand tasks are about 150 MB of JSON."""
_AGAIN: Final = frozenset((429, 503))
TOKEN: Final = "x-flumina-token"  # noqa: S105 - a place in a log, no secret
AT_LEAST: Final = "X-Flumina-At-Least"


@dataclass(frozen=True, slots=True)
class Ask(Generic[T]):
    """One request, and how its answer is read."""

    method: str
    path: str
    read: Callable[[Reply], T]
    query: Query = field(default_factory=dict)
    body: bytes | None = None
    key: str = ""
    """An idempotency key."""
    if_version: int | None = None
    is_repeatable: bool = True
    is_answered_late: bool = False
    """Whether a 202 with a token may come; the token is waited for, and the same asked again."""

    @property
    def target(self) -> str:
        """Path and query."""
        given = {name: value for name, value in self.query.items() if value is not None}
        return self.path + (f"?{urlencode(given)}" if given else "")

    @property
    def headers(self) -> dict[str, str]:
        """The headers that are this request's own."""
        found = {"Accept": "application/json"}
        if self.body is not None:
            found["Content-Type"] = "application/json"
        if self.key:
            found["Idempotency-Key"] = self.key
        if self.if_version is not None:
            found["If-Match"] = f'"{self.if_version}"'
        return found


class Patience:
    """How long one request is worth, and what has come of it so far."""

    def __init__(
        self, ask: Ask[T], url: str, patience_s: float, connect_s: float, now_s: float
    ) -> None:
        self._ask, self._url = ask, url
        self._until_s, self._connect_until_s = now_s + patience_s, now_s + connect_s
        self._has_failed = False

    def answered(self, reply: Reply, now_s: float) -> float | None:
        """None where that is the answer, else how long to wait; raises `Refused`."""
        if len(reply.body) > ANSWER_BYTES_MAX:
            raise Unreadable(f"{self._url} answered with more than {ANSWER_BYTES_MAX >> 20} MiB")
        if reply.status < 400:
            return None
        pause_s = max(PAUSE_S, _seconds(reply.headers.get("retry-after")))
        is_late = now_s > self._until_s or now_s + pause_s > self._until_s + PAUSE_S
        if reply.status not in _AGAIN or not self._ask.is_repeatable or is_late:
            raise refusal_of(reply)
        return pause_s

    def failed(self, error: Exception, now_s: float, *, was_connected: bool) -> float:
        """How long to wait after no answer came; raises `Unreachable`."""
        until_s = self._until_s if was_connected else self._connect_until_s
        is_worth = self._ask.is_repeatable or not was_connected
        if not self._has_failed and was_connected and is_worth:
            # A server closes what is idle, and we hear of it with the next request.
            self._has_failed = True
            return 0.0
        self._has_failed = True
        if now_s > until_s or not is_worth:
            raise Unreachable(f"{self._url} does not answer: {error}") from error
        return PAUSE_S


def _seconds(text: str | None) -> float:
    return float(text) if text is not None and text.isdecimal() else 0.0


def shape(kind: type[T]) -> Callable[[Reply], T]:
    """Reads an answer's JSON as this shape; further fields are left out."""

    def read(reply: Reply) -> T:
        try:
            return msgspec.json.decode(reply.body, type=kind)
        except BAD_BYTES as error:
            raise Unreadable(f"the API's answer is of another kind: {error}") from error

    return read


def segment(text: str) -> str:
    """An id as one segment of a path."""
    return quote(text, safe="")


class OwnWrites:
    """The places of what was written, which later reads take as "at least"."""

    def __init__(self, *, is_kept: bool) -> None:
        self._is_kept = is_kept
        self._tokens: dict[str, str] = {}

    def note(self, reply: Reply) -> None:
        """Remember where an answer says that its record stands."""
        token = reply.headers.get(TOKEN, "")
        if token and self._is_kept:
            self._tokens[token.partition(":")[0]] = token

    def marked(self, ask: Ask[T]) -> tuple[str, dict[str, str]]:
        """Target and headers of a request that sees all that was written before it."""
        headers, target = ask.headers, ask.target
        if ask.method == "GET":
            jobs, commands = self._tokens.get("jobs"), self._tokens.get("commands")
            if jobs:
                headers[AT_LEAST] = jobs
            if commands and "atLeast" not in ask.query:
                target += ("&" if "?" in target else "?") + urlencode({"atLeast": commands})
        return target, headers
