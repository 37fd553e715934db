"""The dev cluster as a cloud: real agents are started and ended, and keep the port's promises."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.cloud.devcloud.client import DevCloud
from connectors.cloud.opening import cloud_name, open_cloud
from connectors.cloud.ports import Carried, CloudFailed
from scheduler.model.fleet import (
    CloudGroupObserved,
    EndInstance,
    FleetEffect,
    ProtectInstances,
    RemoveGroup,
    SetDesiredCapacity,
)
from streams.supervise.ports import free_block
from tests.support.dev_cluster import DevCluster


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "mesos"
    attributes = "group:dev;instance-id:agent{n}"
    cluster = DevCluster(directory, port=free_block(8), agents=1, attributes=attributes)
    cluster.start()
    yield directory
    cluster.stop()


def seen(cloud: DevCloud) -> CloudGroupObserved:
    (group,) = asyncio.run(cloud.groups("main", (), 5))
    return group


def ids(cloud: DevCloud) -> list[str]:
    return [each.instance_id for each in seen(cloud).instances]


def ask(cloud: DevCloud, effect: FleetEffect) -> Carried:
    return asyncio.run(cloud.carry_out(effect))


@pytest.mark.integration  # It starts processes.
def test_agents_are_started_ended_replaced_and_protected(root: Path) -> None:
    cloud = open_cloud(f"devcloud:{root}")
    assert isinstance(cloud, DevCloud)
    assert (ids(cloud), seen(cloud).desired) == (["agent1"], 1)
    assert ask(cloud, SetDesiredCapacity("dev", 3)).fate == "sent"
    assert ask(cloud, SetDesiredCapacity("dev", 3)).fate == "sent"
    assert ids(cloud) == ["agent1", "agent2", "agent3"]
    assert ask(cloud, SetDesiredCapacity("dev", 30)).detail.startswith("bounds")
    assert ask(cloud, EndInstance("dev", "agent2", is_decrement=True)).fate == "sent"
    assert (ids(cloud), seen(cloud).desired) == (["agent1", "agent3"], 2)
    assert ask(cloud, EndInstance("dev", "agent2", is_decrement=True)).detail.startswith("gone")
    assert ask(cloud, EndInstance("dev", "agent3", is_decrement=False)).fate == "sent"
    assert (len(ids(cloud)), seen(cloud).desired) == (2, 2)
    assert ask(cloud, ProtectInstances("dev", ("agent1",), is_protected=True)).fate == "sent"
    assert ask(cloud, SetDesiredCapacity("dev", 0)).fate == "sent"
    assert ids(cloud) == ["agent1"]
    assert ask(cloud, RemoveGroup("dev")).fate == "refused"


def test_a_cluster_that_is_not_there_is_a_fault_and_no_exception(tmp_path: Path) -> None:
    cloud = DevCloud(str(tmp_path))
    with pytest.raises(CloudFailed):
        asyncio.run(cloud.groups("main", (), 5))
    assert ask(cloud, SetDesiredCapacity("dev", 1)).fate == "unknown"


@pytest.mark.parametrize("text", ["", "gce", "devcloud:", "AWS"])
def test_only_known_clouds_are_taken(text: str) -> None:
    with pytest.raises(ValueError, match="is no cloud"):
        cloud_name(text)
