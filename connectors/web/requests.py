"""Requests read strictly: query, headers and body, every fault named, nothing dropped in silence.

The one thing to know: nothing here looks at a cell. What is refused here is refused for its form,
before anything is published.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from connectors.access.door import PRINCIPAL
from connectors.web.cell import OFFSET_MAX, Token, token_of
from connectors.web.problems import JSON, Problem, refused
from scheduler.model.reading.checks import Check, name_check, words_check
from scheduler.model.reading.faults import Faults, nearest_name, path_below, shown_text
from scheduler.model.reading.fields import Fields
from scheduler.model.reading.json_text import DoubledObject, parsed_json
from scheduler.model.v3.limits import DESCRIPTOR_BYTES_MAX

BODY_S_MAX: Final = 10.0
"""A body of 500 KiB takes that long at 0.4 Mbit/s; slower callers hold a connection for nothing."""
SMALL_BODY_BYTES_MAX: Final = 64 * 1024
DEPTH_MAX: Final = 32
"""Of a policy's document, which has eight levels at most."""
QUERY_BYTES_MAX: Final = 8 * 1024
QUERY_PARAMETERS_MAX: Final = 200
PARAMETER_BYTES_MAX: Final = 1_024
ACTOR_BYTES_MAX: Final = 255
IDEMPOTENCY_KEY_CHARACTERS_MAX: Final = 255

ACTOR: Final = "X-Flumina-Actor"
AT_LEAST: Final = "X-Flumina-At-Least"
IDEMPOTENCY_KEY: Final = "Idempotency-Key"
IF_MATCH: Final = "If-Match"
AT_LEAST_PARAMETER: Final = "atLeast"

_KEY: Final = re.compile("[!-~]+")
_VERSION: Final = re.compile('"([0-9]{1,15})"', re.ASCII)
_ACTOR: Final = name_check(ACTOR_BYTES_MAX)
_WORDS: Final = words_check(PARAMETER_BYTES_MAX)
_UTF8: Final = ("utf-8", "utf8", '"utf-8"')

T = TypeVar("T")


class Query:
    """The parameters of a request's query; `done` refuses what is wrong with them."""

    def __init__(self, query_string: bytes, known: Sequence[str]) -> None:
        self.faults = Faults()
        self._values: dict[str, list[str]] = {}
        if not query_string:
            return
        if len(query_string) > QUERY_BYTES_MAX:
            text = f"is {len(query_string)} bytes long; at most {QUERY_BYTES_MAX} are taken"
            raise Problem(HTTPStatus.REQUEST_URI_TOO_LONG, f"The query {text}", "Ask for less.")
        try:
            pairs = parse_qsl(
                query_string.decode("utf-8"),
                keep_blank_values=True,
                errors="strict",
                max_num_fields=QUERY_PARAMETERS_MAX,
            )
        except ValueError as error:  # UnicodeDecodeError is one
            self.faults.add("query", f"cannot be read: {error}", "encode it as UTF-8, with %XX")
            pairs = []
        for name, value in pairs:
            if name in known:
                self._values.setdefault(name, []).append(value)
            else:
                hint = nearest_name(name, known) if known else "this path takes no parameters"
                self.faults.add(_named(name), "is an unknown parameter", hint)

    def done(self) -> None:
        """Return if nothing was wrong so far; raises `Problem` else."""
        if self.faults:
            raise refused(self.faults.all())

    def given(self, name: str) -> list[str]:
        """Every value of a parameter as it came."""
        return self._values.get(name, [])

    def text(self, name: str, check: Check = _WORDS) -> str | None:
        """The value of a parameter that stands once, or None."""
        return self._one(name, lambda value: value, check)

    def whole(self, name: str, minimum: int, maximum: int) -> int | None:
        """The whole number of a parameter, within both bounds, or None."""

        def read(value: str) -> int | None:
            is_number = value.isascii() and value.isdecimal() and len(value) < 20
            if is_number and minimum <= int(value) <= maximum:
                return int(value)
            bounds = f"a whole number from {minimum} to {maximum}"
            self.faults.add(name, f"is {shown_text(value)}; {bounds} is needed", f"give {bounds}")
            return None

        return self._one(name, read)

    def truth(self, name: str) -> bool:
        """Whether the parameter is ``true``; False where it is left out."""
        return self.choice(name, ("true", "false")) == "true"

    def choice(self, name: str, choices: Sequence[str]) -> str | None:
        """The value of a parameter that takes one of some values, or None."""

        def read(value: str) -> str | None:
            if value in choices:
                return value
            text = f"is {shown_text(value)}; one of {', '.join(choices)} is needed"
            self.faults.add(name, text, nearest_name(value, choices))
            return None

        return self._one(name, read)

    def words(self, name: str) -> tuple[str, ...]:
        """The values of a parameter that takes several: with commas between, or given again."""
        found = [word.strip() for each in self.given(name) for word in each.split(",")]
        return tuple(dict.fromkeys(word for word in found if word))

    def token(self, name: str) -> Token | None:
        """The place that a parameter names, or None."""
        return self._one(name, lambda value: token_or_fault(name, value, self.faults))

    def _one(
        self, name: str, read: Callable[[str], T | None], check: Check | None = None
    ) -> T | None:
        values = self._values.get(name, [])
        if not values:
            return None
        if len(values) > 1:
            self.faults.add(name, "is given twice", "keep one of them")
            return None
        complaint = check(values[0]) if check else None
        if complaint is not None:
            self.faults.add(name, *complaint)
            return None
        return read(values[0])


