"""What the federation's front answers: one cell's answer passed on, or one made of all of theirs.

The one thing to know: every answer that needed several cells says which of them failed and which
are stale, in headers and in the field ``federation``. Nobody waits for a cell longer than its
time-out, and no cell's failure is another's.
"""

import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import msgspec
import orjson
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from connectors.federation import of_v2, paging
from connectors.federation.cells import (
    PASSED_DOWN,
    WRITE_S_MAX,
    Answer,
    Ask,
    Cells,
    Silent,
)
from connectors.federation.configuration import Configuration, FederatedCell
from connectors.federation.groups import PATH as GROUPS
from connectors.federation.groups import Groups
from connectors.federation.routing import NoRoute, routed, stamped
from connectors.federation.telling import FAILED, Json, Told, object_of, silence
from connectors.federation.volumes import LISTS as LISTS_OF_VOLUMES
from connectors.federation.volumes import PATH as VOLUMES
from connectors.federation.volumes import RELEASE, Volumes
from connectors.web.problems import Problem, json_response, refused
from connectors.web.rated import FULL
from connectors.web.requests import IDEMPOTENCY_KEY, descriptor_body
from connectors.web.submitting import derived_id
from scheduler.model.ids import TaskId, job_id_of
from scheduler.model.inbound import Fault
from scheduler.model.reading.bad_bytes import BAD_BYTES

CELL: Final = "X-Flumina-Cell"
LOCATED_MAX: Final = 100_000
"""Jobs whose cell is remembered; the others are looked for."""
PAGE_SIZE_DEFAULT: Final = 100
PAGE_SIZE_MAX: Final = 5_000
BODY_BYTES_MAX: Final = 1024 * 1024
STANDING: Final = "/api/flumina/federation"
_OF_A_JOB: Final = re.compile(
    "/api/(?:flumina/jobs|v3/(?:[a-zA-Z]+/){0,3}"
    "(?:jobs|tasks|results|plans|executions|scalingPolicies|loadBalancers))/([^/]+)"
)

_OF_A_STREAM: Final = re.compile("/api/v3/(?:.+/)?observe(?:/[a-z]+)?")
_OF_A_GROUP: Final = re.compile(f"{GROUPS}/([^/]+)")
_OF_A_VOLUME: Final = re.compile(f"{VOLUMES}/([^/]+)")


