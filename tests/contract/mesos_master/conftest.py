"""The two masters that every test of this folder runs against, each started once."""

import os
from collections.abc import Iterator

import pytest

from tests.contract.mesos_client.clusters import Cluster, dev_cluster, real_mesos
from tests.contract.mesos_master.executor_client import open_executor_streams
from tests.contract.mesos_master.master_client import await_agents, open_streams


@pytest.fixture(scope="session", params=["dev", pytest.param("real", marks=pytest.mark.real_mesos)])
def cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """A master with two agents: the dev cluster's, then the real one's (skips without it)."""
    start = dev_cluster if request.param == "dev" else real_mesos
    with start(tmp_path_factory.mktemp(request.param) / "home") as running:
        await_agents(running.port, {"z1", "z2"})
        yield running


@pytest.fixture
def port(cluster: Cluster) -> int:
    """The port of the master."""
    return cluster.port


@pytest.fixture
def is_real(cluster: Cluster) -> bool:
    """Whether it is the real Mesos, whose executor is a stand-in that words things otherwise."""
    return cluster.name != "dev cluster"


@pytest.fixture(autouse=True)
def _no_stream_stays_open() -> Iterator[None]:
    """Close every stream that a test opened."""
    yield
    while open_streams:
        open_streams.pop().close()
    while open_executor_streams:
        open_executor_streams.pop().close()


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Clusters of tests leave no notes where a person's clusters leave theirs."""
    before = os.environ.get("FLUMINA_CACHE")
    os.environ["FLUMINA_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["FLUMINA_CACHE"]
    else:
        os.environ["FLUMINA_CACHE"] = before
