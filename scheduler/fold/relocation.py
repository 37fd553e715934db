"""Relocation: tasks that have to leave their hosts are planned, and evicted when it is time.

The one thing to know: all of it follows from the state and the log's clock, at a tick. Two looks
take turns: the first, often, finds who has to move and since when that is known; the second,
seldom, evicts those whose owner had his notice, as far as budgets allow. What waits says why.
"""

from msgspec.structs import replace

from scheduler.disruption.needs import Looker, Need, in_order, may_move, plan_of
from scheduler.disruption.quotas import CELL_LIMITS, Quota, Quotas
from scheduler.fold.context import Fold
from scheduler.fold.evictions import evicted, forget_old_evictions
from scheduler.model.changes import EvictionDecided, RelocationEnded, RelocationPlanned
from scheduler.model.disruption import Relocation, RelocationPlan
from scheduler.model.ids import TaskId
from scheduler.state import State


def relocate(fold: Fold) -> None:
    """Look who has to move, if it is time for that, and evict whose time is up."""
    state = fold.state
    clock, policy = state.clock, state.policy
    silent_ms = clock.now_ms - clock.ticked_at_ms
    clock.ticked_at_ms = clock.now_ms
    if clock.now_ms < clock.planned_at_ms + policy.relocation_ms:
        return
    clock.planned_at_ms = clock.now_ms
    forget_old_evictions(fold)
    if silent_ms > policy.relocation_stale_ms or not _is_heard(state):
        return
    if may_move(state) or state.plans or state.jobs_marked_at_ms:  # Mostly nobody has to move.
        looker = Looker(state)
        _note_marked_jobs(fold, looker)
        _plan(fold, looker.needs())
    is_turn = clock.now_ms >= clock.descheduled_at_ms + policy.descheduling_ms
    if is_turn:
        clock.descheduled_at_ms = clock.now_ms
    if not state.plans:
        return
    due = in_order(state, state.plans)
    hurried = [each for each in due if each.is_immediate]
    others = [each for each in due if not each.is_immediate] if is_turn else []
    _carry_out(fold, [*hurried, *others])


def _is_heard(state: State) -> bool:
    """Whether what the log knows of tasks is what Mesos says now."""
    stream = state.stream
    is_asked = stream.is_reconcile_sent or not state.unanswered
    return stream.stream_id is not None and is_asked and state.safe is None


def _note_marked_jobs(fold: Fold, looker: Looker) -> None:
    """Remember since when a whole job is to move, or its replacements would move for ever."""
    state, marked = fold.state, dict.fromkeys(looker.marked_jobs())
    for job_id in [each for each in state.jobs_marked_at_ms if each not in marked]:
        job = state.jobs.get(job_id)
        if job is not None and job.state == "Accepted" and job_id not in state.on_hosts:
            continue  # All of it is on its way.
        del state.jobs_marked_at_ms[job_id]
        fold.touch("relocating", job_id)
    for job_id in marked:
        if job_id not in state.jobs_marked_at_ms:
            state.jobs_marked_at_ms[job_id] = state.clock.now_ms
            fold.touch("relocating", job_id)


def _plan(fold: Fold, needs: dict[TaskId, Need]) -> None:
    """Make plans for who has to move from now on, and end those of who need not any more."""
    state = fold.state
    for task_id in sorted(state.plans.keys() - needs.keys()):
        _end(fold, state.plans[task_id], is_done_by_us=False, message=_why_over(state, task_id))
    for task_id, need in needs.items():
        task, known = state.tasks[task_id], state.plans.get(task_id)
        if known is not None:
            if need.is_immediate and not known.is_immediate:
                _put(fold, replace(known, is_immediate=True, deadline_ms=state.clock.now_ms))
            elif need.by_ms is not None and known.deadline_ms > max(need.by_ms, state.clock.now_ms):
                by_ms = max(need.by_ms, state.clock.now_ms)
                _put(fold, replace(known, deadline_ms=by_ms))
            continue
        plan = plan_of(state, task, need)
        _put(fold, plan)
        fold.report(
            RelocationPlanned(
                job_id=task.job_id,
                task_id=task_id,
                reason=plan.reason,
                message=plan.message,
                deadline_ms=plan.deadline_ms,
                is_immediate=plan.is_immediate,
            )
        )


def _why_over(state: State, task_id: TaskId) -> str:
    task = state.tasks.get(task_id)
    if task is None:
        return "the task ended and is forgotten"
    kind = type(task.state).__name__
    if kind in {"KillInitiated", "Finished"}:
        return f"the task ended otherwise: {getattr(task.state, 'reason', '')}"
    return "it need not leave its host any more" if kind != "Disconnected" else "its host is away"


def _carry_out(fold: Fold, plans: list[RelocationPlan]) -> None:
    """Evict what may be, one after the other; what may not keeps its plan, with the reason."""
    state, quotas = fold.state, Quotas(fold.state)
    cell: Quota | None = None
    for plan in plans:
        if cell is None:
            task = state.tasks[plan.task_id]
            found = evicted(fold, task, f"relocation: {plan.message}", quotas)
            if found.count:
                _decided(fold, plan, found)
                _end(fold, plan, is_done_by_us=True, message="evicted")
                continue
            if found.limit in CELL_LIMITS:
                cell = found  # It stands in the way of all that follow, too.
        else:
            found = cell
        if found.limit != plan.limit:
            _decided(fold, plan, found)
        tried = replace(
            plan,
            limit=found.limit,
            limit_message=found.message,
            tried_at_ms=state.clock.now_ms,
            attempts=plan.attempts + 1,
        )
        _put(fold, tried)


def _decided(fold: Fold, plan: RelocationPlan, found: Quota) -> None:
    fold.report(
        EvictionDecided(
            job_id=plan.job_id,
            task_id=plan.task_id,
            is_allowed=found.count > 0,
            limit=found.limit,
            message="" if found.count else found.message,
            reason=plan.message,
            actor="relocation",
        )
    )


def _put(fold: Fold, plan: RelocationPlan) -> None:
    fold.state.plans[plan.task_id] = plan
    fold.touch("plan", plan.task_id)


def _end(fold: Fold, plan: RelocationPlan, *, is_done_by_us: bool, message: str) -> None:
    """Remember how a plan ended, and forget the oldest of those that are over."""
    state = fold.state
    del state.plans[plan.task_id]
    fold.touch("plan", plan.task_id)
    state.relocated.pop(plan.task_id, None)
    state.relocated[plan.task_id] = Relocation(plan, state.clock.now_ms, is_done_by_us, message)
    fold.touch("relocated", plan.task_id)
    while len(state.relocated) > state.policy.relocations_kept_max:
        oldest = next(iter(state.relocated))
        del state.relocated[oldest]
        fold.touch("relocated", oldest)
    fold.report(RelocationEnded(plan.job_id, plan.task_id, is_done_by_us, message))
