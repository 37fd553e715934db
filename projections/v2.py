"""Jobs and tasks in the JSON shapes of API v2 (2017), from what API v3 shows of them.

The one thing to know: v2 has one word for a state and its reason. QUEUED, DISPATCHED, STARTING and
RUNNING are Accepted, Launched, StartInitiated and Started; how a task ended is FINISHED, FAILED,
STOPPED (killed), CRASHED (lost) or ERROR. A job is what the furthest of its tasks is.
"""

import shlex
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from projections.cell_view import CellView
from projections.v3 import task_json
from scheduler.model.ids import JobId, TaskId
from scheduler.model.job import JobSpec, Service, Stream
from scheduler.model.task import Task, place_of, titus_state
from scheduler.placement.requests_of_jobs import group_of
from scheduler.state import Job
from scheduler.versions import container_of

Json = dict[str, Any]

ACTIVE_STATES: Final = ("QUEUED", "DISPATCHED", "STARTING", "RUNNING")
TERMINAL_STATES: Final = ("FINISHED", "ERROR", "STOPPED", "CRASHED", "FAILED")
STATES: Final = (*ACTIVE_STATES, *TERMINAL_STATES)
TASKS_OF_JOB_MAX: Final = 5_000

_STATES: Final[Mapping[str, str]] = {
    "Accepted": "QUEUED",
    "Launched": "DISPATCHED",
    "StartInitiated": "STARTING",
    "Started": "RUNNING",
    "Disconnected": "RUNNING",
    "KillInitiated": "RUNNING",
}
_ENDS: Final[Mapping[str, str]] = {
    "normal": "FINISHED",
    "failed": "FAILED",
    "runtimeLimitExceeded": "FAILED",
    "killed": "STOPPED",
    "scaledDown": "STOPPED",
    "evicted": "STOPPED",
    "lost": "CRASHED",
    "invalidRequest": "ERROR",
}
"""A task that the system could not run, whatever its reason is called, is in error."""
_STAMPED: Final = "titus."
"""Attributes that are stamped on a job here; v2's clients never wrote them."""
_NAME: Final = "titus.v2.name"
_ENTRY_POINT: Final = "titus.v2.entryPoint"
_JOB_ENDS: Final[Mapping[str, str]] = {"normal": "FINISHED", "": "FINISHED", "killed": "STOPPED"}


def task_state(task: Task) -> str:
    """The v2 state of a task."""
    state = titus_state(task.state)
    if state != "Finished":
        return _STATES[state]
    return _ENDS.get(getattr(task.state, "reason", ""), "ERROR")


def job_state(job: Job, tasks: Iterable[Task]) -> str:
    """The v2 state of a job: how it ended, or what the furthest of its tasks is."""
    if job.state == "Finished":
        return _JOB_ENDS.get(job.reason, "FAILED")
    states = {task_state(each) for each in tasks}
    return next((each for each in reversed(ACTIVE_STATES) if each in states), "QUEUED")


def tasks_of(view: CellView, job_id: JobId, *, is_with_ended: bool = False) -> list[Task]:
    """The tasks of a job by index, those of now or all that are remembered."""
    if not is_with_ended:
        there = view.state.indexes.get(job_id, {})
        return [view.state.tasks[there[index]] for index in sorted(there)]
    history = view.job_history(job_id)
    found = [view.task(each) for each in history.task_ids] if history else []
    return [each for each in found if each is not None][:TASKS_OF_JOB_MAX]


def job_json(view: CellView, job_id: JobId, *, is_with_ended: bool = False) -> Json | None:
    """The job as v2 shows it, its tasks within; None where it is unknown."""
    job = view.job(job_id)
    if job is None:
        return None
    tasks = tasks_of(view, job_id, is_with_ended=is_with_ended or job.state == "Finished")
    return {
        "id": job_id,
        **spec_json(job.spec),
        "state": job_state(job, tasks),
        "submittedAt": job.accepted_at_ms,
        "finishedAt": job.finished_at_ms,
        "tasks": [_brief(view, each) for each in tasks],
    }


