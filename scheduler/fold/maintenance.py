"""Hosts that an operator of Mesos will take away: drained ahead of it, and answered for.

The one thing to know: Mesos only asks. What it says of a window is data; near it the host is
drained by an order like an operator's, tasks leave through every budget of disruption, and the
inverse offer is answered by how far that is. A window that is over, called off, or not said again
on a new stream gives the host back; one that was ended in error is only said again.
"""

from typing import Final, Literal

from msgspec.structs import replace

from scheduler.fleet.maintenance import ACTOR, answer_of, is_near, is_over, window_text
from scheduler.fold.context import Fold
from scheduler.fold.healing_steps import ACTOR as HEALING
from scheduler.model.changes import HostMaintenanceChanged
from scheduler.model.ids import HostId, OfferId
from scheduler.model.mesos import (
    HostFailed,
    InverseOffer,
    InverseOfferRescinded,
    InverseOffersReceived,
)
from scheduler.model.proposals import AcceptInverseOffers, DeclineInverseOffers
from scheduler.state import HostOrder, Maintenance, State

FROM_ATTRIBUTE: Final = "mesos.unavailable_from_ms"
FOR_ATTRIBUTE: Final = "mesos.unavailable_for_ms"
"""When a host's maintenance begins and how long it takes, as the Mesos connector writes them."""
HOSTS_MAX: Final = 50_000
"""More than a master takes; what is said of further hosts is not acted upon."""
LOOK_MS: Final = 2_000
RESCINDED_MS: Final = 10_000
"""A changed schedule takes every inverse offer back and makes it anew with the next allocation,
a second later; so long a host is not given back."""
NEW_STREAM_MS: Final = 60_000
"""On a new stream Mesos says again what it wants; what it has not said for so long is over."""
Answering = AcceptInverseOffers | DeclineInverseOffers


def inverse_offered(fold: Fold, body: InverseOffersReceived) -> None:
    """Mesos asks us to leave hosts; those that go away soon are drained from now on."""
    if body.stream_id == fold.state.stream.stream_id:
        for each in body.offers:
            _offered(fold, each)


def _offered(fold: Fold, said: InverseOffer) -> None:
    state, now_ms = fold.state, fold.state.clock.now_ms
    known = state.maintenance.get(said.host_id)
    if known is None and (said.host_id not in state.hosts or len(state.maintenance) >= HOSTS_MAX):
        return
    before = known or Maintenance(said.host_id, said.from_ms, said.for_ms, now_ms)
    window = replace(
        before,
        from_ms=said.from_ms,
        for_ms=said.for_ms,
        offer_id=said.offer_id,
        is_open=True,
        wanted="",
        doubted_until_ms=0,
    )
    if is_over(window, now_ms):
        if known is not None:
            _end(fold, known, "its window is over")
        return
    _put(fold, window)
    if known is None or (known.from_ms, known.for_ms) != (said.from_ms, said.for_ms):
        _say(fold, window, "announced", window_text(window))
    _drain_if_near(fold, window)


def inverse_rescinded(fold: Fold, body: InverseOfferRescinded) -> None:
    """Mesos takes an inverse offer back; unless it is made anew, the host is given back."""
    state = fold.state
    if body.stream_id != state.stream.stream_id:
        return
    for window in state.maintenance.values():
        if window.offer_id == body.offer_id:
            until_ms = state.clock.now_ms + RESCINDED_MS
            doubted = replace(
                window, offer_id=None, is_open=False, wanted="", doubted_until_ms=until_ms
            )
            _put(fold, doubted)
            return


def windows_in_doubt(fold: Fold) -> None:
    """A stream begins: offers of the old one are void, and windows have to be said again."""
    state = fold.state
    until_ms = state.clock.now_ms + NEW_STREAM_MS
    for window in list(state.maintenance.values()):
        doubted = replace(
            window, offer_id=None, is_open=False, wanted="", answer="", doubted_until_ms=until_ms
        )
        _put(fold, doubted)


def host_offered(fold: Fold, host_id: HostId) -> None:
    """A host with a window offers something: the master says with it whether the window is on."""
    state = fold.state
    window, facts = state.maintenance[host_id], state.hosts.get(host_id)
    attributes = dict(facts.attributes) if facts is not None else {}
    from_ms, for_ms = (_whole(attributes.get(each, "")) for each in (FROM_ATTRIBUTE, FOR_ATTRIBUTE))
    if from_ms is None:
        _end(fold, window, "the master offers it without a window")
    elif (from_ms, for_ms) != (window.from_ms, window.for_ms) or window.doubted_until_ms:
        _put(fold, replace(window, from_ms=from_ms, for_ms=for_ms, doubted_until_ms=0))


def host_removed(fold: Fold, body: HostFailed) -> None:
    """Mesos removed a host: it comes back as another one, or is asked for anew."""
    window = fold.state.maintenance.get(body.host_id) if body.host_id is not None else None
    if window is not None and not body.executor_id:
        _end(fold, window, "the host is gone")


