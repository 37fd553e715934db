"""One cluster of each kind for all promises of a run; each is mended by the test that hurts it."""

from collections.abc import Iterator

import pytest

# The promises are no test module, but they fail like one: with the values compared.
pytest.register_assert_rewrite("tests.contract.mesos_client.promises")

from tests.contract.mesos_client.clusters import (  # noqa: E402 - rewriting comes before importing
    Cluster,
    RealMesos,
    dev_cluster,
    real_mesos,
)


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealMesos]:
    """The real Mesos; skips with the reason where there is none."""
    with real_mesos(tmp_path_factory.mktemp("real") / "home") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The dev cluster; skips where there is none yet."""
    with dev_cluster(tmp_path_factory.mktemp("dev") / "home") as cluster:
        yield cluster