class Filters(msgspec.Struct, frozen=True):
    """Which jobs to show; what is empty lets everything through."""

    states: frozenset[str]
    """None given: those that have not ended."""
    labels: tuple[tuple[str, str, str], ...]
    """Name, colon, value; without a colon any value will do."""
    is_any_label_enough: bool
    kind: str
    texts: Mapping[str, str]
    """By the field's name in a v2 spec."""
    limit: int


def jobs_json(view: CellView, filters: Filters) -> list[Json]:
    """The jobs that the filters let through, oldest first."""
    found: list[Json] = []
    for job_id in view.timeline.histories.jobs:
        job = view.job(job_id)
        if job is None or not _is_wanted(job, filters) or not _is_in(view, job, filters.states):
            continue
        shown = job_json(view, job_id)
        if shown is not None:
            found.append(shown)
        if len(found) >= filters.limit:
            break
    return found


def _is_in(view: CellView, job: Job, states: frozenset[str]) -> bool:
    """Whether the job, or a task of it, is in one of the states."""
    if not states:
        return job.state != "Finished"
    is_ended = bool(states.intersection(TERMINAL_STATES))
    tasks = tasks_of(view, job.job_id, is_with_ended=is_ended)
    return job_state(job, tasks) in states or any(task_state(each) in states for each in tasks)


def _is_wanted(job: Job, filters: Filters) -> bool:
    shown = spec_json(job.spec)
    if filters.kind and shown["type"] != filters.kind:
        return False
    if any(wanted and shown[name] != wanted for name, wanted in filters.texts.items()):
        return False
    there = dict(job.spec.attributes)
    matches = [
        name in there and (not colon or there[name] == value)
        for name, colon, value in filters.labels
    ]
    return not matches or (any(matches) if filters.is_any_label_enough else all(matches))


def spec_json(spec: JobSpec) -> Json:
    """The fields of a v2 spec that say the same."""
    container, need, kind = spec.container, spec.container.need, spec.kind
    given = dict(spec.attributes)
    name, entry_point = given.get(_NAME, ""), given.get(_ENTRY_POINT, "")
    labels = {key: value for key, value in given.items() if not key.startswith(_STAMPED)}
    sizes = {"instances": spec.desired}
    if isinstance(kind, Service):
        sizes |= {
            "instancesMin": kind.minimum,
            "instancesMax": kind.maximum,
            "instancesDesired": kind.desired,
        }
    is_service = isinstance(kind, Service | Stream)
    limit_ms = getattr(kind, "runtime_limit_ms", 0)
    return {
        "name": name or spec.application_name,
        "applicationName": container.image,
        "appName": spec.application_name,
        "user": spec.owner_email,
        "type": "service" if is_service else "batch",
        "labels": labels,
        "version": container.image_tag or container.image_digest,
        "entryPoint": entry_point or shlex.join(container.command),
        "inService": spec.is_enabled,
        **sizes,
        "cpu": need.cpu_milli / 1_000,
        "memory": need.memory_mib,
        "networkMbps": need.network_mbps,
        "disk": need.disk_mib,
        "ports": [0] * need.ports,
        "gpu": need.gpus,
        "env": dict(container.environment),
        "retries": spec.retry.retries,
        "restartOnSuccess": is_service,
        "runtimeLimitSecs": (limit_ms or 0) // 1_000,
        "allocateIpAddress": bool(need.addresses),
        "iamProfile": container.iam_role,
        "securityGroups": list(container.security_groups),
        "softConstraints": _flags(container.soft_constraints),
        "hardConstraints": _flags(container.hard_constraints),
        "jobGroupStack": spec.stack,
        "jobGroupDetail": spec.detail,
        "jobGroupSequence": spec.sequence,
        "capacityGroup": spec.capacity_group,
        "migrationPolicy": {"type": spec.migration},
    }


def _flags(constraints: Iterable[Any]) -> list[str]:
    """Constraints by v2's names; those that v2 has no word for have ours, letter by letter."""
    return [f"{each.kind[:1].upper()}{each.kind[1:]}" for each in constraints]


