"""Evictions: tasks that are ended for our own reasons, if every budget allows it.

The one thing to know: there is one place where a task is evicted, `evicted`, and one task is
looked at after the other. The job's quota and the cell's are both asked before either is used up,
so that a refusal leaves both as they were. What is let through is a kill like others: it keeps to
the cell's pace, and waits while the cell is safe.
"""

from msgspec.structs import replace

from scheduler.disruption.budgets import effective_rate, rate_of, size_of
from scheduler.disruption.quotas import Quota, Quotas, tokens_milli
from scheduler.fold.context import Fold, moved_task
from scheduler.fold.jobs import changeable, changed_job, no_task, refuse
from scheduler.model.address import Source
from scheduler.model.changes import EvictionDecided, JobChanged, RequestAccepted
from scheduler.model.disruption import Eviction, JobBudgetAsked, TaskEvictionAsked, Tokens
from scheduler.model.ids import JobId, job_id_of
from scheduler.model.inbound import Fault
from scheduler.model.task import Launched, Started, StartInitiated, Task, titus_state
from scheduler.task_table import Given, Input


def job_budget_asked(fold: Fold, source: Source, body: JobBudgetAsked) -> None:
    """Give a job another budget; what was evicted by the old one still counts."""
    job = changeable(fold.state, body.job_id, body.if_version)
    if isinstance(job, Fault):
        refuse(fold, source, body.job_id, job)
        return
    fold.report(RequestAccepted(source=source, what="set budget", job_id=body.job_id))
    if job.spec.budget == body.budget:
        return
    changed_job(fold, replace(job, spec=replace(job.spec, budget=body.budget)))
    fold.report(
        JobChanged(
            job_id=job.job_id,
            state=job.state,
            reason="budget",
            message=body.why,
            desired=job.spec.desired,
        )
    )


def task_eviction_asked(fold: Fold, source: Source, body: TaskEvictionAsked) -> None:
    """End a task if all budgets allow it now, and say so; it is not waited for them."""
    task = fold.state.tasks.get(body.task_id)
    if task is None:
        refuse(fold, source, job_id_of(body.task_id), no_task(body.task_id))
        return
    if not isinstance(task.state, Launched | StartInitiated | Started):
        state = titus_state(task.state)
        text = f"task {body.task_id} is {state}: it is on no host, or ends already"
        refuse(fold, source, task.job_id, Fault("taskId", text, code="state"))
        return
    because = ": ".join(each for each in (body.actor, body.reason) if each)
    found = evicted(fold, task, because or "eviction", Quotas(fold.state))
    fold.report(
        EvictionDecided(
            job_id=task.job_id,
            task_id=task.task_id,
            is_allowed=found.count > 0,
            limit=found.limit,
            message=found.message if not found.count else "",
            reason=body.reason,
            actor=body.actor,
            source=source,
        )
    )


def evicted(fold: Fold, task: Task, because: str, quotas: Quotas) -> Quota:
    """Evict the task where it may be; the quota by which that was decided."""
    state = fold.state
    found = quotas.task(task)
    if not found.count:
        return found
    milli = tokens_milli(state) - 1_000
    assert milli >= 0, "the cell's quota was asked before"
    state.eviction_tokens = Tokens(milli, state.clock.now_ms)
    count_eviction(fold, task.job_id)
    given = Given(state.clock.now_ms, reason="evicted", message=because)
    moved_task(fold, task.task_id, Input.KILL_ASKED, given, step="evicted")
    quotas.took(task)
    return found


def count_eviction(fold: Fold, job_id: JobId) -> None:
    """Count a task that was ended for others against its job's rate, where it has one."""
    state = fold.state
    job = state.jobs[job_id]
    rate = rate_of(effective_rate(state.policy, job.spec), size_of(job))
    if rate is None:
        return
    now_ms = state.clock.now_ms
    kept = _counting(state.evictions.get(job_id, ()), now_ms - rate[1])
    if kept and kept[-1].at_ms == now_ms:
        kept = (*kept[:-1], Eviction(now_ms, kept[-1].count + 1))
    else:
        kept = (*kept, Eviction(now_ms, 1))
    state.evictions[job_id] = kept
    fold.touch("evictions", job_id)


def forget_old_evictions(fold: Fold) -> None:
    """Drop evictions that count no more, and those of jobs that are over."""
    state = fold.state
    for job_id in list(state.evictions):
        job, kept = state.jobs.get(job_id), state.evictions[job_id]
        rate = None
        if job is not None and job.state == "Accepted":
            rate = rate_of(effective_rate(state.policy, job.spec), size_of(job))
        if rate is not None and kept[0].at_ms > state.clock.now_ms - rate[1]:
            continue  # The oldest stands first, and mostly it counts still.
        left = _counting(kept, state.clock.now_ms - rate[1]) if rate is not None else ()
        fold.touch("evictions", job_id)
        if left:
            state.evictions[job_id] = left
        else:
            del state.evictions[job_id]


def _counting(kept: tuple[Eviction, ...], since_ms: int) -> tuple[Eviction, ...]:
    return tuple(each for each in kept if each.at_ms > since_ms)
