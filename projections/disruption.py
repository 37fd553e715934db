"""Eviction quotas, relocation plans and hosts that are emptied, as the API shows them.

The one thing to know: the numbers are the fold's own (`scheduler.disruption`), asked of the state
as this process knows it. Words are Titus'; what it has no word for begins with ``flumina.``.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from projections.cell_view import CellView
from scheduler.disruption.needs import Looker
from scheduler.disruption.quotas import Quota, Quotas
from scheduler.model.disruption import Limit, Relocation, RelocationPlan
from scheduler.model.ids import HostId, JobId, TaskId
from scheduler.model.task import place_of

Json = dict[str, Any]

SYSTEM_CODE = "aboveSystemDisruptionBudget"
JOB_CODE = "jobRelocationPolicyViolation"
"""Titus' codes for an eviction that is refused."""
_OF_CELL: frozenset[Limit] = frozenset(("safe", "queue", "systemTokens", "systemWindow"))


def reason_code(limit: Limit) -> str:
    """Titus' code for what stands in the way of an eviction."""
    if not limit:
        return "normal"
    return SYSTEM_CODE if limit in _OF_CELL else JOB_CODE


def system_quota(view: CellView) -> Json:
    """How many tasks of the cell may be evicted now."""
    return _quota({"system": {}}, Quotas(view.state).system())


def tier_quota(view: CellView, name: str) -> Json | None:
    """The same of a tier; None where there is none of this name."""
    if all(each.name != name for each in view.state.policy.placement.tiers):
        return None
    return _quota({"tier": name}, Quotas(view.state).tier(name))


def group_quota(view: CellView, name: str) -> Json | None:
    """The same of a capacity group."""
    if all(each.name != name for each in view.state.policy.placement.groups):
        return None
    return _quota({"capacityGroup": name}, Quotas(view.state).group(name))


def job_quota(view: CellView, job_id: JobId) -> Json | None:
    """How many tasks of the job may be evicted now, by its own budget."""
    if job_id not in view.state.jobs:
        return None
    return _quota({"jobId": job_id}, Quotas(view.state).job(job_id))


def task_quota(view: CellView, task_id: TaskId) -> Json | None:
    """1 where this task may be evicted now, by its job and by the cell."""
    task = view.state.tasks.get(task_id)
    if task is None:
        return None
    return _quota({"taskId": task_id}, Quotas(view.state).task(task))


def _quota(target: Json, quota: Quota) -> Json:
    written = {"target": target, "quota": quota.count, "message": quota.message}
    return {**written, "flumina.limit": quota.limit} if quota.limit else written


class Wanted(msgspec.Struct, frozen=True):
    """Which plans are asked for; what is empty leaves all."""

    job_ids: tuple[str, ...] = ()
    task_ids: tuple[str, ...] = ()
    application: str = ""
    group: str = ""


def plans(view: CellView, wanted: Wanted) -> list[Json]:
    """The plans of tasks that have to leave their hosts, by deadline."""
    found = [each for each in view.state.plans.values() if _is_wanted(view, each, wanted)]
    found.sort(key=lambda each: (each.deadline_ms, each.task_id))
    return [plan_json(view, each) for each in found]


def plan_of(view: CellView, task_id: TaskId) -> Json | None:
    """The plan of one task."""
    plan = view.state.plans.get(task_id)
    return None if plan is None else plan_json(view, plan)


def plan_json(view: CellView, plan: RelocationPlan) -> Json:
    """A plan in Titus' words, with what stands in its way."""
    task = view.state.tasks.get(plan.task_id)
    place = place_of(task.state) if task is not None else None
    written: Json = {
        "taskId": plan.task_id,
        "reasonCode": plan.reason,
        "reasonMessage": plan.message,
        "decisionTime": plan.decided_at_ms,
        "relocationTime": plan.deadline_ms,
        "flumina.jobId": plan.job_id,
        "flumina.immediate": plan.is_immediate,
        "flumina.attempts": plan.attempts,
    }
    if place is not None:
        written["flumina.hostId"] = place.host_id
        written["flumina.hostname"] = view.hostname(place.host_id)
    if plan.limit:
        written["flumina.limit"] = plan.limit
        written["flumina.limitMessage"] = plan.limit_message
    return written