def _named(name: str) -> str:
    return name if re.fullmatch("[A-Za-z0-9_.-]{1,64}", name) else shown_text(name)


def token_or_fault(name: str, value: str, faults: Faults) -> Token | None:
    """The token that ``value`` writes, or None and a fault."""
    token = token_of(value)
    if token is None:
        text = f"is {shown_text(value)}, no place in a log"
        faults.add(name, text, f"like jobs:0:123, with an offset up to {OFFSET_MAX}")
    return token


@lru_cache(maxsize=64)
def _header_name(name: str) -> bytes:
    """The name as it stands in a request's scope; there are a handful of them."""
    return name.lower().encode()


def header_text(request: Request, name: str) -> str | None:
    """The value of a header, read as UTF-8, or None; raises `Problem` where it is none."""
    wanted = _header_name(name)
    # As bytes: starlette's view of headers is Latin-1, and people write their names in UTF-8.
    given: list[tuple[bytes, bytes]] = request.scope["headers"]
    values = [value for name_given, value in given if name_given == wanted]
    if not values:
        return None
    faults = Faults()
    if len(values) > 1:
        faults.add(name, "is given twice", "keep one of them")
    try:
        text = values[0].decode("utf-8").strip()
    except UnicodeDecodeError:
        text = ""
        faults.add(name, "is not UTF-8", "encode it as UTF-8")
    if faults:
        raise refused(faults.all())
    return text


def actor_of(request: Request, *, is_required: bool = False) -> str:
    """Who asks: the principal; behind an open door as the header says, or the connection's address.

    A principal that claims to be somebody else by the header asks on that one's behalf.
    """
    text = header_text(request, ACTOR)
    if (principal := request.scope.get(PRINCIPAL)) is not None:
        return said_by(request, "" if principal.by else text or "")
    if text is None and not is_required:
        return f"unknown@{request.client.host if request.client else 'nowhere'}"
    faults = Faults()
    if text is None:
        faults.add(ACTOR, "is missing", f"say who orders this: -H '{ACTOR}: ada@example.org'")
    else:
        complaint = _ACTOR(text)
        if complaint is not None:
            faults.add(ACTOR, *complaint)
    if faults:
        raise refused(faults.all())
    return text or ""


def said_by(request: Request, claimed: str) -> str:
    """The actor of what a request says somebody asks for; it is at most 255 bytes long."""
    principal = request.scope.get(PRINCIPAL)
    if principal is None:
        return claimed
    name = f"{principal.name} by {principal.by}" if principal.by else str(principal.name)
    if not claimed or claimed == principal.name or _ACTOR(claimed) is not None:
        return name
    whole = f"{name} on behalf of {claimed}"
    return whole if len(whole.encode()) <= ACTOR_BYTES_MAX else name


def idempotency_key(request: Request) -> str | None:
    """The request's idempotency key, or None."""
    text = header_text(request, IDEMPOTENCY_KEY)
    if text is None:
        return None
    if not _KEY.fullmatch(text) or len(text) > IDEMPOTENCY_KEY_CHARACTERS_MAX:
        faults = Faults()
        most = IDEMPOTENCY_KEY_CHARACTERS_MAX
        wanted = f"1 to {most} printable ASCII characters without spaces are needed"
        faults.add(IDEMPOTENCY_KEY, f"is {shown_text(text)}; {wanted}", "a new UUID serves well")
        raise refused(faults.all())
    return text


