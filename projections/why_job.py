"""Sentences about one job: who asked for it, how far it is, what it waits for, why it ended.

The one thing to know: a job does nothing itself; it is as far as its tasks are. So its answer
counts them, and explains at most one of each kind.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from projections.cell_view import CellView
from projections.entries import Entry, JobHistory
from projections.health_words import health_sentences
from projections.history import refused_rules, run_spot
from projections.job_updates import cron_sentences, update_sentences
from projections.provenance import job_provenance_sentences
from projections.scaling import scaling_sentences
from projections.why_task import blockers
from projections.words import counted, duration, instant, refusals_text
from scheduler.model.job import Batch, Cron, Service, Stream
from scheduler.model.task import Finished, Queued, titus_state
from scheduler.state import Job

_KINDS: Final = {Batch: "batch job", Service: "service", Stream: "stream", Cron: "cron job"}


def job_sentences(view: CellView, job: Job) -> Iterator[str]:
    """What there is to say of the job, its beginning first."""
    history = view.job_history(job.job_id)
    kind = _KINDS[type(job.spec.kind)]
    submitted = _entry(history, "submitted")
    by = f" by {job.actor}" if job.actor else ""
    source = f" with record {submitted.source}" if submitted and submitted.source else ""
    yield (
        f"{job.job_id} is a {kind} of {counted(job.spec.desired, 'task')}, submitted{by}{source} "
        f"and accepted {_accepted_where(view, job)}."
    )
    yield from job_provenance_sentences(job)
    if job.state == "Finished":
        yield from _finished(view, job, history)
    else:
        yield _standing(view, job)
        if job.state == "KillInitiated":
            yield from _killed_by(view, history)
        yield from health_sentences(view.state, job)
        yield from scaling_sentences(view, job.job_id)
        yield from update_sentences(view, job)
        yield from _waiting(view, job, history)
    yield from cron_sentences(job)
    yield from _rejections(view, history)


def _standing(view: CellView, job: Job) -> str:
    """How many of the job's current tasks are in which state."""
    there = view.state.indexes.get(job.job_id, {})
    states = Counter(titus_state(view.state.tasks[task_id].state) for task_id in there.values())
    told = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
    ended = Counter(
        state.reason
        for task_id in there.values()
        if isinstance(state := view.state.tasks[task_id].state, Finished)
    )
    reasons = ", ".join(f"{number} {reason}" for reason, number in sorted(ended.items()))
    standing = f"It is {job.state}; of its current tasks: {told or 'none'}"
    return f"{standing}{f' ({reasons})' if reasons else ''}."


def _finished(view: CellView, job: Job, history: JobHistory | None) -> Iterator[str]:
    took = duration(job.finished_at_ms - job.accepted_at_ms)
    ended = (
        next((each for each in reversed(history.entries) if each.state == "Finished"), None)
        if history
        else None
    )
    at = f", at {view.address(ended.spot)}" if ended else ""
    yield f"It ended at {instant(job.finished_at_ms)} after {took}: {job.reason}{at}."
    if job.reason == "killed":
        yield from _killed_by(view, history)
        return
    there = view.state.indexes.get(job.job_id, {})
    failed = [
        task_id
        for _, task_id in sorted(there.items())
        if getattr(view.state.tasks[task_id].state, "reason", "") != "normal"
    ]
    if failed:
        which = f"{failed[0]}{f' and {len(failed) - 1} more' if len(failed) > 1 else ''}"
        yield f"Not ended well: {which}; ask why of a task by its name."


def _killed_by(view: CellView, history: JobHistory | None) -> Iterator[str]:
    entry = _entry(history, "kill asked")
    if entry is None:
        return
    record = f" with record {entry.source}" if entry.source else ""
    why = f": {entry.message}" if entry.message else ""
    who = entry.actor or "someone unnamed"
    yield f"Its end was asked for by {who}{record}, at {view.address(entry.spot)}{why}."


def _wait(tasks: int) -> str:
    return "waits" if tasks == 1 else "wait"


def _waiting(view: CellView, job: Job, history: JobHistory | None) -> Iterator[str]:
    waiting = list(view.state.queue.get(job.job_id, ()))
    if not waiting:
        return
    now_ms = view.state.clock.now_ms
    states = [view.state.tasks[task_id].state for task_id in waiting]
    ready_at_ms = [state.ready_at_ms for state in states if isinstance(state, Queued)]
    later = [at_ms for at_ms in ready_at_ms if at_ms > now_ms]
    if later:
        yield (
            f"{counted(len(later), 'task')} of it {_wait(len(later))} for a retry, the next until "
            f"{instant(min(later))}."
        )
    if len(later) == len(waiting):
        return
    hostless = len(waiting) - len(later)
    yield f"{counted(hostless, 'task')} of it {_wait(hostless)} for a host."
    yield from blockers(view)
    run = history.refusals[-1] if history and history.refusals else None
    last_round = view.timeline.last_round
    if run is None or last_round is None or job.job_id not in view.state.told:
        return  # What an older round said is over: some were placed since.
    yield (
        f"The round at {view.address(run_spot(run, -1))} found no place for "
        f"{run.refusal.waiting} of them: {refusals_text(refused_rules(view, run.refusal))}. "
        f"What could change that: {run.refusal.wake}."
    )
    if last_round.spot > run_spot(run, -1):
        yield f"No round since, the last at {view.address(last_round.spot)}, says otherwise."


def _rejections(view: CellView, history: JobHistory | None) -> Iterator[str]:
    entry = _entry(history, "rejected")
    if entry is not None:
        yield (
            f"A request about it (record {entry.source}) was refused at "
            f"{view.address(entry.spot)}: {entry.message}."
        )


def _accepted_where(view: CellView, job: Job) -> str:
    if job.accepted_offset < 0:  # See `scheduler.fold.continued`.
        return "before the cell was moved to this Kafka"
    return f"at {view.address((job.accepted_offset, job.accepted_index))}"


def _entry(history: JobHistory | None, what: str) -> Entry | None:
    """The newest entry of this kind."""
    entries = history.entries if history else []
    return next((each for each in reversed(entries) if each.what == what), None)
