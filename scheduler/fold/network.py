"""Interfaces and addresses of instances, asked for as tasks need them, and given back.

The one thing to know: nothing is done unless the fleet's rules have a part ``network``, and only
for instances whose network was observed. Addresses come a batch at a time, the first batch with the
interface, and go back when more than a batch stood free for long; one that a task may have is never
given back. One thing is asked of an instance at a time, and the next from what is seen then.
"""

from typing import Final

from msgspec.structs import replace

from scheduler.fleet.network import Place, lodgers, wanted
from scheduler.fleet.standing import Instance, InstanceNetwork
from scheduler.fold.context import Fold
from scheduler.fold.fleet_orders import order
from scheduler.fold.network_outcomes import note_fault, put_network
from scheduler.model.address import Source
from scheduler.model.fleet import INSTANCES_MAX
from scheduler.model.fleet_rules import NetworkRules
from scheduler.model.network import AttachInterface, InstanceNetworkObserved, NetworkEffect
from scheduler.model.task import Task
from scheduler.placement.interfaces import declared_interfaces

UNSEEN_MS: Final = 60_000
"""What was done and is not seen after so long is decided anew."""


def network_observed(fold: Fold, _source: Source, body: InstanceNetworkObserved) -> None:
    """Take over what a cloud says of an instance's interfaces."""
    state = fold.state
    known = state.instance_networks.get(body.instance_id)
    if body.instance_id not in state.cloud_instances:
        if known is not None:
            _forget(fold, body.instance_id)
        return  # Of another cell, or gone.
    if known is None and len(state.instance_networks) >= INSTANCES_MAX:
        return
    put_network(
        fold,
        replace(
            known or InstanceNetwork(body.instance_id),
            interfaces=body.interfaces,
            heard_at_ms=state.clock.now_ms,
            done_at_ms=0,
        ),
    )


def look_at_network(fold: Fold) -> None:
    """Ask for what tasks need, and give back what none has needed for long."""
    state = fold.state
    rules, now_ms = state.fleet.rules.network, state.clock.now_ms
    if rules is None:
        return
    # The tick before this one is noted there; so no time of our own has to be remembered.
    if now_ms // rules.look_ms == state.clock.ticked_at_ms // rules.look_ms:
        return
    orders = (each.effect for each in state.fleet_orders.values())
    busy = {each.instance_id for each in orders if isinstance(each, NetworkEffect)}
    for network in list(state.instance_networks.values()):
        instance = state.cloud_instances.get(network.instance_id)
        if instance is None:
            _forget(fold, network.instance_id)
        elif instance.host_id is not None and network.instance_id not in busy:
            _look(fold, rules, instance, network)


def _look(fold: Fold, rules: NetworkRules, instance: Instance, network: InstanceNetwork) -> None:
    state, now_ms = fold.state, fold.state.clock.now_ms
    assert instance.host_id is not None
    facts = state.hosts.get(instance.host_id)
    declared = declared_interfaces(facts.attributes).interfaces if facts is not None else ()
    on_interfaces = lodgers(state, instance.host_id)
    seen = {each.index: each for each in network.interfaces}
    network = _idle_noted(fold, rules, network, on_interfaces)
    is_unseen = network.done_at_ms and now_ms < network.done_at_ms + UNSEEN_MS
    if rules.is_paused or is_unseen or now_ms < network.retry_at_ms or state.safe is not None:
        return
    idle = dict(network.idle_since_ms)
    for index, each in enumerate(declared):
        tasks = on_interfaces.get(index, [])
        place = Place(index, each, tasks, seen.get(index), idle.get(index))
        for effect, why in wanted(state, rules, instance, place):
            if isinstance(effect, AttachInterface) and not effect.subnet_id:
                note_fault(fold, network, f"the rules name no subnet for zone {instance.zone!r}")
            else:
                order(fold, effect, why)
            return


def _idle_noted(
    fold: Fold, rules: NetworkRules, network: InstanceNetwork, there: dict[int, list[Task]]
) -> InstanceNetwork:
    """Remember since when an interface has had a batch more than it needs, or all of it idle."""
    before, now_ms = dict(network.idle_since_ms), fold.state.clock.now_ms
    after: dict[int, int] = {}
    for each in network.interfaces:
        need = len(there.get(each.index, ()))
        free = len(each.addresses) - need
        if free > 0 and (need == 0 or free >= rules.batch):
            after[each.index] = before.get(each.index, now_ms)
    if after != before:
        network = replace(network, idle_since_ms=tuple(sorted(after.items())))
        put_network(fold, network)
    return network


def _forget(fold: Fold, instance_id: str) -> None:
    del fold.state.instance_networks[instance_id]
    fold.touch("instance network", instance_id)
