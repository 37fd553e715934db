"""A queue fills and a service grows; it empties, and after its cool-down the service shrinks.

How: a real Kafka, a dev cluster that runs the tasks, a cell and an api process, the autoscale
process as `up` starts it, and moto's SQS on loopback. The policy comes by REST, its scalings are
read from the cell log, and that is folded once more at the end.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from scheduler.machine import Machine
from scheduler.model.changes import JobScaled
from scheduler.model.codec import decode_record
from scheduler.model.task import Started
from streams.supervise.ports import free_block
from tests.support.api_process import ApiProcess
from tests.support.moto import environment_of, moto_endpoint  # noqa: F401 - a fixture
from tests.support.part_process import part_running
from tests.support.world import World, service_of

pytestmark = pytest.mark.integration

COOLDOWN_S = 3
POLICY: dict[str, Any] = {
    "targetPolicyDescriptor": {
        "targetValue": 5,
        "scaleOutCooldownSec": 1,
        "scaleInCooldownSec": COOLDOWN_S,
        "periodSec": 1,
        "customizedMetricSpecification": {
            "namespace": "flumina/sqs",
            "metricName": "ApproximateNumberOfMessages",
            "dimensions": [{"name": "QueueName", "value": "work"}],
            "statistic": "Maximum",
            "perTask": True,
        },
    }
}


@pytest.fixture
def world(kafka: str, topic_prefix: str, tmp_path: Path) -> Iterator[World]:
    """A cell that decides after few periods, so that the test is short."""
    there = World(kafka, topic_prefix, tmp_path)
    try:
        there.start_cluster(free_block(2), agents=1)
        there.start_cell("cell-1")
        there.set_policy(target_out_periods=1, target_in_periods=2)
        service = service_of(1, "exec sleep 600", cpu=0.1)
        service["service"]["capacity"] = {"min": 1, "desired": 1, "max": 6}
        there.submit("shop", service)
        yield there
    finally:
        there.close()


@pytest.fixture
def autoscale(
    world: World,
    api: ApiProcess,
    moto_endpoint: str,  # noqa: F811 - the fixture
) -> Iterator[subprocess.Popen[str]]:
    """The process that reads metrics, led to moto by what boto3 reads of its environment."""
    with part_running(["autoscale", "run"], world, api, environment_of(moto_endpoint)) as process:
        yield process


def scalings(world: World) -> list[tuple[int, JobScaled]]:
    """What the log says was scaled, each with its time."""
    return [
        (world.records[offset].at_ms, change)
        for offset, _, change in world.changes
        if isinstance(change, JobScaled)
    ]


@pytest.mark.usefixtures("autoscale")
def test_a_service_follows_the_depth_of_its_queue(
    world: World,
    api: ApiProcess,
    moto_endpoint: str,  # noqa: F811 - the fixture
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment_of(moto_endpoint).items():
        monkeypatch.setenv(name, value)
    sqs = boto3.session.Session().client("sqs")
    url = sqs.create_queue(QueueName="work")["QueueUrl"]
    made = api.ask(
        "POST",
        "/api/v3/autoscaling/scalingPolicy",
        {"jobId": "shop", "scalingPolicy": POLICY},
        {"X-Flumina-Actor": "ada"},
    )
    assert made.status == 201, made.body

    for _ in range(2):
        entries = [{"Id": str(number), "MessageBody": "order"} for number in range(10)]
        sqs.send_message_batch(QueueUrl=url, Entries=entries)
    world.until(lambda: world.are("shop", Started, 4), "four tasks run for twenty messages", 90)
    sqs.purge_queue(QueueUrl=url)
    world.until(lambda: world.are("shop", Started, 1), "one task is left", 90)

    told = scalings(world)
    assert (told[0][1].before, told[-1][1].after) == (1, 1)
    assert max(each.after for _, each in told) == 4
    first_in = next(at for at, (_, each) in enumerate(told) if each.after < each.before)
    assert told[first_in][0] - told[first_in - 1][0] >= COOLDOWN_S * 1_000
    assert "ApproximateNumberOfMessages" in told[0][1].why

    path = "/api/v3/autoscaling/scalingActivities/shop"
    items = api.until(
        path, lambda answer: len(answer.json["items"]) == len(told), "the api has them all"
    ).json["items"]
    assert [each["after"] for each in reversed(items)] == [each.after for _, each in told]
    policy = api.ask("GET", f"/api/v3/autoscaling/scalingPolicy/{made.json['id']}").json
    assert policy["policyState"]["state"] == "Applied"

    again, scaled = Machine(), []
    for offset, data in enumerate(world.log):
        changes = again.apply(offset, decode_record(data))
        scaled += [change for _, change in changes if isinstance(change, JobScaled)]
    assert scaled == [each for _, each in told]
    assert again.digest.value() == world.machine.digest.value()
