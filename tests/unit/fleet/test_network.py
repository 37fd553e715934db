"""Interfaces and addresses of instances: asked ahead, shared, given back, and never one in use.

The cloud is in memory; its hosts declare two interfaces of eight addresses each. What it tells of
them is written after each step, as the fleet process does.
"""

from typing import Any

import pytest
from msgspec.structs import replace

from scheduler.model.changes import CellPaged
from scheduler.model.fleet import FleetEffect
from scheduler.model.fleet_rules import FleetAsked, NetworkRules
from scheduler.model.foreign import decode_commands_record
from scheduler.model.foreign_fleet import encode_fleet_request, rules_document
from scheduler.model.ids import TaskId
from scheduler.model.inbound import InboundRejected
from scheduler.model.network import (
    AssignAddresses,
    AttachInterface,
    CloudInterface,
    InstanceNetworkObserved,
    NetworkEffect,
    ReturnAddresses,
    SetSecurityGroups,
)
from scheduler.model.resources import Need
from tests.support.cell import service
from tests.support.derived import check_digest
from tests.support.fleet import FleetWorld, SimGroup, fleet_rules, group_rule

SUBNETS = (("a", "subnet-a"), ("b", "subnet-b"), ("c", "subnet-c"))
NETWORK = NetworkRules(subnets=SUBNETS, batch=4, idle_ms=60_000, look_ms=10_000)


class NetworkWorld(FleetWorld):
    """A fleet of one host whose cloud has a network."""

    def __init__(self, network: NetworkRules | None = NETWORK) -> None:
        self.interfaces: dict[tuple[str, int], CloudInterface] = {}
        self.asked: list[NetworkEffect] = []
        self.network_refusal = ""
        self.given = 0
        hosts = SimGroup("blue", 1, 1, attributes=(("res", "ResourceSet-ENIs-2-8"),))
        super().__init__(hosts, rules=fleet_rules(group_rule(), network=network))
        self.pass_ms(90_000)
        (self.instance_id,) = self.groups["blue"].instances

    def carry_out(self) -> None:
        """Refuse what is of the network alone, if the test wants it so."""
        before = self.refusal
        orders = [each.effect for each in self.state.fleet_orders.values()]
        if any(isinstance(each, NetworkEffect) for each in orders):
            self.refusal = self.network_refusal
        super().carry_out()
        self.refusal = before

    def _do(self, effect: FleetEffect) -> None:
        match effect:
            case AttachInterface():
                key, name = (effect.instance_id, effect.index), f"eni-{len(self.interfaces)}"
                addresses = self._more(effect.addresses)
                self.interfaces[key] = CloudInterface(
                    name, effect.index, effect.subnet_id, effect.security_groups, addresses
                )
            case SetSecurityGroups():
                self._change(effect.interface_id, security_groups=effect.security_groups)
            case AssignAddresses():
                have = self._named(effect.interface_id).addresses
                more = self._more(effect.addresses - len(have))
                self._change(effect.interface_id, addresses=(*have, *more))
            case ReturnAddresses():
                left = {*self._named(effect.interface_id).addresses} - {*effect.addresses}
                self._change(effect.interface_id, addresses=tuple(sorted(left)))
            case _:
                super()._do(effect)

    def _more(self, count: int) -> tuple[str, ...]:
        self.given += count
        return tuple(f"10.0.0.{self.given - number + 10:03}" for number in range(count, 0, -1))

    def _named(self, interface_id: str) -> CloudInterface:
        return next(each for each in self.interfaces.values() if each.interface_id == interface_id)

    def _change(self, interface_id: str, **fields: Any) -> None:
        for key, each in self.interfaces.items():
            if each.interface_id == interface_id:
                self.interfaces[key] = replace(each, **fields)

    def observe(self) -> None:
        """What the fleet process writes, interfaces included."""
        super().observe()
        for group in self.groups.values():
            for instance_id in group.instances:
                there = [each for (name, _), each in self.interfaces.items() if name == instance_id]
                said = InstanceNetworkObserved(group.name, instance_id, tuple(there), 1)
                self.cell.copy("hosts", said)

    def done(self) -> list[NetworkEffect]:
        """What was asked of the network since the last time."""
        found = [each for each in self.effects if isinstance(each, NetworkEffect)]
        self.effects.clear()
        return found

    def run(self, size: int, *groups: str, job_id: str = "job") -> list[TaskId]:
        """Tasks with addresses."""
        need = Need(cpu_milli=500, memory_mib=256, disk_mib=10, addresses=1)
        self.cell.submit(service(size, need=need, security_groups=groups), job_id)
        self.pass_ms(60_000)
        task_ids = [each.task_id for each in self.cell.tasks(job_id)]
        assert all(self.cell.place(each).interface >= 0 for each in task_ids)
        return task_ids


def test_nothing_is_asked_where_the_rules_say_nothing_of_it() -> None:
    world = NetworkWorld(None)
    world.run(2, "sg-1")
    assert world.done() == []


def test_the_first_task_has_an_interface_attached_and_a_batch_of_addresses() -> None:
    world = NetworkWorld()
    assert world.done() == []  # Nobody needs one yet.
    world.run(1, "sg-2", "sg-1")
    (attached,) = world.done()
    assert attached == AttachInterface(
        "blue", world.instance_id, 0, "subnet-a", ("sg-1", "sg-2"), 4
    )
    check_digest(world.cell.machine)


