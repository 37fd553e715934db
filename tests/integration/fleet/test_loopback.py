"""`flumina up --fleet`: instances of EC2 groups on loopback are agents here, and agents instances.

How: a real Kafka, everything that `up` starts, and moto with AWS' own rules as one of its parts.
The tests ask it by boto3 over HTTP, as they would ask AWS, and ask the API and the Mesos master
what came of it. First the story of a laptop: a group of one to three hosts grows for work, heals
when an instance is killed by hand, and shrinks when the work is done. Then lifecycle hooks: an
instance that AWS takes waits for its tasks to leave, and one that comes waits until it is a host.
"""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from tests.support.api_process import asked
from tests.support.command_line import ROOT, UpProcess

pytestmark = pytest.mark.integration

GROUP = "dev"
WIDE = json.loads((ROOT / "docs/examples/service-wide-3.json").read_text("utf-8"))
QUICK = {
    "warmUpMs": 0,
    "upCooldownMs": 0,
    "downCooldownMs": 1_000,
    "graceMs": 1_000,
    "endAfterMs": 1_000,
}
"""Hosts are given back after seconds, for nobody wants to wait for a test."""
PATIENCE_S = 120.0


class Laptop:
    """What somebody has before him after `flumina up --fleet`."""

    def __init__(self, up: UpProcess) -> None:
        view = up.until_up()
        self.api = urlsplit(view.api).netloc
        self.master = view.mesos[0]
        url = next(each.address for each in view.parts if each.name == "cloud")
        session = boto3.session.Session("testing", "testing", region_name="us-east-1")
        self.autoscaling: Any = session.client("autoscaling", endpoint_url=url)
        self.ec2: Any = session.client("ec2", endpoint_url=url)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = asked(self.api, method, path, body, {"X-Flumina-Actor": "ada"})
        assert answer.status < 300, answer.body
        return answer.json if answer.body else None

    def quicken(self) -> None:
        """The rules that `up` has set, with shorter times."""
        known = self.ask("GET", "/api/flumina/fleet/rules")["rules"]
        self.ask("PUT", "/api/flumina/fleet/rules?why=quicker", known | QUICK)

    def submit(self, tasks: int) -> str:
        capacity = {"min": 0, "desired": tasks, "max": 6}
        service = WIDE["service"] | {"capacity": capacity}
        return str(self.ask("POST", "/api/v3/jobs", WIDE | {"service": service})["id"])

    def running(self, job: str) -> dict[str, str]:
        """The job's tasks that run on agents that are there, and the instance of each."""
        found = self.ask("GET", f"/api/v3/tasks?jobIds={job}")["items"]
        instances = {each["id"]: each["attributes"]["instance-id"] for each in self.agents()}
        return {
            each["id"]: instances[agent]
            for each in found
            if each["status"]["state"] == "Started"
            and (agent := each["taskContext"].get("agent.instanceId", "")) in instances
        }

    def agents(self) -> list[dict[str, Any]]:
        """Agents that the Mesos master has now."""
        return list(asked(self.master, "GET", "/slaves").json["slaves"])

    def group(self) -> dict[str, Any]:
        """The group, as EC2 says it is."""
        found = self.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[GROUP])
        return dict(found["AutoScalingGroups"][0])

    def states(self) -> dict[str, str]:
        """The group's instances, and where each is in its life."""
        return {each["InstanceId"]: each["LifecycleState"] for each in self.group()["Instances"]}

    def in_service(self) -> set[str]:
        return {each for each, state in self.states().items() if state == "InService"}

    def hosts(self) -> set[str]:
        return {each["attributes"]["instance-id"] for each in self.agents()}

    def did(self) -> list[str]:
        """What was done with the group lately, the last first."""
        shown = self.ask("GET", f"/api/flumina/fleet/groups/{GROUP}")["activities"]
        return [f"{each['what']}: {each['why']}" for each in shown]

    def until(self, is_so: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not is_so():
            assert time.monotonic() < deadline, f"{what}: {self.states()}, {self.did()}"
            time.sleep(0.2)


@pytest.fixture(scope="module")
def laptop(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    up = UpProcess(
        tmp_path_factory.mktemp("up") / "data",
        *("--fleet", "--ping-timeout", "1s"),
        KAFKA_BROKERS=kafka,
        FLUMINA_TOPIC_PREFIX="loopback.",
    )
    try:
        there = Laptop(up)
        there.quicken()
        yield there
    finally:
        up.close()


def test_a_group_grows_for_work_heals_and_shrinks_again(laptop: Laptop) -> None:
    laptop.until(lambda: len(laptop.in_service() & laptop.hosts()) == 1, "the first host")
    job = laptop.submit(3)
    laptop.until(lambda: len(set(laptop.running(job).values())) == 3, "three hosts run a task each")
    assert laptop.group()["DesiredCapacity"] == 3
    first, *_ = laptop.agents()
    said = first["attributes"]
    assert (said["group"], said["instance-type"], said["zone"]) == (GROUP, "m5.large", "us-east-1a")
    protected = "each is kept from the cloud's own scale-in"
    laptop.until(
        lambda: all(each["ProtectedFromScaleIn"] for each in laptop.group()["Instances"]), protected
    )

    before = laptop.running(job)
    task, killed = next(iter(before.items()))
    laptop.ec2.terminate_instances(InstanceIds=[killed])
    laptop.until(lambda: killed not in laptop.hosts(), "its agent dies with it")
    laptop.until(lambda: len(set(laptop.running(job).values())) == 3, "another one runs its task")
    assert task not in laptop.running(job)
    assert killed not in laptop.states()
    assert laptop.group()["DesiredCapacity"] == 3  # Nobody counts up for what the cloud replaces.

    laptop.ask("DELETE", f"/api/v3/jobs/{job}")
    laptop.until(lambda: len(laptop.states()) == 1, "spare hosts are given back")
    assert laptop.group()["DesiredCapacity"] == 1
    laptop.until(lambda: laptop.hosts() == laptop.in_service(), "and so are their agents")
    assert any(each.startswith("hostEnded") for each in laptop.did())


def test_hooks_hold_an_instance_until_its_tasks_have_left_or_it_is_a_host(laptop: Laptop) -> None:
    laptop.until(lambda: len(laptop.in_service() & laptop.hosts()) == 1, "the first host")
    for name, transition in (("come", "LAUNCHING"), ("go", "TERMINATING")):
        laptop.autoscaling.put_lifecycle_hook(
            AutoScalingGroupName=GROUP,
            LifecycleHookName=name,
            LifecycleTransition=f"autoscaling:EC2_INSTANCE_{transition}",
            HeartbeatTimeout=600,
        )
    job = laptop.submit(1)
    laptop.until(lambda: len(laptop.running(job)) == 1, "the task runs")
    (leaving,) = laptop.running(job).values()
    laptop.autoscaling.terminate_instance_in_auto_scaling_group(
        InstanceId=leaving, ShouldDecrementDesiredCapacity=False
    )
    assert laptop.states()[leaving] == "Terminating:Wait"
    (coming,) = laptop.states().keys() - {leaving}
    laptop.until(lambda: coming in laptop.in_service(), "the new one is let into service")
    laptop.until(lambda: set(laptop.running(job).values()) == {coming}, "the task has moved")
    laptop.until(lambda: leaving not in laptop.states(), "and only then the old one ends")
    assert sum(each.startswith("hookCompleted") for each in laptop.did()) == 2
    (ended,) = laptop.ec2.describe_instances(InstanceIds=[leaving])["Reservations"]
    assert ended["Instances"][0]["State"]["Name"] == "terminated"
    laptop.ask("DELETE", f"/api/v3/jobs/{job}")


def test_a_group_grows_from_its_warm_pool_with_the_instance_that_stood_by(laptop: Laptop) -> None:
    laptop.until(lambda: len(laptop.in_service() & laptop.hosts()) == 1, "the first host")
    path = f"/api/flumina/fleet/groups/{GROUP}/warm-pool"
    laptop.ask("PUT", path, {"pool": {"minSize": 0, "maxPrepared": 2}, "why": "the launch at nine"})

    def standing() -> set[str]:
        found = laptop.autoscaling.describe_warm_pool(AutoScalingGroupName=GROUP)["Instances"]
        return {each["InstanceId"] for each in found if each["LifecycleState"] == "Warmed:Stopped"}

    def shown() -> dict[str, Any]:
        return dict(laptop.ask("GET", f"/api/flumina/fleet/groups/{GROUP}"))

    laptop.until(lambda: len(standing()) == 1, "an instance stands by")
    (ready,) = standing()
    laptop.until(lambda: shown()["warm"] == 1, "the cell has heard of it")
    # It is a machine that is off: no agent, no host, no part of the group's size.
    assert ready not in laptop.hosts() | laptop.states().keys()
    assert (shown()["desired"], shown()["starting"]) == (1, 0)
    job = laptop.submit(2)
    laptop.until(lambda: len(set(laptop.running(job).values())) == 2, "two hosts run a task each")
    assert ready in laptop.running(job).values()
    assert not standing()  # Group and pool have two together, and the group has both.
    laptop.ask("PUT", path, {"remove": True, "why": "over"})
    laptop.ask("DELETE", f"/api/v3/jobs/{job}")
    laptop.until(lambda: shown()["warmPool"]["seen"] is None, "the pool is gone")
    assert not any("orderFailed" in each for each in laptop.did())
