"""A new group of hosts in the place of an old one: within budgets, paused, taken back, removed.

Each test runs a whole cell over a cloud in memory (`tests.support.fleet`); after every step the
services are held against their budgets of disruption.
"""

from msgspec.structs import replace

from projections.cell_view import CellView
from projections.fleet import deployments
from scheduler.model.changes import JobRejected
from scheduler.model.disruption import AvailabilityPercentage, DisruptionBudget
from scheduler.model.fleet_rules import DeploymentAsked, DeploymentOrder, DeploymentOrdered
from scheduler.model.job import JobSpec
from scheduler.model.resources import Need
from tests.support.cell import service
from tests.support.fleet import FleetWorld, SimGroup, fleet_rules, group_rule

MINUTE_MS = 60_000
NEED = Need(cpu_milli=2_000, memory_mib=1_024, disk_mib=10)
BUDGET = DisruptionBudget(policy=AvailabilityPercentage(healthy_percent_milli=75_000))
QUICK = fleet_rules(group_rule("blue"), group_rule("green"))


def web(desired: int, name: str) -> JobSpec:
    """A service that keeps three quarters of its tasks."""
    spec = service(desired=desired, maximum=desired, need=NEED)
    return replace(spec, budget=BUDGET, application_name=name)


class Deploying:
    """A fleet with services on its old group, and a watch over their budgets."""

    def __init__(self, hosts: int, services: int, tasks: int) -> None:
        self.world = FleetWorld(
            SimGroup("blue", desired=hosts, maximum=200, launch_ms=30_000),
            SimGroup("green", maximum=200, launch_ms=30_000),
            rules=QUICK,
            records_a_check=97,
        )
        self.tasks = tasks
        self.world.cell.set_policy(relocation_ms=1_000, descheduling_ms=5_000)
        self.world.pass_ms(2 * MINUTE_MS)
        self.jobs = [f"web{number}" for number in range(services)]
        for name in self.jobs:
            self.world.cell.submit(web(tasks, name), name)
        self.world.pass_ms(MINUTE_MS)
        assert all(self.world.running(name) == tasks for name in self.jobs)
        self.least = tasks

    def ask(self, **fields: object) -> None:
        """Begin the deployment of green from blue."""
        values = {"new": "green", "old": "blue", "actor": "op", "why": "kernel"} | fields
        self.world.cell.copy("commands", DeploymentAsked(**values))  # type: ignore[arg-type]

    def order(self, order: DeploymentOrder) -> None:
        """Pause it, or the like."""
        self.world.cell.copy("commands", DeploymentOrdered("green", order, "op", "test"))

    @property
    def step(self) -> str:
        """Where it is."""
        found = self.world.state.deployments["green"]
        return f"{found.step} paused" if found.is_paused else str(found.step)

    def pass_until(self, step: str, minutes: int = 60) -> None:
        """Let time pass until the deployment is there, with the budgets watched."""
        for _ in range(minutes * 6):
            if self.step == step:
                return
            self.world.step()
            for name in self.jobs:
                self.least = min(self.least, self.world.running(name))
        raise AssertionError(f"it is {self.step}: {self.world.state.deployments['green'].why}")

    def tasks_on(self, group: str) -> int:
        """How many tasks run on a group's hosts."""
        hosts = {each.host for each in self.world.groups[group].instances.values()}
        return sum(len(self.world.state.host_tasks.get(each, ())) for each in hosts)


def test_fifty_hosts_are_replaced_and_no_service_falls_below_its_budget() -> None:
    deploying = Deploying(hosts=50, services=10, tasks=20)
    deploying.ask(bake_ms=2 * MINUTE_MS)
    deploying.pass_until("done", minutes=120)
    assert deploying.least >= 15
    assert deploying.world.lost_tasks == 0
    assert all(deploying.world.running(name) == 20 for name in deploying.jobs)
    assert deploying.world.removed == ["blue"]
    said = [each.why.split(":")[0] for each in deploying.world.said("deployment")]
    assert said == ["growing", "moving", "baking", "removing", "done"]
    groups = deploying.world.state.policy.placement.instance_groups
    assert [(each.name, each.lifecycle) for each in groups] == [("blue", "Removable")]


def test_it_is_paused_resumed_and_goes_back() -> None:
    deploying = Deploying(hosts=6, services=2, tasks=8)
    deploying.ask(hosts_at_once=1)
    deploying.pass_until("moving")
    deploying.world.pass_ms(30_000)
    deploying.order("pause")
    marked = [each for each in deploying.world.state.cloud_instances.values() if each.mark]
    assert marked == []
    deploying.world.pass_ms(MINUTE_MS)  # What was evicted before is placed again.
    moved = deploying.tasks_on("green")
    deploying.world.pass_ms(5 * MINUTE_MS)
    assert deploying.tasks_on("green") == moved
    deploying.order("resume")
    deploying.pass_until("baking")
    assert (deploying.tasks_on("blue"), deploying.tasks_on("green")) == (0, 16)
    deploying.order("rollback")
    deploying.pass_until("wentBack")
    deploying.world.pass_ms(2 * MINUTE_MS)
    assert deploying.tasks_on("blue") == 16
    assert deploying.world.size("green") == 0
    assert (deploying.least, deploying.world.lost_tasks) >= (6, 0)
    assert "blue" in deploying.world.groups


def test_a_step_that_takes_too_long_pauses_and_pages() -> None:
    deploying = Deploying(hosts=3, services=1, tasks=4)
    deploying.world.groups["green"].never_join = True
    deploying.ask(timeout_ms=5 * MINUTE_MS)
    deploying.pass_until("growing paused")
    (page,) = deploying.world.pages
    assert page.what == "the deployment of group green is paused"
    assert "0 of 3 hosts of group green have joined" in page.why
    assert deploying.tasks_on("blue") == 4


def test_what_cannot_be_deployed_is_refused_with_the_reason() -> None:
    deploying = Deploying(hosts=3, services=1, tasks=4)
    deploying.ask(new="blue")
    deploying.ask(old="grey")
    deploying.ask(size=500)
    deploying.order("pause")
    deploying.ask()
    deploying.ask()
    deploying.order("resume")
    texts = [each.faults[0].text for each in deploying.world.cell.said(JobRejected)]
    assert texts == [
        "is the new group itself",
        "no group grey is known",
        "group green is to have 500 hosts and may have 0 to 200",
        "no deployment green",
        "group green is part of a deployment already",
        "it is not paused",
    ]


def test_an_old_group_may_be_kept_empty() -> None:
    deploying = Deploying(hosts=3, services=1, tasks=4)
    deploying.ask(is_group_kept=True, bake_ms=0)
    deploying.pass_until("done")
    assert deploying.world.groups["blue"].instances == {}
    assert deploying.world.removed == []
    deploying.ask(new="blue", old="green")
    shown = deployments(CellView.restored(deploying.world.cell.machine))["items"]
    assert [each["name"] for each in shown] == ["blue", "green"], "the newest first"


def test_it_folds_again_to_the_same_digest() -> None:
    deploying = Deploying(hosts=3, services=1, tasks=4)
    deploying.ask(bake_ms=0)
    deploying.pass_until("done")
    cell = deploying.world.cell
    assert cell.refolded().digest.value() == cell.machine.digest.value()
