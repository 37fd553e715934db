"""Proposals at their own place in the log, and what became of the accepted ones.

The one thing to know: acceptance is decided here, by the state as it is at this offset, never by
what `decide` believed. Nothing that `decide` does can over-commit a host or use an offer twice.
"""

from typing import assert_never

from msgspec.structs import replace

from scheduler.fold.context import Fold, moved_task
from scheduler.fold.fleet_orders import order_ended, order_started
from scheduler.fold.guards import note_launches
from scheduler.fold.healing import script_ended, script_started
from scheduler.fold.kills import note_kill, rate_refusal
from scheduler.fold.launches import launch_refusal
from scheduler.fold.maintenance import answer_refusal, note_answered, note_answering
from scheduler.fold.offers import drop_offer, put_offer
from scheduler.fold.storage import is_ready, take_hold
from scheduler.model.changes import ProposalRefused
from scheduler.model.events import EffectEnded, EffectStarted
from scheduler.model.ids import JobId, OfferId, ProposalId
from scheduler.model.proposals import (
    AcceptInverseOffers,
    DeclineInverseOffers,
    DeclineOffers,
    KillTask,
    LaunchTasks,
    Proposal,
    ReconcileAll,
    ReconcileTasks,
    ReviveOffers,
    SuppressOffers,
)
from scheduler.model.task import Finished, KillInitiated, OnHost, Placed
from scheduler.state import Decision, HeldOffer, State
from scheduler.task_table import Given, Input


def proposed(fold: Fold, proposal: Proposal) -> None:
    """Accept the proposal, or refuse it with the reason; a refused one leaves nothing behind."""
    proposal_id = fold.proposal_id
    why = refusal(fold.state, proposal)
    if why:
        fold.report(ProposalRefused(proposal_id=proposal_id, kind=type(proposal).__name__, why=why))
        fold.wake_placement()
        return
    offers: tuple[HeldOffer, ...] = ()
    match proposal:
        case LaunchTasks():
            offers = _used(fold, proposal.offer_ids)
            _place(fold, proposal_id, proposal)
        case DeclineOffers():
            offers = _used(fold, proposal.offer_ids)
        case AcceptInverseOffers() | DeclineInverseOffers():
            note_answering(fold, proposal)
        case KillTask():
            _kill_accepted(fold, proposal)
        case ReconcileTasks():
            _ask(fold.state)
        case ReconcileAll():
            fold.state.stream.reconcile_all_at_ms = fold.state.clock.now_ms
        case SuppressOffers() | ReviveOffers():
            fold.state.stream.is_suppressed = isinstance(proposal, SuppressOffers)
        case _:
            assert_never(proposal)
    decision = Decision(
        proposal_id=proposal_id,
        proposal=proposal,
        accepted_at_ms=fold.state.clock.now_ms,
        offers=offers,
    )
    fold.state.decisions[proposal_id] = decision
    fold.touch("decision", proposal_id)


def _ask(state: State) -> None:
    """Count one attempt, also where one question takes several calls: the waits double by it."""
    state.stream.reconcile_asked_at_ms = state.clock.now_ms
    if not any(isinstance(each.proposal, ReconcileTasks) for each in state.decisions.values()):
        state.stream.reconcile_attempts += 1


def refusal(state: State, proposal: Proposal) -> str:
    """Why the proposal cannot be accepted in this state, or empty."""
    if state.stream.stream_id is None:
        return "no stream to Mesos is open in this epoch"
    match proposal:
        case LaunchTasks():
            return _launch_refusal(state, proposal)
        case DeclineOffers():
            return _offers_refusal(state, proposal.offer_ids)
        case AcceptInverseOffers() | DeclineInverseOffers():
            return answer_refusal(state, proposal)
        case KillTask():
            return _kill_refusal(state, proposal)
        case ReconcileTasks() | ReconcileAll() | SuppressOffers() | ReviveOffers():
            return ""
        case _:
            assert_never(proposal)


def _offers_refusal(state: State, offer_ids: tuple[OfferId, ...]) -> str:
    for offer_id in offer_ids:
        if offer_id not in state.offers:
            return f"offer {offer_id} is not held (used, rescinded or void)"
    return "" if len(set(offer_ids)) == len(offer_ids) else "an offer is named twice"


def _launch_refusal(state: State, proposal: LaunchTasks) -> str:
    why = _offers_refusal(state, proposal.offer_ids)
    if why or not proposal.offer_ids:
        return why or "no offer is named"
    return launch_refusal(state, proposal)


def _kill_refusal(state: State, proposal: KillTask) -> str:
    task = state.tasks.get(proposal.task_id)
    if task is None or proposal.task_id not in state.killing:
        return f"the log does not want task {proposal.task_id} ended"
    assert isinstance(task.state, KillInitiated | Finished)
    place = task.state.place
    assert place is not None
    if place.host_id != proposal.host_id:
        return f"task {proposal.task_id} is on host {place.host_id}, not on {proposal.host_id}"
    if place.proposal_id in state.decisions:
        return f"the launch of task {proposal.task_id} is still being sent"
    return rate_refusal(state, task.state)


def _used(fold: Fold, offer_ids: tuple[OfferId, ...]) -> tuple[HeldOffer, ...]:
    used = tuple(drop_offer(fold, offer_id) for offer_id in offer_ids)
    return tuple(held for held in used if held is not None)


