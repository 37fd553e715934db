"""What Mesos says: streams, offers, states of tasks.

The one thing to know: offers are true on their own stream only, so a new stream voids all of
them. What the master says itself (an answer, no uuid) counts only on the stream that is open now,
because it may be older than a launch that has left since. What a host said (with a uuid) counts
from an earlier stream, too, until another is open; from then on only a task's end does: the end is
said once and forgotten when acknowledged, all else is asked again on the new stream.
"""

from scheduler.end_reasons import refined
from scheduler.fold.context import Fold, moved_task, watch
from scheduler.fold.decisions import cancel_launch_on, cancel_launches
from scheduler.fold.fleet import note_host
from scheduler.fold.guards import note_start
from scheduler.fold.health import heard
from scheduler.fold.health_early import taken_early
from scheduler.fold.health_tasks import host_lost
from scheduler.fold.known_hosts import host_seen
from scheduler.fold.maintenance import host_offered, windows_in_doubt
from scheduler.fold.offers import drop_offer, put_offer
from scheduler.fold.safe import explained, missed, orphans_counted, says_not_there
from scheduler.fold.storage import let_go
from scheduler.model.address import Source
from scheduler.model.changes import CellPaged, OrphanGone, OrphanSeen
from scheduler.model.inbound import OffersChanged, OrphanForgotten
from scheduler.model.mesos import Offer, StatusUpdate, StreamEnded, Subscribed, Unrecognised
from scheduler.model.task import (
    Finished,
    Launched,
    Started,
    StartInitiated,
    Task,
    is_on_host,
)
from scheduler.state import HeldOffer, Orphan
from scheduler.task_table import Given, input_of

_TERMINAL = frozenset(
    (
        "TASK_FINISHED",
        "TASK_FAILED",
        "TASK_KILLED",
        "TASK_ERROR",
        "TASK_LOST",
        "TASK_DROPPED",
        "TASK_GONE",
        "TASK_GONE_BY_OPERATOR",
    )
)
_STARTING = frozenset((Launched, StartInitiated))
_SILENT = frozenset(("TASK_UNREACHABLE", "TASK_UNKNOWN"))
"""States in which nobody hears the task: they say nothing of an orphan."""


def subscribed(fold: Fold, body: Subscribed) -> None:
    """Open a stream of the current leader: every offer is void, every task is to be asked for."""
    state = fold.state
    if body.epoch != state.epoch:
        return  # An older leader was still subscribing; its stream is evicted by ours.
    close_stream(fold)
    stream = state.stream
    stream.stream_id = body.stream_id
    stream.framework_id = body.framework_id
    stream.reconcile_all_at_ms = 0
    if state.maintenance:
        windows_in_doubt(fold)
    # What was unreachable or late on the old stream is judged by what is said on this one.
    state.clock.judging_since_ms = state.clock.now_ms
    ask_again(fold)
    fold.wake_placement()


def ask_again(fold: Fold) -> None:
    """Let every task that may be on a host be asked for, as if nothing had been said of it."""
    state = fold.state
    state.stream.reconcile_asked_at_ms = 0
    state.stream.reconcile_attempts = 0
    for task_id, task in sorted(state.tasks.items()):
        if _is_asked_for(task):
            state.unanswered[task_id] = None


def close_stream(fold: Fold) -> None:
    """Forget what was true on the old stream: its offers, its questions, its unsent launches."""
    state = fold.state
    cancel_launches(fold, is_stream_over=True)
    for offer_id in list(state.offers):
        drop_offer(fold, offer_id)
    stream = state.stream
    stream.stream_id = None
    stream.is_suppressed = False
    stream.reconcile_asked_at_ms = 0
    stream.reconcile_attempts = 0
    stream.is_reconcile_sent = False
    stream.call_failed_at_ms = 0
    state.unanswered.clear()


def stream_ended(fold: Fold, body: StreamEnded) -> None:
    """The open stream is over; without one nothing is decided that needs Mesos."""
    state = fold.state
    if body.is_fatal:
        state.stream.is_fatal = body.why
        what = "the framework id is burnt"
        fold.report(CellPaged(what=what, why=body.why, kind="framework id"))
    if body.stream_id == state.stream.stream_id:
        close_stream(fold)


def offers_changed(fold: Fold, source: Source, body: OffersChanged) -> None:
    """Hold what was added, drop what was taken back, on the open stream only."""
    state = fold.state
    if body.stream_id != state.stream.stream_id:
        return
    for offer_id in body.removed:
        if drop_offer(fold, offer_id) is None:
            cancel_launch_on(fold, offer_id)
    for offer in body.added:
        _hold(fold, source, offer)
    if body.added:
        fold.wake_placement()


