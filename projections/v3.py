"""Jobs and tasks in the JSON shapes of Titus' API v3.

The one thing to know: states, reasons and names are Titus' (S19); times are milliseconds since
1970 of the log's clock. What Titus has no word for stands under names that begin with
``flumina.``, in a task's context and a job's attributes never: those are the user's.
"""

from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from projections.cell_view import CellView
from projections.entries import Entry, JobHistory, Spot, TaskHistory
from projections.history import StateMark, state_marks
from projections.stamps import attributes_of
from projections.volumes import storage_context
from scheduler.model.descriptor import descriptor_of
from scheduler.model.ids import Generation, HostId, JobId, TaskId
from scheduler.model.mesos import HostFacts
from scheduler.model.rules import PlacementRules
from scheduler.model.task import (
    OnHost,
    Started,
    Task,
    is_on_host,
    place_of,
    titus_state,
)
from scheduler.placement.requests_of_jobs import group_of
from scheduler.state import Job

Json = dict[str, Any]

_AGENT_ATTRIBUTES: Final = ("region", "zone", "itype", "asg", "ami", "cluster", "stack", "res")
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


class TaskSeen(msgspec.Struct, frozen=True, gc=False):
    """All that is shown of a task, as values of one moment.

    To take them costs a tenth of writing them out, and whoever keeps them can do that later.
    """

    task: Task
    job: Job | None
    entries: list[Entry]
    """Of its history; entries that began a state never change."""
    last_at_ms: int
    last_spot: Spot | None
    container_ip: str
    replaced_by: TaskId | None
    facts: HostFacts | None
    migration_since_ms: int | None
    deadline_ms: int
    rules: PlacementRules
    generation: Generation

    @property
    def state(self) -> str:
        """The state of Titus' life cycle."""
        return titus_state(self.task.state)


def seen_task(view: CellView, task_id: TaskId) -> TaskSeen | None:
    """The task as it is now, or None where it is unknown."""
    state, history = view.state, view.task_history(task_id)
    task = state.tasks.get(task_id) or (history.task if history is not None else None)
    if task is None:
        return None
    place, plan = place_of(task.state), state.plans.get(task_id)
    last = _last_entry(history)
    return TaskSeen(
        task,
        view.job(task.job_id),
        history.entries.copy() if history is not None else [],
        max(last.at_ms, last.last_at_ms) if last is not None else task.state.since_ms,
        None
        if last is None
        else (last.last_offset, last.last_index)
        if last.count > 1
        else (last.offset, last.index),
        history.container_ip if history is not None else "",
        history.replaced_by if history is not None else None,
        state.hosts.get(place.host_id) if place is not None else None,
        migration_since_ms(view, task),
        plan.deadline_ms if plan is not None else 0,
        state.policy.placement,
        state.generation,
    )


def task_json(view: CellView, task_id: TaskId, log_url: str = "") -> Json | None:
    """The task as Titus shows it, or None where it is unknown.

    ``log_url`` is what the task's id is appended to, to read its output.
    """
    seen = seen_task(view, task_id)
    if seen is None:
        return None
    written = task_written(view, seen)
    if log_url:
        written["logLocation"] = {"liveStream": {"url": f"{log_url}{task_id}"}}
    return written


def task_written(view: CellView, seen: TaskSeen) -> Json:
    """The task as Titus shows it, as it was when it was seen."""
    task, marks = seen.task, state_marks(seen.entries)
    since_ms = seen.migration_since_ms
    return {
        "id": task.task_id,
        "jobId": task.job_id,
        "taskContext": _context(view, seen),
        "status": _task_status(task, marks[-1] if marks else None),
        "statusHistory": [_mark_status(mark) for mark in marks[:-1]],
        "attributes": dict(task.attributes),
        "migrationDetails": {
            "needsMigration": since_ms is not None,
            "started": since_ms or 0,
            "deadline": seen.deadline_ms,
        },
        "version": {"timestamp": seen.last_at_ms, "version": task.version},
    }


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


def _context(view: CellView, seen: TaskSeen) -> dict[str, str]:
    """Titus' keys for what the log knows, and ours."""
    task, cell = seen.task, str(view.state.cell)
    context = {
        "titus.cell": cell,
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
    if seen.job is not None:
        spec = seen.job.spec
        context["task.tier"] = group_of(spec.capacity_group, seen.rules).tier
        if spec.is_persistent:
            context |= storage_context(view.state, task, spec)
        # Stamped by a federation.
        context |= {name: value for name, value in spec.attributes if name == "titus.stack"}
    if task.retry_delay_ms:
        context["task.retryDelay"] = str(task.retry_delay_ms)
    log, place = f"{cell}/{seen.generation}", place_of(task.state)
    if place is not None:
        context |= _agent(view, place.host_id, seen.facts)
        context |= _of_place(log, place)
    if seen.last_spot is not None:
        context["flumina.address"] = f"{log}:{seen.last_spot[0]}[{seen.last_spot[1]}]"
    if seen.container_ip:
        context["task.containerIp"] = seen.container_ip
    if seen.replaced_by is not None:
        context["flumina.replacedBy"] = str(seen.replaced_by)
    return context


def _of_place(log: str, place: OnHost) -> dict[str, str]:
    """What the task's context says of what it got there, and by which proposal."""
    offset, _, index = place.proposal_id.partition(".")
    context = {"flumina.proposal": f"{log}:{offset}[{index}]"}
    if place.ports:
        context["flumina.ports"] = ",".join(map(str, place.ports))
    if place.interface >= 0:
        context["task.networkInterfaceIndex"] = str(place.interface)
    if place.gpus:
        context["flumina.gpus"] = ",".join(map(str, place.gpus))
    return context


def _agent(view: CellView, host_id: HostId, facts: HostFacts | None) -> dict[str, str]:
    """What a task's context says of its host; a thousand tasks may have the same."""
    if facts is None:
        return {"agent.host": str(host_id), "agent.instanceId": str(host_id)}
    known = view.host_contexts.get(host_id)
    if known is None or known[0] is not facts:
        view.note_host_context(host_id, facts, _host_context(host_id, facts))
        known = view.host_contexts[host_id]
    return known[1]


def _host_context(host_id: HostId, facts: HostFacts) -> dict[str, str]:
    context = {"agent.host": facts.hostname, "agent.instanceId": str(host_id)}
    if facts.url and (address := urlsplit(facts.url).hostname):
        context["agent.hostIp"] = address
    attributes = dict(facts.attributes)
    for name in _AGENT_ATTRIBUTES:
        if name in attributes:
            context[f"agent.{name}"] = attributes[name]
    return context
