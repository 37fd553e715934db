"""The offers that are ours to use right now.

The one thing to know: an offer is in exactly one place: held here, used up by one accepted launch,
or gone. That is what keeps two launches from using the same resources.
"""

from collections.abc import Mapping

from scheduler.fold.context import Fold
from scheduler.model.ids import OfferId
from scheduler.state import HeldOffer, State


def put_offer(fold: Fold, held: HeldOffer) -> None:
    """Hold an offer."""
    state = fold.state
    if state.offers_by_age is not None:
        _note_age(state, state.offers_by_age, held)
    state.offers[held.offer_id] = held
    state.host_offers.setdefault(held.host_id, {})[held.offer_id] = None
    state.hosts_changed[held.host_id] = None
    fold.touch("offer", held.offer_id)


def drop_offer(fold: Fold, offer_id: OfferId) -> HeldOffer | None:
    """Hold an offer no longer; an accepted launch that uses it is left to Mesos to refuse."""
    state = fold.state
    held = state.offers.pop(offer_id, None)
    if held is None:
        return None
    if state.offers_by_age is not None:
        _forget_age(state.offers_by_age, held)
    there = state.host_offers[held.host_id]
    state.hosts_changed[held.host_id] = None
    del there[offer_id]
    if not there:
        del state.host_offers[held.host_id]
    fold.touch("offer", offer_id)
    return held


def offers_by_age(state: State) -> Mapping[int, Mapping[OfferId, None]]:
    """The held offers by the time since which they are held, the oldest first.

    Made when it is asked for first, and kept from then on: only who decides asks for it.
    """
    ages = state.offers_by_age
    if ages is None:
        ages = {}
        for held in sorted(state.offers.values(), key=lambda each: each.since_ms):
            ages.setdefault(held.since_ms, {})[held.offer_id] = None
        state.offers_by_age = ages
    return ages


def _note_age(state: State, ages: dict[int, dict[OfferId, None]], held: HeldOffer) -> None:
    before = state.offers.get(held.offer_id)
    if before is not None:
        _forget_age(ages, before)
    there = ages.get(held.since_ms)
    if there is not None:
        there[held.offer_id] = None
        return
    is_newest = not ages or held.since_ms > next(reversed(ages))
    ages[held.since_ms] = {held.offer_id: None}
    if not is_newest:  # Put back by a launch that never left: seldom, and nearly in order.
        in_order = sorted(ages.items())
        ages.clear()
        ages.update(in_order)


def _forget_age(ages: dict[int, dict[OfferId, None]], held: HeldOffer) -> None:
    there = ages[held.since_ms]
    del there[held.offer_id]
    if not there:
        del ages[held.since_ms]
