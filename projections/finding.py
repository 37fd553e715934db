"""What a safe cell holds back, and what an operator would decide: the list behind a page.

The one thing to know: the number of tasks here is what a confirmation repeats, so that nobody
confirms a list that has grown since he looked.
"""

from typing import Final

import msgspec

from projections.cell_view import CellView
from scheduler.fold.kills import budget_left, is_inferred
from scheduler.fold.safe import listed_count
from scheduler.model.task import Finished, KillInitiated, place_of
from scheduler.state import State

TASKS_MAX: Final = 1_000
"""Of each list; the totals count all."""


class ListedTask(msgspec.Struct, frozen=True, rename="camel"):
    """A task of the finding."""

    task_id: str
    job_id: str
    hostname: str
    state: str
    """What Mesos says of it."""
    since_ms: int


class Finding(msgspec.Struct, frozen=True, rename="camel"):
    """Whether the cell is safe, why, and what waits for an operator's word."""

    is_safe: bool
    finding: int | None
    address: str
    why: str
    since_ms: int
    tasks: int
    """How many tasks the list has in all: what a confirmation names."""
    missing: tuple[ListedTask, ...]
    missing_total: int
    orphans: tuple[ListedTask, ...]
    orphans_total: int
    """Of which no operator has confirmed."""
    kills_held: int
    """Inferred kills that wait for the operator's word, or for their budgets."""
    inferred_kills_left: int
    stuck_kills_left: int


def finding(view: CellView) -> Finding:
    """The cell's finding as it is at the view's offset; also where there is none."""
    state = view.state
    safe = state.safe
    return Finding(
        is_safe=safe is not None,
        finding=safe.finding if safe else None,
        address=view.address((safe.finding, 0)) if safe else "",
        why=safe.why if safe else "",
        since_ms=safe.since_ms if safe else 0,
        tasks=tasks_listed(state),
        missing=_missing(view),
        missing_total=len(state.missing),
        orphans=_orphans(view),
        orphans_total=state.unconfirmed_orphans,
        kills_held=kills_held(state),
        inferred_kills_left=budget_left(state, "inferred"),
        stuck_kills_left=budget_left(state, "stuck"),
    )


def tasks_listed(state: State) -> int:
    """How many tasks wait for an operator's word."""
    return listed_count(state)


def kills_held(state: State) -> int:
    """How many tasks only we want ended and have not been told to end."""
    found = 0
    for task_id in state.killing:
        task_state = state.tasks[task_id].state
        assert isinstance(task_state, KillInitiated | Finished)
        found += is_inferred(task_state) and task_state.kill_sent_at_ms is None
    return found


def _missing(view: CellView) -> tuple[ListedTask, ...]:
    state = view.state
    found = []
    for task_id in sorted(state.missing)[:TASKS_MAX]:
        missing, task = state.missing[task_id], state.tasks[task_id]
        place = place_of(task.state)
        host = view.hostname(place.host_id) if place else ""
        found.append(ListedTask(task_id, task.job_id, host, missing.state, missing.since_ms))
    return tuple(found)


def _orphans(view: CellView) -> tuple[ListedTask, ...]:
    unconfirmed = [each for each in view.state.orphans.values() if not each.is_confirmed]
    return tuple(
        ListedTask(each.task_id, "", view.hostname(each.host_id), each.state, each.first_seen_at_ms)
        for each in sorted(unconfirmed, key=lambda each: each.task_id)[:TASKS_MAX]
    )
