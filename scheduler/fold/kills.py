"""Kills: what each is for, how many there may be, and what waits for an operator's word.

The one thing to know: a kill that no user asked for is inferred, and whoever infers may be wrong.
So such kills share budgets over an hour, and while the cell is safe there are none. All kills,
also those that users want, keep to the cell's pace: many at once take long enough to be seen.
"""

from typing import Final, Literal

from scheduler.fold.context import Fold
from scheduler.fold.safe import TASKS_PAGED_MAX, page_once
from scheduler.model.ids import TaskId
from scheduler.model.task import Finished, KillInitiated
from scheduler.state import State

KILL_WINDOW_MS: Final = 3_600_000

Budget = Literal["inferred", "stuck"]


def is_inferred(task_state: KillInitiated | Finished) -> bool:
    """Whether only we want the task to end: held for ended, or not started in time."""
    return isinstance(task_state, Finished) or task_state.reason == "stuckInState"


def is_held_while_safe(task_state: KillInitiated | Finished) -> bool:
    """Whether a cell that is safe does not carry this kill out: nobody but us wants it.

    Once the kill has left it is repeated: nothing is spared by half an end.
    """
    is_new = task_state.kill_sent_at_ms is None
    return is_inferred(task_state) or (task_state.reason == "evicted" and is_new)


def budget_of(task_state: KillInitiated | Finished) -> Budget | None:
    """The budget that the next kill of this task uses; a user's kills and repeats use none."""
    if task_state.kill_sent_at_ms is not None or not is_inferred(task_state):
        return None
    return "inferred" if isinstance(task_state, Finished) else "stuck"


def budget_left(state: State, budget: Budget) -> int:
    """How many more tasks may be ended now from this budget."""
    since_ms = state.clock.now_ms - KILL_WINDOW_MS
    used, most = _used(state, budget)
    return max(0, most - sum(at_ms > since_ms for at_ms in used))


def _used(state: State, budget: Budget) -> tuple[list[int], int]:
    if budget == "inferred":
        return state.clock.inferred_kills_at_ms, state.policy.inferred_kills_per_hour
    return state.clock.stuck_kills_at_ms, state.policy.stuck_kills_per_hour


def kills_left_now(state: State) -> int:
    """How many more kills there may be within this second of the log's clock."""
    clock = state.clock
    used = clock.kills_in_second if clock.kills_second == clock.now_ms // 1_000 else 0
    return max(0, state.policy.kills_per_s_max - used)


def rate_refusal(state: State, task_state: KillInitiated | Finished) -> str:
    """Why this task may not be killed now although the log wants it ended, or empty."""
    if state.safe is not None and is_held_while_safe(task_state):
        return "the cell is safe: nothing is killed that no user asked to kill"
    if kills_left_now(state) == 0:
        return f"the cell's pace of {state.policy.kills_per_s_max} kills a second is used up"
    budget = budget_of(task_state)
    if budget is None or budget_left(state, budget) > 0:
        return ""
    return f"the budget of {_used(state, budget)[1]} {budget} kills an hour is used up"


def note_kill(state: State, task_state: KillInitiated | Finished) -> None:
    """Count an accepted kill; ``task_state`` is the task's before it."""
    clock = state.clock
    second = clock.now_ms // 1_000
    if clock.kills_second != second:
        clock.kills_second, clock.kills_in_second = second, 0
    clock.kills_in_second += 1
    budget = budget_of(task_state)
    if budget is None:
        return
    since_ms = clock.now_ms - KILL_WINDOW_MS
    kept = [at_ms for at_ms in _used(state, budget)[0] if at_ms > since_ms]
    kept.append(clock.now_ms)
    if budget == "inferred":
        clock.inferred_kills_at_ms = kept
    else:
        clock.stuck_kills_at_ms = kept


def look_at_budgets(fold: Fold) -> None:
    """Page for kills that wait because a budget is used up."""
    state = fold.state
    if not state.killing or state.safe is not None:
        return
    budgets: tuple[Budget, ...] = ("inferred", "stuck")
    for budget in budgets:
        if budget_left(state, budget):
            continue
        waiting = [
            task_id
            for task_id in sorted(state.killing)
            if budget_of(_killed_state(state, task_id)) == budget
        ]
        if waiting:
            most = _used(state, budget)[1]
            page_once(
                fold,
                "inferred kills",
                budget,
                what=f"{len(waiting)} {budget} kills wait: their budget is used up",
                why=f"{most} an hour are allowed, and no user asked for these. See why so many "
                f"are wanted; `flumina policy set {budget}_kills_per_hour=N` lets more go",
                tasks=tuple(waiting[:TASKS_PAGED_MAX]),
                tasks_total=len(waiting),
            )


def _killed_state(state: State, task_id: TaskId) -> KillInitiated | Finished:
    task_state = state.tasks[task_id].state
    assert isinstance(task_state, KillInitiated | Finished)
    return task_state
