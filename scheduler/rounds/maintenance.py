"""Answers to inverse offers: the fold has judged each, here they become proposals.

The one thing to know: what is answered is asked again by Mesos, after a minute where tasks are
still there, and after the window where the host is free. So an answer that time makes wrong is
followed by a right one.
"""

from collections.abc import Iterator

from scheduler.model.ids import OfferId
from scheduler.model.proposals import AcceptInverseOffers, DeclineInverseOffers
from scheduler.state import Maintenance, State

ANSWERS_MAX = 500
"""In one call."""
REFUSE_MS_MAX = 86_400_000
"""A free host is asked for again after a day at the latest."""


def inverse_answers(state: State) -> Iterator[AcceptInverseOffers | DeclineInverseOffers]:
    """Answer the inverse offers of which it is known how."""
    accepted: dict[int, list[OfferId]] = {}
    declined: list[OfferId] = []
    for window in state.maintenance.values():
        if not window.is_open or window.offer_id is None:
            continue
        if window.wanted == "decline":
            declined.append(window.offer_id)
        elif window.wanted == "accept":
            accepted.setdefault(_refuse_ms(state, window), []).append(window.offer_id)
    for refuse_ms, offer_ids in sorted(accepted.items()):
        for some in _parts(offer_ids):
            yield AcceptInverseOffers(some, refuse_ms)
    for some in _parts(declined):
        yield DeclineInverseOffers(some, state.policy.maintenance_answer_ms)


def _parts(offer_ids: list[OfferId]) -> Iterator[tuple[OfferId, ...]]:
    for begin in range(0, len(offer_ids), ANSWERS_MAX):
        yield tuple(offer_ids[begin : begin + ANSWERS_MAX])


def _refuse_ms(state: State, window: Maintenance) -> int:
    """When Mesos may ask again: of a free host nothing will change before the window."""
    least_ms = state.policy.maintenance_answer_ms
    if state.host_tasks.get(window.host_id):
        return least_ms
    # In whole minutes, so that hosts of one window are answered together.
    left_ms = (window.from_ms - state.clock.now_ms) // 60_000 * 60_000
    return min(max(least_ms, left_ms), REFUSE_MS_MAX)