def executions(view: CellView, wanted: Wanted) -> list[Json]:
    """What was tried, newest first: tasks that were moved, and those that could not be yet."""
    found: list[tuple[int, TaskId, Json]] = [
        (each.at_ms, each.plan.task_id, _over_json(view, each))
        for each in view.state.relocated.values()
        if _is_wanted(view, each.plan, wanted)
    ]
    found += [
        (each.tried_at_ms, each.task_id, _tried_json(view, each))
        for each in view.state.plans.values()
        if each.attempts and _is_wanted(view, each, wanted)
    ]
    found.sort(key=lambda each: (-each[0], each[1]))
    return [written for _, _, written in found]


def execution_of(view: CellView, task_id: TaskId) -> Json | None:
    """What was tried with one task."""
    over, plan = view.state.relocated.get(task_id), view.state.plans.get(task_id)
    if over is not None:
        return _over_json(view, over)
    return _tried_json(view, plan) if plan is not None and plan.attempts else None


def _over_json(view: CellView, over: Relocation) -> Json:
    attempts = _failure(over.plan)
    if over.is_done_by_us:
        attempts.append(_attempt("Success", "normal", over.message, over.at_ms))
    written = {"taskRelocationPlan": plan_json(view, over.plan), "relocationAttempts": attempts}
    return {**written, "flumina.endedAt": over.at_ms, "flumina.end": over.message}


def _tried_json(view: CellView, plan: RelocationPlan) -> Json:
    return {"taskRelocationPlan": plan_json(view, plan), "relocationAttempts": _failure(plan)}


def _failure(plan: RelocationPlan) -> list[Json]:
    """The last attempt that failed; of those before it only the number is known."""
    if not plan.attempts:
        return []
    return [_attempt("Failure", "noDisruptionBudget", plan.limit_message, plan.tried_at_ms)]


def _attempt(state: str, code: str, message: str, at_ms: int) -> Json:
    return {"state": state, "reasonCode": code, "reasonMessage": message, "timestamp": at_ms}


def _is_wanted(view: CellView, plan: RelocationPlan, wanted: Wanted) -> bool:
    if wanted.job_ids and plan.job_id not in wanted.job_ids:
        return False
    if wanted.task_ids and plan.task_id not in wanted.task_ids:
        return False
    job = view.state.jobs.get(plan.job_id)
    application = job.spec.application_name if job is not None else ""
    group = job.spec.capacity_group if job is not None else ""
    is_application = not wanted.application or wanted.application == application
    return is_application and (not wanted.group or wanted.group == group)


def hosts_to_empty(view: CellView) -> list[Json]:
    """Hosts that are drained or marked: what is left there, and what that waits for."""
    state = view.state
    there: dict[HostId, list[RelocationPlan]] = {}
    for plan in state.plans.values():
        task = state.tasks.get(plan.task_id)
        place = place_of(task.state) if task is not None else None
        if place is not None and plan.reason in {"hostDraining", "hostMarked"}:
            there.setdefault(place.host_id, []).append(plan)
    drained = [name for name, each in state.host_orders.items() if each.standing == "draining"]
    return [_host_json(view, each, there.get(each, [])) for each in sorted({*there, *drained})]


def _host_json(view: CellView, host_id: HostId, plans: list[RelocationPlan]) -> Json:
    state = view.state
    tasks = [state.tasks[each] for each in sorted(state.host_tasks.get(host_id, ()))]
    looker = Looker(state)
    stay = sum(
        type(each.state).__name__ == "Started" and looker.need(each) is None for each in tasks
    )
    order = state.host_orders.get(host_id)
    waiting: dict[str, int] = {}
    for plan in plans:
        word = plan.limit or ("notice" if plan.deadline_ms > state.clock.now_ms else "turn")
        waiting[word] = waiting.get(word, 0) + 1
    return {
        "hostId": host_id,
        "hostname": view.hostname(host_id),
        "since": order.since_ms if order is not None else 0,
        "why": f"{order.actor}: {order.why}" if order is not None else "marked",
        "tasks": len(tasks),
        "planned": len(plans),
        "ending": sum(type(each.state).__name__ == "KillInitiated" for each in tasks),
        "notAllowed": stay,
        "waiting": dict(sorted(waiting.items())),
        "nextDeadline": min((each.deadline_ms for each in plans), default=0),
        "examples": _examples(plans),
        "isEmpty": not tasks,
    }


def _examples(plans: Iterable[RelocationPlan]) -> list[str]:
    """A sentence for each thing in the way, of the first task that it stops."""
    found: dict[str, str] = {}
    for plan in sorted(plans, key=lambda each: each.task_id):
        if plan.limit:
            found.setdefault(plan.limit, f"{plan.task_id}: {plan.limit_message}")
    return [found[each] for each in sorted(found)]
