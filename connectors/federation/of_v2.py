"""API v2 of 2017 at the federation's front: which cell a request is for, and lists of all cells.

The one thing to know: v2 names jobs and tasks in paths and in bodies, and its lists are plain
arrays. So what a list lacks, because a cell is silent, is told by headers only.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from connectors.federation.cells import Answer, Silent
from connectors.federation.telling import Told, object_of, silence
from connectors.web.problems import Problem, refused
from scheduler.model.ids import TaskId, job_id_of
from scheduler.model.inbound import Fault
from scheduler.model.reading.bad_bytes import BAD_BYTES

LISTS: Final = ("/api/v2/jobs", "/v2/jobs")
LIMIT_MAX: Final = 100_000
_OF_ONE: Final = re.compile(r"(?:/api)?/v2/(?:jobs|tasks|logs|scheduler/failures)/([^/]+)")
_ORDERS: Final = {
    "/api/v2/jobs/kill": ("jobId",),
    "/api/v2/jobs/setinstancecounts": ("jobId",),
    "/api/v2/jobs/setinservice": ("jobId",),
    "/api/v2/tasks/kill": ("taskId", "taskIds"),
}
_NO_NAMES: Final = frozenset(("summary",))


def jobs_of(method: str, path: str, body: bytes | None) -> tuple[str, ...]:
    """The jobs that a request of v2 is about, by its path or body; none: it is about no job."""
    names = _ORDERS.get(path)
    if names is not None:
        return _named(object_of(body or b""), names) if method == "POST" else ()
    found = _OF_ONE.fullmatch(path)
    if found is None or found[1] in _NO_NAMES:
        return ()
    return (_job_of(found[1]),)


def _named(said: Mapping[str, Any], names: Sequence[str]) -> tuple[str, ...]:
    values = [said.get(name) for name in names]
    flat = [each for value in values for each in (value if isinstance(value, list) else [value])]
    found = {_job_of(each) for each in flat if isinstance(each, str) and each}
    if not found:
        raise refused([Fault(names[0], "is missing", f"name it: {' or '.join(names)}")])
    return tuple(sorted(found))


def _job_of(name: str) -> str:
    """The job of a name, which may be a task's."""
    return job_id_of(TaskId(name)) or name


async def one_cell(jobs: Sequence[str], having: Callable[[str], Awaitable[tuple[str, ...]]]) -> str:
    """The job by which the cell is found; raises `Problem` where they are in several."""
    if len(jobs) == 1:
        return jobs[0]
    cells = {job: await having(job) for job in jobs}
    if len({each for each in cells.values() if each}) > 1:
        told = "; ".join(f"{job} in {', '.join(each) or 'none'}" for job, each in cells.items())
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            f"The tasks are of several cells: {told}",
            "Ask for those of each cell by themselves.",
        )
    return next((job for job, each in cells.items() if each), jobs[0])


def descriptor_of(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What routes look at, of a spec of 2015 or 2017."""
    application = spec.get("appName") or spec.get("applicationName")
    resources = {"gpu": spec.get("gpu", 0)}
    return {
        "applicationName": application,
        "capacityGroup": spec.get("capacityGroup"),
        "attributes": spec.get("labels"),
        "container": {"resources": resources},
    }


def merged(answers: Mapping[str, Answer | Silent], limit: str) -> tuple[list[Any], Told]:
    """The jobs of all cells that answered, oldest first; raises `Problem` for a bad request."""
    told, found = Told(), []
    for name, answer in answers.items():
        if isinstance(answer, Silent):
            told.failed.append((name, answer.why))
            continue
        if HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            said = object_of(answer.body)
            message = str(said.get("message") or f"answered {answer.status}")
            raise Problem(HTTPStatus(answer.status), f"Cell {name}: {message}")
        try:
            found += msgspec.json.decode(answer.body, type=list[dict[str, Any]])
        except BAD_BYTES:
            told.failed.append((name, f"answered {answer.status}"))
            continue
        if answer.stale:
            told.stale.append((name, answer.stale))
    if told.failed and len(told.failed) == len(answers):
        raise silence([Silent(*each) for each in told.failed], "No cell answered")
    found.sort(key=lambda each: (each["submittedAt"], each["id"]))
    most = int(limit) if limit.isascii() and limit.isdecimal() and len(limit) < 7 else LIMIT_MAX
    return found[:most], told
