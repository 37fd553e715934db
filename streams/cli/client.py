"""The API as commands ask it: the Python client, with its errors as sentences for the terminal.

The one thing to know: what is repeated and how long it is worth is the client's
(`connectors.client`); here an error gets its cause, what to do, and the exit code of the command.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import SplitResult, urlsplit

import msgspec
import orjson

from connectors.access.outgoing import Credentials
from connectors.client.asking import PATIENCE_S, Ask
from connectors.client.errors import Refused, Reply, Unreachable, Unreadable
from scheduler.model.reading.bad_bytes import BAD_BYTES
from streams.access.opening import context_of, credentials_of
from streams.errors import OperatorError
from streams.settings import settings_of

if TYPE_CHECKING:
    from connectors.client.sync import Client

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


def checked_address(url: str) -> SplitResult:
    """The parts of an address; raises `OperatorError` where nobody can be asked there."""
    with suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0:
            return parts
    raise OperatorError(
        f"{url!r} is no address.",
        "It has another form, or a port that no computer has.",
        "Name it as http://HOST:PORT.",
    )


class ApiConnection:
    """One API at one address, asked by one actor."""

    def __init__(
        self,
        url: str,
        actor: str,
        patience_s: float = PATIENCE_S,
        credentials: Credentials | None = None,
    ) -> None:
        checked_address(url)
        self._credentials = credentials
        self.url = url.rstrip("/")
        self._actor, self._patience_s = actor, patience_s
        self._opened: Client | None = None

    @property
    def client(self) -> "Client":
        """The client; imported when a command asks first, for its library takes a while."""
        if self._opened is None:
            from connectors.client.sync import Client  # noqa: PLC0415 - see above

            self._opened = Client(
                self.url,
                self._actor,
                patience_s=self._patience_s,
                connect_patience_s=0.0,
                is_reading_own_writes=False,
                credentials=self._shown(),
            )
        return self._opened

    def _shown(self) -> Credentials:
        """What was given, else what this process' environment says; raises `OperatorError`."""
        if self._credentials is None:
            self._credentials = credentials_of(settings_of(os.environ))
        if self.url.startswith("https:"):
            context_of(self._credentials)  # Told as a sentence where a file is wrong.
        return self._credentials

    def get(self, path: str, query: Mapping[str, str | int | None] | None = None) -> bytes:
        """The body of a read."""
        return self.ask("GET", path, query).body

    def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int | None] | None = None,
        body: object = None,
    ) -> Reply:
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
    ) -> Reply:
        """As `ask`, with a body that is sent byte for byte, and an idempotency key.

        Each request of ours says what shall be and not what shall be added, so it is repeated.
        """
        asked = Ask(method, path, _as_it_is, query or {}, raw, key or "")
        try:
            return self.client.send(asked)
        except Refused as error:
            raise refusal_of(error.reply) from error
        except Unreachable as error:
            raise ApiError(
                f"The API at {self.url} does not answer: {error.__cause__ or error}.",
                "It is not running, or it runs somewhere else.",
                "Start it with `flumina up`, or name it with --api or FLUMINA_API.",
                exit_code=EXIT_UNAVAILABLE,
            ) from error
        except Unreadable as error:
            raise ApiError(
                f"{error}.", "More was asked for than a command can show.", "Ask for less."
            ) from error

    def close(self) -> None:
        """Give back the connection."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()


def _as_it_is(reply: Reply) -> Reply:
    return reply


def refusal_of(answer: Reply) -> ApiError:
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
    409: "How it stands now does not allow that: look at it again.",
    503: "There is no leader right now, or it cannot be reached.",
}


def _fault_lines(faults: Sequence[Mapping[str, object]]) -> str:
    lines = []
    for fault in faults:
        field, text, hint = (str(fault.get(name) or "") for name in ("field", "text", "hint"))
        line = f"  {field + ' ' if field else ''}{text}"
        lines.append(f"{line}: {hint}" if hint else line)
    return "\n".join(lines)


def decoded(body: bytes, shape: type[T]) -> T:
    """The answer's JSON in the shape that this release knows; further fields are left out."""
    try:
        return msgspec.json.decode(body, type=shape)
    except BAD_BYTES as error:
        raise ApiError(
            f"The API's answer cannot be read: {error}.",
            "The API is of another release than this command, or another server listens there.",
            "Use the commands of the API's release, or name another API with --api.",
        ) from error