class Asked(msgspec.Struct):
    """A request as the front reads it."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes | None
    cell: str
    """A cell that is named beside all else: by header or parameter."""

    def to_cell(
        self, query: Sequence[tuple[str, str]] | None = None, body: bytes | None = None
    ) -> Ask:
        """The same request to one cell, with another query or body where one is given."""
        given = self.query if query is None else query
        path = quote(self.path, safe="/~")
        return Ask(self.method, path, tuple(given), self.headers, body or self.body)


Handler = Callable[[Asked], Awaitable[Response]]


class Front:
    """The federation's answers, by the configuration as it is now."""

    def __init__(self, configuration: Callable[[], Configuration], cells: Cells) -> None:
        self._configuration = configuration
        self._cells = cells
        self._groups = Groups(configuration, cells)
        self._volumes = Volumes(configuration, cells)
        self._located: OrderedDict[str, str] = OrderedDict()

    @property
    def configuration(self) -> Configuration:
        """The configuration as it is now."""
        return self._configuration()

    async def answer(self, request: Request) -> Response:
        """The answer of any path; raises `Problem`."""
        asked = await _asked(request)
        own = self._own_answers().get((asked.method, asked.path))
        if own is not None:
            return await own(asked)
        if asked.cell:
            return await self._of_named(asked)
        of_all = self._answers_of_all().get((asked.method, asked.path))
        if of_all is not None:
            return await of_all(asked)
        found = _OF_A_GROUP.fullmatch(asked.path)
        if found is not None and asked.method in {"PUT", "DELETE"}:
            return await self._groups.change(asked.method, found[1], asked.body, asked.headers)
        found = _OF_A_VOLUME.fullmatch(asked.path)
        if found is not None:
            return await self._to(await self._volumes.cell_of(found[1]), asked.to_cell())
        found = _OF_A_JOB.match(asked.path)
        if found is not None:
            return await self._of_job(asked, _job_of(found[1]))
        jobs = of_v2.jobs_of(asked.method, asked.path, asked.body)
        if jobs:
            return await self._of_job(asked, await of_v2.one_cell(jobs, self.having))
        if len(self.configuration.cells) == 1:
            return await self._to(self.configuration.cells[0], asked.to_cell())
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            "It is not clear which cell is meant",
            f"Name one by the header {CELL}, the parameter cell or a command's --cell: "
            f"{', '.join(self.configuration.names)}.",
        )

    def _own_answers(self) -> dict[tuple[str, str], Handler]:
        return {("GET", "/health"): self._health, ("GET", STANDING): self._standing}

    def _answers_of_all(self) -> dict[tuple[str, str], Handler]:
        """What is answered for all cells together, where none is named."""
        return {
            ("GET", "/api/v3/jobs"): self._list,
            ("GET", "/api/v3/tasks"): self._list,
            ("GET", "/api/v3/status"): self._standing,
            ("POST", "/api/v3/jobs"): self._submit,
            ("POST", "/api/v3/tasks/move"): self._move,
            ("GET", GROUPS): self._list_groups,
            ("POST", GROUPS): self._add_group,
            ("POST", RELEASE): self._release_holds,
            **{("GET", path): self._list_of_volumes for path in LISTS_OF_VOLUMES},
            **{("GET", path): self._list_of_v2 for path in of_v2.LISTS},
            **{("POST", path): self._submit for path in of_v2.LISTS},
        }

    async def _list_of_v2(self, asked: Asked) -> Response:
        answers = await self._ask_all(dict.fromkeys(self.configuration.cells, asked.to_cell()))
        found, told = of_v2.merged(answers, dict(asked.query).get("limit", ""))
        return json_response(found, headers=told.headers())

    async def _list_of_volumes(self, asked: Asked) -> Response:
        return await self._volumes.listed(asked.to_cell())

    async def _release_holds(self, asked: Asked) -> Response:
        task_id = object_of(asked.body or b"").get("taskId")
        if not isinstance(task_id, str) or not task_id:
            raise refused([Fault(field="taskId", text="is missing", hint="name the task")])
        return await self._of_job(asked, _job_of(task_id))

    async def _list_groups(self, _: Asked) -> Response:
        return await self._groups.listed()

    async def _add_group(self, asked: Asked) -> Response:
        return await self._groups.change("POST", "", asked.body, asked.headers)

    async def _health(self, _: Asked) -> Response:
        return json_response({"isHealthy": True, "cells": list(self.configuration.names)})

    # One cell.

    async def _move(self, asked: Asked) -> Response:
        return await self._of_job(asked, _source_of(asked.body))

    async def _of_named(self, asked: Asked) -> Response:
        cell = self.configuration.cell(asked.cell)
        if cell is None:
            text = f"is {asked.cell!r}, which is no cell"
            hint = f"the cells are {', '.join(self.configuration.names)}"
            raise refused([Fault(field="cell", text=text, hint=hint)])
        if asked.method == "POST" and asked.path in {"/api/v3/jobs", *of_v2.LISTS}:
            return await self._submit(asked)
        return await self._to(cell, asked.to_cell())

    async def _to(self, cell: FederatedCell, ask: Ask) -> Response:
        if ask.method == "GET" and _OF_A_STREAM.fullmatch(ask.path):
            return await self._stream(cell, ask)
        answer = await self._cells.ask(cell, ask, self._patience_s(ask))
        if isinstance(answer, Silent):
            raise silence([answer])
        return _passed_on(cell.name, answer)

    async def _stream(self, cell: FederatedCell, ask: Ask) -> Response:
        opened = await self._cells.open(cell, ask, self._patience_s(ask))
        if isinstance(opened, Silent):
            raise silence([opened])
        headers = {**opened.headers, CELL: cell.name}
        return StreamingResponse(opened.pieces(), opened.status, headers)

    def _patience_s(self, ask: Ask) -> float:
        return self.configuration.timeout_ms / 1_000 if ask.method == "GET" else WRITE_S_MAX

    async def _submit(self, asked: Asked) -> Response:
        try:
            descriptor = msgspec.json.decode(asked.body or b"", type=dict[str, Any])
        except BAD_BYTES as error:
            fault = Fault(field="", text=f"the body is no object: {error}", hint="write {...}")
            raise refused([fault]) from error
        given, is_v2 = self.configuration, asked.path in of_v2.LISTS
        looked_at = of_v2.descriptor_of(descriptor) if is_v2 else descriptor
        try:
            where = routed(given, looked_at, asked.cell)
        except NoRoute as error:
            fault = Fault(field=f"attributes.{error.field}", text=error.text, hint=error.hint)
            raise refused([fault]) from error
        cell = given.cell(where.cell)
        assert cell is not None
        key = asked.headers.get(IDEMPOTENCY_KEY)
        named = dict(asked.query).get("jobId") or (derived_id(key) if key else None)
        there = await self._cell_of(named) if named and not asked.cell else None
        if there is not None:
            cell = there  # A repetition goes where the first one went, whatever the rules are now.
        # A spec has no room for the stack, and its bytes are its own.
        body = asked.body if is_v2 else orjson.dumps(stamped(given, descriptor))
        response = await self._to(cell, asked.to_cell(body=body))
        left = given
        while FULL in response.headers and there is None and where.is_default:
            # Refused whole, before anything was written: another that it may go to can take it.
            left = replace(left, cells=tuple(each for each in left.cells if each != cell))
            try:
                where = replace(routed(left, looked_at), why=f"{cell.name} is full")
            except NoRoute:
                break
            cell = next(each for each in left.cells if each.name == where.cell)
            response = await self._to(cell, asked.to_cell(body=body))
        response.headers["X-Flumina-Routed-By"] = "known" if there is not None else where.why
        return response

    # The cell that has a job.

    async def _of_job(self, asked: Asked, job_id: str) -> Response:
        if asked.method == "GET" and _OF_A_STREAM.fullmatch(asked.path):
            found = await self._cell_of(job_id)
            return await self._to(found or self.configuration.cells[0], asked.to_cell())
        known = self._located.get(job_id)
        cell = self.configuration.cell(known) if known else None
        if cell is not None:
            ask = asked.to_cell()
            answer = await self._cells.ask(cell, ask, self._patience_s(ask))
            if isinstance(answer, Answer) and answer.status != HTTPStatus.NOT_FOUND:
                return _passed_on(cell.name, answer)
            del self._located[job_id]
            if isinstance(answer, Silent) and asked.method != "GET":
                raise silence([answer])  # It may have been done: nobody else is asked to do it.
        cell = await self._cell_of(job_id)
        return await self._to(cell or self.configuration.cells[0], asked.to_cell())

    async def having(self, job_id: str) -> tuple[str, ...]:
        """The cell that has the job; else those that did not answer; none: nobody has it."""
        try:
            found = await self._cell_of(job_id)
        except Problem as problem:
            return tuple(problem.headers[FAILED].split(", "))
        return (found.name,) if found is not None else ()

    async def _cell_of(self, job_id: str) -> FederatedCell | None:
        """The cell that has the job, an active one first; None where none has.

        A silent cell is waited for only while no other has the job active. Raises `Problem` where
        nothing can be said, because a cell was silent.
        """
        ask = Ask("GET", f"/api/v3/jobs/{quote(job_id, safe='')}")
        given = self.configuration
        answers = await self._cells.ask_until(
            dict.fromkeys(given.cells, ask), given.timeout_ms / 1_000, _is_active
        )
        having = [
            name
            for name, answer in answers.items()
            if isinstance(answer, Answer) and answer.status == HTTPStatus.OK
        ]
        having.sort(key=lambda name: not _is_active(answers[name]))
        if having:
            self._located[job_id] = having[0]
            while len(self._located) > LOCATED_MAX:
                self._located.popitem(last=False)
            return self.configuration.cell(having[0])
        silent = [_assilence(name, answer) for name, answer in answers.items()]
        if unsure := [each for each in silent if each is not None]:
            raise silence(unsure, f"No cell that answered has {job_id}")
        return None

    # All cells.

    async def _ask_all(self, asked: Mapping[FederatedCell, Ask]) -> dict[str, Answer | Silent]:
        return await self._cells.ask_each(asked, self.configuration.timeout_ms / 1_000)

    async def _list(self, asked: Asked) -> Response:
        given, query = self.configuration, dict(asked.query)
        size = _page_size(query.get("pageSize", str(PAGE_SIZE_DEFAULT)))
        try:
            places = paging.places_of(query.get("cursor", ""), given.names)
        except paging.BadCursor as error:
            hint = "give the cursor of the page before, or none for the first page"
            raise refused([Fault(field="cursor", text=str(error), hint=hint)]) from error
        rest = [(name, value) for name, value in asked.query if name not in {"pageSize", "cursor"}]
        asks: dict[FederatedCell, Ask] = {}
        for name, count in paging.shares(size, places).items():
            cell = given.cell(name)
            assert cell is not None
            # A list of jobs may not be an empty string: no cursor is none.
            cursor = [("cursor", places[name].cursor)] if places[name].cursor else []
            asks[cell] = asked.to_cell([*rest, ("pageSize", str(count)), *cursor])
        answers = await self._ask_all(asks)
        parts, told = _parts(answers)
        places = paging.after(places, parts)
        answered = {part.cell for part in parts}
        left = [name for name, place in places.items() if not place.is_at_end]
        failed = {name for name, _ in told.failed}
        page = {
            "items": paging.merged(parts),
            "pagination": {
                "currentPage": {"pageSize": size, "cursor": query.get("cursor", "")},
                # Whoever failed is asked again by this cursor, but nobody is told to go on for it.
                "hasMore": any(name not in failed for name in left),
                "totalItems": sum(part.total for part in parts),
                "cursor": paging.cursor_of(places),
            },
            "federation": told.document(answered),
        }
        if answers and not answered:
            silent = [Silent(name, why) for name, why in told.failed]
            raise silence(silent, "No cell answered")
        return json_response(page, headers=told.headers())

    async def _standing(self, asked: Asked) -> Response:
        given = self.configuration
        status = Ask("GET", "/api/v3/status", headers=asked.headers)
        answers = await self._ask_all(dict.fromkeys(given.cells, status))
        told, found = Told(), []
        for cell in given.cells:
            answer = answers[cell.name]
            shown: Json = {"name": cell.name, "region": cell.region, "isClosed": cell.is_closed}
            if isinstance(answer, Silent):
                told.failed.append((cell.name, answer.why))
                shown |= {"isAnswering": False, "why": answer.why}
            else:
                if answer.stale:
                    told.stale.append((cell.name, answer.stale))
                shown |= {"isAnswering": True, "status": object_of(answer.body)}
            found.append(shown)
        is_serving = len(told.failed) < len(given.cells)
        body = {
            "servingStatus": "SERVING" if is_serving else "NOT_SERVING",
            "version": given.version,
            "stack": given.stack,
            "cells": found,
            "federation": told.document(set(given.names) - {name for name, _ in told.failed}),
        }
        return json_response(body, headers=told.headers())


