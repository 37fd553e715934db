"""Every request that the clients can make, as a value: path, query, body, and what is read of it.

The one thing to know: both clients have one method for each of these, of the same name and with the
same arguments; what is asked and how it is read is written here, once.
"""

import uuid
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from connectors.client.asking import Ask, Query, segment, shape
from connectors.client.errors import Reply
from connectors.client.shapes import (
    History,
    Job,
    JobPage,
    Page,
    SchedulingResult,
    Standing,
    State,
    Taken,
    Task,
    TaskPage,
    Why,
)

Json = dict[str, Any]
Descriptor = Mapping[str, object] | bytes
"""A job in Titus' shape; bytes are sent as they are."""

PAGE_SIZE: Final = 1_000
JOBS: Final = "/api/v3/jobs"
TASKS: Final = "/api/v3/tasks"
LOG_PIECE_BYTES: Final = 64 * 1024


class Piece(msgspec.Struct, frozen=True):
    """Some bytes of a task's output, and where to read on."""

    data: bytes
    offset: int
    next_offset: int
    note: str = ""


class Evicted(msgspec.Struct, frozen=True, rename="camel"):
    """Whether a task is ended within all budgets; what is not may be asked for again."""

    allowed: bool
    reason_code: str = ""
    reason_message: str = ""


class Dry(msgspec.Struct, frozen=True, rename="camel"):
    """What a cell would make of a descriptor."""

    job_descriptor: Json
    id: str = ""


def submit(descriptor: Descriptor, job_id: str | None, key: str | None, why: str) -> Ask[Taken]:
    """A job under a name, or under a key: without either a new one is made."""
    query: Query = {"jobId": job_id, "why": why or None}
    key = "" if job_id else key or uuid.uuid4().hex
    return Ask(
        "POST",
        JOBS,
        shape(Taken),
        query,
        _bytes(descriptor),
        key,
        is_answered_late=True,
    )


def dry_run(descriptor: Descriptor, job_id: str | None) -> Ask[Dry]:
    """What the cell would make of it; nothing is written."""
    query: Query = {"dryRun": "true", "jobId": job_id}
    return Ask("POST", JOBS, shape(Dry), query, _bytes(descriptor))


def job(job_id: str) -> Ask[Job]:
    """The job."""
    return Ask("GET", f"{JOBS}/{segment(job_id)}", shape(Job))


def task(task_id: str) -> Ask[Task]:
    """The task."""
    return Ask("GET", f"{TASKS}/{segment(task_id)}", shape(Task))


def job_page(criteria: Query, cursor: str) -> Ask[tuple[tuple[Job, ...], str]]:
    """A page of jobs, and the cursor of the next or nothing."""

    def read(reply: Reply) -> tuple[tuple[Job, ...], str]:
        return shape(JobPage)(reply).items, _next(reply)

    return Ask("GET", JOBS, read, _paged(criteria, cursor))


def task_page(criteria: Query, cursor: str) -> Ask[tuple[tuple[Task, ...], str]]:
    """A page of tasks, and the cursor of the next or nothing."""

    def read(reply: Reply) -> tuple[tuple[Task, ...], str]:
        return shape(TaskPage)(reply).items, _next(reply)

    return Ask("GET", TASKS, read, _paged(criteria, cursor))


def _paged(criteria: Query, cursor: str) -> Query:
    return {"pageSize": PAGE_SIZE, **criteria, "cursor": cursor or None}


def _next(reply: Reply) -> str:
    where = shape(Page)(reply).pagination
    return where.cursor if where.has_more else ""


def job_events(job_id: str, *, is_with_tasks: bool) -> Ask[History]:
    """What happened to the job."""
    query: Query = {"tasks": "true" if is_with_tasks else None}
    return Ask("GET", f"{JOBS}/{segment(job_id)}/events", shape(History), query)


def task_events(task_id: str) -> Ask[History]:
    """What happened to the task."""
    return Ask("GET", f"{TASKS}/{segment(task_id)}/events", shape(History))


def why_job(job_id: str, at: str) -> Ask[Why]:
    """Why the job is where it is, or was at an instant."""
    return Ask("GET", f"{JOBS}/{segment(job_id)}/why", shape(Why), {"at": at or None})


def why_task(task_id: str, at: str) -> Ask[Why]:
    """Why the task is where it is, or was at an instant."""
    return Ask("GET", f"{TASKS}/{segment(task_id)}/why", shape(Why), {"at": at or None})


def scheduling_result(task_id: str) -> Ask[SchedulingResult]:
    """What the last round of placement said of the task."""
    path = f"/api/v3/scheduler/results/{segment(task_id)}"
    return Ask("GET", path, shape(SchedulingResult))


