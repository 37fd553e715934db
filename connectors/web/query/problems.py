"""What is wrong with a question, as the console and the command line are told it.

The one thing to know: every problem has a ``code`` for programs and a ``message`` that says what
happened and what to do. Of a text that does not parse it says where, with a caret below the place.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import orjson
from starlette.responses import Response

from projections.query.scanner import QueryError

JSON: Final = "application/json"
RETRY_AFTER_S: Final = 1


class QueryProblem(Exception):
    """A question that is answered with an error before its stream begins."""

    def __init__(
        self,
        code: str,
        message: str,
        status: HTTPStatus = HTTPStatus.BAD_REQUEST,
        *,
        also: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status
        self.also = dict(also or {})
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """The answer's JSON value; the fields of a place are null where there is none."""
        place: dict[str, Any] = dict.fromkeys(("position", "line", "column", "caret"))
        told = {"code": self.code, "message": self.message, **place, "fields": []}
        return told | self.also

    def response(self) -> Response:
        """The answer."""
        headers = dict(self.headers)
        if not headers and self.status in {
            HTTPStatus.SERVICE_UNAVAILABLE,
            HTTPStatus.TOO_MANY_REQUESTS,
        }:
            headers["Retry-After"] = str(RETRY_AFTER_S)
        return Response(orjson.dumps(self.body()), int(self.status), headers, JSON)


def problem_of(error: QueryError, fields: Sequence[Mapping[str, Any]] = ()) -> QueryProblem:
    """The problem of a text that cannot be asked, with its place and a caret below it."""
    return QueryProblem(
        "query",
        str(error),
        also={
            "position": error.position,
            "line": error.line,
            "column": error.column,
            "caret": error.caret(),
            "fields": list(fields),
        },
    )
