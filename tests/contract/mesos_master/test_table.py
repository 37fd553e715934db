"""The table of messages is the one inside the real Mesos, line by line."""

from importlib.resources import files

import pytest

from tests.contract.mesos_client.clusters import Cluster
from tests.contract.mesos_master.descriptor_table import table

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    "cluster", [pytest.param("real", marks=pytest.mark.real_mesos)], indirect=True
)
def test_the_table_is_that_of_mesos(cluster: Cluster) -> None:
    library = (cluster.home / "module.so").read_bytes()
    text = files("connectors.devcluster.wire").joinpath("mesos_v1.txt").read_text("ascii")
    assert [line for line in text.splitlines() if line[0] != "#"] == table(library)
