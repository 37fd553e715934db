"""The offers that are ours to use right now.

The one thing to know: an offer is in exactly one place: held here, used up by one accepted launch,
or gone. That is what keeps two launches from using the same resources.
"""

from scheduler.fold.context import Fold
from scheduler.model.ids import OfferId
from scheduler.state import HeldOffer


def put_offer(fold: Fold, held: HeldOffer) -> None:
    """Hold an offer."""
    fold.state.offers[held.offer_id] = held
    fold.state.host_offers.setdefault(held.host_id, {})[held.offer_id] = None
    fold.state.hosts_changed[held.host_id] = None
    fold.touch("offer", held.offer_id)


def drop_offer(fold: Fold, offer_id: OfferId) -> HeldOffer | None:
    """Hold an offer no longer; an accepted launch that uses it is left to Mesos to refuse."""
    state = fold.state
    held = state.offers.pop(offer_id, None)
    if held is None:
        return None
    there = state.host_offers[held.host_id]
    state.hosts_changed[held.host_id] = None
    del there[offer_id]
    if not there:
        del state.host_offers[held.host_id]
    fold.touch("offer", offer_id)
    return held
