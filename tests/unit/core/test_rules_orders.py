"""Operators' orders about placement: taken as a whole or refused with every fault; one event each.

How: records go through the readers of topic ``commands`` and are copied into a cell in memory.
"""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from scheduler.fold import guards
from scheduler.model.changes import JobRejected, RequestAccepted
from scheduler.model.codec import RECORD_BYTES_MAX
from scheduler.model.foreign import decode_commands_record
from scheduler.model.foreign_records import (
    encode_change_rules,
    encode_set_host,
    encode_set_rules,
)
from scheduler.model.ids import HostId
from scheduler.model.inbound import InboundRejected
from scheduler.model.mesos import HostFacts
from scheduler.model.policy import Policy
from scheduler.model.resources import Resources
from scheduler.model.rules import FITNESS_NAMES, CapacityGroup, PlacementRules
from scheduler.model.rules_document.writing import policy_document
from scheduler.placement.fitness.gpu import GPU_PARTS
from scheduler.placement.fitness.parts import PARTS
from tests.support.cell import CellInMemory, batch, offer_of, running_cell, service

SELECTOR = {"strength": "must", "constraint": {"kind": "availabilityZone", "values": ["a"]}}
SAID = {"actor": "ada", "why": "test"}


def order(cell: CellInMemory, value: bytes) -> list[str]:
    """Publish an order; the fields that are wrong with it, none where it was taken."""
    body = decode_commands_record(None, value)
    cell.copy("commands", body)
    (answer,) = (
        each for each in cell.said_last() if isinstance(each, JobRejected | RequestAccepted)
    )
    return [each.field for each in answer.faults] if isinstance(answer, JobRejected) else []


def change(cell: CellInMemory, **switches: Any) -> list[str]:
    """Turn switches; the fields that are wrong."""
    return order(cell, encode_change_rules(**switches, actor="ada", why="test"))


def rules(cell: CellInMemory) -> PlacementRules:
    """The rules in force."""
    return cell.state.policy.placement


def test_a_whole_policy_is_set_and_the_same_again_changes_nothing() -> None:
    cell = running_cell()
    document = policy_document(Policy())
    document["mode"], document["limits"]["offer_hold"] = "failover", "1 min"
    value = encode_set_rules(document, "ada", "test")
    assert order(cell, value) == []
    assert (rules(cell).mode, cell.state.policy.offer_hold_ms) == ("failover", 60_000)
    assert cell.state.policy_version == 2
    inputs = cell.state.placement_inputs
    assert order(cell, value) == []
    assert (cell.state.policy_version, cell.state.placement_inputs) == (2, inputs)


def test_a_file_is_whole_what_it_leaves_out_has_its_default() -> None:
    cell = running_cell()
    assert change(cell, mode="failover", lose_zones=["b"]) == []
    assert order(cell, encode_set_rules({"lost_zones": ["c"]}, "ada", "test")) == []
    assert cell.state.policy == Policy(placement=PlacementRules(lost_zones=("c",)))


def test_modes_are_switched_there_and_back_while_it_runs() -> None:
    cell = running_cell()
    before = cell.state.policy
    assert change(cell, mode="failover") == []
    assert rules(cell).mode == "failover"
    assert change(cell, mode="normal") == []
    assert cell.state.policy == before
    assert cell.state.policy_version == 3


def test_a_service_is_spread_and_in_failover_packed_and_then_spread_again() -> None:
    cell = running_cell(hosts=4)
    assert change(cell, set_groups={"live": {"tier": "Critical"}}) == []

    def hosts_of(job_id: str) -> int:
        cell.submit(replace(service(desired=4), capacity_group="live"), job_id)
        task_ids = cell.launched()
        assert len(task_ids) == 4
        hosts = {cell.host_of(each) for each in task_ids}
        cell.kill_job(job_id)
        cell.launched()
        for task_id in task_ids:
            cell.status(task_id, "TASK_KILLED")
        cell.subscribe()
        for number in range(1, 5):
            cell.offer(f"host{number}")
        return len(hosts)

    assert hosts_of("before") == 4
    change(cell, mode="failover")
    assert hosts_of("meanwhile") == 1
    change(cell, mode="normal")
    assert hosts_of("after") == 4


