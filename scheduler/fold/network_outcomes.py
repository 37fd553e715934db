"""What became of what was asked of a cloud's network.

The one thing to know: an order that failed holds back this instance's network alone, never the
size of its group. What was done counts only when it is seen.
"""

from typing import Final

from msgspec.structs import replace

from scheduler.fleet.standing import InstanceNetwork
from scheduler.fold.context import Fold
from scheduler.fold.safe import page_once
from scheduler.model.network import NetworkEffect

RETRY_MS: Final = 5_000
RETRY_MS_MAX: Final = 300_000
FAILURES_PAGED: Final = 5
EMPTY: Final = "empty"
"""What the detail of a refusal names where the subnet has no address left."""


def network_ended(fold: Fold, effect: NetworkEffect, detail: str, *, is_done: bool) -> None:
    """Take over how an order ended: what was not done waits, each time longer."""
    state = fold.state
    network = state.instance_networks.get(effect.instance_id)
    if network is None:
        return
    now_ms = state.clock.now_ms
    if is_done:
        put_network(fold, replace(network, done_at_ms=now_ms, failures=0, retry_at_ms=0, fault=""))
        return
    failures = network.failures + 1
    wait_ms = min(RETRY_MS << min(failures - 1, 10), RETRY_MS_MAX)
    put_network(fold, replace(network, failures=failures, retry_at_ms=now_ms + wait_ms))
    note_fault(fold, state.instance_networks[effect.instance_id], detail)
    if EMPTY in detail[:20] or failures >= FAILURES_PAGED:
        is_empty = EMPTY in detail[:20]
        key = getattr(effect, "subnet_id", "") or effect.instance_id
        page_once(
            fold,
            "fleet",
            f"network {key}",
            what=f"the subnet of instance {effect.instance_id} has no address left"
            if is_empty
            else f"the cloud does not do what it is asked for the network of {effect.instance_id}",
            why=f"{detail}. Tasks there wait for their address; it is asked again each "
            f"{wait_ms // 1_000} s and less often. Give the zone another subnet in the rules "
            "(`flumina fleet rules`), or see the permissions and limits of the account",
        )


def note_fault(fold: Fold, network: InstanceNetwork, text: str) -> None:
    """Keep, for operators, why nothing is done."""
    if network.fault != text[:300]:
        put_network(fold, replace(network, fault=text[:300]))


def put_network(fold: Fold, network: InstanceNetwork) -> None:
    """Keep what is known of an instance's network."""
    fold.state.instance_networks[network.instance_id] = network
    fold.touch("instance network", network.instance_id)
