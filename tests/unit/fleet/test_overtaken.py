"""Orders of a cloud that are overtaken by what happens meanwhile, or of which nobody is left.

The cloud is `tests.support.fleet`; where it is asked nothing, the test writes what the outbox says.
"""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from scheduler.fold import fleet
from scheduler.fold.fleet_looks import END_AGAIN_MS
from scheduler.fold.fleet_orders import UNSTARTED_MS_MAX
from scheduler.model.events import EffectEnded, EffectStarted
from scheduler.model.fleet import (
    CloudGroupGone,
    CloudInstance,
    CompleteHook,
    FleetEffect,
    ProtectInstances,
)
from scheduler.model.ids import HostId, ProposalId, TaskId
from scheduler.model.network import AttachInterface
from scheduler.model.resources import Need
from scheduler.model.warm_pools import SetWarmPool, WarmPoolAsked
from tests.support.cell import service
from tests.support.fleet import FleetWorld, SimGroup, SimInstance, fleet_rules, group_rule
from tests.unit.fleet.test_network import NetworkWorld
from tests.unit.fleet.test_observed import shrinking_world, world_with_an_order
from tests.unit.fleet.test_spared import ends, marked_world
from tests.unit.fleet.test_warm_pools import POOL

MINUTE_MS = 60_000


def failures(world: FleetWorld) -> list[str]:
    """Why orders of blue came to nothing, as operators see it."""
    activities = world.state.cloud_groups["blue"].activities
    return [each.why for each in activities if each.what == "orderFailed"]


def ordered(world: FleetWorld, kind: type[FleetEffect]) -> ProposalId:
    """The order of this kind."""
    orders = world.state.fleet_orders.items()
    (order_id,) = (order_id for order_id, each in orders if isinstance(each.effect, kind))
    return ProposalId(order_id)


def test_a_host_that_got_tasks_since_it_was_to_be_ended_stays() -> None:
    world, order_id, effect = shrinking_world()
    world.cell.submit(service(60, need=Need(cpu_milli=4_000, memory_mib=1_024, disk_mib=10)))
    for _ in range(3):
        world.place()
        world.cell.tick(10_000)
    world.place()
    host_id = world.state.cloud_instances[effect.instance_id].host_id
    assert host_id in world.state.host_tasks
    world.cell.write(EffectStarted(order_id))
    assert order_id not in world.state.fleet_orders
    assert failures(world)[-1] == "its host has tasks again"


def test_a_host_that_was_ended_already_is_not_used_again_when_tasks_wait() -> None:
    world, order_id, effect = shrinking_world()
    world.cell.carry_out(order_id)  # And the cloud takes its time.
    world.cell.submit(service(60, need=Need(cpu_milli=4_000, memory_mib=1_024, disk_mib=10)))
    for _ in range(6):
        world.place()
        world.cell.tick(10_000)
    ended = world.state.cloud_instances[effect.instance_id]
    assert (ended.mark, ended.host_id in world.state.host_tasks) == ("ending", False)
    assert world.state.cloud_groups["blue"].ordered >= 30, "the group grows in its place"


def test_a_safe_cell_ends_no_instance() -> None:
    world, order_id, effect = shrinking_world()
    for number in range(3):
        task_id = TaskId(f"stranger-worker-0-{number}")
        world.cell.status(task_id, "TASK_RUNNING", host_id=HostId("x"))
    world.cell.write(EffectStarted(order_id))
    assert order_id not in world.state.fleet_orders
    assert failures(world)[-1] == "the cell is safe"
    assert effect.instance_id in world.groups["blue"].instances


def test_a_size_that_is_wanted_no_more_is_not_asked_for() -> None:
    world, order_id = world_with_an_order(3)
    world.set_rules(fleet_rules(assert_ms=10_000))
    world.cell.tick(30_000)
    assert world.state.cloud_groups["blue"].ordered is None
    world.cell.write(EffectStarted(order_id))
    assert failures(world)[-1] == "another size was ordered"
    assert order_id not in world.state.fleet_orders


@pytest.mark.parametrize("fate", ["sent", "refused"])
def test_what_becomes_of_orders_of_a_group_that_is_forgotten_is_told_and_no_more(
    monkeypatch: pytest.MonkeyPatch, fate: str
) -> None:
    world, order_id = world_with_an_order(3)
    world.cell.write(EffectStarted(order_id))
    monkeypatch.setattr(fleet, "GONE_KEPT_MAX", 1)
    world.cell.copy("hosts", CloudGroupGone("blue", "sim", "here", world.cell.now_ms))
    world.cell.copy("hosts", world.observation(SimGroup("green")))
    world.cell.copy("hosts", CloudGroupGone("green", "sim", "here", world.cell.now_ms))
    assert list(world.state.cloud_groups) == ["green"]
    world.cell.write(EffectEnded(order_id, "sent" if fate == "sent" else "refused", "so it is"))
    last = world.said("orderDone" if fate == "sent" else "orderFailed")[-1]
    assert (last.group, last.why) == ("blue", "so it is")
    assert list(world.state.cloud_groups) == ["green"]
    assert world.state.fleet_orders == {}


