"""Sentences about one task: where it is, why there, why not further, why it ended.

The one thing to know: each sentence rests on an event that is named in it by its address, or on
the state of the fold as it is now. What a round of placement thought is read from its record;
nothing is placed again here to find out.
"""

from collections.abc import Iterator
from typing import assert_never

from projections.cell_view import CellView
from projections.entries import Entry, LaunchFacts, StatusFacts, TaskHistory
from projections.history import refusals_of, refused_rules, run_spot
from projections.provenance import provenance_of_task, provenance_sentences
from projections.volumes import storage_waits, volumes_on_the_way
from projections.words import amounts, counted, duration, instant, parts_text, refusals_text
from scheduler.model.events import ClassPlacement
from scheduler.model.job import Batch
from scheduler.model.rules import FITNESS_MAX
from scheduler.model.task import (
    SYSTEM_REASONS,
    Disconnected,
    Finished,
    KillInitiated,
    Launched,
    Placed,
    Queued,
    Started,
    StartInitiated,
    Task,
)
from scheduler.state import Job


def task_sentences(view: CellView, history: TaskHistory, task: Task) -> Iterator[str]:
    """What there is to say of the task, the present first."""
    now_ms = view.state.clock.now_ms
    task_id, state = task.task_id, task.state
    since = f"since {instant(state.since_ms)} ({duration(now_ms - state.since_ms)})"
    match state:
        case Queued():
            yield f"{task_id} waits for a host {since}."
            yield from _waiting(view, history, state)
        case Placed():
            yield (
                f"{task_id} is about to be launched on {_host(view, task)}: the proposal is "
                "accepted, and nothing has left the cell yet."
            )
            yield from volumes_on_the_way(view, task_id)
            yield from blockers(view)
        case Launched():
            answer = (
                "Mesos has taken the call, and has said nothing of the task yet"
                if state.is_answered
                else "whether Mesos has the call is not known yet; only its answer will tell"
            )
            yield f"{task_id} was sent to {_host(view, task)} {since}; {answer}."
            yield from _silence(view, task)
        case StartInitiated():
            yield f"{task_id} is starting on {_host(view, task)} {since}{_heard(view, history)}."
        case Started():
            health = "" if state.is_healthy else ", and is not healthy"
            heard = _heard(view, history)
            yield f"{task_id} runs on {_host(view, task)} {since}{health}{heard}."
            yield from _relocation(view, task)
        case Disconnected():
            wait = duration(view.state.policy.unreachable_timeout_ms)
            yield (
                f"{task_id} is on {_host(view, task)}, which is unreachable {since}"
                f"{_heard(view, history)}. It may still run; it is replaced after {wait}."
            )
        case KillInitiated():
            yield f"{task_id} is being ended on {_host(view, task)} {since} ({state.reason})."
            yield from _killing(view, history, state)
        case Finished():
            yield from _ended(view, history, task, state)
        case _:
            assert_never(state)
    yield from _placement(view, history, task)
    yield from provenance_sentences(provenance_of_task(view, task_id))


def blockers(view: CellView) -> Iterator[str]:
    """What keeps the whole cell from launching anything now."""
    state = view.state
    stream = state.stream
    elected = view.timeline.elections[-1] if view.timeline.elections else None
    if elected is None:
        yield "The cell has had no leader in this log yet, so nothing is decided."
        return
    if stream.is_fatal:
        yield f"Mesos will not take this framework id again, and nothing runs: {stream.is_fatal}."
    if stream.stream_id is None:
        yield (
            f"No stream to Mesos is open: {state.leader}, elected at {view.address(elected)}, "
            "has not subscribed since, so nothing is launched."
        )
    elif not state.clock.is_judging:
        yield (
            f"The leader elected at {view.address(elected)} has not come to its first tick after "
            "the election or after a gap in time, so nothing is decided yet."
        )
    elif state.unanswered and not stream.is_reconcile_sent:
        yield (
            f"{counted(len(state.unanswered), 'task')} of before must be asked for on this stream "
            "first; launches wait until the question has left."
        )


