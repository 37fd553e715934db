"""What is taken over of a cloud's word, and what of it says nothing: groups, instances, notices.

The cloud is played by hand where `FleetWorld` would be too orderly: late differences, instances
that change their group, notices of what nobody knows.
"""

from typing import Any

import pytest
from msgspec.structs import replace

from scheduler.fold import fleet, fleet_orders
from scheduler.model.changes import CellPaged, FleetChanged
from scheduler.model.events import EffectEnded, EffectStarted
from scheduler.model.fleet import (
    CloudGroupGone,
    CloudGroupObserved,
    CloudInstance,
    EndInstance,
    InstanceNoticed,
    SetDesiredCapacity,
)
from scheduler.model.fleet_rules import GroupSizeAsked
from scheduler.model.ids import HostId, ProposalId
from tests.support.cell import CellInMemory
from tests.support.fleet import FleetWorld, SimGroup, fleet_rules

MINUTE_MS = 60_000


def seen(cell: CellInMemory, *ids: str, group: str = "blue", **fields: Any) -> None:
    """The cloud has these instances of a group."""
    instances = tuple(CloudInstance(each, "inService") for each in ids)
    values: dict[str, Any] = {"observed_at_ms": cell.now_ms, "instances_total": len(ids)} | fields
    cell.copy(
        "hosts",
        CloudGroupObserved(group, "sim", "here", 0, len(ids), 9, instances=instances, **values),
    )


@pytest.fixture
def cell() -> CellInMemory:
    """A cell that has heard of no group."""
    cell = CellInMemory()
    cell.elect()
    cell.subscribe()
    return cell


def told(cell: CellInMemory) -> list[tuple[str, str]]:
    """What was told of the fleet, with the instance."""
    return [(each.what, each.instance_id) for each in cell.said(FleetChanged)]


def test_a_difference_of_a_group_that_nobody_told_says_nothing(cell: CellInMemory) -> None:
    seen(cell, "i-1", is_difference=True)
    assert (cell.state.cloud_groups, cell.state.cloud_instances, told(cell)) == ({}, {}, [])
    seen(cell, "i-1")
    seen(cell, "i-2", is_difference=True, removed=("i-1", "i-9"))
    assert list(cell.state.cloud_instances) == ["i-2"]


def test_the_first_parts_of_a_whole_forget_nobody(cell: CellInMemory) -> None:
    seen(cell, "i-1", "i-2")
    cell.tick()
    seen(cell, "i-3", is_last=False)
    assert set(cell.state.cloud_instances) == {"i-1", "i-2", "i-3"}
    seen(cell, "i-2", is_last=True)
    assert set(cell.state.cloud_instances) == {"i-2", "i-3"}


def test_an_instance_that_was_moved_by_hand_is_one_of_its_new_group(cell: CellInMemory) -> None:
    seen(cell, "i-1", group="blue")
    seen(cell, "i-1", group="green")
    assert cell.state.cloud_instances["i-1"].group == "green"
    assert list(cell.state.instances_of_groups["green"]) == ["i-1"]
    assert not cell.state.instances_of_groups.get("blue")


def test_groups_and_instances_are_so_many_at_most(
    cell: CellInMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "GROUPS_MAX", 1)
    monkeypatch.setattr(fleet, "INSTANCES_MAX", 1)
    seen(cell, "i-1", "i-2")
    assert list(cell.state.cloud_instances) == ["i-1"]
    (page,) = cell.said(CellPaged)
    assert (page.kind, page.what) == ("fleet", "the fleet has more than 1 instances")
    assert page.why.startswith("those of group blue beyond that are not known")
    seen(cell, group="green")
    assert list(cell.state.cloud_groups) == ["blue"]


def test_a_group_that_is_gone_takes_its_instances_along_once(cell: CellInMemory) -> None:
    gone = CloudGroupGone("blue", "sim", "here", 1)
    cell.copy("hosts", gone)
    assert told(cell) == []
    seen(cell, "i-1")
    cell.copy("hosts", gone)
    cell.copy("hosts", gone)
    assert [what for what, _ in told(cell)].count("groupGone") == 1
    assert (cell.state.cloud_groups["blue"].is_gone, cell.state.cloud_instances) == (True, {})
    assert cell.said(CellPaged) == [], "no rule names it"
    seen(cell, "i-1")
    assert [what for what, _ in told(cell)].count("groupSeen") == 2


