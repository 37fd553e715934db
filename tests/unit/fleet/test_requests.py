"""What operators cannot ask of the fleet, and the words and codes with which it is refused."""

import pytest

from scheduler.fold import fleet_requests
from scheduler.model.changes import FleetChanged, JobRejected
from scheduler.model.fleet import CloudGroupGone
from scheduler.model.fleet_rules import (
    DeploymentAsked,
    DeploymentOrdered,
    FleetAsked,
    GroupSizeAsked,
)
from scheduler.model.ids import HostId, TaskId
from scheduler.model.inbound import Fault
from tests.support.cell import service
from tests.support.fleet import FleetWorld, SimGroup, fleet_rules, group_rule

MINUTE_MS = 60_000


@pytest.fixture
def world() -> FleetWorld:
    """Two groups, of which one has two hosts."""
    world = FleetWorld(SimGroup("blue", desired=2, maximum=5), SimGroup("green", maximum=5))
    world.pass_ms(2 * MINUTE_MS)
    return world


def fault(world: FleetWorld) -> Fault:
    """Why the last request was refused."""
    return world.cell.said(JobRejected)[-1].faults[0]


def told(world: FleetWorld) -> tuple[str, str, str]:
    """Field, text and code of the last refusal."""
    found = fault(world)
    return found.field, found.text, found.code


def size(world: FleetWorld, desired: int, group: str = "blue") -> None:
    """An operator asks for a size."""
    world.cell.copy("commands", GroupSizeAsked(group, desired, "op", "test"))


def test_rules_are_for_the_version_that_was_seen_and_the_same_are_no_news(
    world: FleetWorld,
) -> None:
    rules, version = world.state.fleet.rules, world.state.fleet.rules_version
    world.cell.copy("commands", FleetAsked(rules, "op", "test", if_version=version + 1))
    assert told(world) == (
        "ifVersion",
        f"is {version + 1}, and the fleet has rules version {version}",
        "version",
    )
    before = len(world.cell.said(FleetChanged))
    world.cell.copy("commands", FleetAsked(rules, "op", "again", if_version=version))
    assert world.state.fleet.rules_version == version
    assert len(world.cell.said(FleetChanged)) == before


def test_sizes_that_cannot_be(world: FleetWorld) -> None:
    size(world, 1, "grey")
    assert told(world) == ("group", "no group grey is known", "unknown")
    size(world, 6)
    assert told(world) == ("desired", "is 6; its cloud allows 0 to 5", "")
    world.cell.copy("hosts", CloudGroupGone("green", "sim", "here", world.cell.now_ms))
    size(world, 1, "green")
    assert told(world) == ("group", "no group green is known", "unknown")
    before = dict(world.state.fleet_orders)
    size(world, 2)
    assert world.state.fleet_orders == before, "it has that size"


def test_hosts_with_tasks_are_not_given_back_for_a_size(world: FleetWorld) -> None:
    for name in ("one", "two"):
        world.cell.submit(service(9), name)
    world.pass_ms(MINUTE_MS)
    busy = len(world.state.host_tasks)
    assert busy >= 1
    size(world, 0)
    count = world.state.cloud_groups["blue"].size
    assert told(world) == (
        "desired",
        f"{count} hosts would have to go, and {count - busy} have no tasks",
        "state",
    )


def test_deployments_that_cannot_begin(world: FleetWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(new: str, old: str, hosts: int = 0) -> None:
        world.cell.copy("commands", DeploymentAsked(new, old, "op", "test", size=hosts))

    ask("blue", "blue")
    assert told(world) == ("old", "is the new group itself", "")
    ask("grey", "blue")
    assert told(world) == ("new", "no group grey is known", "unknown")
    ask("green", "grey")
    assert told(world) == ("old", "no group grey is known", "unknown")
    ask("green", "blue", 9)
    assert told(world) == ("size", "group green is to have 9 hosts and may have 0 to 5", "")
    monkeypatch.setattr(fleet_requests, "DEPLOYMENTS_MAX", 0)
    ask("green", "blue")
    assert told(world) == ("new", "0 deployments are under way", "limit")
    monkeypatch.undo()
    ask("green", "blue")
    ask("green", "blue")
    assert told(world) == ("new", "group green is part of a deployment already", "taken")
    size(world, 3)
    assert told(world) == (
        "group",
        "group blue is part of a deployment, which says its size",
        "state",
    )


def test_orders_that_a_deployment_does_not_take(world: FleetWorld) -> None:
    def order(what: str, name: str = "green") -> None:
        world.cell.copy("commands", DeploymentOrdered(name, what, "op", "test"))  # type: ignore[arg-type]  # the tests' own words

    order("pause")
    assert told(world) == ("name", "no deployment green", "unknown")
    world.cell.copy("commands", DeploymentAsked("green", "blue", "op", "test"))
    order("resume")
    assert told(world) == ("order", "it is not paused", "state")
    order("pause")
    assert world.state.deployments["green"].is_paused
    order("pause")
    assert told(world) == ("order", "it is paused already", "state")
    order("resume")
    order("rollback")
    assert world.state.deployments["green"].step == "goingBack"
    order("rollback")
    assert told(world)[1] == "it is goingBack: the way back is another deployment"
    world.pass_ms(60 * MINUTE_MS)
    order("pause")
    assert told(world)[1].startswith("the deployment is over (")


def test_another_attribute_looks_for_the_hosts_anew(world: FleetWorld) -> None:
    rules = fleet_rules(group_rule("blue"), group_rule("green"), instance_attribute="zone")
    world.set_rules(rules)
    assert set(world.state.hosts_of_instances) == {"a", "b"}
    assert world.said("rulesSet")[-1].actor == "op"


def test_a_safe_cell_gives_no_host_back_and_may_ask_for_more(world: FleetWorld) -> None:
    for number in range(3):
        task_id = TaskId(f"stranger-worker-0-{number}")
        world.cell.status(task_id, "TASK_RUNNING", host_id=HostId("x"))
    size(world, 1)
    assert told(world) == ("desired", "the cell is safe: no host is given back", "state")
    size(world, 2)
    size(world, 3)
    assert len(world.cell.said(JobRejected)) == 1
    assert world.state.cloud_groups["blue"].ordered == 3


def test_so_many_deployments_are_remembered(
    world: FleetWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet_requests, "DEPLOYMENTS_MAX", 1)
    world.cell.copy("commands", DeploymentAsked("green", "blue", "op", "test"))
    world.cell.copy("commands", DeploymentOrdered("green", "rollback", "op", "test"))
    world.cell.tick(30_000)
    assert world.state.deployments["green"].step == "wentBack"
    world.cell.copy("commands", DeploymentAsked("blue", "green", "op", "test", size=2))
    assert list(world.state.deployments) == ["blue"]