def test_a_policy_may_name_what_there_is_and_nothing_else() -> None:
    assert set(FITNESS_NAMES) == {*PARTS, *GPU_PARTS}


@pytest.mark.parametrize("name", FITNESS_NAMES)
def test_a_cell_places_by_every_fitness_function_that_a_policy_may_name(name: str) -> None:
    cell = running_cell()
    profile = {"weights": {name: 1}}
    document = {"profiles": {"pack": profile, "spread": profile}}
    assert order(cell, encode_set_rules(document, "ada", "test")) == []
    cell.submit(batch(size=2))
    assert len(cell.launched()) == 2


def test_a_lost_zone_gets_nothing_until_it_is_back() -> None:
    cell = running_cell(hosts=0)
    for name, zone in (("one", "a"), ("two", "b")):
        facts = HostFacts(hostname=name, attributes=(("zone", zone),))
        offer = offer_of(f"offer-{name}", name, Resources(4_000, 8_192, 10_000))
        cell.offers(replace(offer, facts=facts))
    assert change(cell, lose_zones=["a", "b"]) == []
    cell.submit(batch(size=2))
    assert not cell.launched()
    assert change(cell, regain_zones=["b"]) == []
    assert {cell.host_of(each) for each in cell.launched()} == {HostId("two")}


def test_zones_are_lost_and_come_back_one_by_one() -> None:
    cell = running_cell()
    assert change(cell, lose_zones=["b"]) == []
    assert change(cell, lose_zones=["b", "a"]) == []
    assert rules(cell).lost_zones == ("a", "b")
    assert change(cell, regain_zones=["b"]) == []
    assert rules(cell).lost_zones == ("a",)
    assert change(cell, regain_zones=["b"]) == ["regainZones"]


def test_selectors_and_groups_are_set_by_name_and_removed() -> None:
    cell = running_cell()
    group = {"tier": "Flex", "guarantee": {"cpu": 2.5, "memory": "4 GiB"}}
    switches = {"set_selectors": {"b": SELECTOR, "a": SELECTOR}, "set_groups": {"video": group}}
    assert change(cell, **switches) == []
    assert [each.name for each in rules(cell).selectors] == ["a", "b"]
    assert [each.name for each in rules(cell).groups] == ["DEFAULT", "video"]
    assert rules(cell).groups[1].guarantee.cpu_milli == 2_500
    assert change(cell, remove_selectors=["a"], set_selectors={"c": SELECTOR}) == []
    assert [each.name for each in rules(cell).selectors] == ["b", "c"]
    assert change(cell, remove_groups=["video"]) == []
    assert rules(cell).groups == (CapacityGroup(name="DEFAULT", tier="Flex"),)


@pytest.mark.parametrize(
    ("switches", "fields"),
    [
        ({"remove_groups": ["DEFAULT"]}, ["groups.DEFAULT"]),
        ({"remove_groups": ["none"]}, ["removeGroups"]),
        ({"remove_selectors": ["none"]}, ["removeSelectors"]),
        ({"set_groups": {"g": {"tier": "flex"}}}, ["setGroups.g.tier"]),
        ({"set_groups": {"g": {"tier": "Flex", "parent": "g"}}}, ["setGroups.g.parent"]),
        (
            {"set_groups": {"g": {"tier": "Flex", "parent": "DEFAULT", "guarantee": {"gpus": 1}}}},
            ["groups.DEFAULT.guarantee.gpus"],
        ),
        (
            {"set_selectors": {"s": {**SELECTOR, "for": {"groups": ["x"], "tiers": ["y"]}}}},
            ["setSelectors.s.for.tiers", "setSelectors.s.for.groups"],
        ),
    ],
)
def test_a_switch_that_does_not_fit_the_rules_changes_nothing(
    switches: dict[str, Any], fields: list[str]
) -> None:
    cell = running_cell()
    before = cell.state.policy
    assert change(cell, **switches) == fields
    assert (cell.state.policy, cell.state.policy_version) == (before, 1)