def _parts(answers: Mapping[str, Answer | Silent]) -> tuple[list[paging.Part], Told]:
    """The pages among the answers, and what is to be told; raises `Problem` for a bad request."""
    told, parts = Told(), []
    for name, answer in answers.items():
        if isinstance(answer, Silent):
            told.failed.append((name, answer.why))
            continue
        if HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            # All were asked the same: what one refuses is the caller's to put right.
            said = object_of(answer.body)
            message = str(said.get("message") or f"answered {answer.status}")
            details = str(said.get("errorDetails") or "")
            raise Problem(HTTPStatus(answer.status), f"Cell {name}: {message}", details)
        if answer.status != HTTPStatus.OK:
            told.failed.append((name, f"answered {answer.status}"))
            continue
        try:
            parts.append(paging.part_of(name, answer.body))
        except ValueError as error:
            told.failed.append((name, str(error)))
            continue
        if answer.stale:
            told.stale.append((name, answer.stale))
    return parts, told


async def _asked(request: Request) -> Asked:
    query = list(request.query_params.multi_items())
    named = request.headers.get(CELL, "") or dict(query).get("cell", "")
    method = "GET" if request.method == "HEAD" else request.method
    body = None
    if method in {"POST", "PUT", "PATCH"} and request.headers.get("content-length") != "0":
        body = await descriptor_body(request)
    return Asked(
        method=method,
        path=request.scope["path"],
        query=[(name, value) for name, value in query if name != "cell"],
        headers={name: value for name in PASSED_DOWN if (value := request.headers.get(name))},
        body=body,
        cell=named,
    )


