"""Which tasks have to leave their hosts, and in which order they go.

The one thing to know: nothing here is remembered. It is looked anew at marks and at hosts that are
drained; what was planned before and is not found again need not move any more.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from msgspec.structs import replace

from scheduler.disruption.budgets import notice_ms
from scheduler.disruption.marks import NONE, Marks, marks_of
from scheduler.disruption.quotas import Quotas
from scheduler.fold.instance_groups import group_of_host
from scheduler.model.disruption import PlanReason, RelocationPlan
from scheduler.model.ids import HostId, JobId, TaskId
from scheduler.model.task import Launched, Started, StartInitiated, Task, place_of
from scheduler.state import State

NEVER_MS: Final = 1 << 62


class Need(msgspec.Struct, frozen=True):
    """Why a task has to leave its host."""

    reason: PlanReason
    message: str
    is_immediate: bool = False
    by_ms: int | None = None
    """When it should have left, whatever notice it has; None: when its notice is over."""


class Looker:
    """Looks at the state once; marks of jobs and hosts are read once each."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._of_jobs: dict[JobId, Marks] = {}
        self._of_hosts: dict[HostId, Marks] = {}

    def needs(self) -> dict[TaskId, Need]:
        """All tasks that have to leave their hosts, sorted by id."""
        found = {each: self.need(self._state.tasks[each]) for each in sorted(self._candidates())}
        return {task_id: need for task_id, need in found.items() if need is not None}

    def need(self, task: Task) -> Need | None:
        """Why this task has to leave its host; None where it need not, or may not."""
        if not isinstance(task.state, Launched | StartInitiated | Started):
            return None
        since_ms, host_id = task.state.since_ms, task.state.place.host_id
        own, job, host = marks_of(task.attributes), self._job(task.job_id), self._host(host_id)
        if own.is_not_allowed or job.is_not_allowed or host.is_not_allowed:
            return None
        by_age = replace(job, is_required=False, is_immediate=False)
        hurries = any(each.hurries(since_ms) for each in (own, by_age, host))
        if own.wants(since_ms):
            return Need("taskMarked", "the task is marked to be relocated", hurries)
        marked_at_ms = self._state.jobs_marked_at_ms.get(task.job_id, 0)
        if (job.is_required or job.is_immediate) and since_ms < marked_at_ms:
            hurries = hurries or job.is_immediate
            return Need("jobMarked", "its job is marked to be relocated", hurries)
        if by_age.wants(since_ms):
            return Need("taskAge", "it is older than its job wants its tasks to be", hurries)
        hostname = self._state.hostname(host_id)
        if host.wants(since_ms):
            return Need("hostMarked", f"host {hostname} or its group is to be emptied", hurries)
        order = self._state.host_orders.get(host_id)
        if order is not None and order.standing == "draining":
            why = f"host {hostname} is drained ({order.actor}: {order.why})"
            return Need("hostDraining", why, by_ms=_leave_by_ms(self._state, host_id))
        return None

    def marked_jobs(self) -> list[JobId]:
        """Jobs that are marked to be relocated as a whole, sorted."""
        on_hosts = self._state.on_hosts
        there = (job_id for job_id in sorted(self._state.moving_jobs) if job_id in on_hosts)
        marks = ((job_id, self._job(job_id)) for job_id in there)
        return [job_id for job_id, each in marks if each.is_required or each.is_immediate]

    def _candidates(self) -> Iterable[TaskId]:
        """Tasks for which something speaks; most have no mark at all, and nobody looks closer."""
        state = self._state
        found: dict[TaskId, None] = dict(state.moving_tasks)
        hosts: Iterable[HostId] = state.host_tasks
        if not state.policy.placement.instance_groups:  # Then nothing else speaks for a host.
            spoken_of = (*state.host_orders, *state.host_marks)
            hosts = [each for each in spoken_of if each in state.host_tasks]
        for host_id in hosts:
            order = state.host_orders.get(host_id)
            is_drained = order is not None and order.standing == "draining"
            if is_drained or self._host(host_id) is not NONE:
                found.update(state.host_tasks[host_id])
        for job_id in state.moving_jobs:
            if job_id in state.on_hosts:
                found.update(dict.fromkeys(state.indexes[job_id].values()))
        return found

    def _job(self, job_id: JobId) -> Marks:
        known = self._of_jobs.get(job_id)
        if known is None:
            attributes = self._state.jobs[job_id].spec.attributes
            known = self._of_jobs[job_id] = marks_of(attributes)
        return known

    def _host(self, host_id: HostId) -> Marks:
        known = self._of_hosts.get(host_id)
        if known is None:
            state, group = self._state, group_of_host(self._state, host_id)
            of_group = group.attributes if group is not None else ()
            known = marks_of((*of_group, *state.host_marks.get(host_id, ())))
            if group is not None and group.lifecycle == "Removable" and not known.is_required:
                known = replace(known, is_required=True)
            self._of_hosts[host_id] = known
        return known


