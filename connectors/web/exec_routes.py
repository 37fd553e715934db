"""REST of `flumina exec`: a session begun, read, given input, ended.

The one thing to know: never a shell of the host. What begins is a container below the task's own,
confined as the task, and only beside a task that runs.
"""

import base64
import binascii
import json
import secrets
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from connectors.exec.client import ExecError, open_session
from connectors.exec.protocol import Window
from connectors.http.while_read import while_read
from connectors.web.api import Api
from connectors.web.call import Call
from connectors.web.edge import LIMIT_IN_SCOPE
from connectors.web.exec_sessions import Exec
from connectors.web.problems import Problem, json_response, refused, unavailable
from connectors.web.requests import actor_of, refuse_body, small_body
from connectors.web.resource import Operation
from connectors.web.shapes import base
from connectors.web.shapes import exec_sessions as shapes
from connectors.web.views import task_or_problem
from connectors.web.writing import write
from scheduler.model.changes import JobRejected
from scheduler.model.inbound import Fault
from scheduler.model.incident_notes import NOTE_BYTES_MAX
from scheduler.model.reading.checks import name_check, process_check
from scheduler.model.reading.fields import Fields
from scheduler.model.task import Started, place_of, titus_state

PATH: Final = "/api/flumina/tasks/{id}/exec"
ATTRIBUTE: Final = "flumina.exec"
"""The container attribute by which a job says ``false``: nobody comes in."""
WORDS_MAX: Final = 200
WORD_BYTES_MAX: Final = 8 * 1024
COMMAND_SHOWN_CHARACTERS_MAX: Final = 500
WHY_BYTES_MAX: Final = 500
WINDOW_MAX: Final = 1_000
NDJSON: Final = "application/x-ndjson"
_WORD: Final = process_check(WORD_BYTES_MAX)
_WHY: Final = name_check(WHY_BYTES_MAX)


class ExecStream(Response):
    """What a session says, as JSON lines; the session ends when the reader leaves."""

    def __init__(self, api: Api, each: Exec) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"}, media_type=NDJSON)
        del self.headers["content-length"]
        self._api, self._exec = api, each

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send lines until the session or the reader is gone."""
        head = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(head)
        scope[LIMIT_IN_SCOPE].lift()
        try:
            await while_read(self._send_all(send), receive)
        finally:
            self._exec.end("its reader left")

    async def _send_all(self, send: Send) -> None:
        async for line in self._api.execs.lines(self._exec):
            await send({"type": "http.response.body", "body": line, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def begin(call: Call) -> Response:
    """``201 {"id"}`` once the command runs beside the task, and the log says so."""
    call.query.done()
    actor = actor_of(call.request, is_required=True)
    fields, faults = await small_body(call.request)
    argv = fields.texts("command", _WORD, WORDS_MAX, WORD_BYTES_MAX * 2)
    is_tty = fields.truth("tty", default=False)
    window = Window(_size(fields, "rows", 24), _size(fields, "columns", 80))
    why = fields.text("why", _WHY)
    if not argv and not fields.raw("command"):
        fields.fault("command", "is missing", 'say what to run, like ["/bin/sh"]')
    fields.close()
    if faults:
        raise refused(faults.all())
    url = _host_of(call)
    execs, task_id = call.api.execs, task_or_problem(call).task_id
    complaint = execs.reserve(actor)
    if complaint:
        raise Problem(
            HTTPStatus.TOO_MANY_REQUESTS, f"No session: {complaint}", "End one of them first."
        )
    name = secrets.token_hex(8)
    try:
        shown = execs.masker.text(" ".join(argv))[:COMMAND_SHOWN_CHARACTERS_MAX]
        text = f"exec {name} begins: {why}; command: {shown}"
        await _noted(call.api, actor, text, task_id)
        session = await _opened(call, url, argv, window if is_tty else None, (actor, name))
    except BaseException:
        execs.release(actor)
        raise
    each = Exec(name, actor, task_id, session)
    execs.hold(each, lambda who, said, about: _noted(call.api, who, said, about))
    limits = execs.limits
    told = {"id": name, "idleS": int(limits.idle_s), "lengthS": int(limits.length_s)}
    location = {"Location": f"{PATH.format(id=task_id)}/{name}/output"}
    return json_response(told, HTTPStatus.CREATED, location)


async def show_output(call: Call) -> Response:
    """What the session says, line by line as JSON; the last line has its exit code."""
    call.query.done()
    each = _find(call)
    if each.is_read:
        raise Problem(
            HTTPStatus.CONFLICT, "The session has a reader already", "Begin another session."
        )
    if call.request.method != "HEAD":
        each.is_read = True
    return ExecStream(call.api, each)


async def give_input(call: Call) -> Response:
    """``200 {"id"}`` once the session is given the input, or its terminal another size."""
    call.query.done()
    each = _find(call)
    fields, faults = await small_body(call.request)
    data = _data(fields)
    rows, columns = _size(fields, "rows", 0), _size(fields, "columns", 0)
    is_end = fields.truth("isEnd", default=False)
    fields.close()
    if faults:
        raise refused(faults.all())
    each.touch()
    is_taken = each.session.resize(Window(rows, columns)) if rows and columns else True
    is_taken = is_taken and (not data or each.session.write(data))
    is_taken = is_taken and (not is_end or each.session.write(b""))
    if not is_taken:
        raise unavailable(
            "The command does not read its input; nothing of this was taken", "Send it again."
        )
    return json_response({"id": each.name})


async def end(call: Call) -> Response:
    """``200 {"id"}``: the session ends."""
    call.query.done()
    refuse_body(call.request)
    each = _find(call)
    each.end(f"ended by {each.actor}")
    return json_response({"id": each.name})


def _host_of(call: Call) -> str:
    """Where the task's agent answers; raises `Problem` where nobody may come in, or can."""
    if not call.api.execs.limits.is_on:
        raise Problem(
            HTTPStatus.FORBIDDEN, "Sessions are turned off here", "FLUMINA_EXEC=on allows them."
        )
    task = task_or_problem(call)
    state = call.api.cell.view.state
    job = state.jobs.get(task.job_id)
    attributes = dict(job.spec.container.attributes) if job is not None else {}
    if attributes.get(ATTRIBUTE, "").lower() == "false":
        raise Problem(
            HTTPStatus.FORBIDDEN,
            f"Job {task.job_id} lets nobody in: its container has {ATTRIBUTE}=false",
            "Its owner can change that with an update.",
        )
    place = place_of(task.state)
    if not isinstance(task.state, Started) or place is None:
        raise Problem(
            HTTPStatus.CONFLICT,
            f"Task {task.task_id} is {titus_state(task.state)} and does not run",
            f"GET /api/v3/tasks/{task.task_id}/why says how it is.",
        )
    facts = state.hosts.get(place.host_id)
    if facts is None or not facts.url:
        raise unavailable(f"Nobody knows where host {place.host_id} answers", "Ask again later.")
    return facts.url


