"""Updates and cron schedules of jobs as the API shows them, and the sentences of `why` on them.

The one thing to know: everything is read off the job in the fold's state; which version a task is
of stands in the task. Times are milliseconds since 1970 of the log's clock.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from projections.cell_view import CellView
from projections.words import counted, instant
from scheduler.model.cron import firings
from scheduler.model.foreign_updates import written_plan
from scheduler.model.ids import JobId
from scheduler.model.job import Cron
from scheduler.model.job_updates import JobUpdate
from scheduler.model.task import Started
from scheduler.state import Job

Json = dict[str, Any]

FIRINGS_SHOWN_MAX: Final = 100


def updates_json(view: CellView, job_id: JobId) -> Json | None:
    """How the job stands by version, and its updates, the latest first; None for no job."""
    job = view.job(job_id)
    if job is None:
        return None
    return {
        "jobId": job_id,
        "jobVersion": job.version,
        "specVersion": job.spec_version,
        "priorVersion": job.prior.version if job.prior else None,
        "versions": versions_json(view, job),
        "updates": [update_json(each) for each in _latest_first(job)],
    }


def one_update_json(view: CellView, job_id: JobId, number: int) -> Json | None:
    """One update of the job, or None."""
    job = view.job(job_id)
    found = [] if job is None else [each for each in _latest_first(job) if each.number == number]
    return update_json(found[0]) if found else None


def _latest_first(job: Job) -> list[JobUpdate]:
    running = [job.update] if job.update else []
    return [*running, *reversed(job.past_updates)]


def update_json(update: JobUpdate) -> Json:
    """One update, as far as it has come."""
    return {
        "number": update.number,
        "state": update.state,
        "paused": update.is_paused,
        "fromVersion": update.from_version,
        "toVersion": update.to_version,
        "batch": update.batch,
        "batchSinceMs": update.batch_since_ms,
        "beganAtMs": update.began_at_ms,
        "switchedAtMs": update.switched_at_ms,
        "endedAtMs": update.ended_at_ms,
        "failures": len(update.failures_at_ms),
        "unavailableIndexes": list(update.taken),
        "actor": update.actor,
        "why": update.why,
        "plan": written_plan(update.plan),
    }


def versions_json(view: CellView, job: Job) -> list[Json]:
    """What runs of each version that the job has tasks of, or wants."""
    images = {job.spec_version: job.spec.container.full_image}
    images |= {each.version: each.spec.container.full_image for each in job.specs}
    there: Counter[int] = Counter()
    started: Counter[int] = Counter()
    healthy: Counter[int] = Counter()
    for task_id in view.state.indexes.get(job.job_id, {}).values():
        task = view.state.tasks[task_id]
        there[task.spec_version] += 1
        if isinstance(task.state, Started):
            started[task.spec_version] += 1
            healthy[task.spec_version] += task.state.is_healthy
    return [
        {
            "version": version,
            "image": images.get(version, ""),
            "wanted": version == job.spec_version,
            "serves": version == serving_version(job),
            "tasks": there[version],
            "started": started[version],
            "healthy": healthy[version],
        }
        for version in sorted({*images, *there})
    ]


def serving_version(job: Job) -> int | None:
    """The version that serves: of red-black one of both sets; None while a rolling one mixes."""
    update = job.update
    if update is None:
        return job.spec_version
    if update.plan.strategy == "redBlack":
        return update.from_version if update.state == "running" else job.spec_version
    return None


def cron_json(view: CellView, job_id: JobId, count: int) -> Json | None:
    """A cron job's schedule, its next firings and its runs; None where it is no cron job."""
    job = view.job(job_id)
    if job is None or job.cron is None or not isinstance(job.spec.kind, Cron):
        return None
    kind, cron = job.spec.kind, job.cron
    is_over = job.state != "Accepted" or cron.next_at_ms is None
    coming = [] if is_over else _coming(kind, view.state.clock.now_ms, count)
    return {
        "jobId": job_id,
        "schedule": kind.schedule,
        "timeZone": kind.time_zone,
        "zoneRule": kind.zone_rule,
        "enabled": job.spec.is_enabled,
        "next": coming,
        "skipped": cron.skipped,
        "lastSkip": cron.last_skip,
        "runs": [
            {
                "id": each.job_id,
                "firedForMs": each.fired_for_ms,
                "startedAtMs": each.started_at_ms,
                "state": each.state,
                "reason": each.reason,
            }
            for each in reversed(cron.runs)
        ],
    }


def _coming(kind: Cron, now_ms: int, count: int) -> list[int]:
    return list(islice(firings(kind.schedule, kind.zone_rule, now_ms), count))


def update_sentences(view: CellView, job: Job) -> Iterator[str]:
    """What `why` says of a job's update under way, and of the last that ended badly."""
    update = job.update
    if update is None:
        last = job.past_updates[-1] if job.past_updates else None
        if last is not None and last.state == "rolledBack":
            yield (
                f"Update {last.number} to version {last.to_version} was rolled back at "
                f"{instant(last.ended_at_ms)}: {last.why}."
            )
        return
    standing = ", ".join(
        f"{counted(each['tasks'], 'task')} of version {each['version']} ({each['healthy']} healthy)"
        for each in versions_json(view, job)
    )
    paused = f", paused{f': {update.why}' if update.why else ''}" if update.is_paused else ""
    yield (
        f"Update {update.number} from version {update.from_version} to {update.to_version} is "
        f"{update.state}{paused}, in batch {update.batch}: {standing}."
    )
    if update.state == "rollingBack":
        yield f"It goes back because: {update.why}."


def cron_sentences(job: Job) -> Iterator[str]:
    """What `why` says of a cron job, or of a run of one."""
    if job.cron_job_id is not None:
        yield f"It is a run of cron job {job.cron_job_id}."
    if job.cron is None or not isinstance(job.spec.kind, Cron):
        return
    kind = job.spec.kind
    if job.state == "Accepted" and job.cron.next_at_ms is not None:
        yield (
            f"By {kind.schedule!r} in {kind.time_zone} it fires next at "
            f"{instant(job.cron.next_at_ms)}."
        )
    if job.cron.skipped:
        last = job.cron.last_skip
        yield f"{counted(job.cron.skipped, 'firing')} started nothing; the last: {last}."
