"""What a cloud announces of one instance: its host is emptied in time, within budgets.

Each test runs a whole cell over a cloud in memory (`tests.support.fleet`).
"""

from msgspec.structs import replace

from scheduler.model.disruption import AvailabilityPercentage, DisruptionBudget
from scheduler.model.fleet import CloudGroupObserved, CloudInstance, CompleteHook
from scheduler.model.resources import Need
from tests.support.cell import batch, service
from tests.support.fleet import FleetWorld, SimGroup, fleet_rules, group_rule

MINUTE_MS = 60_000
NEED = Need(cpu_milli=1_000, memory_mib=512, disk_mib=10)


def running_world() -> FleetWorld:
    """Three hosts of one zone, and a service of six tasks, of which three may be away."""
    world = FleetWorld(
        SimGroup("blue", desired=3, zones=("a",)), rules=fleet_rules(group_rule(idle_max=9))
    )
    world.pass_ms(2 * MINUTE_MS)
    spec = service(desired=6, maximum=6, need=NEED)
    budget = DisruptionBudget(policy=AvailabilityPercentage(healthy_percent_milli=50_000))
    world.cell.submit(replace(spec, budget=budget))
    world.pass_ms(MINUTE_MS)
    assert world.running() == 6
    return world


def busy_instance(world: FleetWorld) -> str:
    """An instance whose host has tasks."""
    return next(
        str(each.instance_id)
        for each in world.state.cloud_instances.values()
        if each.host_id in world.state.host_tasks
    )


def test_a_spot_host_is_empty_before_it_is_taken() -> None:
    world = running_world()
    taken = busy_instance(world)
    host_id = world.state.cloud_instances[taken].host_id
    world.notice(taken, kind="interruption", due_ms=world.cell.now_ms + 2 * MINUTE_MS)
    world.pass_ms(2 * MINUTE_MS)
    assert host_id not in world.state.host_tasks
    world.end(world.groups["blue"], taken)
    world.pass_ms(2 * MINUTE_MS)
    assert (world.running(), world.lost_tasks) == (6, 0)
    assert world.size() == 3  # the cloud puts another in its place; nobody ordered one more
    assert host_id not in world.state.host_marks


def test_a_rebalance_recommendation_empties_the_host_at_leisure() -> None:
    world = running_world()
    noticed = busy_instance(world)
    world.notice(noticed, kind="rebalance")
    world.pass_ms(8 * MINUTE_MS)
    assert world.state.cloud_instances[noticed].host_id not in world.state.host_tasks
    assert (world.running(), world.lost_tasks) == (6, 0)


def test_an_instance_in_a_terminating_hook_goes_on_once_its_host_is_empty() -> None:
    world = running_world()
    held = busy_instance(world)
    world.notice(held, kind="terminating", detail="drain")
    world.pass_ms(20_000)
    assert world.effects == [] or not isinstance(world.effects[-1], CompleteHook)
    world.pass_ms(3 * MINUTE_MS)
    assert CompleteHook("blue", held, "drain") in world.effects
    assert (world.running(), world.lost_tasks) == (6, 0)


def test_a_hook_that_the_cloud_would_not_complete_is_completed_later() -> None:
    world = running_world()
    held = next(iter(world.groups["blue"].instances))
    asked = CompleteHook("blue", held, "come")
    world.refusal = "throttled: Rate exceeded"
    world.notice(held, kind="launching", detail="come")
    world.notice(held, kind="terminating", detail="come")  # Whichever: its host is emptied.
    world.pass_ms(3 * MINUTE_MS)
    refused = world.effects.count(asked)
    assert 1 <= refused < 18  # As often as anything else is asked of a cloud that refuses.
    world.refusal = ""
    world.pass_ms(6 * MINUTE_MS)
    assert world.effects.count(asked) == refused + 1
    assert world.state.cloud_instances[held].hook == ""


def test_a_hook_whose_order_no_leader_carried_out_is_completed_by_the_next() -> None:
    world = running_world()
    held = busy_instance(world)
    world.is_carried_out = False
    world.notice(held, kind="terminating", detail="drain")
    world.pass_ms(2 * MINUTE_MS)
    assert CompleteHook("blue", held, "drain") in [
        each.effect for each in world.state.fleet_orders.values()
    ]
    world.elect("cell-2")
    assert world.state.cloud_instances[held].hook == "drain"
    world.is_carried_out = True
    world.pass_ms(2 * MINUTE_MS)
    assert CompleteHook("blue", held, "drain") in world.effects


def test_a_hook_that_is_over_is_not_asked_for_again() -> None:
    world = running_world()
    held = busy_instance(world)
    world.refusal = "gone: ValidationError: No active Lifecycle Action found"
    world.notice(held, kind="terminating", detail="drain")
    world.pass_ms(5 * MINUTE_MS)
    assert world.effects.count(CompleteHook("blue", held, "drain")) == 1


def test_a_host_that_is_taken_without_notice_costs_its_tasks_and_nothing_more() -> None:
    world = running_world()
    gone = busy_instance(world)
    tasks = len(world.state.host_tasks[world.state.cloud_instances[gone].host_id])
    world.end(world.groups["blue"], gone)
    world.pass_ms(3 * MINUTE_MS)
    assert (world.running(), world.lost_tasks, world.size()) == (6, tasks, 3)


def test_a_notice_of_an_unknown_instance_is_passed_over() -> None:
    world = running_world()
    before = world.state.host_marks.copy()
    world.notice("i-elsewhere", kind="interruption")
    assert world.state.host_marks == before


def test_a_large_group_comes_in_parts_and_nothing_is_decided_before_the_last() -> None:
    world = FleetWorld(SimGroup("blue"), rules=fleet_rules(group_rule()))
    world.is_observed = False
    instances = [CloudInstance(f"i-{number:04}", "pending") for number in range(4)]
    world.cell.submit(batch(8, need=NEED))

    def part(first: int, count: int, *, is_last: bool, at_ms: int) -> CloudGroupObserved:
        return CloudGroupObserved(
            *("blue", "sim", "here", 0, 4, 9),
            instances=tuple(instances[first : first + count]),
            observed_at_ms=at_ms,
            is_last=is_last,
            instances_total=4,
        )

    world.cell.copy("hosts", part(0, 2, is_last=False, at_ms=5))
    world.pass_ms(MINUTE_MS)
    assert world.state.cloud_groups["blue"].held == "2 of its 4 instances are known"
    world.cell.copy("hosts", part(2, 2, is_last=True, at_ms=5))
    world.pass_ms(MINUTE_MS)
    assert "instances are known" not in world.state.cloud_groups["blue"].held
    # The next whole leaves one out: it is gone, with the last part and not before.
    instances.pop()
    world.cell.copy("hosts", part(0, 2, is_last=False, at_ms=6))
    assert len(world.state.cloud_instances) == 4
    world.cell.copy("hosts", part(2, 1, is_last=True, at_ms=6))
    assert len(world.state.cloud_instances) == 3
