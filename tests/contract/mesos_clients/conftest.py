"""The masters that other people's clients are tried on, and the environments of those clients."""

from collections.abc import Iterator

import pytest

from tests.contract.mesos_client.clusters import Cluster, dev_cluster, real_mesos
from tests.contract.mesos_master.master_client import await_agents


@pytest.fixture(scope="session", params=["dev", pytest.param("real", marks=pytest.mark.real_mesos)])
def cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """A master with two agents: the dev cluster's, then the real one's (skips without it)."""
    start = dev_cluster if request.param == "dev" else real_mesos
    with start(tmp_path_factory.mktemp(request.param) / "home") as running:
        await_agents(running.port, {"z1", "z2"})
        yield running