def test_an_order_for_another_version_is_refused() -> None:
    cell = running_cell()
    document = policy_document(Policy())
    assert change(cell, mode="failover", if_version=1) == []
    assert change(cell, mode="normal", if_version=1) == ["ifVersion"]
    assert order(cell, encode_set_rules(document, "ada", "test", if_version=1)) == ["ifVersion"]
    assert rules(cell).mode == "failover"
    assert order(cell, encode_set_rules(document, "ada", "test", if_version=2)) == []


@pytest.mark.parametrize(
    ("record", "fields"),
    [
        ({"type": "SetRules"}, ["actor", "why", "document"]),
        ({"type": "SetRules", "document": [], **SAID}, ["document"]),
        ({"type": "SetRules", "document": {"mode": "x"}, **SAID}, ["mode"]),
        ({"type": "SetRules", "document": {}, "ifVersion": -1, **SAID}, ["ifVersion"]),
        ({"type": "ChangeRules", **SAID}, [""]),
        ({"type": "ChangeRules", "mode": "x", **SAID}, ["mode"]),
        ({"type": "ChangeRules", "loseZones": "b", **SAID}, ["loseZones"]),
        (
            {"type": "ChangeRules", "loseZones": ["b"], "regainZones": ["b"], **SAID},
            ["regainZones"],
        ),
        ({"type": "ChangeRules", "setGroups": {"g": {"tier": 1}}, **SAID}, ["setGroups.g.tier"]),
        ({"type": "ChangeRules", "setGroup": {}, "mode": "normal", **SAID}, ["setGroup"]),
        ({"type": "SetHost", "hostId": "h", "standing": "off", **SAID}, ["standing"]),
        ({"type": "SetHost", **SAID}, ["hostId", "standing"]),
    ],
)
def test_an_order_that_cannot_be_read_names_every_field(
    record: dict[str, Any], fields: list[str]
) -> None:
    body = decode_commands_record(None, msgspec.json.encode(record))
    assert isinstance(body, InboundRejected)
    assert [each.field for each in body.faults] == fields


def test_rules_that_would_not_fit_into_a_record_of_the_log_are_refused() -> None:
    groups = {f"group-{number}": {"tier": "Flex"} for number in range(4_000)}
    document = {"groups": {"DEFAULT": {"tier": "Flex"}, **groups}}
    value = encode_set_rules(document, "ada", "test")
    assert len(value) < RECORD_BYTES_MAX
    body = decode_commands_record(None, value)
    assert isinstance(body, InboundRejected)
    assert "bytes long as an event" in body.faults[0].text


def test_an_operator_takes_a_host_out_and_back_in() -> None:
    cell = running_cell()
    host_id = HostId("host1")
    assert guards.is_schedulable(cell.state, host_id)
    for standing, is_used in (("draining", False), ("disabled", False), ("lastChoice", True)):
        cell.state.hosts_changed.clear()
        value = encode_set_host(host_id, standing, "ada", "new kernel")  # type: ignore[arg-type]
        assert order(cell, value) == []
        assert guards.is_schedulable(cell.state, host_id) == is_used
        assert guards.is_last_choice(cell.state, host_id) == is_used
        assert host_id in cell.state.hosts_changed
        why = guards.host_refusal(cell.state, host_id, 1)
        assert why == ("" if is_used else f"host host1 is {standing} (ada: new kernel)")
    assert order(cell, encode_set_host(host_id, "enabled", "ada", "done")) == []
    assert not cell.state.host_orders
    assert order(cell, encode_set_host(HostId("host9"), "disabled", "ada", "x")) == ["hostId"]


def test_who_ordered_what_and_why_stands_in_the_log() -> None:
    cell = running_cell()
    change(cell, mode="failover")
    assert b'"actor":"ada","why":"test","mode":"failover"' in cell.log[-1]
    again = cell.refolded()
    assert again.state.policy == cell.state.policy
    assert again.digest.value() == cell.machine.digest.value()