def log(task_id: str, file: str, offset: int | None, since_ms: int | None) -> Ask[Piece]:
    """A piece of a task's file: from an offset or an instant, or the last one."""
    where: Query = {"tail": "true"} if offset is None else {"offset": offset}
    if since_ms is not None:
        where = {"since": since_ms}

    def read(reply: Reply) -> Piece:
        begins = int(reply.headers.get("x-flumina-log-offset", offset or 0))
        follows = int(reply.headers.get("x-flumina-log-next-offset", begins + len(reply.body)))
        return Piece(reply.body, begins, follows, reply.headers.get("x-flumina-log-note", ""))

    return Ask("GET", f"{TASKS}/{segment(task_id)}/log", read, {"file": file, **where})


def standing(token: str = "") -> Ask[Standing]:
    """How the cell stands, once it has passed the record that a token names."""
    return Ask("GET", "/api/v3/status", shape(Standing), {"atLeast": token or None})


def state() -> Ask[State]:
    """The cell in numbers."""
    return Ask("GET", "/api/flumina/state", shape(State))


def set_capacity(
    job_id: str, sizes: Mapping[str, int | None], why: str, if_version: int | None
) -> Ask[Taken]:
    """Those bounds of a service that are given."""
    body = {name: size for name, size in sizes.items() if size is not None}
    return _changed("PUT", f"{JOBS}/{segment(job_id)}/capacityAttributes", why, if_version, body)


def set_processes(
    job_id: str, flags: Mapping[str, bool | None], why: str, if_version: int | None
) -> Ask[Taken]:
    """What holds the desired size of a service."""
    body = {name: flag for name, flag in flags.items() if flag is not None}
    return _changed("PUT", f"{JOBS}/{segment(job_id)}/jobprocesses", why, if_version, body)


def set_enabled(job_id: str, why: str, if_version: int | None, *, is_on: bool) -> Ask[Taken]:
    """Whether the service is in service."""
    word = "enable" if is_on else "disable"
    return _changed("POST", f"{JOBS}/{segment(job_id)}/{word}", why, if_version)


def set_budget(
    job_id: str, budget: Mapping[str, object], why: str, if_version: int | None
) -> Ask[Taken]:
    """The job's disruption budget."""
    path = f"{JOBS}/{segment(job_id)}/disruptionBudget"
    return _changed("PUT", path, why, if_version, budget)


def set_attributes(
    path: str, name: str, attributes: Mapping[str, str], why: str, if_version: int | None
) -> Ask[Taken]:
    """Attributes of a job or task; the others stay."""
    body = {"attributes": dict(attributes)}
    return _changed("PUT", f"{path}/{segment(name)}/attributes", why, if_version, body)


def remove_attributes(
    path: str, name: str, keys: tuple[str, ...], why: str, if_version: int | None
) -> Ask[Taken]:
    """The attributes that a job or task is to have no more."""
    query: Query = {"keys": ",".join(keys), "why": why or None}
    target = f"{path}/{segment(name)}/attributes"
    return Ask("DELETE", target, shape(Taken), query, if_version=if_version, is_answered_late=True)


def kill_job(job_id: str, why: str, if_version: int | None) -> Ask[Taken]:
    """The end of a job."""
    return _changed("DELETE", f"{JOBS}/{segment(job_id)}", why, if_version)


def kill_task(
    task_id: str, why: str, if_version: int | None, *, is_shrink: bool, is_minimum_kept: bool
) -> Ask[Taken]:
    """The end of a task, which is replaced, or leaves its service one smaller."""
    query: Query = {
        "why": why or None,
        "shrink": "true" if is_shrink else None,
        "preventMinSizeUpdate": "true" if is_minimum_kept else None,
    }
    return Ask(
        "DELETE",
        f"{TASKS}/{segment(task_id)}",
        shape(Taken),
        query,
        if_version=if_version,
        is_answered_late=True,
    )


def move_task(task_id: str, source_job_id: str, target_job_id: str, why: str) -> Ask[Taken]:
    """A started task goes from one service to another."""
    body = {"taskId": task_id, "sourceJobId": source_job_id, "targetJobId": target_job_id}
    query: Query = {"why": why or None}
    data = msgspec.json.encode(body)
    return Ask("POST", f"{TASKS}/move", shape(Taken), query, data, is_repeatable=False)


def evict_task(task_id: str, reason: str) -> Ask[Evicted]:
    """The end of a task, if every budget allows it now."""
    path = f"/api/v3/eviction/tasks/{segment(task_id)}"
    return Ask("DELETE", path, shape(Evicted), {"reason": reason or None}, is_repeatable=False)


def _changed(
    method: str,
    path: str,
    why: str,
    if_version: int | None,
    body: Mapping[str, object] | None = None,
) -> Ask[Taken]:
    return Ask(
        method,
        path,
        shape(Taken),
        {"why": why or None},
        None if body is None else msgspec.json.encode(body),
        if_version=if_version,
        # Of a certain version it is done once: the second time that version is gone.
        is_repeatable=if_version is None,
        is_answered_late=if_version is None,
    )


def _bytes(descriptor: Descriptor) -> bytes:
    return descriptor if isinstance(descriptor, bytes) else msgspec.json.encode(descriptor)
