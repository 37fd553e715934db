"""Which events a reader is told: those of what its criteria let through, and of what they did.

The one thing to know: what was let through and is no more is told once more, marked as no match,
and a job takes its tasks along; a job that comes to match brings its tasks. So a reader's own set
of things stays right though nothing here remembers it between connections. After a resumption
nobody knows what the reader has, so each thing that does not match is told once.
"""

from collections.abc import Container
from typing import Final

import msgspec

from projections.cell_view import CellView
from projections.observe.observer import data_of, task_told
from projections.observe.ring import Told
from projections.v3_query import (
    JOB_STATES,
    SYSTEM_FAILURES,
    TASK_STATES,
    Query,
    asks_about_jobs,
    is_wanted_job,
    projected,
)
from scheduler.model.ids import JobId
from scheduler.model.task import titus_state
from scheduler.state import Job

_ALL_STATES: Final = frozenset(JOB_STATES)
NO_MATCH: Final = b',"matches":false}'
"""What takes the place of an event's last brace, where the thing matches no more."""


class Named:
    """The ids that a reader of any other stream asks about; none given, it asks about all."""

    def __init__(self, job_ids: frozenset[str], task_ids: frozenset[str]) -> None:
        self._job_ids, self._task_ids = job_ids, task_ids

    def data_of(self, view: CellView, told: Told) -> bytes | None:
        """What the reader is to be sent of an event; None where nothing."""
        is_job = not self._job_ids or told.job_id in self._job_ids
        is_task = not self._task_ids or told.task_id in self._task_ids
        return data_of(view, told) if is_job and is_task else None

    def brings(self, _: CellView, __: Told) -> list[Told]:
        """Nothing: what these streams tell of stands alone."""
        return []


class Wanted:
    """The criteria of one reader of the stream of jobs, and what it was told matches."""

    def __init__(self, query: Query, *, is_resumed: bool) -> None:
        if query.job_states >= _ALL_STATES:
            query = msgspec.structs.replace(query, job_states=frozenset())  # Nothing leaves by it.
        self._query = query
        self._is_resumed = is_resumed
        self._inside: dict[str, str] = {}
        """Things that match, as the reader was told, with their jobs."""
        self._outside: set[str] = set()
        """After a resumption: things that do not, as it was told."""

    def data_of(self, view: CellView, told: Told) -> bytes | None:
        """What the reader is to be sent of an event; None where nothing."""
        name = told.name
        if not self._is_named(told) or not self._is_reached(view, told):
            return None
        if self._matches(view, told):
            self._outside.discard(name)
            if told.is_over:
                self._inside.pop(name, None)
            else:
                self._inside[name] = told.job_id
            return self._shown(data_of(view, told))
        was_inside = name not in self._outside if self._is_resumed else name in self._inside
        self._leaves(told)
        if not was_inside:
            return None
        if self._is_resumed:
            self._outside.add(name)
        return self._shown(data_of(view, told))[:-1] + NO_MATCH

    def _is_reached(self, view: CellView, told: Told) -> bool:
        """Whether the reader may see it, or saw it before it was moved to a job of others."""
        reach = self._query.reach
        if reach is None or told.name in self._inside:
            return True
        job = told.job or view.job(JobId(told.job_id))
        return job is not None and reach(job.spec.owner_email, job.spec.application_name)

    def _leaves(self, told: Told) -> None:
        self._inside.pop(told.name, None)
        if not told.task_id:
            gone = [name for name, job_id in self._inside.items() if job_id == told.job_id]
            for name in gone:
                del self._inside[name]

    def brings(self, view: CellView, told: Told) -> list[Told]:
        """Tasks that the reader is to be told before this event of their job: it matches anew."""
        job, query = told.job, self._query
        is_new = told.task_id or job is None or job.version == 1  # Its tasks are told anyway.
        if is_new or told.is_over or told.name in self._inside or not asks_about_jobs(query):
            return []
        assert job is not None
        if not (self._is_named(told) and self._matches(view, told)):
            return []
        history = view.job_history(job.job_id)
        found = [task_told(view, each) for each in (history.task_ids if history else ())]
        return [each for each in found if each is not None and not each.is_over]

    def _is_named(self, told: Told) -> bool:
        """Whether the ids let it through; they never change, so nothing leaves by them."""
        query = self._query
        if told.task_id:
            jobs: Container[str] = query.job_ids
            is_of_job = told.job_id in jobs or told.moved_from in jobs
            is_task = not query.task_ids or told.task_id in query.task_ids
            return is_task and (not query.job_ids or is_of_job)
        is_job = not query.job_ids or told.job_id in query.job_ids
        return is_job and not query.task_ids

    def _matches(self, view: CellView, told: Told) -> bool:
        query, job, task = self._query, told.job, told.task
        if task is None:
            return job is not None and self._is_job(view, job)
        if query.job_ids and told.job_id not in query.job_ids:
            return False  # It was moved away.
        if asks_about_jobs(query) and (job is None or not self._is_job(view, job)):
            return False
        reason = getattr(task.state, "reason", "")
        return (
            (not query.task_states or titus_state(task.state) in query.task_states)
            and (not query.task_state_reasons or reason in query.task_state_reasons)
            and not (query.is_without_system_failures and reason in SYSTEM_FAILURES)
            and query.needs_migration in {None, told.needs_migration}
        )

    def _is_job(self, view: CellView, job: Job) -> bool:
        query = self._query
        is_state = not query.job_states or job.state in query.job_states
        return is_state and is_wanted_job(view, query, job)

    def _shown(self, data: bytes) -> bytes:
        """The event with the fields that the reader wants."""
        if not self._query.fields:
            return data
        said = msgspec.json.decode(data)
        for name in ("job", "task"):
            if name in said:
                said[name] = projected(said[name], self._query.fields)
        return msgspec.json.encode(said)


def shows_ended(query: Query, *, is_task: bool) -> bool:
    """Whether a snapshot shows what has ended: only where its state is asked for, as in lists."""
    return TASK_STATES[-1] in (query.task_states if is_task else query.job_states)
