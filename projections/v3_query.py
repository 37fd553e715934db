"""Queries over jobs and tasks with Titus' criteria, in pages that stay in step.

The one thing to know: the order is that of creation in the log, and a cursor names a place in the
log. So whatever is added or forgotten between two pages, nothing is shown twice and nothing that
was there at the beginning is left out; what is new comes at the end.

As in Titus, what has ended is shown only where it is asked for by its state.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from operator import attrgetter, itemgetter
from typing import Any, Final, TypeVar, get_args

import msgspec

from projections.cell_view import CellView
from projections.creation_order import Chosen
from projections.entries import JobHistory, TaskHistory
from projections.stamps import attributes_of
from projections.v3 import Json, job_json, migration_since_ms, task_json
from scheduler.model.ids import JobId, TaskId
from scheduler.model.inbound import Fault
from scheduler.model.reading.faults import nearest_name, shown_text
from scheduler.model.task import SYSTEM_REASONS, FinishReason
from scheduler.state import Job, State

PAGE_SIZE_DEFAULT: Final = 100
PAGE_SIZE_MAX: Final = 1_000
TASKS_PAGE_SIZE_MAX: Final = 5_000
"""Titus' gateway caps pages of tasks there."""
VALUES_MAX: Final = 1_000
"""Values of one criterion: ids, states, attributes, fields."""

JOB_STATES: Final = ("Accepted", "KillInitiated", "Finished")
TASK_STATES: Final = (
    "Accepted",
    "Launched",
    "StartInitiated",
    "Started",
    "Disconnected",
    "KillInitiated",
    "Finished",
)
JOB_TYPES: Final = ("batch", "service", "stream", "cron")
ANY_STATE: Final = "Any"
"""Instead of a state: all of them."""

SYSTEM_FAILURES: Final = frozenset(SYSTEM_REASONS) - {"evicted"}
"""Ends that are the system's fault; who is evicted did not fail."""

FEW_SHARE: Final = 8
"""Fewer than an eighth of all tasks are sooner sorted than all are looked through."""
_CURSOR_PREFIX: Final = "c"
_NO_PLACE: Final = -1


