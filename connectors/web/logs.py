"""What a task has written, piece by piece, from the host that runs or ran it.

The one thing to know: the answer is the file's bytes as they are, with their place in headers.
They are the work of strangers, so they are never sent as a type that a browser would interpret.
"""

from http import HTTPStatus
from typing import Final

from starlette.responses import Response

from connectors.web.call import Call
from connectors.web.cell import FileName, LogUnavailable, Sandbox
from connectors.web.problems import RETRY_AFTER_S, Problem
from connectors.web.views import task_or_problem
from scheduler.model.task import place_of, titus_state

LOG_OFFSET: Final = "X-Flumina-Log-Offset"
LOG_NEXT_OFFSET: Final = "X-Flumina-Log-Next-Offset"
LOG_SIZE: Final = "X-Flumina-Log-Size"
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
    """Up to 64 KiB of the task's stdout or stderr, from ``offset`` or the file's end."""
    query = call.query
    is_stderr = query.choice("file", ("stdout", "stderr")) == "stderr"
    name: FileName = "stderr" if is_stderr else "stdout"
    offset = query.whole("offset", 0, FILE_OFFSET_MAX)
    length = query.whole("length", 1, PIECE_BYTES_MAX) or PIECE_BYTES_DEFAULT
    is_from_end = query.truth("tail")
    if is_from_end and offset is not None:
        query.faults.add("tail", "is given beside offset", "keep one of them")
    query.done()
    task = task_or_problem(call)
    place = place_of(task.state)
    if place is None:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            f"Task {task.task_id} is {titus_state(task.state)} and was on no host: no output",
            f"Ask /api/v3/tasks/{task.task_id}/why.",
        )
    state = call.api.cell.view.state
    facts = state.hosts.get(place.host_id)
    if facts is None or not facts.url:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            f"The log does not know where host {place.host_id} answers HTTP",
            "It has made no offer since the cell began; look into the sandbox on the host itself.",
        )
    wanted = None if is_from_end else offset or 0
    files = call.api.files
    try:
        sandbox = Sandbox(facts.url, state.stream.framework_id, task.task_id)
        piece = await files.read(sandbox, name, wanted, length)
    except LogUnavailable as error:
        status = _STATUS[error.kind]
        is_passing = status is HTTPStatus.SERVICE_UNAVAILABLE
        raise Problem(
            status,
            f"{name} of task {task.task_id} cannot be read",
            str(error),
            headers={"Retry-After": str(RETRY_AFTER_S)} if is_passing else None,
        ) from error
    headers = {
        LOG_OFFSET: str(piece.offset),
        LOG_NEXT_OFFSET: str(piece.offset + len(piece.data)),
        LOG_SIZE: str(piece.size),
    }
    return Response(piece.data, headers=headers, media_type="application/octet-stream")