def _waiting(view: CellView, history: TaskHistory, state: Queued) -> Iterator[str]:
    now_ms = view.state.clock.now_ms
    if state.ready_at_ms > now_ms:
        wait = duration(state.ready_at_ms - now_ms)
        yield f"It is a retry and may start at {instant(state.ready_at_ms)}, in {wait}."
        return
    if any(history.task_id in there for there in view.state.held.values()):
        most = view.state.policy.unstarted_tasks_per_job_max
        yield (
            f"{most} tasks of its job wait for a host or start (unstarted_tasks_per_job_max): it "
            "waits until one of them has started."
        )
        return
    yield from storage_waits(view, history.task_id)
    stops = list(blockers(view))
    yield from stops
    begin = _last(history, "queued", "requeued")
    begin_spot = begin.spot if begin else (-1, 0)
    refused = [
        (run, first, last)
        for run, first, last in refusals_of(view, history)
        if run_spot(run, last - 1) > begin_spot
    ]
    last_round = view.timeline.last_round
    if refused:
        run, first, last = refused[-1]
        spot = run_spot(run, last - 1)
        rules = refusals_text(refused_rules(view, run.refusal))
        yield f"The round at {view.address(spot)} found no place for it: {rules}."
        if last - first > 1:
            yield (
                f"{counted(last - first, 'round')} refused it by the same rules, the first at "
                f"{view.address(run_spot(run, first))}."
            )
        yield f"What could change that: {run.refusal.wake}."
        if last_round is not None and last_round.spot > spot:
            yield f"No round since, the last at {view.address(last_round.spot)}, says otherwise."
    elif last_round is not None and last_round.spot > begin_spot:
        more = (
            f"it left {counted(last_round.unexplained, 'job')} unexplained, for want of room"
            if last_round.unexplained
            else "it does not name this job"
        )
        yield f"The last round, at {view.address(last_round.spot)}, says nothing of it: {more}."
    elif not stops:
        yield "No round of placement has been written since; the next one will look at it."


def _relocation(view: CellView, task: Task) -> Iterator[str]:
    """Why it has to leave its host, and why it has not yet."""
    plan = view.state.plans.get(task.task_id)
    if plan is None:
        return
    now_ms = view.state.clock.now_ms
    yield f"It has to leave its host: {plan.message} (planned {instant(plan.decided_at_ms)})."
    if plan.limit:
        times = counted(plan.attempts, "attempt")
        yield f"It has not been evicted, after {times}: {plan.limit_message} ({plan.limit})."
    elif plan.deadline_ms > now_ms:
        left = duration(plan.deadline_ms - now_ms)
        yield f"Its owner has {left} left to move it himself; then it is evicted by its budget."


def _silence(view: CellView, task: Task) -> Iterator[str]:
    if task.task_id not in view.state.unanswered:
        return
    asked = view.state.stream.reconcile_attempts
    yield (
        f"Mesos was asked for it and its like {counted(asked, 'time')} on this stream and has not "
        "answered; silence proves nothing, so it is asked again."
    )


def _killing(view: CellView, history: TaskHistory, state: KillInitiated) -> Iterator[str]:
    yield from _asked_by(view, history)
    sent = [entry for entry in history.entries if entry.what == "kill proposed"]
    if state.is_unreachable:
        wait = duration(view.state.policy.unreachable_timeout_ms)
        yield f"Its host is unreachable; it is given up after {wait} of that."
    if sent:
        times = sum(entry.count for entry in sent)
        again = duration(view.state.policy.kill_retry_ms)
        yield (
            f"The kill was proposed {counted(times, 'time')}, first at "
            f"{view.address(sent[0].spot)}; it is repeated every {again} until Mesos says that "
            "the task has ended."
        )
    else:
        yield "No kill has been proposed yet."
        yield from blockers(view)


def _asked_by(view: CellView, history: TaskHistory) -> Iterator[str]:
    """Who or what wanted the task ended."""
    entry = _last(history, "kill asked", "deadline")
    if entry is None:
        return
    why = f": {entry.message}" if entry.message else ""
    if entry.what == "deadline":
        yield f"A time-out ran out at {view.address(entry.spot)}{why}."
        return
    record = f" with record {entry.source}" if entry.source else ""
    who = entry.actor or "someone unnamed"
    yield f"Its end was asked for by {who}{record}, at {view.address(entry.spot)}{why}."


def _ended(view: CellView, history: TaskHistory, task: Task, state: Finished) -> Iterator[str]:
    entry = next((each for each in history.entries if each.state == "Finished"), None)
    at = f" at {view.address(entry.spot)}" if entry else ""
    yield f"{task.task_id} ended at {instant(state.since_ms)}: {state.reason}."
    if entry is not None and isinstance(entry.fact, StatusFacts):
        detail = f", {entry.fact.reason.removeprefix('REASON_')}" if entry.fact.reason else ""
        said = f": {entry.message}" if entry.message else ""
        yield f"Mesos said {entry.fact.state}{detail} (record {entry.source}){at}{said}."
    elif entry is not None and entry.what == "effect ended":
        yield f"Its launch did not happen{at}: {entry.message}."
    elif entry is not None and state.place is None:
        yield f"It was ended{at} before anything of it had left the cell."
    if state.reason not in {"normal", "failed"}:
        yield from _asked_by(view, history)
    if state.is_abandoned:
        heard = (
            "and was heard of again, so it is being ended"
            if state.is_back
            else ("so it might still run; if it is heard of again, it is ended")
        )
        yield f"It was given up without a word of its end, {heard}."
    yield _afterwards(view, history, task, state)