class QueryRefusedError(ValueError):
    """A query that cannot be answered, with everything that is wrong with it."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{each.field} {each.text}" for each in self.faults))


class Query(msgspec.Struct, frozen=True):
    """What to show; a criterion that is empty lets everything through."""

    job_ids: frozenset[str] = frozenset()
    task_ids: frozenset[str] = frozenset()
    owner: str = ""
    application_name: str = ""
    capacity_group: str = ""
    image_name: str = ""
    image_tag: str = ""
    job_group_stack: str = ""
    job_group_detail: str = ""
    job_group_sequence: str = ""
    job_type: str = ""
    job_states: frozenset[str] = frozenset()
    task_states: frozenset[str] = frozenset()
    task_state_reasons: frozenset[str] = frozenset()
    needs_migration: bool | None = None
    """Tasks that have to leave their host, or those that need not; None: both."""
    is_without_system_failures: bool = False
    attributes: tuple[tuple[str, str | None], ...] = ()
    """Names with a value, or with None for any; one of the values given for a name is enough."""
    is_any_attribute_enough: bool = False
    fields: tuple[str, ...] = ()
    page_size: int = PAGE_SIZE_DEFAULT
    after: int = _NO_PLACE
    """The place of creation that the page begins behind."""
    reach: Callable[[str, str], bool] | None = None
    """Whether who asks may see a job of this owner and application; None: every job."""


def parse_query(parameters: Mapping[str, str], page_size_max: int = PAGE_SIZE_MAX) -> Query:
    """The query that URL parameters ask for; lists are separated by commas.

    Raises `QueryRefusedError` with every parameter that is unknown or makes no sense.
    """
    faults = [
        Fault(name, "is no parameter", nearest_name(name, CRITERIA))
        for name in sorted(parameters.keys() - set(CRITERIA))
    ]
    given = {name: text.strip() for name, text in parameters.items()}
    lists = {name: _words(given, name, faults) for name in LIST_CRITERIA}
    migration = _choice(given, "needsMigration", TRUTHS, faults)
    query = Query(
        job_ids=frozenset(lists["jobIds"]),
        task_ids=frozenset(lists["taskIds"]),
        owner=given.get("owner", ""),
        application_name=given.get("applicationName", ""),
        capacity_group=given.get("capacityGroup", ""),
        image_name=given.get("imageName", ""),
        image_tag=given.get("imageTag", ""),
        job_group_stack=given.get("jobGroupStack", ""),
        job_group_detail=given.get("jobGroupDetail", ""),
        job_group_sequence=given.get("jobGroupSequence", ""),
        job_type=_choice(given, "jobType", JOB_TYPES, faults),
        job_states=_states(lists["jobState"], "jobState", JOB_STATES, faults),
        task_states=_states(lists["taskStates"], "taskStates", TASK_STATES, faults),
        task_state_reasons=_reasons(lists["taskStateReasons"], faults),
        needs_migration=None if not migration else migration == "true",
        is_without_system_failures=_choice(given, "skipSystemFailures", TRUTHS, faults) == "true",
        attributes=tuple(map(_attribute, lists["attributes"])),
        is_any_attribute_enough=_choice(given, "attributes.op", ("and", "or"), faults) == "or",
        fields=tuple(lists["fields"]),
        page_size=_page_size(given, faults, page_size_max),
        after=_place_of_cursor(given, faults),
    )
    if faults:
        raise QueryRefusedError(faults)
    return query


TRUTHS: Final = ("true", "false")
REASONS: Final = frozenset(get_args(FinishReason))
LIST_CRITERIA: Final = (
    "jobIds",
    "taskIds",
    "jobState",
    "taskStates",
    "taskStateReasons",
    "attributes",
    "fields",
)
"""Criteria that take several values: with commas between."""
CRITERIA: Final = (
    *LIST_CRITERIA,
    "owner",
    "applicationName",
    "capacityGroup",
    "imageName",
    "imageTag",
    "jobGroupStack",
    "jobGroupDetail",
    "jobGroupSequence",
    "jobType",
    "attributes.op",
    "needsMigration",
    "skipSystemFailures",
    "pageSize",
    "cursor",
)
"""All that a query of jobs or tasks can ask for."""


def _reasons(words: list[str], faults: list[Fault]) -> frozenset[str]:
    for word in words:
        if word not in REASONS:
            text = f"holds {shown_text(word)}, which is no reason"
            faults.append(Fault("taskStateReasons", text, nearest_name(word, REASONS)))
    return frozenset(words)


def _words(given: Mapping[str, str], name: str, faults: list[Fault]) -> list[str]:
    words = [word.strip() for word in given.get(name, "").split(",")]
    found = [word for word in words if word]
    if len(found) > VALUES_MAX:
        faults.append(Fault(name, f"has {len(found)} values", f"give {VALUES_MAX} at most"))
    return found


def _attribute(text: str) -> tuple[str, str | None]:
    name, colon, value = text.partition(":")
    return (name, value if colon else None)


def _choice(
    given: Mapping[str, str], name: str, known: tuple[str, ...], faults: list[Fault]
) -> str:
    text = given.get(name, "").lower()
    if text and text not in known:
        faults.append(Fault(name, f"is {shown_text(text)}", f"give one of {', '.join(known)}"))
    return text


def _states(
    words: list[str], name: str, known: tuple[str, ...], faults: list[Fault]
) -> frozenset[str]:
    by_lower = {state.lower(): state for state in (*known, ANY_STATE)}
    chosen: set[str] = set()
    for word in words:
        state = by_lower.get(word.lower())
        if state is None:
            hint = nearest_name(word, by_lower.values())
            faults.append(Fault(name, f"holds {shown_text(word)}, which is no state", hint))
        else:
            chosen.add(state)
    return frozenset(known) if ANY_STATE in chosen else frozenset(chosen)


def _page_size(given: Mapping[str, str], faults: list[Fault], most: int) -> int:
    text = given.get("pageSize", str(PAGE_SIZE_DEFAULT))
    if text.isascii() and text.isdecimal() and len(text) < 10 and 0 < int(text) <= most:
        return int(text)
    faults.append(Fault("pageSize", f"is {shown_text(text)}", f"give a number from 1 to {most}"))
    return PAGE_SIZE_DEFAULT


def cursor_of(place: int) -> str:
    """The text of a cursor that goes on behind this place of creation."""
    return f"{_CURSOR_PREFIX}{place:x}"


def _place_of_cursor(given: Mapping[str, str], faults: list[Fault]) -> int:
    text = given.get("cursor", "")
    if not text:
        return _NO_PLACE
    digits = text.removeprefix(_CURSOR_PREFIX)
    if text[:1] == _CURSOR_PREFIX and 0 < len(digits) <= 32:
        try:
            return int(digits, 16)
        except ValueError:
            pass  # Told below, as any other text that is no cursor.
    hint = "give the cursor of the page before, or none for the first page"
    faults.append(Fault("cursor", f"is {shown_text(text)}, which is no cursor", hint))
    return _NO_PLACE


def jobs_page(view: CellView, query: Query) -> Json:
    """One page of the jobs that the query lets through."""
    states = query.job_states or frozenset(JOB_STATES[:-1])
    is_of_tasks = bool(
        query.task_states or query.task_state_reasons or query.needs_migration is not None
    )
    if not (query.job_ids or query.task_ids or is_of_tasks or _checks(query)):
        chosen = view.timeline.histories.jobs_by_state.page(states, query.after, query.page_size)
    else:
        is_wanted = _wanted_job(view, query)
        chosen = _chosen(
            query,
            [
                (history.created, history.job_id)
                for history in _job_histories(view, query)
                if (job := view.job(history.job_id)) is not None
                and job.state in states
                and is_wanted(job)
                and (not query.task_ids or not query.task_ids.isdisjoint(history.task_ids))
                and (not is_of_tasks or _has_wanted_task(view, query, history))
            ],
        )
    return _page(query, chosen, lambda job_id: job_json(view, job_id))


def _has_wanted_task(view: CellView, query: Query, history: JobHistory) -> bool:
    """Whether a task of the job, of now or remembered, is as the query wants tasks to be."""
    tasks = view.timeline.histories.tasks
    return any(
        (not query.task_states or task.state in query.task_states)
        and _is_wanted_task(view, query, task)
        for task_id in history.task_ids
        if (task := tasks.get(task_id)) is not None
    )


def tasks_page(view: CellView, query: Query, log_url: str = "") -> Json:
    """One page of the tasks that the query lets through."""
    states = query.task_states or frozenset(TASK_STATES[:-1])
    is_looked_into = bool(
        query.task_state_reasons
        or query.needs_migration is not None
        or query.is_without_system_failures
    )
    is_by_job = asks_about_jobs(query)
    if not (query.task_ids or query.job_ids or is_by_job or is_looked_into):
        chosen = view.timeline.histories.tasks_by_state.page(states, query.after, query.page_size)
    else:
        histories = _of_wanted_jobs(view, query) if is_by_job else _task_histories(view, query)
        chosen = _chosen(
            query,
            [
                (each.created, each.task_id)
                for each in histories
                if each.state in states
                and (not is_looked_into or _is_wanted_task(view, query, each))
            ],
        )
    return _page(query, chosen, lambda task_id: task_json(view, task_id, log_url))


def _of_wanted_jobs(view: CellView, query: Query) -> Iterable[TaskHistory]:
    """Candidates in the order of creation: tasks of the jobs that the query lets through."""
    is_wanted, states = _wanted_job(view, query), query.job_states
    wanted = {
        history.job_id: history
        for history in _job_histories(view, query)
        if (job := view.job(history.job_id)) is not None
        and (not states or job.state in states)
        and is_wanted(job)
    }
    tasks = view.timeline.histories.tasks
    is_few = sum(len(each.task_ids) for each in wanted.values()) < len(tasks) // FEW_SHARE
    if query.task_ids or query.job_ids or not is_few:
        return (each for each in _task_histories(view, query) if each.job_id in wanted)
    found = [tasks[task_id] for each in wanted.values() for task_id in each.task_ids]
    return sorted(found, key=lambda history: history.created)


def asks_about_jobs(query: Query) -> bool:
    """Whether a task is let through or not by what its job is."""
    return bool(
        query.job_states
        or query.job_type
        or query.owner
        or query.application_name
        or query.capacity_group
        or query.image_name
        or query.image_tag
        or query.job_group_stack
        or query.job_group_detail
        or query.job_group_sequence
        or query.attributes
        or query.reach is not None
    )


def _is_wanted_task(view: CellView, query: Query, history: TaskHistory) -> bool:
    """Whether the task's own state lets it through, where the query asks about that."""
    task = view.task(history.task_id)
    if task is None:
        return False
    reason = getattr(task.state, "reason", "")
    needs = query.needs_migration
    return (
        (not query.task_state_reasons or reason in query.task_state_reasons)
        and not (query.is_without_system_failures and reason in SYSTEM_FAILURES)
        and (needs is None or needs == (migration_since_ms(view, task) is not None))
    )


