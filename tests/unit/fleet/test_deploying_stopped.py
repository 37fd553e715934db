"""Deployments of the fleet that stop on their way, or wait.

The cloud is `tests.support.fleet`, without a single task where none is needed.
"""

from typing import Any

from scheduler.model.changes import WarmPoolChanged
from scheduler.model.fleet import CloudGroupGone, RemoveGroup, SetDesiredCapacity
from scheduler.model.fleet_rules import DeploymentAsked
from tests.support.cell import CellInMemory, service
from tests.support.fleet import FleetWorld, SimGroup, fleet_rules, group_rule

MINUTE_MS = 60_000


class PlainWorld(FleetWorld):
    """A cloud that tells of groups alone, and of no warm pools."""

    def observe(self) -> None:
        """Each group as a whole, each time."""
        for each in self.groups.values():
            self.cell.copy("hosts", self.observation(each))
        gone = [name for name in self.removed if not self.state.cloud_groups[name].is_gone]
        for name in gone:
            self.cell.copy("hosts", CloudGroupGone(name, "sim", "here", self.cell.now_ms))


def idle_world() -> FleetWorld:
    """Two hosts of blue without tasks, and green without hosts."""
    names = ("blue", "green")
    groups = (SimGroup(each, 2 if each == "blue" else 0, launch_ms=20_000) for each in names)
    rules = fleet_rules(*(group_rule(each, idle_max=9) for each in names))
    world = PlainWorld(*groups, rules=rules)
    world.pass_ms(MINUTE_MS)
    return world


def deploy(cell: CellInMemory, **fields: Any) -> None:
    """Ask for the deployment of green from blue."""
    values: dict[str, Any] = {"old": "blue", "actor": "op", "why": "kernel"} | fields
    cell.copy("commands", DeploymentAsked("green", **values))


def pass_until(world: FleetWorld, step: str) -> None:
    """Let time pass until the deployment of green is there."""
    for _ in range(100):
        if world.state.deployments["green"].step == step:
            return
        world.step()
    raise AssertionError(world.state.deployments["green"])


def test_a_group_that_goes_meanwhile_pauses_its_deployment() -> None:
    world = idle_world()
    deploy(world.cell)
    world.cell.copy("hosts", CloudGroupGone("green", "sim", "here", world.cell.now_ms))
    world.cell.tick(30_000)
    found = world.state.deployments["green"]
    assert (found.step, found.is_paused, found.why) == ("growing", True, "group green is gone")
    (page,) = (each for each in world.pages if each.key == "deployment green")
    assert page.why.startswith("group green is gone. `flumina fleet resume green` goes on, ")


def test_a_group_that_may_no_longer_be_so_large_pauses_its_deployment() -> None:
    world = idle_world()
    deploy(world.cell)
    world.groups["green"].maximum = 1
    world.observe()
    world.cell.tick(30_000)
    found = world.state.deployments["green"]
    assert (found.is_paused, found.why) == (True, "group green may have 1 hosts at most")
    assert world.state.cloud_groups["green"].ordered is None


def test_a_task_on_the_old_group_keeps_it_from_being_removed() -> None:
    world = idle_world()
    world.cell.submit(service(1))
    world.step()
    (task,) = world.cell.tasks()
    deploy(world.cell, bake_ms=0)
    pass_until(world, "moving")
    world.cell.set_policy(relocation_ms=1_000, descheduling_ms=5_000)
    pass_until(world, "baking")
    assert world.is_over(task.task_id)
    green = [each.host for each in world.groups["green"].instances.values()]
    for host_id in green:
        world.cell.rescind(*world.state.host_offers.get(host_id, ()))
    world.cell.submit(service(1), "late")
    world.place()
    world.is_carried_out = False
    pass_until(world, "removing")
    world.cell.tick(30_000)
    found = world.state.deployments["green"]
    assert (found.is_paused, found.why) == (True, "group blue has tasks again")
    assert RemoveGroup("blue") not in world.effects


def test_what_a_cloud_refuses_of_the_old_group_is_asked_less_often() -> None:
    world = idle_world()
    deploy(world.cell, bake_ms=0)
    pass_until(world, "removing")
    world.effects.clear()
    world.refusal = "in use"
    world.pass_ms(4 * MINUTE_MS)
    asked = [each for each in world.effects if each == SetDesiredCapacity("blue", 0, 0)]
    assert len(asked) == 5, "the fifth waits for 40 s, so for the look after that"
    world.refusal = ""
    world.pass_ms(3 * MINUTE_MS)
    assert "blue" not in world.groups


def test_a_group_that_cannot_be_removed_yet_is_waited_for() -> None:
    world = idle_world()
    deploy(world.cell, bake_ms=0)
    pass_until(world, "removing")
    while world.size():
        world.step()
    world.refusal = "in use"
    world.effects.clear()
    world.pass_ms(4 * MINUTE_MS)
    assert world.effects.count(RemoveGroup("blue")) == 5
    assert world.state.deployments["green"].why == "group blue is empty and being deleted"


def test_a_cloud_that_tells_of_no_pools_has_none_to_take_away() -> None:
    world = idle_world()
    deploy(world.cell, bake_ms=0)
    pass_until(world, "done")
    assert (world.state.warm_pools, world.removed) == ({}, ["blue"])
    assert world.cell.said(WarmPoolChanged) == []
