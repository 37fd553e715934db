"""The simulated cluster over HTTP: the same API, and agents that are killed and started by name.

The cases that need a command to run are for real agents; here stands what its process adds to the
pure parts, which `tests/unit/devcluster/test_simulated_agent.py` covers.
"""

import time
from collections.abc import Iterator

import pytest

from connectors.devcluster.journal import read_journal
from connectors.devcluster.node import ConfigError
from connectors.devcluster.supervise import operating
from streams.supervise.ports import free_block
from tests.contract.mesos_master.master_client import Framework, request
from tests.processes import wait_until
from tests.support.dev_cluster import DevCluster


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevCluster]:
    """Three simulated agents."""
    home = tmp_path_factory.mktemp("simulated") / "home"
    with DevCluster(home, port=free_block(1), agents=0, simulate=3, seed=5) as running:
        yield running


def _own_end(seconds: float, status: int = 0) -> dict[str, object]:
    variables = {"SIMULATED_RUN_SECONDS": f"{seconds}", "SIMULATED_EXIT_STATUS": f"{status}"}
    named = [{"name": name, "value": value} for name, value in variables.items()]
    return {"command": {"value": "simulated", "environment": {"variables": named}}}


@pytest.mark.slow
def test_a_task_lives_as_modelled_and_stands_in_the_journal(simulated: DevCluster) -> None:
    with Framework(simulated.config.port, checkpoint=True) as framework:
        framework.run("t", **_own_end(0.3, 7))
        ended = framework.await_state("t", "TASK_FAILED")
        assert ended["message"] == "Command exited with status 7"
        framework.acknowledge(ended)
    lines = read_journal(simulated.config.root / "agents" / "journal.jsonl")
    mine = [line["what"] for line in lines if line["task_id"] == "t"]
    assert mine == ["STARTED", "ENDED"]


def test_state_says_that_the_cluster_is_simulated_and_how(simulated: DevCluster) -> None:
    flags = request(simulated.config.port, "GET", "/state").json["flags"]
    assert flags["simulated"].startswith("uniform model: ")
    assert flags["simulated"].endswith("seed 5")


def test_a_killed_agent_rescinds_its_offers_and_returns_with_its_tasks(
    simulated: DevCluster,
) -> None:
    with Framework(simulated.config.port, checkpoint=True) as framework:
        running = framework.run("stays", **_own_end(600))
        views = request(simulated.config.port, "GET", "/slaves").json["slaves"]
        agent_id = running["agent_id"]["value"]
        name = next(view["hostname"] for view in views if view["id"] == agent_id)
        simulated.kill(name)
        with pytest.raises(ConfigError, match="does not run"):
            simulated.kill(name)
        simulated.start_node(name)
        simulated.kill(name, host=True)
        simulated.start_node(name)
        lost = framework.await_state("stays", "TASK_FAILED")
        assert lost["reason"] == "REASON_EXECUTOR_REREGISTRATION_TIMEOUT"
        framework.acknowledge(lost)


def test_a_command_for_an_agent_that_is_not_there_is_refused(simulated: DevCluster) -> None:
    with pytest.raises(ConfigError, match="agent1 to agent3"):
        simulated.kill("agent4")


@pytest.mark.slow
def test_maintenance_by_command_takes_one_down_and_gives_it_back(simulated: DevCluster) -> None:
    config = simulated.config
    operating.schedule_maintenance(config, "agent3", 0.0, None)
    operating.start_maintenance(config, "agent3")
    wait_until(lambda: operating.agent_on(config, "agent3") is None, "its machine is down")
    operating.stop_maintenance(config, "agent3")
    wait_until(lambda: operating.agent_on(config, "agent3") is not None, "it was taken again")
    operating.clear_maintenance(config)
    with pytest.raises(ConfigError, match="agent1 to agent3"):
        operating.schedule_maintenance(config, "agent4", 0.0, None)


def test_one_that_was_drained_while_it_was_dead_is_back_once_it_has_registered(
    simulated: DevCluster,
) -> None:
    config, since = simulated.config, time.time()
    simulated.kill("agent3", host=True)
    operating.drain(config, "agent3", None, is_marked_gone=False)
    simulated.start_node("agent3")
    wait_until(lambda: operating.is_back(config, "agent3", since), "it has registered")

    def is_drained() -> bool:
        agent = operating.agent_on(config, "agent3")
        return agent is not None and agent["drain_info"]["state"] == "DRAINED"

    wait_until(is_drained, "nothing is left to end")
    operating.reactivate(config, "agent3")
    wait_until(lambda: bool((operating.agent_on(config, "agent3") or {})["active"]), "it is active")


@pytest.mark.integration  # It starts processes.
def test_nobody_without_the_token_kills_agents(simulated: DevCluster) -> None:
    reply = request(simulated.config.port, "POST", "/inner/simulated/kill/agent1", "{}")
    assert reply.status == 403
