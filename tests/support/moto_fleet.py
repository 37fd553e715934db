"""Groups in moto's account, and a cell in memory that follows them.

The one thing to know: a step is half a minute unless a test says so. What moto says becomes
reports, what the cell orders is asked of moto by the product's connector, and each instance that
moto starts is a host of the cell from the next step on.
"""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import boto3

from connectors.cloud.aws.client import AutoScalingGroups
from connectors.cloud.ports import Carried
from scheduler.model.events import EffectEnded, EffectStarted
from scheduler.model.fleet import FleetEffect
from scheduler.model.fleet_rules import FleetAsked, GroupRule
from scheduler.model.ids import HostId, OfferId, TaskId
from scheduler.model.mesos import HostFacts, Offer
from scheduler.model.resources import PortRange, Resources
from streams.fleet.reports import Reports
from tests.support.cell import CellInMemory
from tests.support.fleet import fleet_rules, group_rule


class Account:
    """Groups of one test in moto's account, and the connector under test."""

    def __init__(self) -> None:
        self.autoscaling: Any = boto3.client("autoscaling")
        self.ec2: Any = boto3.client("ec2")
        self.cell = f"cell-{uuid4().hex[:6]}"
        self.cloud = AutoScalingGroups()
        template = self.ec2.create_launch_template(
            LaunchTemplateName=self.cell,
            LaunchTemplateData={"ImageId": "ami-12c6146b", "InstanceType": "m5.large"},
        )
        self.template = template["LaunchTemplate"]["LaunchTemplateId"]

    def group(self, name: str = "", desired: int = 1, minimum: int = 0, maximum: int = 6) -> str:
        """A new group with the tag of the test's cell."""
        name = name or f"group-{uuid4().hex[:6]}"
        self.autoscaling.create_auto_scaling_group(
            AutoScalingGroupName=name,
            LaunchTemplate={"LaunchTemplateId": self.template},
            MinSize=minimum,
            MaxSize=maximum,
            DesiredCapacity=desired,
            AvailabilityZones=["us-east-1a"],
            Tags=[{"Key": "flumina.cell", "Value": self.cell, "PropagateAtLaunch": False}],
        )
        return name

    def seen(self, at_ms: int = 1) -> dict[str, Any]:
        """The cell's groups as the connector tells of them."""
        found = asyncio.run(self.cloud.groups(self.cell, (), at_ms))
        return {each.group: each for each in found}

    def ask(self, effect: FleetEffect) -> Carried:
        """Have the connector ask for an effect."""
        return asyncio.run(self.cloud.carry_out(effect))

    def ids(self, name: str) -> list[str]:
        """The instances of a group."""
        return [each.instance_id for each in self.seen()[name].instances]


class Following:
    """A cell in memory that follows moto's groups: reports in, orders out, instances as hosts."""

    def __init__(self, account: Account, name: str, rule: GroupRule | None = None) -> None:
        self.account = account
        self.cell = CellInMemory()
        self.cell.records_a_check = 50
        self.cell.elect()
        self.cell.subscribe()
        rules = fleet_rules(rule or group_rule(name, idle_max=0, is_protecting=True))
        self.cell.copy("commands", FleetAsked(rules, "op", "test"))
        self.reports = Reports()
        self.hosts: set[str] = set()
        self.name = name

    def step(self, ms: int = 30_000) -> None:
        """Half a minute, or less: what moto says, a look, what was ordered, what runs."""
        cell, account = self.cell, self.account
        seen = asyncio.run(account.cloud.groups(account.cell, (), cell.now_ms))
        for report in self.reports.of(seen, cell.now_ms):
            cell.copy("hosts", report)
        for told in asyncio.run(account.cloud.warm_pools([self.name], cell.now_ms)):
            cell.copy("hosts", told)
        there = {each.instance_id for one in seen for each in one.instances}
        for instance_id in sorted(there - self.hosts):
            facts = HostFacts(
                hostname=instance_id,
                attributes=(("group", self.name), ("instance-id", instance_id)),
            )
            whole = Resources(8_000, 32_768, 10_000, (PortRange(31_000, 31_999),))
            offer_id = OfferId(f"o-{instance_id}")
            cell.offers(Offer(offer_id, HostId(f"host-{instance_id}"), whole, facts=facts))
        self.hosts = there
        cell.tick(ms)
        for order_id, order in list(cell.state.fleet_orders.items()):
            cell.write(EffectStarted(proposal_id=order_id))
            if order_id in cell.state.fleet_orders:
                carried = account.ask(order.effect)
                cell.write(EffectEnded(order_id, carried.fate, carried.detail))
        for task_id in cell.launched():
            self.started(task_id)

    def started(self, task_id: TaskId) -> None:
        """What becomes of a task that was launched: it runs."""
        self.cell.status(task_id, "TASK_RUNNING")

    def until(self, is_so: Callable[[], bool], steps: int = 30) -> None:
        """Step until it is so."""
        for _ in range(steps):
            if is_so():
                return
            self.step()
        raise AssertionError(f"not after {steps} steps: {self.cell.state.cloud_groups}")
