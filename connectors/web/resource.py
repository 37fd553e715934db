"""One path of the API: its methods, what each takes, and what is common to all reads.

The one thing to know: a method that a path does not have is answered with 405 and ``Allow``, a
parameter that a method does not take with 400; both come from the tables in `routes`, so no
handler can forget them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from connectors.web.api import Api
from connectors.web.call import Call, Handler
from connectors.web.cell import Cell, Token
from connectors.web.gate import enter, refuse_some
from connectors.web.limits.asking import check_rate
from connectors.web.problems import JSON, Problem, refused, unavailable
from connectors.web.requests import (
    AT_LEAST,
    AT_LEAST_PARAMETER,
    Query,
    header_text,
    refuse_body,
    token_or_fault,
)
from connectors.web.secret_views import behind_curtain
from connectors.web.standing import why_stale
from connectors.web.travel import asked
from projections.travel.questions import ReadAt
from scheduler.model.inbound import Fault
from scheduler.model.reading.faults import Faults

PATH_IN_SCOPE: Final = "flumina.path"
"""Where the edge finds the template of the path that answered, for the metrics."""
AT: Final = "at"
"""The parameter of an instant."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What one method of a path does, and the parameters that it takes."""

    handler: Handler
    parameters: tuple[str, ...] = ()
    is_read: bool = False
    """Whether it answers from the fold, and so takes "at least"."""
    answer: Any = None
    """The shape of what it answers with (or a tuple: one of them), and of the body that it takes;
    for the description."""
    body: Any = None
    success: tuple[int, ...] = (200,)
    errors: tuple[int, ...] = ()
    """Statuses beside those of every operation of its kind."""
    required: tuple[str, ...] = ()
    """Parameters that must be given."""
    schemas: Mapping[str, tuple[dict[str, Any], str]] = field(default_factory=dict)
    """What a parameter takes here, where that is not what it takes elsewhere."""
    media: str = JSON
    is_published: bool = True
    """Of what is no read: whether it becomes a record, and so has an actor and may be late."""
    is_actor_required: bool = False
    is_versioned: bool = False
    """Whether it takes ``If-Match``."""
    is_stream: bool = False
    """Whether it goes on until its reader leaves, and takes ``Last-Event-ID``."""
    is_rewound: bool = False
    """Whether it can be answered of any instant, and so takes ``at``; see `rewinding`."""

    @property
    def all_parameters(self) -> tuple[str, ...]:
        """Its own parameters, and those of every read."""
        common = (AT_LEAST_PARAMETER,) if self.is_read else ()
        return (*self.parameters, *common, *((AT,) if self.is_rewound else ()))


class Resource:
    """An ASGI application for one path."""

    def __init__(self, api: Api, path: str, operations: dict[str, Operation]) -> None:
        self._api = api
        self._path = path
        self._operations = operations
        self._parameters = {name: each.all_parameters for name, each in operations.items()}
        with_head = [*operations, *(["HEAD"] if "GET" in operations else [])]
        self._allow = ", ".join(sorted(with_head))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; raises `Problem`, which the edge answers."""
        scope[PATH_IN_SCOPE] = self._path
        request = Request(scope, receive)
        method = "GET" if request.method == "HEAD" else request.method
        operation = self._operations.get(method)
        if operation is None:
            raise Problem(
                HTTPStatus.METHOD_NOT_ALLOWED,
                f"{self._path} does not take {request.method}",
                f"It takes {self._allow}.",
                headers={"Allow": self._allow},
            )
        api = await enter(self._api, scope, method, self._path)
        check_rate(api, request, f"{method} {self._path}")
        query = Query(scope["query_string"], self._parameters[method])
        if operation.is_read:
            refuse_body(request)
            await _wait_at_least(api, request, query)
            _mark(api.cell)
        if operation.is_rewound and query.given(AT):
            if "id" not in request.path_params:
                refuse_some(api, "A list of another instant")
            response = behind_curtain(api, await self._then(api, request, query))
            await response(scope, receive, send)
            return
        response = await operation.handler(Call(api, request, query))
        if method == "GET":
            response = behind_curtain(api, response)
        await response(scope, receive, send)

    async def _then(self, api: Api, request: Request, query: Query) -> Response:
        """The same of another instant, as the time machine answers it."""
        at = query.text(AT)
        if at is None:
            query.done()
        left_out = (AT, AT_LEAST_PARAMETER)
        pairs = [each for each in request.query_params.multi_items() if each[0] not in left_out]
        names = {name: str(value) for name, value in request.path_params.items()}
        question = ReadAt(self._path, names, urlencode(pairs), at or "")
        return await asked(Call(api, request, query), question)


def _mark(cell: Cell) -> None:
    """Tell the view how it stands, so that its sentences say so."""
    if stale := why_stale(cell):
        cell.view.mark_stale(stale)
    else:
        cell.view.mark_current()


async def _wait_at_least(api: Api, request: Request, query: Query) -> None:
    """Return once the fold is as far as the request demands; raises a 503 `Problem` else."""
    faults = Faults()
    text = header_text(request, AT_LEAST)
    by_header = None if text is None else token_or_fault(AT_LEAST, text, faults)
    if faults:
        raise refused(faults.all())
    by_query = query.token(AT_LEAST_PARAMETER)
    for token in (by_header, by_query):
        if token is not None:
            _check_partition(api.cell, token)
            await _wait(api, token)


def _check_partition(cell: Cell, token: Token) -> None:
    if token.partition == cell.partition:
        return
    text = f"is {token}, of partition {token.partition}; this API follows {cell.partition}"
    hint = "ask the API that gave the token"
    raise refused([Fault(field=AT_LEAST_PARAMETER, text=text, hint=hint)])


async def _wait(api: Api, token: Token) -> None:
    lane = (token.topic, token.partition)
    if await api.cell.passing.until(lane, token.offset, api.wait_s):
        return
    halt = api.cell.progress().halt
    raise unavailable(
        f"The fold has not passed {token}" + (": it is halted" if halt else ""),
        halt or "Ask again; without atLeast the answer is what is folded so far.",
    )
