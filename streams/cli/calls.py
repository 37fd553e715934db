"""The API's calls as commands use them: typed, and complete where the API answers in pages.

The one thing to know: a request that changes something returns when the cell has answered it. Where
the API gives a token instead, because the cell was slow, the call waits for the token and asks
again; the cell takes the same request twice as one.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from connectors.client.asking import segment
from connectors.client.shapes import (
    History,
    Job,
    JobPage,
    OrphanList,
    Page,
    PolicyShown,
    Standing,
    Taken,
    Task,
    TaskPage,
    Why,
)
from scheduler.model.ids import TaskId, job_id_of
from streams.cli.client import ApiConnection, ApiError, decoded

PAGE_SIZE: Final = 1_000
LOG_PIECE_BYTES: Final = 64 * 1024
JOBS: Final = "/api/v3/jobs"
TASKS: Final = "/api/v3/tasks"
POLICY: Final = "/api/flumina/policy"
ANY: Final = "Any"

Query = Mapping[str, str | int | None]


class LogPiece(msgspec.Struct, frozen=True):
    """Some bytes of a task's output, and where to read on."""

    data: bytes
    next_offset: int
    note: str = ""


def path_of(name: str) -> str:
    """The path of the job or task of this name: a task's says of which job it is."""
    kind = JOBS if job_id_of(TaskId(name)) is None else TASKS
    return f"{kind}/{segment(name)}"


