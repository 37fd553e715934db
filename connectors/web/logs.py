"""What a task has written, piece by piece, from its host and from the store as one.

The one thing to know: the answer is the file's bytes as they are, with their place in headers.
They are the work of strangers, so they are never sent as a type that a browser would interpret.
A file is asked for by its name, which is looked up among the task's files and is never a path.
"""

from http import HTTPStatus
from typing import Final

from starlette.responses import Response

from connectors.tasklogs.layout import OUTPUTS, NameRefused, checked_name
from connectors.web.call import Call
from connectors.web.cell import FileName, LogUnavailable, Piece, Sandbox
from connectors.web.problems import RETRY_AFTER_S, Problem
from connectors.web.views import task_or_problem
from projections.provenance import provenance_header, provenance_of_task
from scheduler.model.ids import TaskId, job_id_of
from scheduler.model.task import Finished, place_of, titus_state

LOG_OFFSET: Final = "X-Flumina-Log-Offset"
LOG_NEXT_OFFSET: Final = "X-Flumina-Log-Next-Offset"
LOG_SIZE: Final = "X-Flumina-Log-Size"
LOG_NOTE: Final = "X-Flumina-Log-Note"
PROVENANCE: Final = "X-Flumina-Provenance"
PROVENANCE_CHARACTERS_MAX: Final = 4_096
PIECE_BYTES_DEFAULT: Final = 64 * 1024
PIECE_BYTES_MAX: Final = 64 * 1024
"""What a Mesos agent gives in one answer."""
FILE_OFFSET_MAX: Final = 2**53 - 1
"""The largest number that every reader of JSON keeps exactly; Mesos' answers are JSON."""

_STATUS: Final = {
    "missing": HTTPStatus.NOT_FOUND,
    "unreachable": HTTPStatus.SERVICE_UNAVAILABLE,
    "broken": HTTPStatus.BAD_GATEWAY,
}


async def task_log(call: Call) -> Response:
    """Up to 64 KiB of one of the task's files: from ``offset``, an instant, or the file's end."""
    query = call.query
    name = _name(call)
    offset = query.whole("offset", 0, FILE_OFFSET_MAX)
    since_ms = query.whole("since", 0, FILE_OFFSET_MAX)
    length = query.whole("length", 1, PIECE_BYTES_MAX) or PIECE_BYTES_DEFAULT
    is_from_end = query.truth("tail")
    given = [text for text, value in (("offset", offset), ("since", since_ms)) if value is not None]
    if len(given) + is_from_end > 1:
        also = "tail" if is_from_end else "since"
        query.faults.add(also, "is given beside offset or since", "keep one of them")
    query.done()
    sandbox = _sandbox(call)
    files = call.api.files
    try:
        if since_ms is not None:
            offset = await files.offset_at(sandbox, name, since_ms)
        wanted = None if is_from_end else offset or 0
        piece = await files.read(sandbox, name, wanted, length)
    except LogUnavailable as error:
        raise _problem(call, name, sandbox, error) from error
    answer = _answer(piece)
    said = provenance_header(provenance_of_task(call.api.cell.view, TaskId(call.path_id)))
    if said:
        answer.headers[PROVENANCE] = said[:PROVENANCE_CHARACTERS_MAX]
    return answer


def _name(call: Call) -> FileName:
    name = call.query.text("file") or OUTPUTS[0]
    try:
        return checked_name(name)
    except NameRefused as error:
        hint = "stdout, stderr, or a file's path below the log folder"
        call.query.faults.add("file", str(error), hint)
        return OUTPUTS[0]


def _sandbox(call: Call) -> Sandbox:
    """Where the task's output is; raises a 404 `Problem` where there can be none."""
    state = call.api.cell.view.state
    task_id = TaskId(call.path_id)
    task = call.api.cell.view.task(task_id)
    framework_id = state.stream.framework_id
    if task is None:
        job_id = job_id_of(task_id)
        if job_id is None:
            task_or_problem(call)  # Which says that there is none.
            raise AssertionError("a task was found that was not there")
        # Forgotten by the fold, but perhaps not yet by the store.
        return Sandbox("", framework_id, task_id, state.cell, job_id, is_over=True)
    place = place_of(task.state)
    if place is None:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            f"Task {task.task_id} is {titus_state(task.state)} and was on no host: no output",
            f"Ask /api/v3/tasks/{task.task_id}/why.",
        )
    facts = state.hosts.get(place.host_id)
    url = "" if facts is None else facts.url
    is_over = isinstance(task.state, Finished)
    job_id = job_id_of(task_id) or task.job_id  # Shipped by its name, whoever has it now.
    return Sandbox(url, framework_id, task_id, state.cell, job_id, is_over)


def _problem(call: Call, name: FileName, sandbox: Sandbox, error: LogUnavailable) -> Problem:
    if error.kind == "missing" and not sandbox.host_url:
        task = task_or_problem(call)
        place = place_of(task.state)
        host = "" if place is None else place.host_id
        return Problem(
            HTTPStatus.NOT_FOUND,
            f"The log does not know where host {host} answers HTTP",
            "It has made no offer since the cell began, and the store has nothing of the task; "
            "look into the sandbox on the host itself.",
        )
    status = _STATUS[error.kind]
    is_passing = status is HTTPStatus.SERVICE_UNAVAILABLE
    return Problem(
        status,
        f"{name} of task {sandbox.task_id} cannot be read",
        str(error),
        headers={"Retry-After": str(RETRY_AFTER_S)} if is_passing else None,
    )


def _answer(piece: Piece) -> Response:
    headers = {
        LOG_OFFSET: str(piece.offset),
        LOG_NEXT_OFFSET: str(piece.following),
        LOG_SIZE: str(piece.size),
    }
    if piece.note:
        text = piece.note.encode("ascii", "replace").decode("ascii")
        headers[LOG_NOTE] = "".join(each if each.isprintable() else " " for each in text)[:600]
    return Response(piece.data, headers=headers, media_type="application/octet-stream")
