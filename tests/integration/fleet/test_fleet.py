"""Tasks wait for want of hosts, and a group grows for them: moto's, or one of the dev cluster.

How: a real Kafka, a dev cluster of one agent, a cell and an api process, the fleet process as `up`
starts it, and moto's EC2 Auto Scaling on loopback. The rules come by REST, the group is heard of by
topic ``hosts``, the order is carried out by the leader's outbox; the log is folded once more at the
end. In the second test the cloud is the dev cluster itself, and the tasks run on the agents that
were started for them. What moto lacks, and what AWS refuses, is in `tests/unit/fleet/test_aws.py`.
"""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from connectors.cloud.devcloud.client import DevCloud
from scheduler.machine import Machine
from scheduler.model.changes import FleetChanged
from scheduler.model.codec import decode_record, encode_hosts
from scheduler.model.foreign_fleet import encode_fleet_request
from scheduler.model.task import Started
from streams.supervise.ports import free_block
from tests.support.api_process import ApiProcess
from tests.support.moto import environment_of, moto_endpoint  # noqa: F401 - a fixture
from tests.support.part_process import part_running
from tests.support.world import World, service_of

pytestmark = pytest.mark.integration

GROUP = "blue"
RULES: dict[str, Any] = {
    "groups": [{"name": GROUP, "shape": {"cpu": 64, "memoryMB": 65_536}}],
    "lookMs": 1_000,
    "warmUpMs": 0,
    "upCooldownMs": 0,
}


@pytest.fixture
def aws(
    moto_endpoint: str,  # noqa: F811 - the fixture
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """A client of moto's groups; the environment leads everybody there."""
    for name, value in environment_of(moto_endpoint).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FLUMINA_CLOUD", "aws")
    template = boto3.client("ec2").create_launch_template(
        LaunchTemplateName=GROUP,
        LaunchTemplateData={"ImageId": "ami-12c6146b", "InstanceType": "m5.large"},
    )
    client = boto3.client("autoscaling")
    client.create_auto_scaling_group(
        AutoScalingGroupName=GROUP,
        LaunchTemplate={"LaunchTemplateId": template["LaunchTemplate"]["LaunchTemplateId"]},
        MinSize=0,
        MaxSize=5,
        DesiredCapacity=0,
        AvailabilityZones=["us-east-1a"],
        Tags=[{"Key": "flumina.cell", "Value": "main", "PropagateAtLaunch": False}],
    )
    return client


@pytest.fixture
def world(kafka: str, topic_prefix: str, tmp_path: Path, aws: Any) -> Iterator[World]:
    """A cell of one small host, whose leader may ask moto."""
    assert aws is not None
    there = World(kafka, topic_prefix, tmp_path)
    try:
        there.start_cluster(free_block(2), agents=1)
        there.start_cell("cell-1")
        yield there
    finally:
        there.close()


@pytest.fixture
def of_agents(
    kafka: str, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """A cell of one host, whose leader may start more agents of the dev cluster."""
    monkeypatch.setenv("FLUMINA_CLOUD", f"devcloud:{tmp_path / 'mesos'}")
    there = World(kafka, topic_prefix, tmp_path)
    try:
        attributes = "group:dev;instance-id:agent{n}"
        there.start_cluster(free_block(8), agents=1, attributes=attributes)
        there.start_cell("cell-1")
        yield there
    finally:
        there.close()


@pytest.fixture
def fleet(world: World, api: ApiProcess) -> Iterator[subprocess.Popen[str]]:
    """The process that tells the cell what moto says."""
    with part_running(["fleet", "run"], world, api) as process:
        yield process


def desired(aws: Any) -> int:
    """What moto's group is to have."""
    (group,) = aws.describe_auto_scaling_groups(AutoScalingGroupNames=[GROUP])["AutoScalingGroups"]
    return int(group["DesiredCapacity"])


def said(world: World) -> list[str]:
    """What the log tells of the fleet, in order."""
    return [change.what for _, _, change in world.changes if isinstance(change, FleetChanged)]


@pytest.mark.usefixtures("fleet")
def test_a_group_grows_for_tasks_that_wait(world: World, api: ApiProcess, aws: Any) -> None:
    put = api.ask("PUT", "/api/flumina/fleet/rules?why=first", RULES, {"X-Flumina-Actor": "ada"})
    assert put.status == 200, put.body
    world.submit("wide", service_of(3, "exec sleep 600", cpu=60))
    world.until(lambda: "orderDone" in said(world), "the group's new size was asked for", 90)
    assert desired(aws) == 3
    assert said(world)[:4] == ["rulesSet", "groupSeen", "sizeOrdered", "orderDone"]
    path = f"/api/flumina/fleet/groups/{GROUP}"
    shown = api.until(path, lambda answer: answer.json["ordered"] == 3, "the api shows it").json
    assert [each["what"] for each in shown["activities"]] == ["sizeOrdered"]

    again = Machine()
    for offset, data in enumerate(world.log):
        again.apply(offset, decode_record(data))
    assert again.digest.value() == world.machine.digest.value()


def test_tasks_run_on_agents_that_were_started_for_them(of_agents: World) -> None:
    world = of_agents
    shape = {"cpu": 4, "memoryMB": 8_192}
    rules = RULES | {"groups": [{"name": "dev", "shape": shape, "idleMin": 0}]}
    world.publish("commands", "op", encode_fleet_request("SetFleet", {"rules": rules}, "op", "x"))
    seen = asyncio.run(DevCloud(str(world.home / "mesos")).groups("main", (), 1))
    world.publish("hosts", "dev", encode_hosts(seen[0]))
    world.submit("wide", service_of(3, "exec sleep 600", cpu=3))
    world.until(lambda: world.are("wide", Started, 3), "three hosts run a task each", 90)
    seen = asyncio.run(DevCloud(str(world.home / "mesos")).groups("main", (), 1))
    assert seen[0].instances_total == 3
