"""Two masters: one leads, one sends everybody to it, and takes over when it ends.

No real Mesos here: several real masters need ZooKeeper. What a standby answers is taken from the
source of Mesos 1.11.0 (``Master::Http::redirect``); how a new leader behaves is tested on the real
one by its restart, in ``test_failures.py``.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.supervise.ports import free_block
from tests.contract.mesos_master.master_client import (
    PATIENCE_S,
    Framework,
    agents,
    await_agents,
    request,
    task,
)
from tests.processes import wait_until
from tests.support.dev_cluster import DevCluster

pytestmark = pytest.mark.integration

AGENTS = {"z1", "z2"}


@pytest.fixture
def two(tmp_path: Path) -> Iterator[DevCluster]:
    """Two masters and two agents."""
    options = {"port": free_block(4), "agents": 2, "masters": 2, "ping_timeout_seconds": 1.0}
    with DevCluster(tmp_path / "data", **options) as cluster:
        yield cluster


def ports_of(cluster: DevCluster) -> tuple[int, int]:
    """The port of the master that leads, and that of the one that stands by."""
    (leads,) = [n["port"] for n in cluster.status()["nodes"] if n["leads"]]
    first = cluster.config.port
    return leads, first + 1 if leads == first else first


def test_a_standby_takes_over_with_agents_and_tasks(two: DevCluster) -> None:
    old, new = ports_of(two)
    for path in ("/redirect", "/master/redirect"):
        for port in (old, new):
            reply = request(port, "GET", path)
            assert (reply.status, reply.headers["location"]) == (307, f"//127.0.0.1:{old}")
    reply = request(new, body="{}", headers={"Content-Type": "application/json"})
    assert reply.status == 307
    assert reply.headers["location"] == f"//127.0.0.1:{old}/api/v1/scheduler"
    assert request(new, "GET", "/health").status == 200
    found = await_agents(old, AGENTS)
    with Framework(old) as framework:
        framework.run("unmoved")
        framework_id = framework.framework_id
        two.kill("master")  # of several, the one that leads
        assert framework.stream.has_ended.wait(PATIENCE_S)
        wait_until(lambda: request(new, "GET", "/state").status == 200, "the other one leads")
        assert request(new, "GET", "/redirect").headers["location"] == f"//127.0.0.1:{new}"
        framework.port = new
        framework.subscribe()
        assert framework.framework_id == framework_id
        assert await_agents(new, AGENTS) == found
        framework.reconcile()
        assert framework.await_update("unmoved")["state"] == "TASK_RUNNING"
        # The one that comes back stands by.
        name = "master1" if old < new else "master2"
        two.start_node(name)
        wait_until(lambda: answers(old), f"{name} answers")
        assert request(old, "GET", "/state").headers["location"] == f"//127.0.0.1:{new}/state"
        assert ports_of(two) == (new, old)


def answers(port: int) -> bool:
    """Whether anybody does."""
    try:
        return request(port, "GET", "/health").status == 200
    except OSError:
        return False


def test_cut_off_from_one_master_an_agent_serves_the_next(two: DevCluster) -> None:
    """The leader is cut off from an agent and ends; its successor is not, and hears of all."""
    old, new = ports_of(two)
    z1 = await_agents(old, AGENTS)["z1"]
    name = "master1" if old < new else "master2"
    with Framework(old) as framework:
        offer = framework.offer_of(z1)
        framework.launch([offer], [task("moved", offer)])
        framework.acknowledge(framework.await_state("moved", "TASK_RUNNING"))
        two.partition(name, "agent1")
        two.kill(name)
        wait_until(lambda: request(new, "GET", "/state").status == 200, "the other one leads")
        framework.port = new
        framework.subscribe()
        assert await_agents(new, AGENTS)["z1"] == z1
        framework.reconcile(("moved", z1))
        assert framework.await_update("moved")["state"] == "TASK_RUNNING"
        two.heal()
        assert agents(new)["z1"] == z1