def test_a_group_of_the_rules_that_is_gone_is_paged_for() -> None:
    world = FleetWorld(SimGroup("blue", desired=1))
    world.pass_ms(MINUTE_MS)
    world.cell.copy("hosts", CloudGroupGone("blue", "sim", "here", world.cell.now_ms))
    (page,) = world.pages
    assert (page.what, page.key) == ("group blue is gone", "blue")


def test_only_so_many_groups_that_are_gone_are_remembered(
    cell: CellInMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "GONE_KEPT_MAX", 2)
    for name in ("a", "b", "c"):
        seen(cell, group=name)
        cell.copy("hosts", CloudGroupGone(name, "sim", "here", cell.now_ms))
    assert list(cell.state.cloud_groups) == ["b", "c"]


def test_a_notice_of_an_instance_that_nobody_knows_says_nothing(cell: CellInMemory) -> None:
    cell.copy("hosts", InstanceNoticed("blue", "i-1", kind="interruption", due_ms=9))
    assert told(cell) == []


@pytest.mark.parametrize(
    ("kind", "hook", "mark"),
    [
        ("interruption", "", "interruption"),
        ("terminating", "bye", "terminating"),
        ("rebalance", "", "rebalance"),
        ("launching", "hello", ""),
    ],
)
def test_a_notice_is_told_and_marks_its_instance(
    cell: CellInMemory, kind: Any, hook: str, mark: str
) -> None:
    seen(cell, "i-1")
    cell.copy("hosts", InstanceNoticed("blue", "i-1", kind=kind, detail=hook, due_ms=9))
    (said,) = (each for each in cell.said(FleetChanged) if each.what == "noticed")
    assert said.instance_id == "i-1"
    assert said.why == (f"{kind}: {hook}" if hook else kind)
    instance = cell.state.cloud_instances["i-1"]
    assert (instance.mark, instance.hook) == (mark, hook)
    noted = [(each.what, each.why) for each in cell.state.cloud_groups["blue"].activities]
    assert ("noticed", f"i-1: {kind}") in noted


def test_a_graver_notice_is_not_taken_back_by_a_lesser_one(cell: CellInMemory) -> None:
    seen(cell, "i-1")
    for kind in ("rebalance", "interruption", "terminating"):
        cell.copy("hosts", InstanceNoticed("blue", "i-1", kind=kind, due_ms=9))
    assert cell.state.cloud_instances["i-1"].mark == "interruption"
    marked = [each.why for each in cell.said(FleetChanged) if each.what == "hostMarked"]
    assert marked == [
        "rebalance: the cloud may take it away soon",
        "interruption: the cloud takes it away",
    ]


def test_an_instance_is_known_as_its_cloud_says_it_is(cell: CellInMemory) -> None:
    for is_healthy, machine_type in ((True, "m5"), (False, "m6")):
        said = CloudInstance("i-1", "inService", "a", machine_type, is_healthy=is_healthy)
        group = CloudGroupObserved("blue", "sim", "here", 0, 1, 9, instances=(said,))
        cell.copy("hosts", replace(group, observed_at_ms=cell.now_ms, instances_total=1))
        found = cell.state.cloud_instances["i-1"]
        assert (found.zone, found.machine_type) == ("a", machine_type)
        assert (found.is_healthy, found.is_protected) == (is_healthy, False)


# Orders that are overtaken, fail, or are over anyway.


def world_with_an_order(desired: int = 3) -> tuple[FleetWorld, ProposalId]:
    """A cloud of one host that nobody asks, and an order of a size."""
    world = FleetWorld(SimGroup("blue", desired=1))
    world.pass_ms(2 * MINUTE_MS)
    world.is_carried_out = False
    world.cell.copy("commands", GroupSizeAsked("blue", desired, "op", "more"))
    (order_id,) = world.state.fleet_orders
    return world, order_id


def test_an_order_of_a_group_that_is_gone_is_not_started() -> None:
    world, order_id = world_with_an_order()
    world.cell.copy("hosts", CloudGroupGone("blue", "sim", "here", world.cell.now_ms))
    world.cell.write(EffectStarted(order_id))
    assert world.state.fleet_orders == {}
    last = world.state.cloud_groups["blue"].activities[-1]
    assert (last.what, last.why) == ("orderFailed", "the group is gone")