def _afterwards(view: CellView, history: TaskHistory, task: Task, state: Finished) -> str:
    """Whether something took its place, and if not, why."""
    if history.replaced_by:
        replaced = _last(history, "replaced")
        at = f" at {view.address(replaced.spot)}" if replaced else ""
        return f"{history.replaced_by} took its place{at}."
    job = view.job(task.job_id)
    if job is None:
        return "Its job is forgotten; the log still has it."
    return f"Nothing takes its place: {_no_replacement(view, job, state)}."


def _no_replacement(view: CellView, job: Job, state: Finished) -> str:
    if state.reason == "scaledDown":
        return "the job wants fewer tasks"
    if state.reason == "normal" and isinstance(job.spec.kind, Batch):
        return "its part of the job is done"
    history = view.job_history(job.job_id)
    if any(entry.what == "kill asked" for entry in (history.entries if history else ())):
        return f"the job was killed and is {job.state}"
    if isinstance(job.spec.kind, Batch) and state.reason not in SYSTEM_REASONS:
        if state.reason == "runtimeLimitExceeded":
            return "the job does not retry tasks that exceed its runtime limit"
        retries = job.spec.retry.retries
        return f"the job allows {counted(retries, 'retry', 'retries')}, and none is left"
    return f"the job is {job.state}"


def _placement(view: CellView, history: TaskHistory, task: Task) -> Iterator[str]:
    """Why on that host: the round's own record, and the offers that were used."""
    entry = _last(history, "launch proposed")
    if entry is None or isinstance(task.state, Queued) or not isinstance(entry.fact, LaunchFacts):
        return
    facts, where = entry.fact, view.hostname(entry.host_id)
    address = view.address(entry.spot)
    if facts.round is None:
        yield f"The launch on {where} was proposed at {address}, by no round that is recorded."
        return
    round_ = facts.round
    yield (
        f"The round at {view.address(round_.spot)} (policy {round_.policy_version}, mode "
        f"{round_.mode}) had "
        f"{counted(round_.waiting, 'task')} to place and {counted(round_.hosts, 'host')} with "
        f"offers, and placed {round_.placed}. It chose {where} (proposal at {address}), for "
        f"{counted(facts.tasks, 'task')} in one call."
    )
    chosen = round_.placement_of(task.job_id)
    if chosen is not None:
        yield from choice_sentences(view, chosen)
    for held in facts.offers:
        record = view.mesos_record(held.mesos_offset)
        source = f" (record {record})" if record else ""
        yield f"Offer {held.offer_id} was used: {amounts(held.resources)}{source}."
    for refusal in round_.refusals:
        if refusal.job_id == task.job_id:
            rules = refusals_text(refused_rules(view, refusal))
            others = counted(refusal.waiting, "other task")
            yield f"In the same round {others} of the job found no place: {rules}."


def choice_sentences(view: CellView, chosen: ClassPlacement) -> Iterator[str]:
    """How good the first host was that the round chose for the job, and who came second."""
    where = view.hostname(chosen.host_id)
    yield (
        f"Of the job's tasks the round placed {chosen.placed}, the first on {where}, whose fitness "
        f"was {chosen.fitness} of {FITNESS_MAX:,}: {parts_text(chosen.parts)}."
    )
    if chosen.runner_up is None:
        yield "No other host would have done."
        return
    second = view.hostname(chosen.runner_up)
    parts = parts_text(chosen.runner_up_parts)
    tie = (
        ": as good, and less full, or behind it in the order of the hosts' digests"
        if chosen.runner_up_fitness == chosen.fitness
        else ""
    )
    yield f"The next best was {second} with {chosen.runner_up_fitness}{tie} ({parts})."


def _heard(view: CellView, history: TaskHistory) -> str:
    """The last word of Mesos that changed the task's state."""
    for entry in reversed(history.entries):
        if entry.what == "status" and entry.state and isinstance(entry.fact, StatusFacts):
            spot = view.address(entry.spot)
            return f"; Mesos said {entry.fact.state} (record {entry.source}) at {spot}"
    return ""


def _host(view: CellView, task: Task) -> str:
    place = getattr(task.state, "place", None)
    return view.hostname(place.host_id) if place else "no host"


def _last(history: TaskHistory, *whats: str) -> Entry | None:
    """The newest entry of one of these kinds."""
    return next((each for each in reversed(history.entries) if each.what in whats), None)
