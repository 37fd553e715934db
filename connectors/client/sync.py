"""The synchronous client: one API at one address, asked by one actor.

The one thing to know: a method that changes something returns when the cell has taken it; reads
that follow see it, also at another api process behind one address. Use it as a context manager,
or `close` it. A client is for one thread.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Self, TypeVar

import httpx

from connectors.access.outgoing import Credentials
from connectors.client import calls
from connectors.client.asking import (
    ANSWER_TIMEOUT_S,
    PATIENCE_S,
    Ask,
    OwnWrites,
    Patience,
    Query,
    shape,
)
from connectors.client.calls import JOBS, TASKS, Descriptor, Dry, Evicted, Piece
from connectors.client.errors import Limited, Reply, Unavailable, Unreachable, refusal_of
from connectors.client.events import SILENCE_S_MAX, Event, Following, Parser
from connectors.client.shapes import (
    History,
    Job,
    SchedulingResult,
    Standing,
    State,
    Taken,
    Task,
    Why,
)

T = TypeVar("T")
ACTOR = "X-Flumina-Actor"
NOT_CONNECTED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""Nothing was sent: whatever was asked, it may be asked again."""


class Client:
    """Asks one API."""

    def __init__(
        self,
        url: str,
        actor: str = "",
        *,
        patience_s: float = PATIENCE_S,
        connect_patience_s: float | None = None,
        is_reading_own_writes: bool = True,
        credentials: Credentials | None = None,
    ) -> None:
        """Begin with no connection.

        ``patience_s`` is how long a request is worth that fails for want of a leader or at a limit,
        ``connect_patience_s`` the same while nobody listens there. Where a federation answers,
        reads cannot wait for what one of its cells was told: ``is_reading_own_writes`` is off.
        ``credentials`` are what it shows of who asks: a token, a certificate. Raises `NoTls`.
        """
        self.url = url.rstrip("/")
        self._patience = (
            patience_s,
            patience_s if connect_patience_s is None else connect_patience_s,
        )
        self._credentials, self._actor = credentials or Credentials(), actor
        verify = self._credentials.verify(self.url)
        self._http = httpx.Client(timeout=ANSWER_TIMEOUT_S, trust_env=False, verify=verify)
        self._own = OwnWrites(is_kept=is_reading_own_writes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back the connections."""
        self._http.close()

    # What all requests have in common.

    @property
    def _headers(self) -> dict[str, str]:
        """Who asks: a token's file is read again when it has changed."""
        return ({ACTOR: self._actor} if self._actor else {}) | self._credentials.headers()

    def send(self, ask: Ask[T]) -> Reply:
        """The answer to a request that was taken (2xx); raises `ClientError` else."""
        patience = Patience(ask, self.url, *self._patience, time.monotonic())
        while True:
            try:
                reply = self._once(ask)
            except httpx.TransportError as error:
                is_sent = not isinstance(error, NOT_CONNECTED)
                pause_s = patience.failed(error, time.monotonic(), was_connected=is_sent)
            else:
                answer_s = patience.answered(reply, time.monotonic())
                if answer_s is None:
                    return reply
                pause_s = answer_s
            time.sleep(pause_s)

    def ask(self, ask: Ask[T]) -> T:
        """What the answer says, once the cell has answered."""
        reply = self.send(ask)
        if reply.status == 202 and ask.is_answered_late:
            self.wait_for(shape(Taken)(reply).token)
            reply = self.send(ask)
        return ask.read(reply)

    def wait_for(self, token: str) -> Standing:
        """How the cell stands once it has passed the record that a token names."""
        return self.ask(calls.standing(token))

    def _once(self, ask: Ask[T]) -> Reply:
        target, headers = self._own.marked(ask)
        response = self._http.request(
            ask.method,
            self.url + target,
            content=ask.body,
            headers={**self._headers, **headers},
        )
        reply = Reply(response.status_code, dict(response.headers), response.content)
        self._own.note(reply)
        return reply

    # Jobs.

    def submit(
        self,
        descriptor: Descriptor,
        job_id: str | None = None,
        *,
        key: str | None = None,
        why: str = "",
    ) -> Taken:
        """The job that a descriptor became; under a name or a key, asking again is the same job."""
        return self.ask(calls.submit(descriptor, job_id, key, why))

    def dry_run(self, descriptor: Descriptor, job_id: str | None = None) -> Dry:
        """What the cell would make of a descriptor; nothing is written."""
        return self.ask(calls.dry_run(descriptor, job_id))

    def job(self, job_id: str) -> Job:
        """The job."""
        return self.ask(calls.job(job_id))

    def jobs(self, criteria: Query | None = None) -> Iterator[Job]:
        """All jobs that the criteria let through, page by page."""
        cursor = ""
        while True:
            items, cursor = self.ask(calls.job_page(criteria or {}, cursor))
            yield from items
            if not cursor:
                return

    def set_capacity(
        self,
        job_id: str,
        *,
        minimum: int | None = None,
        desired: int | None = None,
        maximum: int | None = None,
        why: str = "",
        if_version: int | None = None,
    ) -> Taken:
        """The service whose bounds were changed; those that are not given stay."""
        sizes = {"min": minimum, "desired": desired, "max": maximum}
        return self.ask(calls.set_capacity(job_id, sizes, why, if_version))

    def set_processes(
        self,
        job_id: str,
        *,
        is_increase_disabled: bool | None = None,
        is_decrease_disabled: bool | None = None,
        why: str = "",
        if_version: int | None = None,
    ) -> Taken:
        """The service whose desired size is held, or let go."""
        flags = {
            "disableIncreaseDesired": is_increase_disabled,
            "disableDecreaseDesired": is_decrease_disabled,
        }
        return self.ask(calls.set_processes(job_id, flags, why, if_version))

    def enable(self, job_id: str, why: str = "", if_version: int | None = None) -> Taken:
        """The service that is in service."""
        return self.ask(calls.set_enabled(job_id, why, if_version, is_on=True))

    def disable(self, job_id: str, why: str = "", if_version: int | None = None) -> Taken:
        """The service that is out of service."""
        return self.ask(calls.set_enabled(job_id, why, if_version, is_on=False))

    def set_budget(
        self,
        job_id: str,
        budget: Mapping[str, object],
        why: str = "",
        if_version: int | None = None,
    ) -> Taken:
        """The job that has this disruption budget; an empty one takes its own away."""
        return self.ask(calls.set_budget(job_id, budget, why, if_version))

    def set_job_attributes(
        self,
        job_id: str,
        attributes: Mapping[str, str],
        why: str = "",
        if_version: int | None = None,
    ) -> Taken:
        """The job that has these attributes; the others stay."""
        return self.ask(calls.set_attributes(JOBS, job_id, attributes, why, if_version))

    def remove_job_attributes(
        self, job_id: str, *keys: str, why: str = "", if_version: int | None = None
    ) -> Taken:
        """The job that has these attributes no more."""
        return self.ask(calls.remove_attributes(JOBS, job_id, keys, why, if_version))

    def kill_job(self, job_id: str, why: str = "", if_version: int | None = None) -> Taken:
        """The job whose end was taken."""
        return self.ask(calls.kill_job(job_id, why, if_version))

    # Tasks.

    def task(self, task_id: str) -> Task:
        """The task."""
        return self.ask(calls.task(task_id))

    def tasks(self, criteria: Query | None = None) -> Iterator[Task]:
        """All tasks that the criteria let through, page by page."""
        cursor = ""
        while True:
            items, cursor = self.ask(calls.task_page(criteria or {}, cursor))
            yield from items
            if not cursor:
                return

    def set_task_attributes(
        self,
        task_id: str,
        attributes: Mapping[str, str],
        why: str = "",
        if_version: int | None = None,
    ) -> Taken:
        """The task that has these attributes; the others stay."""
        return self.ask(calls.set_attributes(TASKS, task_id, attributes, why, if_version))

    def remove_task_attributes(
        self, task_id: str, *keys: str, why: str = "", if_version: int | None = None
    ) -> Taken:
        """The task that has these attributes no more."""
        return self.ask(calls.remove_attributes(TASKS, task_id, keys, why, if_version))

    def kill_task(
        self,
        task_id: str,
        why: str = "",
        *,
        is_shrink: bool = False,
        is_minimum_kept: bool = False,
        if_version: int | None = None,
    ) -> Taken:
        """The task whose end was taken; it is replaced, unless its service shrinks."""
        flags = {"is_shrink": is_shrink, "is_minimum_kept": is_minimum_kept}
        return self.ask(calls.kill_task(task_id, why, if_version, **flags))

    def move_task(
        self, task_id: str, source_job_id: str, target_job_id: str, why: str = ""
    ) -> Taken:
        """The started task that went from one service to another."""
        return self.ask(calls.move_task(task_id, source_job_id, target_job_id, why))

    def evict_task(self, task_id: str, reason: str = "") -> Evicted:
        """Whether the task is ended within all budgets."""
        return self.ask(calls.evict_task(task_id, reason))

    def log(
        self,
        task_id: str,
        file: str = "stdout",
        *,
        offset: int | None = 0,
        since_ms: int | None = None,
    ) -> Piece:
        """A piece of a task's file: from an offset or an instant; ``offset=None`` is its end."""
        return self.ask(calls.log(task_id, file, offset, since_ms))

    # What happened, and why.

    def job_events(self, job_id: str, *, is_with_tasks: bool = False) -> History:
        """What happened to the job, and to its tasks if asked for."""
        return self.ask(calls.job_events(job_id, is_with_tasks=is_with_tasks))

    def task_events(self, task_id: str) -> History:
        """What happened to the task."""
        return self.ask(calls.task_events(task_id))

    def why_job(self, job_id: str, at: str = "") -> Why:
        """Why the job is where it is, or was at an instant."""
        return self.ask(calls.why_job(job_id, at))

    def why_task(self, task_id: str, at: str = "") -> Why:
        """Why the task is where it is, or was at an instant."""
        return self.ask(calls.why_task(task_id, at))

    def scheduling_result(self, task_id: str) -> SchedulingResult:
        """What the last round of placement said of the task."""
        return self.ask(calls.scheduling_result(task_id))

    def standing(self) -> Standing:
        """How the cell stands."""
        return self.ask(calls.standing())

    def state(self) -> State:
        """The cell in numbers."""
        return self.ask(calls.state())

    # Streams.

    def observe_job(self, job_id: str, last_id: str = "") -> Iterator[Event]:
        """Each change of a job and its tasks, until it has finished; breaks are gone over."""
        return self.observe(calls.job(job_id).path + "/observe", last_id=last_id)

    def observe_jobs(self, criteria: Query | None = None, last_id: str = "") -> Iterator[Event]:
        """Each change of the jobs and tasks that the criteria let through, without end."""
        return self.observe("/api/v3/observe/jobs", criteria, last_id)

    def observe(
        self, path: str, criteria: Query | None = None, last_id: str = ""
    ) -> Iterator[Event]:
        """The events of any stream; see docs/observe.md for which there are."""
        following = Following(last_id)
        ask = Ask("GET", path, shape(dict), criteria or {})
        patience = Patience(ask, self.url, *self._patience, time.monotonic())
        has_opened = False
        while True:
            try:
                for event in self._connected(ask, following):
                    has_opened = True
                    yield event
                if following.is_over():
                    return
                pause_s = following.pause_s()
            except httpx.TransportError as error:
                pause_s = following.pause_s()
                if not has_opened:
                    pause_s = patience.failed(error, time.monotonic(), was_connected=False)
            except (Limited, Unavailable) as error:
                pause_s = following.pause_s()
                if not has_opened:
                    pause_s = patience.answered(error.reply, time.monotonic()) or pause_s
            time.sleep(pause_s)

    def lines(self, path: str) -> Iterator[bytes]:
        """The lines of an answer that goes on until it is over; it is never asked for again."""
        headers = {**self._headers, "Accept-Encoding": "identity"}
        timeout = httpx.Timeout(ANSWER_TIMEOUT_S, read=None)
        try:
            with self._http.stream(
                "GET", self.url + path, headers=headers, timeout=timeout
            ) as said:
                if said.status_code != 200:
                    said.read()
                    raise refusal_of(Reply(said.status_code, dict(said.headers), said.content))
                rest = b""
                for piece in said.iter_raw():
                    *whole, rest = (rest + piece).split(b"\n")
                    yield from whole
        except httpx.TransportError as error:
            raise Unreachable(f"{self.url} broke off: {error}") from error

    def _connected(self, ask: Ask[T], following: Following) -> Iterator[Event]:
        """The events of one connection."""
        target, own = self._own.marked(ask)
        headers = {**self._headers, **own, **following.headers}
        timeout = httpx.Timeout(ANSWER_TIMEOUT_S, read=SILENCE_S_MAX)
        with self._http.stream("GET", self.url + target, headers=headers, timeout=timeout) as said:
            if said.status_code != 200:
                said.read()
                raise refusal_of(Reply(said.status_code, dict(said.headers), said.content))
            first = following.opened()
            if first is not None:
                yield first
            parser = Parser()
            for line in said.iter_lines():
                event = parser.line(line)
                told = following.took(event) if event is not None else None
                if told is not None:
                    yield told
