"""What a job allows: its own budget, the one injected where it has none, and the numbers of it.

The one thing to know: nobody is without a budget. A job that gave none is self-managed, as in
Titus: its owner has notice before its tasks are moved. And whoever manages his tasks himself and
does not move them in time gets the policy's fallback, never nothing.
"""

from typing import assert_never

from scheduler.model.disruption import (
    HOUR_MS,
    AvailabilityPercentage,
    BudgetRate,
    DisruptionBudget,
    PercentagePerHour,
    PercentagePerInterval,
    PerInterval,
    Relocations,
    SelfManaged,
    UnhealthyTasks,
    Unlimited,
)
from scheduler.model.job import Batch, JobSpec
from scheduler.model.policy import Policy
from scheduler.state import Job

_WHOLE = 100_000
"""A hundred percent, in thousandths of one."""


def budget_of(policy: Policy, spec: JobSpec) -> DisruptionBudget:
    """The job's own budget, or the one that is injected."""
    if spec.budget is not None:
        return spec.budget
    return DisruptionBudget(policy=SelfManaged(_injected_notice_ms(policy, spec)))


def notice_ms(policy: Policy, spec: JobSpec) -> int:
    """How long the owner has to move a task himself, once it has to leave its host."""
    own = budget_of(policy, spec).policy
    return own.relocation_time_ms if isinstance(own, SelfManaged) else 0


def effective(policy: Policy, spec: JobSpec) -> DisruptionBudget:
    """The budget by which tasks of the job are evicted: of a self-managed one the fallback."""
    own = budget_of(policy, spec)
    if not isinstance(own.policy, SelfManaged):
        return own
    return DisruptionBudget(
        policy=AvailabilityPercentage(policy.self_managed_healthy_percent * 1_000),
        rate=effective_rate(policy, spec),
        windows=own.windows,
        health=own.health,
    )


def effective_rate(policy: Policy, spec: JobSpec) -> BudgetRate:
    """The rate of the budget that `effective` says, which every tick asks for alone."""
    own = spec.budget
    if own is None or isinstance(own.policy, SelfManaged):
        return PercentagePerHour(policy.self_managed_percent_per_hour * 1_000)
    return own.rate


def _injected_notice_ms(policy: Policy, spec: JobSpec) -> int:
    if isinstance(spec.kind, Batch):
        return max(policy.batch_notice_ms_min, spec.kind.runtime_limit_ms * 12 // 10)
    if spec.migration == "selfManaged":
        return policy.self_managed_notice_ms
    return policy.service_notice_ms


def size_of(job: Job) -> int:
    """How many tasks are the whole job: those that it wants, of a batch job those not done.

    Titus counts a batch job's finished tasks as unhealthy, so that none of the last ones could
    ever be moved; they are done, and count no more.
    """
    return job.open_indexes if isinstance(job.spec.kind, Batch) else job.spec.desired


def floor_of(budget: DisruptionBudget, size: int) -> int:
    """How many tasks must stay healthy; a job of one task may always be moved."""
    if size <= 1:
        return 0
    match budget.policy:
        case AvailabilityPercentage(healthy_percent_milli=percent):
            return min(-(-size * percent // _WHOLE), size - 1)
        case UnhealthyTasks(unhealthy_max=most):
            return max(0, size - max(1, most))
        case Relocations() | SelfManaged():
            return 0
    assert_never(budget.policy)


def rate_of(rate: BudgetRate, size: int) -> tuple[int, int] | None:
    """How many evictions within how many milliseconds; None where there is no limit."""
    match rate:
        case Unlimited():
            return None
        case PercentagePerHour(percent_milli=percent):
            return max(1, size * percent // _WHOLE), HOUR_MS
        case PerInterval(interval_ms=interval_ms, evictions_max=most):
            return most, interval_ms
        case PercentagePerInterval(interval_ms=interval_ms, percent_milli=percent):
            return max(1, size * percent // _WHOLE), interval_ms
    assert_never(rate)
