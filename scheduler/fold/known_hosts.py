"""Which hosts a cell remembers, and when it forgets those that are long gone.

The one thing to know: a host that offers something, runs something, stands under an operator's
order or is remembered for its failures is never forgotten. Of the others the ones seen first go
first, beyond the policy's ``hosts_max``; a fleet that scales up and down for years stays small.
"""

from itertools import islice
from typing import Final

from scheduler.fold.context import Fold
from scheduler.fold.fleet import forget_host
from scheduler.model.ids import HostId
from scheduler.state import State

_STEPS_MAX: Final = 64
"""How many hosts one new host may have looked at to find those to forget."""


def host_seen(fold: Fold, host_id: HostId) -> None:
    """Note that the host has offered something; a new one may let an old one be forgotten."""
    state = fold.state
    if host_id in state.hosts_seen_at_ms:
        return
    state.hosts_seen_at_ms[host_id] = state.clock.now_ms
    if len(state.hosts_seen_at_ms) <= state.policy.hosts_max:
        return
    for oldest in list(islice(state.hosts_seen_at_ms, _STEPS_MAX)):
        if _is_needed(state, oldest) or oldest == host_id:
            # It goes to the end of the line, so that the next new host finds others.
            state.hosts_seen_at_ms[oldest] = state.hosts_seen_at_ms.pop(oldest)
            continue
        _forget(fold, oldest)
        if len(state.hosts_seen_at_ms) <= state.policy.hosts_max:
            return


def _is_needed(state: State, host_id: HostId) -> bool:
    return (
        host_id in state.host_offers
        or host_id in state.host_tasks
        or host_id in state.host_orders
        or host_id in state.host_marks
        or host_id in state.maintenance
        or host_id in state.host_failures
        or host_id in state.health
    )


def _forget(fold: Fold, host_id: HostId) -> None:
    state = fold.state
    del state.hosts_seen_at_ms[host_id]
    state.network_hosts.pop(host_id, None)
    state.address_rests.pop(host_id, None)
    if state.host_noise.pop(host_id, None) is not None:
        fold.touch("noise", host_id)
    forget_host(state, host_id)
    if state.hosts.pop(host_id, None) is not None:
        fold.touch("host", host_id)
    if not state.is_planned:
        state.hosts_changed.pop(host_id, None)
