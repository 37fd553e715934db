"""Why a task or a job is where it is: an answer in sentences, and the chain of its causes.

The one thing to know: the chain goes from the inbound record that asked for the job to the last
thing that happened, predecessors included, and every link has the address of an event in the log.
Whoever doubts a sentence reads the event.
"""

import difflib
from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from projections.cell_view import CellView
from projections.entries import LaunchFacts, TaskHistory
from projections.history import (
    Line,
    Refused,
    history_of_job,
    history_of_task,
    refused_rules,
)
from projections.why_job import job_sentences
from projections.why_task import task_sentences
from projections.words import instant, line_text
from scheduler.model.ids import JobId, TaskId, job_id_of
from scheduler.model.task import Task, place_of, titus_state
from scheduler.state import Job, Orphan

PREDECESSORS_MAX: Final = 20
"""Tasks in whose place this one stands, the newest of them; a crash loop has thousands."""
LINKS_MAX: Final = 500
NEAREST_MAX: Final = 5
CANDIDATES_MAX: Final = 1_000
"""Ids that an unknown one is compared with, the newest of them."""

_TURNS: Final = frozenset(("queued", "requeued", "launch proposed", "kill asked", "deadline"))
"""What is told of a predecessor, beside what its launch and Mesos made of its state."""


class Link(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """One link of the chain: what happened, in a sentence, and where the log says so."""

    address: str
    at_ms: int
    text: str
    task_id: str = ""
    state: str = ""
    source: str = ""
    cause: str = ""


class UsedOffer(msgspec.Struct, frozen=True, rename="camel"):
    """An offer that the launch used up."""

    offer_id: str
    cpu_milli: int
    memory_mib: int
    disk_mib: int
    source: str
    """The record of topic ``mesos`` that closed the run in which the offer was made."""


class Placement(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """The round that chose the task's host, by its own record."""

    proposal: str
    host_id: str
    hostname: str
    tasks_in_launch: int
    offers: tuple[UsedOffer, ...]
    round: str = ""
    round_at_ms: int = 0
    policy_version: int = 0
    waiting: int = 0
    placed: int = 0
    hosts: int = 0
    refusals: tuple[Refused, ...] = ()
    """What that round refused to other tasks of the job."""
    mode: str = ""
    """The mode of placement that was in force."""
    fitness: int = 0
    """How good the first host was that the round chose for the job, 0 to 1,000."""
    parts: dict[str, int] = {}
    """The fitness by part, each 0 to 1,000."""
    runner_up: str = ""
    """The name of the best host that was not chosen."""
    runner_up_fitness: int = 0
    runner_up_parts: dict[str, int] = {}


class Why(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """The answer about one job, task or orphan."""

    kind: Literal["job", "task", "orphan"]
    id: str
    state: str
    sentences: tuple[str, ...]
    chain: tuple[Link, ...] = ()
    chain_dropped: int = 0
    """Links that are only in the log."""
    job_id: str = ""
    reason: str = ""
    host_id: str = ""
    hostname: str = ""
    placement: Placement | None = None
    predecessors: tuple[str, ...] = ()
    """Tasks in whose place this one stands, oldest first."""
    replaced_by: str = ""
    is_forgotten: bool = False
    """The fold knows it no longer; this is what was remembered beside it."""
    stale: str = ""
    """Why the answer may be behind the log; empty while it is not."""


class Unknown(msgspec.Struct, frozen=True, rename="camel"):
    """No job or task of this name is known; the nearest names."""

    id: str
    text: str
    nearest: tuple[str, ...]


def why(view: CellView, name: str) -> Why | Unknown:
    """Why the task or job is where it is; or the nearest names where it is unknown."""
    task = view.task(TaskId(name))
    history = view.task_history(TaskId(name))
    if task is not None and history is not None:
        return _of_task(view, task, history)
    job = view.job(JobId(name))
    if job is not None:
        return _of_job(view, job)
    orphan = view.state.orphans.get(TaskId(name))
    if orphan is not None:
        return _of_orphan(view, orphan)
    nearest = _nearest(view, name)
    text = f"No job or task {name!r} is known to cell {view.state.cell}"
    hint = f"; did you mean {nearest[0]}?" if nearest else "; see `flumina jobs`."
    return Unknown(id=name, text=text + hint, nearest=nearest)


def _of_task(view: CellView, task: Task, history: TaskHistory) -> Why:
    before = _predecessors(view, task)
    links = [*_submission(view, task.job_id)]
    for each in before:
        links += (_link(line) for line in _lines(view, each.task_id) if _is_turn(line))
    links += (_link(line) for line in _lines(view, task.task_id))
    place = place_of(task.state)
    sentences = [*task_sentences(view, history, task), *_descent(before, task)]
    return Why(
        kind="task",
        id=task.task_id,
        job_id=task.job_id,
        state=titus_state(task.state),
        reason=getattr(task.state, "reason", ""),
        host_id=place.host_id if place else "",
        hostname=view.hostname(place.host_id if place else None),
        sentences=(*sentences, *_staleness(view)),
        chain=tuple(links[-LINKS_MAX:]),
        chain_dropped=max(0, len(links) - LINKS_MAX) + history.dropped,
        placement=_placement(view, history),
        predecessors=tuple(each.task_id for each in before),
        replaced_by=history.replaced_by or "",
        is_forgotten=task.task_id not in view.state.tasks,
        stale=view.stale,
    )


def _of_job(view: CellView, job: Job) -> Why:
    told = history_of_job(view, job.job_id)
    lines = told.lines if told else ()
    return Why(
        kind="job",
        id=job.job_id,
        job_id=job.job_id,
        state=job.state,
        reason=job.reason,
        sentences=(*job_sentences(view, job), *_staleness(view)),
        chain=tuple(_link(line) for line in lines[-LINKS_MAX:]),
        chain_dropped=max(0, len(lines) - LINKS_MAX) + (told.dropped if told else 0),
        is_forgotten=job.job_id not in view.state.jobs,
        stale=view.stale,
    )


def _of_orphan(view: CellView, orphan: Orphan) -> Why:
    place = view.timeline.orphans.get(orphan.task_id)
    where = f" on {view.hostname(orphan.host_id)}" if orphan.host_id else ""
    at = f" at {view.address(place.spot)}" if place else ""
    text = (
        f"{orphan.task_id} runs{where} without history in the log; Mesos spoke of it first at "
        f"{instant(orphan.first_seen_at_ms)}{at}, and last as {orphan.state}. An orphan is shown "
        "and never killed; an operator ends it by hand and tells the cell to forget it."
    )
    links = [Link(view.address(place.spot), place.at_ms, text)] if place else []
    return Why(
        kind="orphan",
        id=orphan.task_id,
        state=orphan.state,
        host_id=orphan.host_id or "",
        hostname=view.hostname(orphan.host_id),
        sentences=(text, *_staleness(view)),
        chain=tuple(links),
        stale=view.stale,
    )


def _staleness(view: CellView) -> Iterator[str]:
    if view.stale:
        yield f"This is how things stood before offset {view.next_offset}: {view.stale}."


def _predecessors(view: CellView, task: Task) -> list[TaskHistory]:
    """The tasks in whose place this one stands and which are remembered, oldest first."""
    found: list[TaskHistory] = []
    before = task.resubmit_of
    while before is not None and len(found) < PREDECESSORS_MAX:
        history = view.task_history(before)
        if history is None:
            break
        found.append(history)
        predecessor = view.task(before)
        before = predecessor.resubmit_of if predecessor else None
    return found[::-1]


def _descent(before: list[TaskHistory], task: Task) -> Iterator[str]:
    if task.resubmit_number == 0:
        return
    text = (
        f"It is start number {task.number} of its job, and stands in place of {task.resubmit_of}: "
        f"index {task.index} was started {task.resubmit_number + 1} times"
    )
    if task.system_resubmit_number:
        text += f", {task.system_resubmit_number} of them because of the system and not the task"
    forgotten = task.resubmit_number - len(before)
    yield f"{text}{f'; {forgotten} of those before are not shown here' if forgotten else ''}."


def _submission(view: CellView, job_id: JobId) -> Iterator[Link]:
    history = view.job_history(job_id)
    if history is None:
        return
    told = history_of_job(view, job_id)
    yield from (_link(line) for line in (told.lines[:1] if told else ()))


def _lines(view: CellView, task_id: TaskId) -> tuple[Line, ...]:
    told = history_of_task(view, task_id)
    return told.lines if told else ()


def _is_turn(line: Line) -> bool:
    if line.what in _TURNS or line.state == "Finished":
        return True
    return line.what in {"effect started", "status"} and bool(line.state)


def _link(line: Line) -> Link:
    return Link(
        address=line.address,
        at_ms=line.at_ms,
        text=line_text(line),
        task_id=line.task_id,
        state=line.state,
        source=line.source,
        cause=line.cause,
    )


def _placement(view: CellView, history: TaskHistory) -> Placement | None:
    for entry in reversed(history.entries):
        if entry.what == "launch proposed" and isinstance(entry.fact, LaunchFacts):
            break
    else:
        return None
    facts, round_ = entry.fact, entry.fact.round
    placement = Placement(
        proposal=view.address(entry.spot),
        host_id=entry.host_id or "",
        hostname=view.hostname(entry.host_id),
        tasks_in_launch=facts.tasks,
        offers=tuple(
            UsedOffer(
                offer_id=held.offer_id,
                cpu_milli=held.resources.cpu_milli,
                memory_mib=held.resources.memory_mib,
                disk_mib=held.resources.disk_mib,
                source=view.mesos_record(held.mesos_offset),
            )
            for held in facts.offers
        ),
    )
    if round_ is None:
        return placement
    own = [each for each in round_.refusals if each.job_id == history.job_id]
    chosen = round_.placement_of(history.job_id)
    if chosen is not None:
        placement = msgspec.structs.replace(
            placement,
            fitness=chosen.fitness,
            parts=dict(chosen.parts),
            runner_up=view.hostname(chosen.runner_up),
            runner_up_fitness=chosen.runner_up_fitness,
            runner_up_parts=dict(chosen.runner_up_parts),
        )
    return msgspec.structs.replace(
        placement,
        round=view.address(round_.spot),
        round_at_ms=round_.at_ms,
        policy_version=round_.policy_version,
        waiting=round_.waiting,
        placed=round_.placed,
        hosts=round_.hosts,
        mode=round_.mode,
        refusals=refused_rules(view, own[0]) if own else (),
    )


def _nearest(view: CellView, name: str) -> tuple[str, ...]:
    """Known names that are most like this one: tasks of its job, else jobs."""
    histories = view.timeline.histories
    job_id = job_id_of(TaskId(name))
    job = histories.jobs.get(job_id) if job_id else None
    names = [*job.task_ids] if job else [*histories.jobs]
    candidates = list(map(str, names[-CANDIDATES_MAX:]))
    wanted = name[:128] if job or not job_id else job_id
    return tuple(difflib.get_close_matches(wanted, candidates, n=NEAREST_MAX))