async def _opened(
    call: Call, url: str, argv: tuple[str, ...], window: Window | None, said: tuple[str, str]
) -> Any:  # noqa: ANN401 - of the client
    api, task_id = call.api, call.path_id
    framework_id = api.cell.view.state.stream.framework_id
    try:
        return await open_session(
            url, framework_id=framework_id, task_id=task_id, argv=argv, window=window
        )
    except ExecError as error:
        actor, name = said
        await _noted(api, actor, f"exec {name} did not begin: {error}"[:NOTE_BYTES_MAX], task_id)
        status = HTTPStatus.CONFLICT if error.is_missing else HTTPStatus.BAD_GATEWAY
        raise Problem(
            status, f"No session: {error}", "Look whether the task runs; then try again."
        ) from error


async def _noted(api: Api, actor: str, text: str, about: str) -> None:
    """Return once the log says it; raises `Problem` before that."""
    record = {"type": "NoteIncident", "actor": actor, "text": text, "about": about}
    value = json.dumps(record).encode()
    written = await write(api, "commands", actor, value, subject=about)
    if isinstance(written.answer, JobRejected):
        raise refused(written.answer.faults)
    if written.answer is None:
        raise unavailable("The cell has not folded who begins this", "Nothing was begun.")


def _find(call: Call) -> Exec:
    """The session of the path, if it is this actor's; raises a 404 `Problem` else."""
    name = str(call.request.path_params["session"])
    found = call.api.execs.find(name, call.path_id, actor_of(call.request, is_required=True))
    if found is None:
        text = "is no session of yours beside this task here: it ended, or is another api's"
        raise refused([Fault("session", text, "begin one with POST", code="unknown")])
    return found


def _size(fields: Fields, name: str, default: int) -> int:
    return fields.whole(name, 1, WINDOW_MAX, default=default) if fields.has(name) else default


def _data(fields: Fields) -> bytes:
    if not fields.has("data"):
        return b""
    try:
        return base64.b64decode(str(fields.raw("data")), validate=True)
    except binascii.Error:
        fields.fault("data", "is no base64", "encode the bytes of the input")
        return b""


EXEC_ROUTES: Final[dict[str, dict[str, Operation]]] = {
    PATH: {
        "POST": Operation(
            begin,
            body=shapes.ExecBody,
            answer=shapes.ExecBegun,
            success=(201,),
            errors=(403, 409, 429, 502),
            is_actor_required=True,
        )
    },
    f"{PATH}/{{session}}": {
        "DELETE": Operation(end, answer=base.Written, is_published=False, is_actor_required=True)
    },
    f"{PATH}/{{session}}/output": {
        "GET": Operation(
            show_output, is_read=True, media=NDJSON, errors=(409,), is_actor_required=True
        )
    },
    f"{PATH}/{{session}}/input": {
        "POST": Operation(
            give_input,
            body=shapes.ExecInput,
            answer=base.Written,
            is_published=False,
            is_actor_required=True,
        )
    },
}