class Api:
    """One API."""

    def __init__(self, connection: ApiConnection) -> None:
        self.connection = connection

    # Reads

    def standing(self) -> Standing:
        """How the cell stands; answered by a halted or leaderless cell as well."""
        return decoded(self.connection.get("/api/v3/status"), Standing)

    def state(self, at: str = "") -> bytes:
        """The cell in numbers, now or at another instant, as JSON."""
        return self.connection.get("/api/flumina/state", {"at": at or None})

    def diff(self, first: str, second: str, limit: int, skip: int) -> bytes:
        """What was different at the second instant, as JSON."""
        query: Query = {"from": first, "to": second, "limit": limit, "skip": skip}
        return self.connection.get("/api/flumina/diff", query)

    def timeline(self, name: str, first: str, second: str, limit: int, skip: int) -> bytes:
        """What happened to a job, task or host, as JSON."""
        query: Query = {"from": first or None, "to": second or None, "limit": limit, "skip": skip}
        return self.connection.get(f"/api/flumina/timeline/{segment(name)}", query)

    def trace(self, address: str, direction: str) -> bytes:
        """Causes or effects of an event, as JSON."""
        query: Query = {"address": address, "direction": direction}
        return self.connection.get("/api/flumina/trace", query)

    def job(self, job_id: str) -> Job:
        """The job."""
        return decoded(self.connection.get(f"{JOBS}/{segment(job_id)}"), Job)

    def task(self, task_id: str) -> Task:
        """The task."""
        return decoded(self.connection.get(f"{TASKS}/{segment(task_id)}"), Task)

    def jobs(self, query: Query) -> list[Job]:
        """All jobs that the query lets through."""
        return [job for body in self.pages(JOBS, query) for job in decoded(body, JobPage).items]

    def tasks(self, query: Query) -> list[Task]:
        """All tasks that the query lets through."""
        return [task for body in self.pages(TASKS, query) for task in decoded(body, TaskPage).items]

    def pages(self, path: str, query: Query) -> Iterator[bytes]:
        """Every page, as JSON."""
        cursor: str | None = None
        while True:
            body = self.connection.get(path, {**query, "pageSize": PAGE_SIZE, "cursor": cursor})
            yield body
            where = decoded(body, Page).pagination
            if not where.has_more:
                return
            cursor = where.cursor

    def why(self, name: str, at: str = "") -> Why:
        """Why the job, task or orphan is where it is, or was at another instant."""
        return decoded(self.raw_of(name, "why", {"at": at or None}), Why)

    def scheduling_result(self, task_id: str, address: str) -> bytes:
        """What the round at the address said of the task, as JSON."""
        path = f"/api/v3/scheduler/results/{segment(task_id)}"
        return self.connection.get(path, {"round": address})

    def events(self, name: str, query: Query | None = None) -> History:
        """What happened to the job or task."""
        return decoded(self.raw_of(name, "events", query), History)

    def raw_of(self, name: str, what: str, query: Query | None = None) -> bytes:
        """``why`` or ``events`` of a name, as JSON; what is no job may be an orphan."""
        path = path_of(name)
        try:
            return self.connection.get(f"{path}/{what}", query)
        except ApiError as error:
            if error.status != 404 or what != "why" or path.startswith(TASKS):
                raise
            try:
                return self.connection.get(f"{TASKS}/{segment(name)}/{what}", query)
            except ApiError:
                raise error from None

    def orphans(self) -> OrphanList:
        """The tasks that run without history in the log."""
        return decoded(self.connection.get("/api/flumina/orphans"), OrphanList)

    def log(
        self, task_id: str, name: str, offset: int | None, since_ms: int | None = None
    ) -> LogPiece:
        """A piece of a task's file: from ``offset``, or an instant, or the last one."""
        where: Query = {"tail": "true"} if offset is None else {"offset": offset}
        if since_ms is not None:
            where = {"since": since_ms}
        answer = self.connection.ask(
            "GET", f"{TASKS}/{segment(task_id)}/log", {"file": name, **where}
        )
        headers = {key.lower(): value for key, value in answer.headers.items()}
        begins = int(headers.get("x-flumina-log-offset", offset or 0))
        follows = int(headers.get("x-flumina-log-next-offset", begins + len(answer.body)))
        return LogPiece(answer.body, follows, headers.get("x-flumina-log-note", ""))

    # Requests

    def submit(self, descriptor: bytes, job_id: str | None, key: str) -> Taken:
        """The job that the descriptor became."""
        query: Query = {"jobId": job_id} if job_id else {}
        return self._taken("POST", JOBS, query, descriptor, None if job_id else key)

    def dry_run(self, descriptor: bytes, job_id: str | None) -> bytes:
        """What the cell would make of the descriptor, as JSON; nothing is written."""
        query: Query = {"dryRun": "true", "jobId": job_id}
        return self.connection.send("POST", JOBS, query, descriptor).body

    def scale(self, job_id: str, sizes: Mapping[str, int], why: str) -> Taken:
        """The service whose bounds were changed."""
        path = f"{JOBS}/{segment(job_id)}/capacityAttributes"
        return self._taken("PUT", path, {"why": why or None}, msgspec.json.encode(sizes))

    def kill(self, name: str, why: str, *, is_shrink: bool = False) -> Taken:
        """The job or task whose end was taken."""
        query: Query = {"why": why or None, "shrink": "true" if is_shrink else None}
        return self._taken("DELETE", path_of(name), query)

    def command(self, name: str, body: Mapping[str, object]) -> Taken:
        """An operator's command; with a token where the cell has not passed it yet.

        It is not asked again: some orders, such as that to skip, are refused the second time.
        """
        path = f"/api/flumina/commands/{name}"
        return decoded(self.connection.ask("POST", path, body=dict(body)).body, Taken)

    def policy(self) -> PolicyShown:
        """The policy in force."""
        return decoded(self.connection.get(POLICY), PolicyShown)

    def put_policy(self, document: Mapping[str, Any], why: str, if_version: int) -> Taken:
        """The order to set the whole policy; refused where the cell has another version by now."""
        query: Query = {"why": why, "ifVersion": if_version}
        return decoded(self.connection.ask("PUT", POLICY, query, dict(document)).body, Taken)

    def wait_for(self, taken: Taken) -> None:
        """Return when the cell has passed the request; raises `ApiError` if that takes too long."""
        if not taken.token:
            return
        try:
            self.connection.get("/api/v3/status", {"atLeast": taken.token})
        except ApiError as error:
            raise ApiError(
                f"The request about {taken.id} is written, but the cell has not passed it yet.",
                f"It is record {taken.token}. {error.what}",
                "It will be taken; `flumina state` shows how the cell stands.",
                exit_code=error.exit_code,
            ) from error

    def _taken(
        self,
        method: str,
        path: str,
        query: Query,
        raw: bytes | None = None,
        key: str | None = None,
    ) -> Taken:
        answer = self.connection.send(method, path, query, raw, key)
        if answer.status == 202:
            self.wait_for(decoded(answer.body, Taken))
            answer = self.connection.send(method, path, query, raw, key)
        return decoded(answer.body, Taken)
