"""How many tasks may be evicted now: of the cell, a tier, a capacity group, a job, or of one task.

The one thing to know: an answer is a number and, where it is zero, what stands in the way and what
would change it. The fold asks this at an eviction's own place in the log; the REST API asks the
same of the state as it knows it. There is no second list of rules.
"""

from typing import Final

import msgspec

from scheduler.disruption.budgets import effective, floor_of, rate_of, size_of
from scheduler.disruption.health import healthy_count, is_healthy, is_sick
from scheduler.disruption.patterns import is_meant
from scheduler.disruption.windows import is_open, opens_at_ms
from scheduler.model.disruption import DisruptionBudget, Limit, Relocations, Window
from scheduler.model.ids import JobId
from scheduler.model.task import KillInitiated, Launched, Started, StartInitiated, Task
from scheduler.placement.requests_of_jobs import group_of
from scheduler.state import Job, State

CELL_LIMITS: Final[frozenset[Limit]] = frozenset(("safe", "queue", "systemTokens"))
"""What stands in the way of every task alike."""


class Quota(msgspec.Struct, frozen=True):
    """How many; and where that is none, what is in the way."""

    count: int
    limit: Limit = ""
    message: str = ""

    def least(self, other: "Quota") -> "Quota":
        """The smaller of both; the first where they are alike."""
        return other if other.count < self.count else self