def _brief(view: CellView, task: Task) -> Json:
    place = place_of(task.state)
    return {
        "id": task.task_id,
        "instanceId": str(task.index),
        "jobId": task.job_id,
        "state": task_state(task),
        "host": view.hostname(place.host_id) if place else "",
        "hostInstanceId": str(place.host_id) if place else "",
        "message": getattr(task.state, "message", ""),
    }


def task_of_v2(view: CellView, task_id: TaskId) -> Json | None:
    """The task as v2 shows it; None where it is unknown."""
    task, shown = view.task(task_id), task_json(view, task_id)
    if task is None or shown is None:
        return None
    job = view.job(task.job_id)
    context, since = shown["taskContext"], _since(shown)
    spec = spec_json(job.spec) if job else {}
    carried = ("applicationName", "cpu", "memory", "networkMbps", "disk", "gpu", "env", "version")
    return {
        **_brief(view, task),
        **{name: spec[name] for name in (*carried, "entryPoint") if name in spec},
        "ports": [int(each) for each in context.get("flumina.ports", "").split(",") if each],
        "zone": context.get("agent.zone", ""),
        "region": context.get("agent.region", ""),
        "submittedAt": since.get("Accepted", 0),
        "launchedAt": since.get("Launched", 0),
        "startedAt": since.get("Started", 0),
        "finishedAt": since.get("Finished", 0),
        "migrationDeadline": shown["migrationDetails"]["deadline"],
        "logs": f"/api/v2/logs/{task_id}",
    }


def _since(shown: Json) -> dict[str, int]:
    """When each state was entered first."""
    since: dict[str, int] = {}
    for each in (*shown["statusHistory"], shown["status"]):
        since.setdefault(each["state"], each["timestamp"])
    return since


def summary_json(view: CellView) -> Json:
    """How many tasks are in each v2 state."""
    counts = dict.fromkeys(STATES, 0)
    for task in view.state.tasks.values():
        counts[task_state(task)] += 1
    return {"total": len(view.state.tasks), "states": counts}


def queue_json(view: CellView, limit: int) -> list[Json]:
    """The tasks that wait for a host, in the order of their jobs' submission."""
    found: list[Json] = []
    for job_id, waiting in view.state.queue.items():
        job = view.state.jobs[job_id]
        group = group_of(job.spec.capacity_group, view.state.policy.placement)
        for task_id in waiting:
            if len(found) >= limit:
                return found
            task = view.state.tasks[task_id]
            state, need = task.state, container_of(view.state, task).need
            found.append(
                {
                    "taskId": task_id,
                    "jobId": job_id,
                    "tier": group.tier,
                    "capacityGroup": group.name,
                    "cpu": need.cpu_milli / 1_000,
                    "memory": need.memory_mib,
                    "disk": need.disk_mib,
                    "networkMbps": need.network_mbps,
                    "submittedAt": state.since_ms,
                }
            )
    return found


def queue_summary_json(view: CellView) -> list[Json]:
    """How many tasks wait, by tier and capacity group."""
    counts: dict[tuple[str, str], int] = {}
    for job_id, waiting in view.state.queue.items():
        spec = view.state.jobs[job_id].spec
        group = group_of(spec.capacity_group, view.state.policy.placement)
        key = (group.tier, group.name)
        counts[key] = counts.get(key, 0) + len(waiting)
    return [
        {"tier": tier, "capacityGroup": name, "tasks": counts[tier, name]}
        for tier, name in sorted(counts)
    ]


def hosts_json(view: CellView) -> list[Json]:
    """Hosts with their attributes and how many tasks they have."""
    state = view.state
    return [
        {
            "hostname": facts.hostname,
            "instanceId": host_id,
            "attributes": dict(facts.attributes),
            "tasks": len(state.host_tasks.get(host_id, ())),
            "offers": len(state.host_offers.get(host_id, ())),
        }
        for host_id, facts in sorted(state.hosts.items())
    ]


def jobs_on_hosts_json(view: CellView) -> list[Json]:
    """Hosts with the tasks on each."""
    state = view.state
    return [
        {
            "hostname": view.hostname(host_id),
            "instanceId": host_id,
            "tasks": [_brief(view, state.tasks[each]) for each in there],
        }
        for host_id, there in sorted(state.host_tasks.items())
    ]