def _job_histories(view: CellView, query: Query) -> Iterable[JobHistory]:
    """Candidates in the order of creation: by id or owner where these are given, else all."""
    histories = view.timeline.histories
    jobs = histories.jobs
    if query.job_ids:
        found = [jobs[JobId(job_id)] for job_id in query.job_ids if job_id in jobs]
    elif query.owner:
        found = [jobs[job_id] for job_id in histories.jobs_of_owner.get(query.owner, ())]
    else:
        return jobs.values()
    return sorted(found, key=lambda history: history.created)


def _task_histories(view: CellView, query: Query) -> Iterable[TaskHistory]:
    """Candidates in the order of creation."""
    histories = view.timeline.histories
    if query.task_ids:
        found = [
            history
            for task_id in query.task_ids
            if (history := histories.tasks.get(TaskId(task_id))) is not None
            and (not query.job_ids or history.job_id in query.job_ids)
        ]
    elif query.job_ids:
        found = [
            histories.tasks[task_id]
            for job in _job_histories(view, query)
            for task_id in job.task_ids
        ]
    else:
        return histories.tasks.values()
    return sorted(found, key=lambda history: history.created)


def is_wanted_job(view: CellView, query: Query, job: Job) -> bool:
    """Whether what the job is lets it through; ids and states are not looked at."""
    return _wanted_job(view, query)(job)