def _place(fold: Fold, proposal_id: ProposalId, proposal: LaunchTasks) -> None:
    counts: dict[JobId, int] = {}
    shared: Given | None = None
    """Tasks without anything of their own, which are most, share one value: one place."""
    for launch in proposal.launches:
        is_plain = not launch.ports and not launch.gpus and launch.interface < 0
        if is_plain and shared is not None:
            given = shared
        else:
            place = OnHost(
                proposal.host_id, launch.ports, proposal_id, launch.interface, launch.gpus
            )
            given = Given(fold.state.clock.now_ms, place=place)
            shared = given if is_plain else shared
        launched = moved_task(fold, launch.task_id, Input.LAUNCH_ACCEPTED, given)
        counts[launched.job_id] = counts.get(launched.job_id, 0) + 1
        spec = fold.state.jobs[launched.job_id].spec
        if spec.volumes or spec.addresses:
            take_hold(fold, launched, proposal.host_id)
    for job_id, count in counts.items():
        note_launches(fold, proposal.host_id, job_id, count)


def _kill_accepted(fold: Fold, proposal: KillTask) -> None:
    state = fold.state
    task = state.tasks[proposal.task_id]
    assert isinstance(task.state, KillInitiated | Finished)
    state.tasks[proposal.task_id] = replace(
        task, state=replace(task.state, kill_sent_at_ms=state.clock.now_ms)
    )
    fold.touch("task", proposal.task_id)
    note_kill(state, task.state)


def effect_started(fold: Fold, event: EffectStarted) -> None:
    """The outbox may act on this decision; a launch has left the queue for good."""
    decision = fold.state.decisions.get(event.proposal_id)
    if decision is None:
        order_started(fold, event.proposal_id)
        script_started(fold, event.proposal_id)
    if decision is None or decision.is_started:
        return  # Cancelled meanwhile, or said twice: the outbox sees that it may not act.
    if not is_ready(fold.state, decision):
        return  # A task would start without its volume.
    fold.state.decisions[event.proposal_id] = replace(decision, is_started=True)
    fold.touch("decision", event.proposal_id)
    if isinstance(decision.proposal, LaunchTasks):
        given = Given(fold.state.clock.now_ms)
        for launch in decision.proposal.launches:
            moved_task(fold, launch.task_id, Input.EFFECT_STARTED, given)


_FATES = {
    "sent": Input.CALL_SENT,
    "refused": Input.CALL_REFUSED,
    "unknown": Input.CALL_UNKNOWN,
}


def effect_ended(fold: Fold, event: EffectEnded) -> None:
    """A call is over: close its decision, and tell its tasks what is known."""
    state = fold.state
    decision = state.decisions.get(event.proposal_id)
    if decision is None:
        order_ended(fold, event)
        script_ended(fold, event)
    if decision is None or not decision.is_started:
        return
    del state.decisions[event.proposal_id]
    fold.touch("decision", event.proposal_id)
    proposal = decision.proposal
    if event.fate != "sent":
        state.stream.call_failed_at_ms = state.clock.now_ms
    if event.fate == "refused":
        for held in decision.offers:  # Nothing happened, so Mesos still holds them out to us.
            put_offer(fold, held)
    if isinstance(proposal, LaunchTasks):
        message = "" if event.fate == "sent" else f"call {event.fate}: {event.detail}"
        given = Given(state.clock.now_ms, message=message)
        for launch in proposal.launches:
            if launch.task_id in state.tasks:
                moved_task(fold, launch.task_id, _FATES[event.fate], given)
    else:
        _talk_ended(fold, proposal, event)


def _talk_ended(fold: Fold, proposal: Proposal, event: EffectEnded) -> None:
    """A call that launches nothing is over."""
    state = fold.state
    if isinstance(proposal, AcceptInverseOffers | DeclineInverseOffers):
        note_answered(fold, proposal, event.fate)
    elif isinstance(proposal, ReconcileTasks | ReconcileAll):
        if event.fate == "sent" and isinstance(proposal, ReconcileTasks):
            state.stream.is_reconcile_sent = True
            fold.wake_placement()
    elif isinstance(proposal, SuppressOffers | ReviveOffers) and event.fate != "sent":
        state.stream.is_suppressed = not state.stream.is_suppressed


def cancel_launches(fold: Fold, *, is_stream_over: bool) -> None:
    """End every open decision at the end of a stream or an epoch.

    A launch that nobody started goes back to the queue. One that was started keeps its tasks as
    they are: only Mesos can say what became of them.
    """
    for proposal_id in list(fold.state.decisions):
        cancel_decision(fold, proposal_id, is_offer_kept=not is_stream_over)


def cancel_decision(fold: Fold, proposal_id: ProposalId, *, is_offer_kept: bool) -> None:
    """End one open decision; what it had not started is undone."""
    state = fold.state
    decision = state.decisions.pop(proposal_id)
    fold.touch("decision", proposal_id)
    if decision.is_started:
        return
    if is_offer_kept:
        for held in decision.offers:
            put_offer(fold, held)
    if isinstance(decision.proposal, LaunchTasks):
        given = Given(state.clock.now_ms)
        for launch in decision.proposal.launches:
            task = state.tasks.get(launch.task_id)
            if task is not None and isinstance(task.state, Placed):
                moved_task(fold, launch.task_id, Input.LAUNCH_CANCELLED, given)


def cancel_launch_on(fold: Fold, offer_id: OfferId) -> None:
    """An offer was taken back: undo the unstarted decision that would have used it."""
    for proposal_id, decision in list(fold.state.decisions.items()):
        if all(held.offer_id != offer_id for held in decision.offers):
            continue
        if decision.is_started:  # Its call may have left; but the offer never comes back to us.
            left = tuple(held for held in decision.offers if held.offer_id != offer_id)
            fold.state.decisions[proposal_id] = replace(decision, offers=left)
            fold.touch("decision", proposal_id)
            continue
        cancel_decision(fold, proposal_id, is_offer_kept=True)
        drop_offer(fold, offer_id)
