"""Campaigns: what has to be deployed again, whose it is, and how far that has come.

The one thing to know: a campaign is a name in the plans of updates and nothing else. Which tasks
match is read from the state as it is now, and how far it is from the updates that bear its name;
there is nothing that could disagree with them.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, Literal, NamedTuple, assert_never

from projections.cell_view import CellView
from scheduler.disruption.budgets import budget_of, floor_of
from scheduler.model.ids import TaskId
from scheduler.model.job import JobSpec, Service, Stream
from scheduler.model.job_updates import JobUpdate
from scheduler.model.provenance import BASE_IMAGE, provenance_of
from scheduler.model.reading.checks import Complaint
from scheduler.model.task import Finished, Started, Task
from scheduler.state import Job, State
from scheduler.versions import spec_of

Json = dict[str, Any]
Kind = Literal["image", "base", "age"]

TASKS_SHOWN_MAX: Final = 20
"""Of one job; all are counted."""
UNAVAILABLE_PERCENT: Final = 25
"""Of a job's tasks at once, where its budget allows more: the usual plan of an update."""
_AGE: Final = re.compile(r"([0-9]{1,6})(s|min|h|d)")
_UNIT_MS: Final = {"s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
EXAMPLES: Final = "such as image:team/worker, image:team/worker:1.4, base:debian:12, or age:30d"


class Match(NamedTuple):
    """What has to be deployed again."""

    kind: Kind
    value: str
    age_ms: int = 0


def match_complaint(text: str) -> Complaint | None:
    """What is wrong with ``text`` as what a campaign is about."""
    return None if parsed_match(text) is not None else ("is no image, base or age", EXAMPLES)


def parsed_match(text: str) -> Match | None:
    """What the text says has to be deployed again; None where it says nothing."""
    kind, _, value = text.partition(":")
    if not value:
        return None
    match kind:
        case "image":
            return Match("image", value)
        case "base":
            return Match("base", value)
        case "age":
            found = _AGE.fullmatch(value)
            return Match("age", value, int(found[1]) * _UNIT_MS[found[2]]) if found else None
        case _:
            return None


def candidates(view: CellView, match: Match, campaign: str = "") -> Json:
    """The active jobs with tasks that match, by owner; those that ``campaign`` brought do not."""
    state = view.state
    items = [row for job_id in sorted(state.jobs) if (row := _row(state, job_id, match, campaign))]
    items.sort(key=lambda each: (each["owner"], each["jobId"]))
    owners = Counter[str]()
    for each in items:
        owners[each["owner"]] += each["tasks"]
    return {
        "match": f"{match.kind}:{match.value}",
        "items": items,
        "owners": dict(sorted(owners.items())),
        "tasks": sum(owners.values()),
    }


def _row(state: State, job_id: Any, match: Match, campaign: str) -> Json | None:  # noqa: ANN401 - an id
    job = state.jobs[job_id]
    if job.state != "Accepted":
        return None
    found = [
        task
        for task in _live_tasks(state, job)
        if _is_matched(state, job, task, match) and not _is_brought(job, task, campaign)
    ]
    if not found:
        return None
    started = [task.state.since_ms for task in found if isinstance(task.state, Started)]
    return {
        "jobId": job.job_id,
        "owner": job.spec.owner_email,
        "applicationName": job.spec.application_name,
        "kind": type(job.spec.kind).__name__.lower(),
        "image": job.spec.container.full_image,
        "provenance": dict(provenance_of(job.spec)),
        "tasks": len(found),
        "taskIds": [task.task_id for task in found[:TASKS_SHOWN_MAX]],
        "oldestStartMs": min(started, default=0),
        "canUpdate": isinstance(job.spec.kind, Service | Stream),
        "isUpdating": job.update is not None,
        "unavailableMax": _unavailable_max(state, job),
    }


def _unavailable_max(state: State, job: Job) -> int:
    """How many of the job's tasks an update may take at once, by its budget; one at least."""
    size = job.spec.desired
    allowed = size - floor_of(budget_of(state.policy, job.spec), size)
    return max(1, min(allowed, size * UNAVAILABLE_PERCENT // 100))


def _live_tasks(state: State, job: Job) -> Iterator[Task]:
    for _, task_id in sorted(state.indexes.get(job.job_id, {}).items()):
        task = state.tasks[TaskId(task_id)]
        if not isinstance(task.state, Finished):
            yield task


def _is_matched(state: State, job: Job, task: Task, match: Match) -> bool:
    spec = spec_of(job, task)
    match match.kind:
        case "image":
            return _has_image(spec, match.value)
        case "base":
            base = dict(provenance_of(spec)).get(BASE_IMAGE, "")
            return base == match.value or base.startswith((f"{match.value}:", f"{match.value}@"))
        case "age":
            running = task.state
            if not isinstance(running, Started):
                return False
            return state.clock.now_ms - running.since_ms >= match.age_ms
    assert_never(match.kind)


def _has_image(spec: JobSpec, wanted: str) -> bool:
    container = spec.container
    if not container.image:
        return False
    names = {container.image, container.full_image}
    if container.image_tag:
        names.add(f"{container.image}:{container.image_tag}")
    return wanted in names or wanted == container.image_digest


def _updates(job: Job, campaign: str) -> list[JobUpdate]:
    """The job's updates of the campaign, the latest last."""
    every = [*job.past_updates, *([job.update] if job.update else [])]
    return [each for each in every if each.plan.campaign == campaign]


def _is_brought(job: Job, task: Task, campaign: str) -> bool:
    if not campaign:
        return False
    brought = (each.to_version for each in _updates(job, campaign) if each.state != "rolledBack")
    return task.spec_version in brought


def progress(view: CellView, campaign: str) -> Json | None:
    """How far a campaign has come, job by job; None where no update bears its name."""
    state = view.state
    items = []
    for job_id in sorted(state.jobs):
        job = state.jobs[job_id]
        found = _updates(job, campaign)
        if found:
            items.append(_progress(state, job, found[-1], campaign))
    if not items:
        return None
    states = Counter(each["state"] for each in items)
    return {
        "name": campaign,
        "items": items,
        "states": dict(sorted(states.items())),
        "tasks": sum(each["tasks"] for each in items),
        "redeployed": sum(each["redeployed"] for each in items),
    }


def _progress(state: State, job: Job, update: JobUpdate, campaign: str) -> Json:
    live = list(_live_tasks(state, job))
    done = [
        task
        for task in live
        if isinstance(task.state, Started) and _is_brought(job, task, campaign)
    ]
    return {
        "jobId": job.job_id,
        "owner": job.spec.owner_email,
        "state": "paused" if update.is_paused else update.state,
        "update": update.number,
        "why": update.why,
        "tasks": len(live),
        "redeployed": len(done),
    }
