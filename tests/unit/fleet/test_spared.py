"""Hosts that were marked to be ended and are not, instances that stay late, hooks that wait."""

from scheduler.fold.fleet_looks import END_AGAIN_MS
from scheduler.model.fleet import CompleteHook, EndInstance
from scheduler.model.fleet_rules import FleetRules
from tests.support.fleet import FleetWorld, SimGroup, fleet_rules, group_rule

MINUTE_MS = 60_000


def marked_world(rules: FleetRules | None = None) -> tuple[FleetWorld, str]:
    """A cloud of four idle hosts of which one is marked to be ended, and nobody asks the cloud."""
    world = FleetWorld(SimGroup("blue", desired=4), rules=rules)
    world.pass_ms(2 * MINUTE_MS)
    for _ in range(60):
        for instance_id, each in world.state.cloud_instances.items():
            if each.mark == "ending":
                return world, str(instance_id)
        world.cell.tick(10_000)
        world.observe()
        world.place()
    raise AssertionError("nothing was marked")


def ends(world: FleetWorld) -> list[str]:
    """The instances that are ordered to be ended."""
    effects = (each.effect for each in world.state.fleet_orders.values())
    return [each.instance_id for each in effects if isinstance(each, EndInstance)]


def test_a_mark_of_a_group_that_is_scaled_no_more_is_taken_back() -> None:
    world, instance_id = marked_world()
    world.set_rules(fleet_rules(group_rule("green")))
    world.cell.tick(30_000)
    assert world.state.cloud_instances[instance_id].mark == ""
    whys = [each.why for each in world.said("hostUnmarked")]
    assert whys[-1] == "its group is not scaled any more"


def test_a_mark_that_comes_to_nothing_is_taken_back_in_time() -> None:
    world, instance_id = marked_world(fleet_rules(mark_expiry_ms=5 * MINUTE_MS))
    world.refusal = "no"
    for _ in range(40):
        world.cell.tick(10_000)
        world.carry_out()
        world.observe()
    whys = [each.why for each in world.said("hostUnmarked") if each.instance_id == instance_id]
    assert whys[0] == "it was not ended in time"


def test_what_somebody_protects_meanwhile_is_not_ended() -> None:
    world, instance_id = marked_world()
    world.groups["blue"].instances[instance_id].is_protected = True
    world.observe()
    for _ in range(12):
        world.cell.tick(10_000)
        assert instance_id not in ends(world)
    whys = [each.why for each in world.said("hostUnmarked") if each.instance_id == instance_id]
    assert whys[0] == "somebody protected it"


def test_what_was_ended_is_not_asked_for_again_at_once() -> None:
    world, instance_id = marked_world()
    cloud = world.groups["blue"].instances[instance_id]
    for _ in range(30):
        world.cell.tick(10_000)
        if instance_id in ends(world):
            break
    world.carry_out()
    world.groups["blue"].instances[instance_id] = cloud  # The cloud takes its time.
    world.observe()
    ended_ms = world.state.cloud_instances[instance_id].ended_at_ms
    assert ended_ms == world.cell.now_ms
    world.cell.tick(30_000)
    assert instance_id not in ends(world)
    while world.cell.now_ms < ended_ms + END_AGAIN_MS:
        world.cell.tick(30_000)
        world.observe()
    world.cell.tick(10_000)
    assert instance_id in ends(world)


def test_instances_that_never_join_are_replaced_so_often_and_then_paged_for() -> None:
    rules = fleet_rules(join_timeout_ms=5 * MINUTE_MS, replacements_per_hour=2)
    world = FleetWorld(SimGroup("blue", desired=1, never_join=True), rules=rules)
    world.pass_ms(40 * MINUTE_MS)
    replaced = [each.why for each in world.said("hostReplaced")]
    assert replaced == ["it is no host after 5 min"] * 2
    (page,) = (each for each in world.pages if each.key == "blue late")
    assert page.what == "instances of group blue start and never become hosts"
    assert page.why.startswith("2 were replaced within the hour, and i-blue-0003 is late as well")


def test_a_hook_waits_until_its_instance_is_a_host() -> None:
    world = FleetWorld(SimGroup("blue", desired=1, launch_ms=3 * MINUTE_MS))
    world.pass_ms(MINUTE_MS)
    (instance_id,) = world.state.cloud_instances
    world.notice(instance_id, kind="launching", detail="hello")
    world.pass_ms(MINUTE_MS)
    hooks = [each for each in world.effects if isinstance(each, CompleteHook)]
    assert (hooks, world.state.cloud_instances[instance_id].hook) == ([], "hello")
    world.pass_ms(3 * MINUTE_MS)
    assert world.effects[-1] == CompleteHook("blue", instance_id, "hello")
    assert world.state.cloud_instances[instance_id].hook == ""