def test_an_order_of_a_group_that_is_forgotten_is_not_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, order_id = world_with_an_order(3)
    monkeypatch.setattr(fleet, "GONE_KEPT_MAX", 1)
    for name in ("blue", "green"):
        world.cell.copy("hosts", world.observation(SimGroup(name)))
        world.cell.copy("hosts", CloudGroupGone(name, "sim", "here", world.cell.now_ms))
    world.cell.write(EffectStarted(order_id))
    assert (list(world.state.cloud_groups), world.state.fleet_orders) == (["green"], {})


def test_an_instance_that_is_gone_before_its_end_is_told_has_made_the_group_smaller() -> None:
    world, order_id, effect = shrinking_world()
    world.cell.write(EffectStarted(order_id))
    world.end(world.groups["blue"], effect.instance_id)
    world.observe()
    assert effect.instance_id not in world.state.cloud_instances
    world.cell.now_ms += 1_000
    world.cell.write(EffectEnded(order_id, "sent"))
    assert world.state.cloud_groups["blue"].down_at_ms == world.cell.now_ms
    assert effect.instance_id not in world.state.cloud_instances


def test_instances_that_are_gone_are_protected_no_more() -> None:
    world = FleetWorld(SimGroup("blue", desired=3, zones=("a",)))
    world.pass_ms(2 * MINUTE_MS)
    world.is_carried_out = False
    world.cell.submit(service(20))
    world.cell.submit(service(4, need=Need(cpu_milli=4_000, memory_mib=1_024, disk_mib=10)), "big")
    world.place()
    world.cell.tick(30_000)
    order_id = ordered(world, ProtectInstances)
    effect = world.state.fleet_orders[order_id].effect
    world.cell.write(EffectStarted(order_id))
    gone, *kept = effect.instance_ids
    world.end(world.groups["blue"], gone)
    world.observe()
    world.cell.write(EffectEnded(order_id, "sent"))
    found = world.state.cloud_instances
    assert gone not in found
    assert kept != []
    assert all(found[each].is_protected and found[each].protected_by_us for each in kept)


def hooked_world() -> tuple[FleetWorld, str, ProposalId]:
    """A host whose hook is ordered to be completed, and nobody asks the cloud."""
    world = FleetWorld(SimGroup("blue", desired=1))
    world.pass_ms(2 * MINUTE_MS)
    world.is_carried_out = False
    (instance_id,) = world.state.cloud_instances
    world.notice(instance_id, kind="launching", detail="hello")
    world.cell.tick(30_000)
    return world, instance_id, ordered(world, CompleteHook)


def test_a_hook_is_completed_once_however_often_it_is_announced() -> None:
    world, instance_id, order_id = hooked_world()
    assert world.state.cloud_instances[instance_id].hook == ""
    world.notice(instance_id, kind="launching", detail="hello")
    world.cell.tick(30_000)
    assert list(world.state.fleet_orders) == [order_id]
    assert world.state.cloud_instances[instance_id].hook == "hello", "it is still to be done"


def _announced(world: FleetWorld, instance_id: str) -> None:
    world.notice(instance_id, kind="launching", detail="another")


def _ended(world: FleetWorld, instance_id: str) -> None:
    world.end(world.groups["blue"], instance_id)
    world.groups["blue"].desired = 0
    world.observe()


@pytest.mark.parametrize(
    ("meanwhile", "hooks"), [(None, ["hello"]), (_announced, ["another"]), (_ended, [])]
)
def test_a_hook_whose_order_failed_is_held_again_unless_it_is_another(
    meanwhile: Callable[[FleetWorld, str], None] | None, hooks: list[str]
) -> None:
    world, instance_id, order_id = hooked_world()
    world.cell.write(EffectStarted(order_id))
    if meanwhile is not None:
        meanwhile(world, instance_id)
    world.cell.write(EffectEnded(order_id, "refused", "throttled"))
    assert [each.hook for each in world.state.cloud_instances.values()] == hooks


def test_a_host_that_stands_by_and_waits_for_nothing_completes_no_hook() -> None:
    world = FleetWorld(SimGroup("blue", desired=1))
    world.pass_ms(2 * MINUTE_MS)
    said = world.observation(world.groups["blue"])
    warm = CloudInstance("i-warm", "warm")
    world.cell.copy("hosts", replace(said, instances=(*said.instances, warm)))
    world.notice("i-warm", kind="launching", detail="hello")
    world.cell.tick(30_000)
    assert world.state.cloud_instances["i-warm"].hook == "hello"
    assert world.state.fleet_orders == {}