def _hold(fold: Fold, source: Source, offer: Offer) -> None:
    state = fold.state
    host_seen(fold, offer.host_id)
    if offer.facts is not None and state.hosts.get(offer.host_id) != offer.facts:
        state.hosts[offer.host_id] = offer.facts
        note_host(state, offer.host_id, offer.facts)
        state.hosts_changed[offer.host_id] = None
        fold.touch("host", offer.host_id)
    if offer.resources.network_mbps:
        state.network_hosts[offer.host_id] = None
    put_offer(
        fold,
        HeldOffer(
            offer_id=offer.offer_id,
            host_id=offer.host_id,
            resources=offer.resources,
            since_ms=state.clock.now_ms,
            mesos_offset=source.offset,
        ),
    )
    if state.maintenance and offer.host_id in state.maintenance:
        host_offered(fold, offer.host_id)
    if state.early_health:
        for verdict in taken_early(fold, offer.host_id):
            heard(fold, offer.host_id, verdict)


def status_updated(fold: Fold, body: StatusUpdate) -> None:
    """Move the task that Mesos speaks of; a task without history is an orphan."""
    state = fold.state
    is_current = body.stream_id == state.stream.stream_id
    if not is_current and not _is_heard_late(fold, body):
        return
    task = state.tasks.get(body.task_id)
    if task is None:
        _unknown_task(fold, body)
        return
    if is_current and body.task_id in state.unanswered:
        del state.unanswered[body.task_id]
        watch(fold, task)  # Its time may be over already, and waited only for this word.
    given = Given(  # By position, here and below: names take half as long again.
        state.clock.now_ms,
        None,
        "killed",
        body.message,
        body.is_healthy,
        body.observed_at_ms,
        refined(body.reason, body.message) if body.state == "TASK_FAILED" else "failed",
        body.container_ip,
    )
    if not body.uuid and says_not_there(body) and missed(fold, task, body, given):
        return
    step = _step(body) if body.reason else body.state
    after = moved_task(fold, body.task_id, input_of(body.state), given, step)
    if after is task:
        state.updates_without_news += 1
    elif type(after.state) is Started and type(task.state) in _STARTING:
        note_start(fold, task, after)
    if body.state == "TASK_UNREACHABLE":
        if state.missing:
            explained(fold, task)
        if type(task.state) is Started and after.state is not task.state:
            host_lost(fold, task.state.place.host_id)


def unrecognised(fold: Fold, body: Unrecognised) -> None:
    """Page for a task's update that this build cannot read, and ask for the task again.

    What it said may have been the task's end, and it is not said twice. Nothing is concluded from
    it; an event that is no update is only kept.
    """
    if body.task_id is None:
        return
    state = fold.state
    why = f"task {body.task_id}: {body.state or 'no state'} (see the record in topic mesos)"
    what = "an update that this build cannot read"
    task_ids = (body.task_id,)
    fold.report(
        CellPaged(what, why, "unreadable update", body.state, tasks=task_ids, tasks_total=1)
    )
    task = state.tasks.get(body.task_id)
    if task is not None and state.stream.stream_id is not None and _is_asked_for(task):
        state.unanswered[body.task_id] = None


def _is_asked_for(task: Task) -> bool:
    """Whether the task may be on a host, so that Mesos has something to say of it."""
    if isinstance(task.state, Finished):
        return task.state.is_abandoned
    return is_on_host(task.state)


def _is_heard_late(fold: Fold, body: StatusUpdate) -> bool:
    """Whether the update counts although its stream is not the open one."""
    if not body.uuid:
        return False  # The master's own word.
    return fold.state.stream.stream_id is None or body.state in _TERMINAL


def _step(body: StatusUpdate) -> str:
    return f"{body.state} {body.reason.removeprefix('REASON_')}"


def _unknown_task(fold: Fold, body: StatusUpdate) -> None:
    state = fold.state
    known = state.orphans.get(body.task_id)
    if body.task_id in state.holders and body.state in _TERMINAL and body.state != "TASK_LOST":
        let_go(fold, body.task_id)  # Given up and forgotten since; now its end is known.
    if body.state in _TERMINAL:
        if known is not None:
            _orphan_gone(fold, known, str(body.state))
        return
    if known is not None and known.state == body.state:
        return
    if known is None and (body.state in _SILENT or len(state.orphans) >= state.policy.orphans_max):
        return
    state.orphans[body.task_id] = Orphan(
        task_id=body.task_id,
        host_id=body.host_id or (known.host_id if known else None),
        state=str(body.state),
        first_seen_at_ms=known.first_seen_at_ms if known else state.clock.now_ms,
        is_confirmed=known is not None and known.is_confirmed,
    )
    fold.touch("orphan", body.task_id)
    if known is None:
        fold.report(OrphanSeen(task_id=body.task_id, host_id=body.host_id, state=str(body.state)))
        state.unconfirmed_orphans += 1
        orphans_counted(fold)


def orphan_forgotten(fold: Fold, body: OrphanForgotten) -> None:
    """An operator has dealt with an orphan."""
    known = fold.state.orphans.get(body.task_id)
    if known is not None:
        _orphan_gone(fold, known, f"{body.actor}: {body.why}")


def _orphan_gone(fold: Fold, orphan: Orphan, why: str) -> None:
    del fold.state.orphans[orphan.task_id]
    fold.state.unconfirmed_orphans -= not orphan.is_confirmed
    fold.touch("orphan", orphan.task_id)
    fold.report(OrphanGone(task_id=orphan.task_id, why=why))
