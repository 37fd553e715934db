"""What the tests of this folder need of the master that they run against."""

from collections.abc import Iterator

import pytest

from tests.contract.mesos_client.clusters import Cluster
from tests.contract.mesos_master.executor_client import open_executor_streams
from tests.contract.mesos_master.master_client import open_streams


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


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Clusters of tests leave no notes where a person's clusters leave theirs.

    For no longer than a module: what other tests use of the cache took minutes to download.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLUMINA_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
