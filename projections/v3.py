"""Jobs and tasks in the JSON shapes of Titus' API v3.

The one thing to know: states, reasons and names are Titus' (S19); times are milliseconds since
1970 of the log's clock. What Titus has no word for stands under names that begin with
``flumina.``, in a task's context and a job's attributes never: those are the user's.
"""

from typing import Any
from urllib.parse import urlsplit

from projections.cell_view import CellView
from projections.entries import Entry, JobHistory, TaskHistory
from projections.history import StateMark, state_marks
from projections.stamps import attributes_of
from scheduler.model.descriptor import descriptor_of
from scheduler.model.ids import JobId, TaskId
from scheduler.model.task import (
    Started,
    Task,
    is_on_host,
    place_of,
    titus_state,
)
from scheduler.placement.requests_of_jobs import group_of

Json = dict[str, Any]

_AGENT_ATTRIBUTES = ("region", "zone", "itype", "asg", "ami", "cluster", "stack", "res")
"""Attributes of a host that Titus' task context has keys for (``agent.NAME``)."""


def job_json(view: CellView, job_id: JobId) -> Json | None:
    """The job as Titus shows it, or None where it is unknown."""
    job, history = view.job(job_id), view.job_history(job_id)
    if job is None:
        return None
    marks = state_marks(history.entries) if history else []
    since_ms = marks[-1].at_ms if marks else job.finished_at_ms or job.accepted_at_ms
    status = _status(job.state, job.reason, marks[-1].message if marks else "", since_ms)
    return {
        "id": job.job_id,
        "jobDescriptor": {
            **descriptor_of(job.spec),
            "attributes": attributes_of(view.state, job),
        },
        "status": status,
        "statusHistory": [_mark_status(mark) for mark in marks[:-1]],
        "version": {"timestamp": _last_at_ms(history, since_ms), "version": job.version},
    }


def task_json(view: CellView, task_id: TaskId, log_url: str = "") -> Json | None:
    """The task as Titus shows it, or None where it is unknown.

    ``log_url`` is what the task's id is appended to, to read its output.
    """
    task, history = view.task(task_id), view.task_history(task_id)
    if task is None:
        return None
    marks = state_marks(history.entries) if history else []
    last = marks[-1] if marks else None
    written: Json = {
        "id": task.task_id,
        "jobId": task.job_id,
        "taskContext": _context(view, task, history),
        "status": _task_status(task, last),
        "statusHistory": [_mark_status(mark) for mark in marks[:-1]],
        "attributes": dict(task.attributes),
        "migrationDetails": _migration(view, task),
        "version": {
            "timestamp": _last_at_ms(history, task.state.since_ms),
            "version": task.version,
        },
    }
    if log_url:
        written["logLocation"] = {"liveStream": {"url": f"{log_url}{task.task_id}"}}
    return written


def migration_since_ms(view: CellView, task: Task) -> int | None:
    """Since when the task has to leave its host; None where it need not."""
    if not is_on_host(task.state):
        return None
    place = place_of(task.state)
    plan = view.state.plans.get(task.task_id)
    if plan is not None:
        return plan.decided_at_ms
    order = view.state.host_orders.get(place.host_id) if place else None
    return order.since_ms if order is not None and order.standing == "draining" else None


def _migration(view: CellView, task: Task) -> Json:
    since_ms = migration_since_ms(view, task)
    plan = view.state.plans.get(task.task_id)
    deadline_ms = plan.deadline_ms if plan is not None else 0
    is_needed = since_ms is not None
    return {"needsMigration": is_needed, "started": since_ms or 0, "deadline": deadline_ms}


def _status(state: str, reason: str, message: str, at_ms: int) -> Json:
    return {
        "state": state,
        "reasonCode": reason or "normal",
        "reasonMessage": message,
        "timestamp": at_ms,
    }


def _mark_status(mark: StateMark) -> Json:
    return _status(mark.state, mark.reason, mark.message, mark.at_ms)