def test_more_tasks_have_more_addresses_assigned_and_never_more_than_fit() -> None:
    world = NetworkWorld()
    world.run(1, "sg-1")
    world.done()
    world.cell.scale(desired=6)
    world.pass_ms(60_000)
    assert world.done() == [AssignAddresses("blue", world.instance_id, "eni-0", 8)]


def test_groups_of_another_job_are_set_on_an_interface_that_is_free_again() -> None:
    world = NetworkWorld(replace(NETWORK, idle_ms=10_000_000))
    world.run(8, "sg-1", job_id="one")
    world.run(8, "sg-2", job_id="two")
    world.cell.kill_job("one")
    world.pass_ms(60_000)
    world.done()
    world.pass_ms(600_000)  # Addresses rest before another task has them.
    world.run(1, "sg-3", job_id="three")
    assert world.done() == [SetSecurityGroups("blue", world.instance_id, "eni-0", ("sg-3",))]


def test_idle_addresses_go_back_after_a_while_and_none_that_a_task_has() -> None:
    world = NetworkWorld()
    tasks = world.run(7, "sg-1")
    addresses = world.interfaces[world.instance_id, 0].addresses
    world.done()
    for task_id, address in zip(tasks, addresses, strict=False):
        world.cell.status(task_id, "TASK_RUNNING", container_ip=address)
    world.cell.scale(desired=2)
    world.pass_ms(200_000)
    left = [each.task_id for each in world.cell.tasks()]
    kept = {address for task_id, address in zip(tasks, addresses, strict=False) if task_id in left}
    (given,) = world.done()
    assert isinstance(given, ReturnAddresses)
    assert len(given.addresses) == 4
    assert kept & set(given.addresses) == set()
    world.cell.kill_job()
    world.pass_ms(30_000)
    assert world.done() == []
    world.pass_ms(120_000)
    (rest,) = world.done()
    assert isinstance(rest, ReturnAddresses)
    assert len(rest.addresses) == 4
    assert world.interfaces[world.instance_id, 0].addresses == ()


def test_addresses_of_which_nobody_knows_whose_they_are_stay() -> None:
    world = NetworkWorld()
    world.run(7, "sg-1")
    world.done()
    world.cell.scale(desired=2)
    world.pass_ms(200_000)
    assert world.done() == []


def test_an_empty_subnet_pages_waits_ever_longer_and_leaves_the_group_alone() -> None:
    world = NetworkWorld()
    world.network_refusal = "empty: InsufficientFreeAddressesInSubnet: subnet-a"
    world.run(1, "sg-1")
    world.pass_ms(300_000)
    asked = world.done()
    assert 4 <= len(asked) <= 8
    page = next(each for each in world.cell.said(CellPaged) if "network" in each.key)
    assert "no address left" in page.what
    group = world.state.cloud_groups["blue"]
    assert (group.failures, group.retry_at_ms) == (0, 0)
    assert world.state.instance_networks[world.instance_id].fault.startswith("refused: empty")
    world.network_refusal = ""
    world.pass_ms(400_000)
    assert len(world.interfaces) == 1
    assert world.state.instance_networks[world.instance_id].fault == ""


def test_throttling_is_waited_out_and_paged_when_it_lasts() -> None:
    world = NetworkWorld()
    world.network_refusal = "throttled: RequestLimitExceeded: slow down"
    world.run(1, "sg-1")
    world.pass_ms(30_000)
    assert [each for each in world.cell.said(CellPaged) if "network" in each.key] == []
    world.pass_ms(600_000)
    assert [each for each in world.cell.said(CellPaged) if "network" in each.key] != []


def test_a_zone_without_a_subnet_is_said_and_nothing_is_asked() -> None:
    world = NetworkWorld(replace(NETWORK, subnets=SUBNETS[1:]))
    world.run(1, "sg-1")
    assert world.done() == []
    fault = world.state.instance_networks[world.instance_id].fault
    assert fault == "the rules name no subnet for zone 'a'"


def test_what_is_gone_is_forgotten() -> None:
    world = NetworkWorld()
    world.end(world.groups["blue"], world.instance_id)
    world.pass_ms(30_000)
    assert world.instance_id not in world.state.instance_networks
    check_digest(world.cell.machine)


@pytest.mark.parametrize(
    ("network", "field"),
    [
        ({"batch": 0}, "network.batch"),
        ({"subnets": {"a": ""}}, "network.subnets.a"),
        ({"idleMs": 1}, "network.idleMs"),
        ({"other": 1}, "network.other"),
    ],
)
def test_rules_that_cannot_be_are_refused(network: dict[str, object], field: str) -> None:
    rules = rules_document(fleet_rules(network=NETWORK))
    rules["network"] = {"subnets": {"a": "subnet-a"}} | network
    value = encode_fleet_request("SetFleet", {"rules": rules}, "ada", "x")
    found = decode_commands_record(b"", value)
    assert isinstance(found, InboundRejected)
    assert [each.field for each in found.faults] == [field]


def test_rules_are_read_as_they_are_written() -> None:
    rules = fleet_rules(network=NETWORK)
    value = encode_fleet_request("SetFleet", {"rules": rules_document(rules)}, "ada", "x")
    assert decode_commands_record(b"", value) == FleetAsked(rules, "ada", "x")
