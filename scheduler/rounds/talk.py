"""Proposals that keep the conversation with Mesos honest: questions, kills, offers given back.

The one thing to know: silence is never an answer. Who has not been heard of is asked again, with
growing waits, for as long as it takes; nothing is concluded from an answer that does not come.
"""

from collections.abc import Iterator
from typing import Final

from scheduler.fold.kills import (
    budget_left,
    budget_of,
    is_held_while_safe,
    is_inferred,
    kills_left_now,
)
from scheduler.fold.offers import offers_by_age
from scheduler.model.ids import OfferId
from scheduler.model.proposals import (
    DeclineOffers,
    KillTask,
    ReconcileAll,
    ReconcileTasks,
    ReviveOffers,
    SuppressOffers,
)
from scheduler.model.task import Finished, KillInitiated
from scheduler.state import State

_QUESTIONS: Final = frozenset((ReconcileTasks, ReconcileAll))


def questions(state: State) -> Iterator[ReconcileTasks | ReconcileAll]:
    """Ask for the silent tasks, first at once and then with doubling waits; at times for all."""
    stream, now_ms, policy = state.stream, state.clock.now_ms, state.policy
    for each in state.decisions.values():
        if type(each.proposal) in _QUESTIONS:
            return
    if state.unanswered:
        waits = min(max(stream.reconcile_attempts - 1, 0), 20)
        wait_ms = min(policy.reconcile_retry_ms << waits, policy.reconcile_retry_ms_max)
        if not stream.reconcile_asked_at_ms or now_ms >= stream.reconcile_asked_at_ms + wait_ms:
            silent = sorted(state.unanswered)
            most = policy.reconcile_tasks_max
            for begin in range(0, len(silent), most):
                yield ReconcileTasks(task_ids=tuple(silent[begin : begin + most]))
            return
    last_ms = stream.reconcile_all_at_ms
    if not last_ms or now_ms >= last_ms + policy.reconcile_all_ms:
        yield ReconcileAll()


def kills(state: State) -> Iterator[KillTask]:
    """End what must end, and say it again until it has."""
    now_ms = state.clock.now_ms
    left = min(kills_left_now(state), state.policy.kills_per_round_max)
    budgets = (  # Counted over an hour, and mostly nothing has to end.
        {"inferred": budget_left(state, "inferred"), "stuck": budget_left(state, "stuck")}
        if state.killing
        else {}
    )
    pending = {
        each.proposal.task_id
        for each in state.decisions.values()
        if isinstance(each.proposal, KillTask)
    }
    repeated: list[KillTask] = []
    for task_id in sorted(state.killing):
        if left == 0:
            break
        task_state = state.tasks[task_id].state
        assert isinstance(task_state, KillInitiated | Finished)
        assert task_state.place is not None
        if state.safe is not None and is_held_while_safe(task_state):
            continue
        sent_ms = task_state.kill_sent_at_ms
        is_early = sent_ms is not None and now_ms < sent_ms + state.policy.kill_retry_ms
        if is_early or task_id in pending or task_state.place.proposal_id in state.decisions:
            continue  # The last: its ACCEPT is still being sent, and a KILL must not overtake it.
        budget = budget_of(task_state)
        if budget is not None:
            if budgets[budget] == 0:
                continue
            budgets[budget] -= 1
        kill = KillTask(
            task_id=task_id,
            host_id=task_state.place.host_id,
            is_inferred=is_inferred(task_state),
        )
        if sent_ms is not None:
            repeated.append(kill)
            continue
        left -= 1
        yield kill
    yield from repeated[:left]  # Behind the first ones: who does not end must not hold them up.


def offer_care(
    state: State, kept: frozenset[OfferId]
) -> Iterator[DeclineOffers | SuppressOffers | ReviveOffers]:
    """Give back what is held too long or too much of; ask for no offers while nothing waits.

    ``kept`` are the offers that this round's launches use.
    """
    stream, policy, now_ms = state.stream, state.policy, state.clock.now_ms
    if state.queue and stream.is_suppressed:
        yield ReviveOffers()
        return
    is_long_idle = (
        not state.queue
        and stream.idle_since_ms > 0
        and now_ms >= stream.idle_since_ms + policy.suppress_after_ms
    )
    if is_long_idle and not stream.is_suppressed:
        yield SuppressOffers()
    # Bits that ended tasks free come as offers of their own: thousands are held, few are too old.
    seen, surplus = 0, len(state.offers) - policy.offers_held_max
    returned: list[OfferId] = []
    for since_ms, offer_ids in offers_by_age(state).items():
        is_stale = is_long_idle or now_ms >= since_ms + policy.offer_hold_ms
        if not is_stale and seen >= surplus:
            break  # What is stale is older than all the others.
        oldest = sorted(offer_ids)[: None if is_stale else surplus - seen]
        returned += [offer_id for offer_id in oldest if offer_id not in kept]
        seen += len(offer_ids)
    for begin in range(0, len(returned), 500):
        yield DeclineOffers(
            offer_ids=tuple(returned[begin : begin + 500]), refuse_ms=policy.offer_refuse_ms
        )
