"""What goes wrong with a request, in the shape that Titus' users know, and ours beside it.

The one thing to know: a handler raises `Problem` and nothing else for what a caller can see. Every
problem says what happened, and in ``errorDetails`` what to do.

Which fault has which status is one table, in `connectors.web.statuses`. Beside it the edge itself
says:

| status | when |
| --- | --- |
| 404, 405 | no such path; a method that it does not have |
| 408 | the body did not arrive in time |
| 413, 414, 415, 421 | too much, a query too long, a wrong kind of body, a foreign ``Host`` |
| 500 | our own mistake |
| 502 | a host answered nonsense |
| 503 | no leader, Kafka or a host does not answer, the fold is not as far as asked |
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
import orjson
from starlette.responses import Response

from connectors.web.statuses import status_of
from scheduler.model.inbound import Fault

JSON: Final = "application/json"
RETRY_AFTER_S: Final = 1
"""A leader is replaced within 15 s and most faults of Kafka pass sooner; asking is cheap."""
WHOLE_REQUEST: Final = "request"
"""The key of ``constraintViolations`` for what is wrong with no field in particular."""


class Problem(Exception):
    """A request that is answered with an error."""

    def __init__(
        self,
        status: HTTPStatus,
        message: str,
        details: str = "",
        *,
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
        also: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.details = details
        self.faults = tuple(faults)
        self.headers = dict(headers or {})
        self.also = dict(also or {})
        """Further fields of the answer, such as the id of a job whose fate is unknown."""

    def body(self) -> dict[str, Any]:
        """The answer's JSON value."""
        return {
            "statusCode": int(self.status),
            "message": self.message,
            "errorDetails": self.details,
            "errorContext": {"constraintViolations": violations(self.faults)},
            "faults": [
                {"field": each.field, "text": each.text, "hint": each.hint, "code": each.code}
                for each in self.faults
            ],
            **self.also,
        }

    def response(self) -> Response:
        """The answer."""
        return json_response(self.body(), self.status, self.headers)


def violations(faults: Sequence[Fault]) -> dict[str, str]:
    """The faults as Titus gives them: one text a field."""
    texts: dict[str, list[str]] = {}
    for each in faults:
        texts.setdefault(each.field or WHOLE_REQUEST, []).append(each.text)
    return {field: "; ".join(each) for field, each in texts.items()}


def sentence(hint: str) -> str:
    """The hint as a sentence of its own."""
    end = "" if hint.endswith(("?", ".")) or not hint else "."
    return f"{hint[:1].upper()}{hint[1:]}{end}"


def refused(faults: Sequence[Fault], status: HTTPStatus | None = None) -> Problem:
    """The problem of an input with these faults; the status is the table's, unless given."""
    first = faults[0]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    what = f"{first.field} {first.text}" if first.field else first.text
    details = sentence(first.hint)
    return Problem(status or status_of(faults), f"Refused: {what}{more}", details, faults=faults)


def unavailable(message: str, details: str, also: Mapping[str, object] | None = None) -> Problem:
    """A 503 that says when to come again."""
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        message,
        details,
        headers={"Retry-After": str(RETRY_AFTER_S)},
        also=also,
    )


def json_response(
    value: object,
    status: HTTPStatus = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """``value``, which may hold msgspec's structs, as a JSON answer."""
    return JsonResponse(orjson.dumps(value, default=msgspec.to_builtins), int(status), headers)


class JsonResponse(Response):
    """Written JSON as an answer: starlette's own, made with less work for each of many reads."""

    media_type: str | None = JSON

    def __init__(self, data: bytes, status: int, headers: Mapping[str, str] | None) -> None:
        """``data`` is the body; ``headers`` go before its length and kind."""
        self.status_code = status
        self.background = None
        self.body = data
        self.raw_headers = [
            *(
                (name.lower().encode("latin-1"), value.encode("latin-1"))
                for name, value in (headers or {}).items()
            ),
            (b"content-length", b"%d" % len(data)),
            (b"content-type", b"application/json"),
        ]