def if_match(request: Request) -> int | None:
    """The version that the request is meant for, or None where any will do (no header, or ``*``).

    It is what an answer's ``ETag`` says, in quotes; weak ones and lists are refused.
    """
    text = header_text(request, IF_MATCH)
    if text is None or text == "*":
        return None
    found = _VERSION.fullmatch(text)
    if found is not None:
        return int(found[1])
    faults = Faults()
    faults.add(IF_MATCH, f"is {shown_text(text)}, no version", 'copy the ETag of a GET, like "3"')
    raise refused(faults.all())


async def descriptor_body(request: Request) -> bytes:
    """The body of a submission, not looked at yet."""
    return await _body(request, DESCRIPTOR_BYTES_MAX)


async def small_body(request: Request) -> tuple[Fields, Faults]:
    """The body's JSON object and where its faults go; the caller takes its fields and closes it."""
    data = await _body(request, SMALL_BODY_BYTES_MAX)
    faults = Faults()
    raw = parsed_json(data, SMALL_BODY_BYTES_MAX, faults)
    if faults:
        raise refused(faults.all())
    return Fields(raw, "", faults), faults


async def document_body(request: Request) -> dict[str, Any]:
    """The body's JSON object, as it is; names in it that stand twice are refused."""
    data = await _body(request, DESCRIPTOR_BYTES_MAX)
    faults = Faults()
    raw = parsed_json(data, DESCRIPTOR_BYTES_MAX, faults)
    if not faults:
        find_doubled(raw, "", faults)
    if not faults and not isinstance(raw, dict):
        faults.add("", "is no object", "write {...}")
    if faults:
        raise refused(faults.all())
    return dict(raw) if isinstance(raw, dict) else {}


def find_doubled(raw: object, path: str, faults: Faults, depth: int = 0) -> None:
    """Add a fault for each name that stands twice: written anew, one of them would be lost."""
    if depth > DEPTH_MAX:
        faults.add(path, "is nested too deeply", "nothing that is taken here is")
        return
    if isinstance(raw, DoubledObject):
        for name in raw.doubled:
            faults.add(path_below(path, name), "is given twice", "keep one of them")
    if isinstance(raw, dict):
        for name, each in raw.items():
            find_doubled(each, path_below(path, name), faults, depth + 1)
    elif isinstance(raw, list):
        for place, each in enumerate(raw):
            find_doubled(each, f"{path}[{place}]", faults, depth + 1)


def refuse_body(request: Request) -> None:
    """Raise `Problem` where a body comes with a request that takes none."""
    given = dict(request.scope["headers"])
    if b"transfer-encoding" in given or given.get(b"content-length", b"0").strip(b"0"):
        faults = Faults()
        faults.add("", "has a body, which is not taken here", "use the query's parameters")
        raise refused(faults.all())


async def _body(request: Request, bytes_max: int) -> bytes:
    """The body, if it is JSON by its name and not too long; what is too long is not read."""
    _check_kind(request)
    length = request.headers.get("content-length", "0")
    if not (length.isascii() and length.isdecimal()) or int(length[:20]) > bytes_max:
        raise _too_much(f"{length[:20]} bytes", bytes_max)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S_MAX):
            async for piece in request.stream():
                body += piece
                if len(body) > bytes_max:
                    raise _too_much(f"more than {bytes_max} bytes", bytes_max)
    except TimeoutError:
        raise Problem(
            HTTPStatus.REQUEST_TIMEOUT,
            f"The body did not arrive within {BODY_S_MAX:.0f} s",
            "Send it again over a connection that is not stuck.",
        ) from None
    except ClientDisconnect:
        raise Problem(
            HTTPStatus.BAD_REQUEST, "The connection ended inside the body", "Send it again."
        ) from None
    return bytes(body)


def _too_much(what: str, bytes_max: int) -> Problem:
    return Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"The body has {what}; at most {bytes_max} are taken",
        "Send less: large inputs belong into a file that the task fetches.",
    )


def _check_kind(request: Request) -> None:
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    name, _, charset = parameters.strip().partition("=")
    is_utf8 = name.lower() != "charset" or charset.strip().lower() in _UTF8
    if kind.strip().lower() != JSON or not is_utf8:
        given = shown_text(request.headers.get("content-type", ""))
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"The body's Content-Type is {given}; {JSON} in UTF-8 is needed",
            f"Add -H 'Content-Type: {JSON}'.",
            headers={"Accept": JSON},
        )
    coding = request.headers.get("content-encoding", "identity")
    if coding.strip().lower() not in {"", "identity"}:
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"The body's Content-Encoding is {shown_text(coding)}; none is taken",
            "Send it as it is.",
        )
