"""What an inverse offer is to be answered: whether a host is free when it goes away.

The one thing to know: an answer is a forecast from the state as it is, by the same quotas that
evictions are judged by. Free hosts are left at once; where tasks are there, each job is asked how
many of them may go at a time, and whether that many turns fit before the window.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, Literal

from scheduler.disruption.quotas import CELL_LIMITS, Quotas
from scheduler.model.ids import JobId
from scheduler.model.task import Disconnected, KillInitiated, Task
from scheduler.state import Maintenance, State

ACTOR: Final = "mesos-maintenance"
"""Who stands in the order by which such a host is drained."""
LATEST_MS: Final = 253_402_300_799_000
"""The end of the year 9999; what is beyond is written as that."""
Answer = Literal["", "accept", "decline"]


def window_text(window: Maintenance) -> str:
    """The window in words, in UTC."""
    begins = datetime.fromtimestamp(min(window.from_ms, LATEST_MS) // 1_000, UTC)
    lasts = "for good" if window.for_ms is None else f"for {window.for_ms // 1_000} s"
    return f"it goes away at {begins:%Y-%m-%d %H:%M:%S} UTC {lasts}"


def is_over(window: Maintenance, now_ms: int) -> bool:
    """Whether the window has ended."""
    return window.for_ms is not None and now_ms >= window.from_ms + window.for_ms


def is_near(state: State, window: Maintenance) -> bool:
    """Whether it is time to empty the host."""
    lead_ms, now_ms = state.policy.maintenance_lead_ms, state.clock.now_ms
    is_due = lead_ms > 0 and now_ms >= window.from_ms - lead_ms
    return is_due and not is_over(window, now_ms)


def answer_of(state: State, window: Maintenance) -> tuple[Answer, str]:
    """What Mesos is to be told of this host now, and why; nothing while that is not known."""
    if not window.draining_since_ms or state.clock.now_ms < window.draining_since_ms:
        return "", ""
    order = state.host_orders.get(window.host_id)
    if order is None or order.standing != "draining":
        by = f"{order.standing} by {order.actor}" if order is not None else "in use"
        return "decline", f"an operator's word keeps it {by}"
    tasks = [state.tasks[each] for each in sorted(state.host_tasks.get(window.host_id, ()))]
    staying = [each for each in tasks if not isinstance(each.state, KillInitiated)]
    if not tasks:
        return "accept", "no task is there"
    if not staying:
        return "accept", f"its last {len(tasks)} tasks are being ended"
    if state.safe is not None:
        return "decline", "the cell is safe: nothing is moved until an operator's word"
    if state.clock.planned_at_ms <= window.draining_since_ms:
        return "", ""  # Nobody has looked yet who has to move.
    return _forecast(state, window, staying)


def _forecast(state: State, window: Maintenance, tasks: Iterable[Task]) -> tuple[Answer, str]:
    """Whether these tasks can have left in time, as budgets stand now."""
    quotas, now_ms = Quotas(state), state.clock.now_ms
    of_jobs: dict[JobId, int] = {}
    last_ms = now_ms
    for task in tasks:
        plan = state.plans.get(task.task_id)
        if plan is None:
            what = "cannot be reached" if isinstance(task.state, Disconnected) else "may not move"
            return "decline", f"task {task.task_id} {what}"
        if plan.limit and plan.limit not in CELL_LIMITS and plan.limit != "notice":
            return "decline", f"task {task.task_id}: {plan.limit_message}"
        last_ms = max(last_ms, plan.deadline_ms)
        of_jobs[task.job_id] = of_jobs.get(task.job_id, 0) + 1
    turns = 1
    for job_id, count in of_jobs.items():
        quota = quotas.job(job_id)
        if quota.count < 1:
            return "decline", quota.message
        turns = max(turns, -(-count // quota.count))
    done_ms = last_ms + turns * state.policy.descheduling_ms
    total = sum(of_jobs.values())
    if done_ms > window.from_ms:
        late_s = (done_ms - window.from_ms + 999) // 1_000
        return "decline", f"{total} tasks need {turns} turns, {late_s} s more than there are"
    return "accept", f"{total} tasks leave in {turns} turns, before it goes away"