class Quotas:
    """The quotas at one place in the log; what is evicted meanwhile is told by `took`."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._healthy: dict[JobId, int] = {}
        self._waiting: int | None = None

    def system(self, application: str = "") -> Quota:
        """Of the whole cell, for tasks of this application."""
        state, policy, clock = self._state, self._state.policy, self._state.clock
        if state.safe is not None:
            return Quota(0, "safe", "the cell is safe: nothing is evicted until an operator's word")
        rules = policy.placement.evictions
        is_exempt = bool(application) and is_meant(application, rules.exempt)
        if not is_exempt and not is_open(rules.windows, clock.now_ms):
            return _shut("systemWindow", "the cell's windows", rules.windows, clock.now_ms)
        if self._count_waiting() >= policy.evictions_waiting_max:
            most = policy.evictions_waiting_max
            return Quota(0, "queue", f"{most} evicted tasks wait for their kill to be sent")
        tokens = tokens_milli(state) // 1_000
        if tokens:
            return Quota(
                tokens, message=f"{tokens} of {policy.eviction_tokens_max} tokens are left"
            )
        per_s = policy.eviction_tokens_per_s
        return Quota(0, "systemTokens", f"no token of the cell is left; {per_s} a second come back")

    def tier(self, name: str) -> Quota:
        """Of all jobs of a tier, and at most of the cell."""
        return self._of_jobs(f"tier {name}", tier=name)

    def group(self, name: str) -> Quota:
        """Of all jobs of a capacity group, and at most of the cell."""
        return self._of_jobs(f"capacity group {name}", group=name)

    def job(self, job_id: JobId) -> Quota:
        """Of one job, by its own budget alone."""
        state = self._state
        job = state.jobs[job_id]
        if job.state != "Accepted":
            return Quota(0, message=f"job {job_id} is {job.state}")
        budget = effective(state.policy, job.spec)
        if not is_open(budget.windows, state.clock.now_ms):
            return _shut("window", f"windows of job {job_id}", budget.windows, state.clock.now_ms)
        return self._by_policy(job, budget).least(self._by_rate(job, budget))

    def task(self, task: Task) -> Quota:
        """1 where this very task may be evicted now, by its job and by the cell; else 0."""
        state = self._state
        if not isinstance(task.state, Launched | StartInitiated | Started):
            return Quota(0, message=f"task {task.task_id} does not run, or is being ended")
        job, plan = state.jobs[task.job_id], state.plans.get(task.task_id)
        now_ms = state.clock.now_ms
        if plan is not None and not plan.is_immediate and now_ms < plan.deadline_ms:
            left_s = (plan.deadline_ms - now_ms + 999) // 1_000
            return Quota(0, "notice", f"its owner has {left_s} s left to move it himself")
        if job.state != "Accepted":
            return Quota(0, message=f"job {job.job_id} is {job.state}")
        found = self._of_task(job, task).least(self.system(job.spec.application_name))
        return Quota(min(1, found.count), found.limit, found.message)

    def for_others(self, task: Task) -> Quota:
        """1 where this task may be ended for guaranteed work of others, by its job; else 0.

        Notice, and the cell's tokens and windows, are for what can wait; preemption has budgets of
        its own for the cell. A job that gave no budget of its own is protected by those alone.
        """
        job = self._state.jobs[task.job_id]
        if job.spec.budget is None:
            return Quota(1)
        found = self._of_task(job, task)
        return Quota(min(1, found.count), found.limit, found.message)

    def job_for_others(self, job_id: JobId) -> int:
        """How many tasks of the job may be ended for others, by its budget."""
        return UNLIMITED if self._state.jobs[job_id].spec.budget is None else self.job(job_id).count

    def _of_task(self, job: Job, task: Task) -> Quota:
        now_ms, budget = self._state.clock.now_ms, effective(self._state.policy, job.spec)
        if not is_open(budget.windows, now_ms):
            return _shut("window", f"windows of job {job.job_id}", budget.windows, now_ms)
        return self._policy_for_task(job, budget, task).least(self._by_rate(job, budget))

    def took(self, task: Task) -> None:
        """Count a task that has just been evicted; ``task`` is as it was before."""
        job = self._state.jobs[task.job_id]
        known = self._healthy.get(job.job_id)
        if known is not None:
            budget = effective(self._state.policy, job.spec)
            self._healthy[job.job_id] = known - is_healthy(self._state, task, budget)
        if self._waiting is not None:
            self._waiting += 1

    def _policy_for_task(self, job: Job, budget: DisruptionBudget, task: Task) -> Quota:
        if isinstance(budget.policy, Relocations):
            most, done = budget.policy.relocations_max, task.eviction_resubmit_number
            if done < most:
                return Quota(1)
            text = f"it was moved {done} times already, and its job allows {most}"
            return Quota(0, "relocationLimit", text)
        if is_sick(self._state, task, budget):
            return Quota(1)  # Its end takes no healthy one away.
        return self._by_policy(job, budget)

    def _by_policy(self, job: Job, budget: DisruptionBudget) -> Quota:
        state, size = self._state, size_of(job)
        if isinstance(budget.policy, Relocations):
            most = budget.policy.relocations_max
            tasks = [state.tasks[each] for each in state.indexes[job.job_id].values()]
            count = sum(
                isinstance(each.state, Launched | StartInitiated | Started)
                and each.eviction_resubmit_number < most
                for each in tasks
            )
            text = f"no task that runs was moved less than {most} times"
            return Quota(count) if count else Quota(0, "relocationLimit", text)
        if size <= 1:
            return Quota(1, message="a job of one task may always be moved")
        healthy = self._healthy.get(job.job_id)
        if healthy is None:
            healthy = self._healthy[job.job_id] = healthy_count(state, job.job_id, budget)
        floor = floor_of(budget, size)
        text = f"{healthy} of {size} tasks of job {job.job_id} are healthy, {floor} must stay so"
        return Quota(healthy - floor, message=text) if healthy > floor else Quota(0, "health", text)

    def _by_rate(self, job: Job, budget: DisruptionBudget) -> Quota:
        state = self._state
        rate = rate_of(budget.rate, size_of(job))
        if rate is None:
            return Quota(UNLIMITED)
        most, interval_ms = rate
        since_ms = state.clock.now_ms - interval_ms
        known = [each for each in state.evictions.get(job.job_id, ()) if each.at_ms > since_ms]
        used = sum(each.count for each in known)
        if used < most:
            return Quota(most - used)
        wait_s = (known[0].at_ms - since_ms + 999) // 1_000
        text = f"job {job.job_id} lost {used} tasks within {interval_ms // 1_000} s and allows "
        return Quota(0, "rate", f"{text}{most}; one more in {wait_s} s")

    def _of_jobs(self, what: str, *, tier: str = "", group: str = "") -> Quota:
        state, rules = self._state, self._state.policy.placement
        system = self.system()
        if not system.count:
            return system
        total = 0
        for job_id in state.on_hosts:
            found = group_of(state.jobs[job_id].spec.capacity_group, rules)
            if (not tier or found.tier == tier) and (not group or found.name == group):
                total += self.job(job_id).count
                if total >= system.count:
                    return system
        return Quota(total, message=f"what the jobs of {what} allow in all")

    def _count_waiting(self) -> int:
        """How many evicted tasks wait for their kill to be sent."""
        if self._waiting is None:
            tasks = self._state.tasks
            states = (tasks[each].state for each in self._state.killing)
            self._waiting = sum(
                isinstance(each, KillInitiated)
                and each.reason == "evicted"
                and each.kill_sent_at_ms is None
                for each in states
            )
        return self._waiting


UNLIMITED: Final = 2**31 - 1


def tokens_milli(state: State) -> int:
    """What is in the cell's bucket now, in thousandths of an eviction.

    A leader begins with an empty one: what it takes for granted may be wrong, and the first
    seconds show it.
    """
    clock, policy, kept = state.clock, state.policy, state.eviction_tokens
    if not clock.is_judging:
        return 0
    is_older = kept.at_ms < clock.judging_since_ms
    since_ms = clock.judging_since_ms if is_older else kept.at_ms
    milli = 0 if is_older else kept.milli
    filled = milli + (clock.now_ms - since_ms) * policy.eviction_tokens_per_s
    return min(filled, policy.eviction_tokens_max * 1_000)


def _shut(limit: Limit, what: str, windows: tuple[Window, ...], now_ms: int) -> Quota:
    opens_ms = opens_at_ms(windows, now_ms)
    if opens_ms is None:
        return Quota(0, limit, f"{what} do not open within a week")
    minutes = (opens_ms - now_ms + 59_999) // 60_000
    return Quota(0, limit, f"{what} are shut and open in {minutes} min")