# What nobody carries out.


def test_a_pool_and_a_network_that_nobody_asks_for_are_dropped_with_a_word() -> None:
    world = NetworkWorld()
    world.is_carried_out = False
    world.cell.submit(service(1, need=Need(500, 256, 10, addresses=1)))
    world.cell.copy("commands", WarmPoolAsked("blue", POOL, "ada", "the launch at nine"))
    world.place()
    world.cell.tick(30_000)
    kinds = {type(each.effect) for each in world.state.fleet_orders.values()}
    assert {SetWarmPool, AttachInterface} <= kinds
    world.cell.pass_ms(UNSTARTED_MS_MAX)
    why = "nobody carried it out: FLUMINA_CLOUD is not set there"
    network = world.state.instance_networks[world.instance_id]
    pool = world.state.warm_pools["blue"]
    assert (network.fault, network.failures) == (why, 1)
    assert (pool.fault, pool.failures) == (why, 1)


def test_an_instance_that_is_late_is_replaced_once_while_nobody_has_asked() -> None:
    rules = fleet_rules(join_timeout_ms=5 * MINUTE_MS)
    world = FleetWorld(SimGroup("blue", desired=1, never_join=True), rules=rules)
    world.pass_ms(4 * MINUTE_MS)
    world.is_carried_out = False
    while not ends(world):
        world.step()
    (order_id,) = world.state.fleet_orders
    world.pass_ms(30_000)
    assert list(world.state.fleet_orders) == [order_id]
    assert len(world.state.cloud_groups["blue"].replaced) == 1


def test_a_late_instance_whose_end_takes_a_while_is_not_ended_again() -> None:
    rules = fleet_rules(join_timeout_ms=5 * MINUTE_MS)
    world = FleetWorld(SimGroup("blue", desired=1, never_join=True), rules=rules)
    world.pass_ms(4 * MINUTE_MS)
    world.is_carried_out = False
    while not ends(world):
        world.step()
    (order_id,) = world.state.fleet_orders
    world.cell.carry_out(order_id)  # And the cloud takes its time.
    ended_ms = world.cell.now_ms
    while not ends(world):
        assert len(world.state.cloud_groups["blue"].replaced) == 1
        world.step()
    assert END_AGAIN_MS <= world.cell.now_ms - ended_ms <= END_AGAIN_MS + 30_000


def test_a_marked_instance_that_is_another_host_with_tasks_is_used_again() -> None:
    world, instance_id = marked_world()
    world.cell.submit(service(1, need=Need(cpu_milli=12_000, memory_mib=1_024, disk_mib=10)))
    large = SimGroup("blue", cpus=16)
    world.offer("large", large, SimInstance("i-else", "a", 0))
    world.place()
    assert HostId("large") in world.state.host_tasks
    world.offer("large", large, world.groups["blue"].instances[instance_id])
    for _ in range(3):
        world.cell.tick(10_000)
    assert world.state.cloud_instances[instance_id].host_id == "large"
    assert world.state.cloud_instances[instance_id].mark == ""
    whys = [each.why for each in world.said("hostUnmarked") if each.instance_id == instance_id]
    assert whys == ["its host has tasks again"]


def test_loads_are_remembered_as_long_as_they_are_asked_for() -> None:
    rules = fleet_rules(group_rule("blue"), group_rule("green"), forecast_horizon_ms=30 * MINUTE_MS)
    world = FleetWorld(SimGroup("blue"), SimGroup("green"), rules=rules)
    world.pass_ms(2 * MINUTE_MS)
    assert set(world.state.fleet_forecasts) == {"blue", "green"}
    world.set_rules(replace(rules, groups=rules.groups[:1]))
    world.pass_ms(MINUTE_MS)
    assert set(world.state.fleet_forecasts) == {"blue"}
    world.set_rules(replace(rules, forecast_horizon_ms=0))
    world.pass_ms(MINUTE_MS)
    assert world.state.fleet_forecasts == {}


def test_an_instance_that_its_cloud_ends_unannounced_is_left_and_the_same_word_is_no_news() -> None:
    world = FleetWorld(SimGroup("blue", desired=1))
    world.pass_ms(2 * MINUTE_MS)
    said = world.observation(world.groups["blue"])
    going = replace(said.instances[0], state="terminating")
    for _ in range(2):
        world.cell.copy("hosts", replace(said, instances=(going,)))
        assert world.state.cloud_instances[going.instance_id].mark == "terminating"
    assert [each.why for each in world.said("hostMarked")] == [
        "terminating: its cloud takes it away"
    ]