def test_an_order_is_started_and_ended_once() -> None:
    world, order_id = world_with_an_order()
    world.cell.write(EffectEnded(order_id, "sent"))
    assert order_id in world.state.fleet_orders, "it was not started"
    world.cell.write(EffectStarted(order_id))
    world.cell.write(EffectStarted(order_id))
    world.cell.write(EffectEnded(order_id, "sent", "done"))
    before = len(world.said("orderDone"))
    world.cell.write(EffectEnded(order_id, "sent", "done"))
    assert (before, len(world.said("orderDone"))) == (1, 1)


def test_a_refusal_is_waited_for_longer_each_time_and_then_paged() -> None:
    world, _ = world_with_an_order()
    world.is_carried_out, world.refusal = True, "no capacity"
    waits = []
    for _ in range(fleet_orders.FAILURES_PAGED):
        group = world.state.cloud_groups["blue"]
        world.cell.now_ms = max(world.cell.now_ms, group.retry_at_ms)
        if not world.state.fleet_orders:
            world.cell.copy("commands", GroupSizeAsked("blue", 3, "op", "again"))
        world.carry_out()
        group = world.state.cloud_groups["blue"]
        waits.append(group.retry_at_ms - world.cell.now_ms)
        assert (group.ordered, group.fault) == (None, "refused: no capacity")
    assert waits == [5_000, 10_000, 20_000, 40_000, 80_000]
    page = world.pages[-1]
    assert page.what == "the cloud does not do what it is asked for group blue"
    assert page.why.startswith("5 times in a row, the last time refused: no capacity.")


def test_the_same_is_ordered_once_and_no_more_than_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    world, order_id = world_with_an_order(3)
    world.cell.copy("commands", GroupSizeAsked("blue", 3, "op", "again"))
    assert list(world.state.fleet_orders) == [order_id]
    monkeypatch.setattr(fleet_orders, "ORDERS_MAX", 1)
    world.cell.copy("commands", GroupSizeAsked("blue", 5, "op", "more"))
    assert [each.effect for each in world.state.fleet_orders.values()] == [
        SetDesiredCapacity("blue", 3)
    ]


def test_what_nobody_carries_out_is_dropped_with_a_word() -> None:
    world, _ = world_with_an_order()
    world.cell.pass_ms(fleet_orders.UNSTARTED_MS_MAX + 30_000)
    assert world.state.cloud_groups["blue"].fault.startswith("nobody carried it out")
    assert world.state.cloud_groups["blue"].ordered is None


def shrinking_world() -> tuple[FleetWorld, ProposalId, EndInstance]:
    """A cloud of four idle hosts of which one is to be ended, and nobody has asked for it yet."""
    world = FleetWorld(SimGroup("blue", desired=4))
    world.pass_ms(2 * MINUTE_MS)
    for _ in range(60):
        world.cell.tick(10_000)
        for order_id, each in world.state.fleet_orders.items():
            if isinstance(each.effect, EndInstance):
                return world, order_id, each.effect
        world.carry_out()
        world.observe()
        world.place()
    raise AssertionError(world.state.fleet_orders)


def test_an_instance_that_is_gone_by_itself_is_not_ended() -> None:
    world, order_id, effect = shrinking_world()
    world.end(world.groups["blue"], effect.instance_id)
    world.observe()
    world.cell.write(EffectStarted(order_id))
    assert order_id not in world.state.fleet_orders
    whys = [each.why for each in world.state.cloud_groups["blue"].activities]
    assert "the instance is gone" in whys


def test_an_instance_that_the_cloud_has_no_more_was_ended() -> None:
    world, order_id, _ = shrinking_world()
    world.cell.write(EffectStarted(order_id))
    world.cell.write(EffectEnded(order_id, "refused", "gone: there is no such instance"))
    assert [each.why for each in world.said("orderDone")][-1] == "gone: there is no such instance"
    assert world.state.cloud_groups["blue"].failures == 0


def test_the_host_of_an_instance_is_that_which_said_it_last() -> None:
    world = FleetWorld(SimGroup("blue", desired=1))
    world.pass_ms(2 * MINUTE_MS)
    ((instance_id, instance),) = world.state.cloud_instances.items()
    assert world.state.hosts_of_instances == {instance_id: instance.host_id}
    sim = world.groups["blue"].instances[instance_id]
    world.offer("another", world.groups["blue"], sim)
    assert world.state.hosts_of_instances == {instance_id: HostId("another")}
    world.set_rules(fleet_rules(instance_attribute="group"))
    assert set(world.state.hosts_of_instances) == {"blue"}