def may_move(state: State) -> bool:
    """Whether anything speaks for a task, a job or a host that has to be emptied."""
    return bool(
        state.moving_tasks
        or state.moving_jobs
        or state.host_orders
        or state.host_marks
        or state.policy.placement.instance_groups
    )


def _leave_by_ms(state: State, host_id: HostId) -> int | None:
    """When a host's tasks should have left before its maintenance; None where there is none."""
    window = state.maintenance.get(host_id)
    return None if window is None else window.from_ms - state.policy.maintenance_margin_ms


def plan_of(state: State, task: Task, need: Need) -> RelocationPlan:
    """The plan by which a task leaves its host: at once, or after its owner's notice."""
    now_ms, spec = state.clock.now_ms, state.jobs[task.job_id].spec
    wait_ms = 0 if need.is_immediate else notice_ms(state.policy, spec)
    if need.by_ms is not None:
        wait_ms = min(wait_ms, max(0, need.by_ms - now_ms))
    return RelocationPlan(
        task_id=task.task_id,
        job_id=task.job_id,
        reason=need.reason,
        message=need.message,
        decided_at_ms=now_ms,
        deadline_ms=now_ms + wait_ms,
        is_immediate=need.is_immediate,
    )


def in_order(state: State, plans: Mapping[TaskId, RelocationPlan]) -> list[RelocationPlan]:
    """The plans that are due: marked tasks and jobs first, then host by host.

    Of the hosts those go first that Mesos takes away first, then the one on which the fewest tasks
    would be left behind: an empty host can be used or given back, two half-empty ones cannot.
    """
    due = [each for each in plans.values() if each.deadline_ms <= state.clock.now_ms]
    marked = [each for each in due if each.reason in {"taskMarked", "jobMarked", "taskAge"}]
    marked.sort(key=lambda each: (not each.is_immediate, each.deadline_ms, each.task_id))
    by_host: dict[HostId, list[RelocationPlan]] = {}
    for each in due:
        if each.reason in {"taskMarked", "jobMarked", "taskAge"}:
            continue
        task = state.tasks.get(each.task_id)
        place = place_of(task.state) if task is not None else None
        if place is not None:
            by_host.setdefault(place.host_id, []).append(each)
    quotas = Quotas(state)
    left = {host: _left_behind(state, host, there, quotas) for host, there in by_host.items()}
    found = list(marked)
    windows = {host: _leave_by_ms(state, host) or NEVER_MS for host in by_host}
    for host_id in sorted(
        by_host, key=lambda each: (windows[each], left[each], len(by_host[each]), each)
    ):
        there = sorted(by_host[host_id], key=lambda each: (not each.is_immediate, each.task_id))
        found += there
    return found


def _left_behind(
    state: State, host_id: HostId, plans: Iterable[RelocationPlan], quotas: Quotas
) -> int:
    """How many tasks would stay on the host if its plans were carried out as budgets allow."""
    of_job: dict[JobId, int] = {}
    for each in plans:
        of_job[each.job_id] = of_job.get(each.job_id, 0) + 1
    movable = sum(min(count, quotas.job(job_id).count) for job_id, count in of_job.items())
    return len(state.host_tasks.get(host_id, ())) - movable