def _passed_on(cell: str, answer: Answer) -> Response:
    headers = {**answer.headers, CELL: cell}
    return Response(answer.body, answer.status, headers)


def _assilence(cell: str, answer: Answer | Silent) -> Silent | None:
    """The cell as a silent one, where it did not say what was asked; 404 is an answer."""
    if isinstance(answer, Silent) or answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return answer if isinstance(answer, Silent) else None
    return Silent(cell, f"answered {answer.status}")


def _page_size(text: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) < 10 and 0 < int(text) <= PAGE_SIZE_MAX:
        return int(text)
    hint = f"give a number from 1 to {PAGE_SIZE_MAX}"
    raise refused([Fault(field="pageSize", text=f"is {text[:40]!r}", hint=hint)])


def _job_of(name: str) -> str:
    """The job of a name in a path, which may be a task's."""
    return job_id_of(TaskId(name)) or name


def _source_of(body: bytes | None) -> str:
    source = object_of(body or b"").get("sourceJobId")
    if isinstance(source, str) and source:
        return source
    raise refused([Fault(field="sourceJobId", text="is missing", hint="name the task's job")])


def _is_active(answer: Answer | Silent) -> bool:
    if isinstance(answer, Silent) or answer.status != HTTPStatus.OK:
        return False
    status = object_of(answer.body).get("status")
    return isinstance(status, dict) and status.get("state") == "Accepted"