def _wanted_job(view: CellView, query: Query) -> Callable[[Job], bool]:
    """The same for many jobs: only what the query asks for is looked at."""
    checks, state = _checks(query), view.state
    if not checks:
        return lambda _: True
    return lambda job: all(check(state, job) for check in checks)


_Check = Callable[[State, Job], bool]


def _checks(query: Query) -> list[_Check]:
    """What the query asks of jobs, but ids and states."""
    checks: list[_Check] = []
    if query.reach is not None:
        checks.append(partial(_is_reached, query.reach))
    if query.job_type:
        checks.append(lambda _, job: type(job.spec.kind).__name__.lower() == query.job_type)
    for wanted, of_job in (
        (query.owner, attrgetter("spec.owner_email")),
        (query.application_name, attrgetter("spec.application_name")),
        (query.capacity_group, attrgetter("spec.capacity_group")),
        (query.image_name, attrgetter("spec.container.image")),
        (query.image_tag, attrgetter("spec.container.image_tag")),
        (query.job_group_stack, attrgetter("spec.stack")),
        (query.job_group_detail, attrgetter("spec.detail")),
        (query.job_group_sequence, attrgetter("spec.sequence")),
    ):
        if wanted:
            checks.append(partial(_is_equal, wanted, of_job))
    if query.attributes:
        checks.append(lambda state, job: _has_attributes(query, attributes_of(state, job)))
    return checks


def _is_reached(reach: Callable[[str, str], bool], _: State, job: Job) -> bool:
    return reach(job.spec.owner_email, job.spec.application_name)


def _is_equal(wanted: str, of_job: Callable[[Job], str], _: State, job: Job) -> bool:
    return of_job(job) == wanted


def _has_attributes(query: Query, attributes: Mapping[str, str]) -> bool:
    """Whether the names given are there, each with one of the values given for it."""
    wanted: dict[str, set[str | None]] = {}
    for name, value in query.attributes:
        wanted.setdefault(name, set()).add(value)
    matches = [
        name in attributes and (None in values or attributes[name] in values)
        for name, values in wanted.items()
    ]
    return any(matches) if query.is_any_attribute_enough else all(matches)


_Id = TypeVar("_Id", bound=str)


def _chosen(query: Query, found: list[tuple[int, _Id]]) -> Chosen[_Id]:
    """The page of what was found, which is in the order of creation."""
    begin = bisect_right(found, query.after, key=itemgetter(0))
    return Chosen(found[begin : begin + query.page_size], begin, len(found))


def _page(query: Query, chosen: Chosen[_Id], written: Callable[[_Id], Json | None]) -> Json:
    """The page behind the query's cursor, with Titus' account of where it stands."""
    places, end = chosen.places, chosen.before + len(chosen.places)
    items = [item for _, name in places if (item := written(name)) is not None]
    if query.fields:
        items = [projected(item, query.fields) for item in items]
    return {
        "items": items,
        "pagination": {
            "currentPage": {"pageSize": query.page_size, "cursor": _cursor(query.after)},
            "hasMore": chosen.total > end,
            "totalItems": chosen.total,
            "cursor": cursor_of(places[-1][0]) if places else _cursor(query.after),
            "cursorPosition": end - 1,
        },
    }


def _cursor(place: int) -> str:
    return "" if place == _NO_PLACE else cursor_of(place)


def projected(item: Json, fields: Iterable[str]) -> Json:
    """The parts of ``item`` that the dotted paths name, and always its id.

    Names may hold dots themselves, as in ``taskContext.agent.host``.
    """
    shown: Json = {"id": item["id"]} if "id" in item else {}
    for path in fields:
        _project(item, path, shown)
    return shown


def _project(value: Json, path: str, shown: Json) -> None:
    if path in value:
        shown[path] = value[path]
        return
    for at, sign in enumerate(path):
        name, rest = path[:at], path[at + 1 :]
        if sign != "." or name not in value:
            continue
        inner = value[name]
        if isinstance(inner, dict):
            target = shown.setdefault(name, {})
            if target is inner:
                return  # The whole of it was asked for as well.
            _project(inner, rest, target)
        elif isinstance(inner, list):
            _project_each(inner, rest, shown, name)


def _project_each(values: list[Any], path: str, shown: Json, name: str) -> None:
    targets = shown.setdefault(name, [{} for _ in values])
    for value, target in zip(values, targets, strict=True):
        if isinstance(value, dict) and target is not value:
            _project(value, path, target)