def look_at_maintenance(fold: Fold) -> None:
    """Drain what goes away soon, say what is to be answered, and give back what is over."""
    state = fold.state
    clock = state.clock
    # The tick before this one is noted there; so no time of our own has to be remembered.
    if clock.now_ms // LOOK_MS == clock.ticked_at_ms // LOOK_MS:
        return
    for window in list(state.maintenance.values()):
        if is_over(window, clock.now_ms):
            _end(fold, window, "its window is over")
        elif 0 < window.doubted_until_ms <= clock.now_ms:
            _end(fold, window, "Mesos does not ask for it any more")
        else:
            after = _drain_if_near(fold, window)
            if after.is_open:
                _judge(fold, after)


def _judge(fold: Fold, window: Maintenance) -> None:
    wanted, why = answer_of(fold.state, window)
    if (wanted, why) != (window.wanted, window.why) and wanted:
        _put(fold, replace(window, wanted=wanted, why=why[:300]))


def _drain_if_near(fold: Fold, window: Maintenance) -> Maintenance:
    """The window, whose host is drained if it is near; an operator's later word is kept."""
    state = fold.state
    if window.draining_since_ms or not is_near(state, window):
        return window
    now_ms, host_id = state.clock.now_ms, window.host_id
    known = state.host_orders.get(host_id)
    window = replace(window, draining_since_ms=now_ms)
    if known is None or known.standing != "draining":
        window = replace(window, order_before=known)
        why = window_text(window)
        _order(fold, host_id, HostOrder("draining", ACTOR, why, now_ms))
    _put(fold, window)
    _say(fold, window, "draining", window_text(window))
    return window


def _end(fold: Fold, window: Maintenance, why: str) -> None:
    """Forget a window, and let the host be used as before it."""
    state, host_id = fold.state, window.host_id
    del state.maintenance[host_id]
    fold.touch("maintenance", host_id)
    known = state.host_orders.get(host_id)
    if known is not None and known.actor == ACTOR:
        before = window.order_before
        # What healing had ordered it has taken back since, or says again.
        _order(fold, host_id, None if before is None or before.actor == HEALING else before)
    _say(fold, window, "over", why)


def answer_refusal(state: State, proposal: Answering) -> str:
    """Why these inverse offers cannot be answered so, here; empty where they can."""
    wanted = "accept" if isinstance(proposal, AcceptInverseOffers) else "decline"
    open_ = {each.offer_id: each for each in state.maintenance.values() if each.is_open}
    for offer_id in proposal.offer_ids:
        window = open_.get(offer_id)
        if window is None:
            return f"inverse offer {offer_id} is not open (answered, rescinded or void)"
        if answer_of(state, window)[0] != wanted:
            return f"host {window.host_id} is not to be answered with {wanted} any more"
    if not proposal.offer_ids:
        return "no inverse offer is named"
    is_twice = len(set(proposal.offer_ids)) < len(proposal.offer_ids)
    return "an inverse offer is named twice" if is_twice else ""


def note_answering(fold: Fold, proposal: Answering) -> None:
    """The answer is under way: it is not given a second time."""
    for window in _named(fold.state, proposal.offer_ids):
        _put(fold, replace(window, is_open=False))


def note_answered(fold: Fold, proposal: Answering, fate: str) -> None:
    """The call is over: where nothing happened, the inverse offers are still open."""
    answer: Literal["accept", "decline"] = (
        "accept" if isinstance(proposal, AcceptInverseOffers) else "decline"
    )
    for window in _named(fold.state, proposal.offer_ids):
        if fate == "refused":
            _put(fold, replace(window, is_open=True))
        elif fate == "sent" and window.answer != answer:
            _put(fold, replace(window, answer=answer))
            _say(fold, window, answer, window.why)


def _named(state: State, offer_ids: tuple[OfferId, ...]) -> list[Maintenance]:
    named = frozenset(offer_ids)
    return [each for each in state.maintenance.values() if each.offer_id in named]


def _order(fold: Fold, host_id: HostId, order: HostOrder | None) -> None:
    state = fold.state
    if order is None:
        state.host_orders.pop(host_id, None)
    else:
        state.host_orders[host_id] = order
    fold.touch("order", host_id)
    state.hosts_changed[host_id] = None
    fold.wake_placement()


def _put(fold: Fold, window: Maintenance) -> None:
    fold.state.maintenance[window.host_id] = window
    fold.touch("maintenance", window.host_id)


def _whole(text: str) -> int | None:
    """The number that an attribute is, None where it is none: attributes are anybody's."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _say(
    fold: Fold,
    window: Maintenance,
    standing: Literal["announced", "draining", "accept", "decline", "over"],
    why: str,
) -> None:
    fold.report(
        HostMaintenanceChanged(
            window.host_id,
            fold.state.hostname(window.host_id),
            standing,
            why,
            window.from_ms,
            window.for_ms,
        )
    )
