"""The Mesos clusters that contract tests share: one of each kind for each process of tests.

The one thing to know: a test finds both agents registered. What died before it is started again
and told as a warning, for the real Mesos is not ours to mend; where the dev cluster loses a node
by itself, that is a failure. A test that fails says which nodes died meanwhile, and the ends of
their logs.
"""

import warnings
from collections.abc import Generator, Iterator

import pytest

from tests.contract.mesos_client.clusters import (
    Cluster,
    ClusterDownError,
    DevCluster,
    RealMesos,
    dev_cluster,
    real_mesos,
)

SHARED = ("cluster", "real", "dev")
_used_by: dict[str, str] = {}
"""The last test that each shared cluster was used by."""


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealMesos]:
    """The real Mesos with two agents; skips with the reason where there is none."""
    with real_mesos(tmp_path_factory.mktemp("real") / "home") as running:
        running.mend()
        yield running


@pytest.fixture(scope="session")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevCluster]:
    """The dev cluster with two agents."""
    with dev_cluster(tmp_path_factory.mktemp("dev") / "home") as running:
        running.mend()
        yield running


@pytest.fixture(scope="session", params=["dev", pytest.param("real", marks=pytest.mark.real_mesos)])
def cluster(request: pytest.FixtureRequest) -> Cluster:
    """A master with two agents: the dev cluster's, then the real one's (skips without it)."""
    found: Cluster = request.getfixturevalue(request.param)
    return found


@pytest.fixture(autouse=True)
def _whole(request: pytest.FixtureRequest) -> None:
    """The shared cluster of a test is whole when it begins."""
    for shared in _shared(request):
        died = shared.mend()
        before = _used_by.get(shared.name, "anything else")
        _used_by[shared.name] = request.node.nodeid
        if not died:
            continue
        told = f"since {before} began, {died}"
        if isinstance(shared, DevCluster):
            raise ClusterDownError(told)
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn(told, pytest.PytestWarning, stacklevel=1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say what died where a test has failed."""
    report = yield
    shared = getattr(item, "funcargs", {}).get("cluster")
    if call.when == "call" and report.failed and isinstance(shared, Cluster):
        died = _what_died(shared)
        report.sections.append((f"the {shared.name}", died or "no node has died"))
    return report


def _shared(request: pytest.FixtureRequest) -> list[Cluster]:
    """The shared clusters that the test uses; a file may have a fixture of such a name itself."""
    found = [request.getfixturevalue(name) for name in SHARED if name in request.fixturenames]
    return [each for each in found if isinstance(each, Cluster)]


def _what_died(shared: Cluster) -> str:
    try:
        return shared.mend()
    except ClusterDownError as fault:
        return str(fault)