def _task_status(task: Task, last: StateMark | None) -> Json:
    """The present state; a kill's reason may have changed without a new state."""
    state = titus_state(task.state)
    reason = getattr(task.state, "reason", "")
    if last is not None and last.state == state:
        status = _status(state, reason, last.message, last.at_ms)
    else:
        message = getattr(task.state, "message", "")
        status = _status(state, reason, message, task.state.since_ms)
    return {**status, "containerState": _container_state(task)}


def _container_state(task: Task) -> list[Json]:
    """Titus' state of the main container: its health is what Mesos' checks say of a started one."""
    state = task.state
    health = "Unset"
    if isinstance(state, Started):
        health = "Healthy" if state.is_healthy else "Unhealthy"
    return [{"containerName": "main", "containerHealth": health}]


def _last_at_ms(history: JobHistory | TaskHistory | None, default_ms: int) -> int:
    last = _last_entry(history)
    return max(last.at_ms, last.last_at_ms) if last else default_ms


def _last_entry(history: JobHistory | TaskHistory | None) -> Entry | None:
    return history.entries[-1] if history and history.entries else None


def _context(view: CellView, task: Task, history: TaskHistory | None) -> dict[str, str]:
    """Titus' keys for what the log knows, and ours."""
    context = {
        "titus.cell": str(view.state.cell),
        "task.index": str(task.index),
        "task.originalId": str(task.original_id),
        "task.resubmitNumber": str(task.resubmit_number),
        "task.systemResubmitNumber": str(task.system_resubmit_number),
        "task.evictionResubmitNumber": str(task.eviction_resubmit_number),
        "flumina.startNumber": str(task.number),
        "flumina.state": type(task.state).__name__,
        "flumina.specVersion": str(task.spec_version),
    }
    if task.resubmit_of is not None:
        context["task.resubmitOf"] = str(task.resubmit_of)
    if task.moved_from is not None:
        context["task.movedFromJob"] = str(task.moved_from)
    context |= _of_job(view, task)
    place = place_of(task.state)
    if place is not None:
        context |= _agent(view, task)
        context["flumina.proposal"] = view.proposal_address(place.proposal_id)
        if place.ports:
            context["flumina.ports"] = ",".join(map(str, place.ports))
        if place.interface >= 0:
            context["task.networkInterfaceIndex"] = str(place.interface)
        if place.gpus:
            context["flumina.gpus"] = ",".join(map(str, place.gpus))
    last = _last_entry(history)
    if last is not None:
        context["flumina.address"] = view.address(
            (last.last_offset, last.last_index) if last.count > 1 else last.spot
        )
    if history is not None and history.container_ip:
        context["task.containerIp"] = history.container_ip
    if history is not None and history.replaced_by:
        context["flumina.replacedBy"] = str(history.replaced_by)
    return context


def _of_job(view: CellView, task: Task) -> dict[str, str]:
    """What the task's context says of how its job is treated, and of a retry that waits."""
    job, context = view.job(task.job_id), dict[str, str]()
    if job is not None:
        group = group_of(job.spec.capacity_group, view.state.policy.placement)
        context["task.tier"] = group.tier
        stack = dict(job.spec.attributes).get("titus.stack")  # Stamped by a federation.
        if stack is not None:
            context["titus.stack"] = stack
    if task.retry_delay_ms:
        context["task.retryDelay"] = str(task.retry_delay_ms)
    return context


def _agent(view: CellView, task: Task) -> dict[str, str]:
    place = place_of(task.state)
    assert place is not None
    context = {
        "agent.host": view.hostname(place.host_id),
        "agent.instanceId": str(place.host_id),
    }
    facts = view.state.hosts.get(place.host_id)
    if facts is None:
        return context
    if facts.url and (address := urlsplit(facts.url).hostname):
        context["agent.hostIp"] = address
    attributes = dict(facts.attributes)
    for name in _AGENT_ATTRIBUTES:
        if name in attributes:
            context[f"agent.{name}"] = attributes[name]
    return context
