"""A small client of the REST API for commands: synchronous, one connection, errors as sentences.

The one thing to know: no request of ours does a thing twice when it is repeated, for each says what
shall be and not what shall be added: a job under its name or key, a size, an end. So a 503 or a
broken connection is tried again, until the patience given to the connection is used up.
"""

import http.client
import time
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec
import orjson

from streams.errors import OperatorError

ANSWER_TIMEOUT_S: Final = 30.0
"""Longer than any answer of the API takes: it waits two seconds for the fold at most."""
PATIENCE_S: Final = 15.0
"""Leadership moves within this time, so what fails for want of a leader is worth so long."""
RETRY_PAUSE_S: Final = 0.3
ANSWER_BYTES_MAX: Final = 256 * 1024 * 1024
"""A hundred thousand tasks are about 150 MB of JSON."""

EXIT_FAILED: Final = 1
EXIT_NOT_FOUND: Final = 4
EXIT_UNAVAILABLE: Final = 5

T = TypeVar("T")


class ApiError(OperatorError):
    """The API refused, or could not be asked; ``exit_code`` is what a command ends with."""

    def __init__(
        self, what: str, cause: str, remedy: str, *, exit_code: int = EXIT_FAILED, status: int = 0
    ) -> None:
        super().__init__(what, cause, remedy)
        self.exit_code = exit_code
        self.status = status


class Answer(msgspec.Struct, frozen=True):
    """What the API answered, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class ApiConnection:
    """One API at one address, asked by one actor."""

    def __init__(self, url: str, actor: str, patience_s: float = PATIENCE_S) -> None:
        parts = urlsplit(url)
        self.url = url.rstrip("/")
        self._is_tls = parts.scheme == "https"
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or (443 if self._is_tls else 80)
        self._prefix = parts.path.rstrip("/")
        self._actor = actor
        self._patience_s = patience_s
        self._connection: http.client.HTTPConnection | None = None

    def get(self, path: str, query: Mapping[str, str | int | None] | None = None) -> bytes:
        """The body of a read."""
        return self.ask("GET", path, query).body

    def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int | None] | None = None,
        body: object = None,
    ) -> Answer:
        """The answer of a request that was taken (2xx); raises `ApiError` else."""
        raw = None if body is None else orjson.dumps(body)
        return self.send(method, path, query, raw)

    def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int | None] | None = None,
        raw: bytes | None = None,
        key: str | None = None,
    ) -> Answer:
        """As `ask`, with a body that is sent byte for byte, and an idempotency key."""
        target = self._target(path, query)
        headers = {"Accept": "application/json", "X-Flumina-Actor": self._actor}
        if raw is not None:
            headers["Content-Type"] = "application/json"
        if key is not None:
            headers["Idempotency-Key"] = key
        deadline = time.monotonic() + self._patience_s
        while True:
            # The API closes what is idle for 10 s, and we hear of it with the next request.
            was_idle = self._connection is not None
            try:
                answer = self._once(method, target, headers, raw)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if was_idle:
                    continue
                if time.monotonic() > deadline or isinstance(error, ConnectionRefusedError):
                    raise self._unreachable(error) from error
            else:
                if answer.status < 400:
                    return answer
                if answer.status != 503 or time.monotonic() > deadline:
                    raise refusal_of(answer)
            time.sleep(RETRY_PAUSE_S)

    def close(self) -> None:
        """Give back the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _target(self, path: str, query: Mapping[str, str | int | None] | None) -> str:
        given = {name: value for name, value in (query or {}).items() if value is not None}
        return self._prefix + path + (f"?{urlencode(given)}" if given else "")

    def _once(
        self, method: str, target: str, headers: Mapping[str, str], raw: bytes | None
    ) -> Answer:
        if self._connection is None:
            kind = http.client.HTTPSConnection if self._is_tls else http.client.HTTPConnection
            self._connection = kind(self._host, self._port, timeout=ANSWER_TIMEOUT_S)
        self._connection.request(method, target, raw, dict(headers))
        response = self._connection.getresponse()
        body = response.read(ANSWER_BYTES_MAX + 1)
        if len(body) > ANSWER_BYTES_MAX:
            self.close()
            raise ApiError(
                f"The API answered with more than {ANSWER_BYTES_MAX >> 20} MiB.",
                "More was asked for than a command can show.",
                "Ask for less, for example with --job.",
            )
        return Answer(response.status, dict(response.headers.items()), body)

    def _unreachable(self, error: Exception) -> ApiError:
        return ApiError(
            f"The API at {self.url} does not answer: {error}.",
            "It is not running, or it runs somewhere else.",
            "Start it with `flumina up`, or name it with --api or FLUMINA_API.",
            exit_code=EXIT_UNAVAILABLE,
        )


def refusal_of(answer: Answer) -> ApiError:
    """The error of an answer that says no, with every fault that it names."""
    try:
        said = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        said = {}
    if not isinstance(said, dict):
        said = {}
    what = str(said.get("message") or f"The API answered {answer.status}")
    faults = [each for each in said.get("faults", ()) if isinstance(each, dict)]
    remedy = str(said.get("errorDetails") or "")
    cause = "" if remedy else _CAUSES.get(answer.status, "")
    if len(faults) > 1:
        # The message names the first one only, and the details are its hint.
        what, cause, remedy = f"Refused, for {len(faults)} reasons", _fault_lines(faults), ""
    exit_code = {404: EXIT_NOT_FOUND, 503: EXIT_UNAVAILABLE}.get(answer.status, EXIT_FAILED)
    what = what if what.endswith((".", "?", "!")) else f"{what}."
    return ApiError(what, cause, remedy, exit_code=exit_code, status=answer.status)


_CAUSES: Final = {
    404: "It never existed, or ended so long ago that it is no longer kept.",
    503: "There is no leader right now, or it cannot be reached.",
}


def _fault_lines(faults: Sequence[Mapping[str, object]]) -> str:
    lines = []
    for fault in faults:
        field, text, hint = (str(fault.get(name) or "") for name in ("field", "text", "hint"))
        line = f"  {field + ' ' if field else ''}{text}"
        lines.append(f"{line}: {hint}" if hint else line)
    return "\n".join(lines)


def segment(text: str) -> str:
    """An id as one segment of a path."""
    return quote(text, safe="")


def decoded(body: bytes, shape: type[T]) -> T:
    """The answer's JSON in the shape that this release knows; further fields are left out."""
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.DecodeError as error:
        raise ApiError(
            f"The API's answer cannot be read: {error}.",
            "The API is of another release than this command, or another server listens there.",
            "Use the commands of the API's release, or name another API with --api.",
        ) from error
