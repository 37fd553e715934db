"""What the shared clusters do when a node of theirs dies by itself."""

import os
import signal

import pytest

from tests.contract.mesos_client.clusters import Cluster
from tests.processes import wait_until

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("node", ["agent1", "master"])
def test_what_died_is_started_again_and_told_with_the_end_of_its_log(
    cluster: Cluster, node: str
) -> None:
    assert cluster.mend() == ""
    os.kill(cluster.pid(node), signal.SIGKILL)
    wait_until(lambda: not cluster.is_whole(), f"{node} is missed")
    told = cluster.mend()
    assert told.startswith(f"{node} of the {cluster.name} has died; its log ends:\n")
    assert len(told.splitlines()) > 1
    assert "it wrote nothing" not in told
    assert cluster.is_whole()
    assert cluster.mend() == ""
