"""What was away together, and what each finds when it comes back: agents, masters, frameworks.

``test_failures.py`` has each going away alone. Clusters of these tests' own: each case begins with
two agents that are there, and leaves them so.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from connectors.devcluster.agent.executor import descendants
from tests.contract.mesos_client.clusters import Cluster, dev_cluster, real_mesos
from tests.contract.mesos_master.master_client import (
    PATIENCE_S,
    QUIET_S,
    Framework,
    Json,
    agents,
    await_agents,
    request,
    task,
)
from tests.contract.mesos_master.test_failures import resubscribed, run_on, updates_of
from tests.contract.mesos_master.test_gone import gone, operate
from tests.processes import is_gone, wait_until

pytestmark = pytest.mark.integration

AGENTS = {"z1", "z2"}
# Four pings of a second are missed; a busy computer is late in noticing.
UNREACHABLE_S = PATIENCE_S
NOT_AWARE: list[Json] = []


@pytest.fixture(scope="module", params=["dev", pytest.param("real", marks=pytest.mark.real_mesos)])
def here(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """A cluster for the cases that leave it whole."""
    start = dev_cluster if request.param == "dev" else real_mesos
    with start(tmp_path_factory.mktemp(request.param) / "home") as running:
        await_agents(running.port, AGENTS)
        yield running


def restart_master(cluster: Cluster) -> None:
    """End the master with kill -9 and wait until the next one answers."""
    cluster.kill("master")
    cluster.start("master")
    cluster.await_master()


def traced(framework: Framework, agent_id: str, task_id: str, folder: Path) -> int:
    """The process of a task that was started on this agent."""
    trace = folder / task_id
    offer = framework.offer_of(agent_id)
    script = f'echo $$ > "{trace}"; exec sleep 600'
    framework.launch([offer], [task(task_id, offer, script)], 3600.0)
    framework.acknowledge(framework.await_state(task_id, "TASK_RUNNING"))
    wait_until(lambda: trace.exists() and trace.read_text() != "", "the task wrote its pid")
    return int(trace.read_text())


def is_completed(port: int, framework: Framework) -> bool:
    """Whether the master has removed the framework."""
    state = request(port, "GET", "/state").json
    return framework.framework_id in {f["id"] for f in state["completed_frameworks"]}


@pytest.mark.parametrize("how", ["torn down", "away too long"])
def test_tasks_of_a_framework_that_ended_end_when_their_agent_returns(
    here: Cluster, tmp_path: Path, how: str
) -> None:
    z1 = await_agents(here.port, AGENTS)["z1"]
    timeout = 3600.0 if how == "torn down" else 0.0
    framework = Framework(here.port, name=how, failover_timeout=timeout).subscribe()
    pid = traced(framework, z1, "left", tmp_path)
    here.kill("agent1")
    if how == "torn down":
        assert framework.call("TEARDOWN").status == 202
    framework.stream.close()
    wait_until(lambda: is_completed(here.port, framework), "the framework is removed")
    assert not is_gone(pid)
    here.start("agent1")
    wait_until(lambda: is_gone(pid), "the task has ended", 2 * PATIENCE_S)
    await_agents(here.port, AGENTS)


def test_an_agents_death_without_checkpoint_is_lost_for_those_who_are_not_aware(
    here: Cluster,
) -> None:
    z1 = await_agents(here.port, AGENTS)["z1"]
    with Framework(here.port, checkpoint=False, capabilities=NOT_AWARE) as framework:
        run_on(framework, z1, "plain")
        here.kill("agent1")
        lost = framework.await_update("plain")
        assert (lost["state"], lost["reason"]) == ("TASK_LOST", "REASON_AGENT_DISCONNECTED")
        assert lost["message"].startswith("Agent ")
        here.start("agent1")
        await_agents(here.port, AGENTS)
        framework.reconcile(("plain", z1))
        assert framework.await_update("plain")["state"] == "TASK_LOST"


def test_an_agent_that_is_silent_on_an_open_connection(here: Cluster) -> None:
    """SIGSTOP: as a network cut, nobody hears that a connection ended."""
    z1 = await_agents(here.port, AGENTS)["z1"]
    with (
        Framework(here.port, name="aware") as aware,
        Framework(here.port, name="plain", checkpoint=False) as plain,
    ):
        plain.call("SUPPRESS")
        run_on(aware, z1, "kept")
        plain.call("REVIVE")
        run_on(plain, z1, "unkept")
        aware.call("REVIVE")
        held = aware.offer_of(z1)
        pid = here.pid("agent1")
        os.kill(pid, signal.SIGSTOP)
        try:
            # Nobody is told anything, and the offer stands, until the pings have failed.
            quiet = [e["type"] for e in plain.events_for(QUIET_S)]
            assert "UPDATE" not in quiet
            aware.reconcile(("kept", z1))
            assert aware.await_update("kept")["state"] == "TASK_RUNNING"
            lost = aware.await_state("kept", "TASK_UNREACHABLE", UNREACHABLE_S)
            assert lost["reason"] == "REASON_AGENT_REMOVED"
            # In this order: tasks, offers, the agent.
            aware.await_event("RESCIND", lambda e: e["rescind"]["offer_id"] == held["id"])
            assert aware.await_event("FAILURE")["failure"] == {"agent_id": {"value": z1}}
            lost = plain.await_state("unkept", "TASK_UNREACHABLE", UNREACHABLE_S)
            assert lost["reason"] == "REASON_AGENT_REMOVED"
        finally:
            os.kill(pid, signal.SIGCONT)
        for framework, task_id in ((aware, "kept"), (plain, "unkept")):
            back = framework.await_state(task_id, "TASK_RUNNING", 2 * PATIENCE_S)
            assert back["reason"] == "REASON_AGENT_REREGISTERED"
    assert await_agents(here.port, AGENTS)["z1"] == z1


def test_an_unreachable_agent_stays_so_for_the_next_master(here: Cluster) -> None:
    z1 = await_agents(here.port, AGENTS)["z1"]
    with (
        Framework(here.port, name="aware") as aware,
        Framework(here.port, name="old", capabilities=NOT_AWARE) as old,
    ):
        old.call("SUPPRESS")
        run_on(aware, z1, "aware-1")
        old.call("REVIVE")
        run_on(old, z1, "old-1")
        here.kill("agent1")
        lost = aware.await_state("aware-1", "TASK_UNREACHABLE", UNREACHABLE_S)
        since = lost["unreachable_time"]["nanoseconds"]
        restart_master(here)
        resubscribed(aware)
        resubscribed(old)
        await_agents(here.port, {"z2"})
        for framework, task_id, state in (
            (aware, "aware-1", "TASK_UNREACHABLE"),
            (old, "old-1", "TASK_LOST"),
            (aware, "never-was", "TASK_UNREACHABLE"),
        ):
            framework.reconcile((task_id, z1))
            told = framework.await_update(task_id)
            assert told["state"] == state
            assert abs(told["unreachable_time"]["nanoseconds"] - since) < 2_000_000_000
        here.start("agent1")
        assert await_agents(here.port, AGENTS)["z1"] == z1
        for framework, task_id in ((aware, "aware-1"), (old, "old-1")):
            back = framework.await_state(task_id, "TASK_RUNNING", 2 * PATIENCE_S)
            assert back["reason"] == "REASON_AGENT_REREGISTERED"
            framework.reconcile((task_id, z1))
            assert framework.await_update(task_id)["reason"] == "REASON_RECONCILIATION"


def test_a_task_that_ends_while_the_master_is_away_is_told_by_its_agent(
    here: Cluster, tmp_path: Path
) -> None:
    over = tmp_path / "over"
    z1 = await_agents(here.port, AGENTS)["z1"]
    with Framework(here.port) as framework:
        offer = framework.offer_of(z1)
        framework.launch([offer], [task("brief", offer, f'sleep 1; touch "{over}"; exit 3')])
        framework.acknowledge(framework.await_state("brief", "TASK_RUNNING"))
        here.kill("master")
        wait_until(over.exists, "the task has come to its end")
        here.start("master")
        here.await_master()
        resubscribed(framework)
        failed = framework.await_state("brief", "TASK_FAILED", 2 * PATIENCE_S)
        assert failed["source"] == "SOURCE_EXECUTOR"
        assert "uuid" in failed
        framework.acknowledge(failed)
        await_agents(here.port, AGENTS)

        def is_forgotten() -> bool:
            framework.reconcile(("brief", z1))
            return bool(framework.await_update("brief")["state"] == "TASK_GONE")

        wait_until(is_forgotten, "the acknowledgement has reached agent and master")


def test_an_executor_that_dies_fails_its_task(here: Cluster) -> None:
    await_agents(here.port, AGENTS)
    with Framework(here.port) as framework:
        status = framework.run("orphaned")
        os.kill(status["container_status"]["executor_pid"], signal.SIGKILL)
        failed = framework.await_state("orphaned", "TASK_FAILED")
        assert failed["reason"] == "REASON_EXECUTOR_TERMINATED"
        assert failed["source"] == "SOURCE_AGENT"
        assert "uuid" in failed
        framework.acknowledge(failed)


@pytest.mark.parametrize("aware", [True, False], ids=["aware", "not aware"])
def test_executors_that_died_with_their_agent_are_missed_by_the_next_one(
    here: Cluster, *, aware: bool
) -> None:
    """A whole host dies and starts again: the agent knows of its tasks, and nobody comes."""
    z1 = await_agents(here.port, AGENTS)["z1"]
    capabilities = [{"type": "PARTITION_AWARE"}] if aware else NOT_AWARE
    with Framework(here.port, capabilities=capabilities) as framework:
        run_on(framework, z1, "died-too")
        below = descendants(here.pid("agent1"))
        here.kill("agent1")
        for pid in below:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        here.start("agent1")
        told = framework.await_state("died-too", "TASK_FAILED", 2 * PATIENCE_S)
        while "uuid" not in told:  # the master's own word, if the agent took long to return
            told = framework.await_state("died-too", "TASK_FAILED", 2 * PATIENCE_S)
        assert told["source"] == "SOURCE_AGENT"
        assert told["reason"] == "REASON_EXECUTOR_TERMINATED"
        framework.acknowledge(told)
    assert await_agents(here.port, AGENTS)["z1"] == z1


def test_a_second_subscription_takes_everything_over(here: Cluster) -> None:
    z1 = await_agents(here.port, AGENTS)["z1"]
    with Framework(here.port) as framework:
        run_on(framework, z1, "stays")
        framework.call("REVIVE")
        held = framework.offer_of(z1)
        first = framework.stream
        framework.subscribe()
        framework.stream, second = first, framework.stream
        error = framework.await_event("ERROR")["error"]["message"]
        assert error == "Framework failed over"
        assert first.has_ended.wait(PATIENCE_S)
        framework.stream = second
        # The old offer is void, and nobody was told: not the old stream, not the new one.
        framework.launch([held], [task("refused", held)])
        dropped = framework.await_update("refused")
        assert (dropped["state"], dropped["reason"]) == ("TASK_DROPPED", "REASON_INVALID_OFFERS")
        framework.reconcile(("stays", z1))
        assert framework.await_update("stays")["state"] == "TASK_RUNNING"
        everything = [first.events.get_nowait() for _ in range(first.events.qsize())]
        everything += framework.events_for(QUIET_S)
        rescinded = [e["rescind"]["offer_id"] for e in everything if e["type"] == "RESCIND"]
        assert held["id"] not in rescinded


def test_gone_is_gone_also_for_the_next_master(here: Cluster) -> None:
    """The last case of its cluster: one agent of it never returns."""
    z2 = await_agents(here.port, AGENTS)["z2"]
    with Framework(here.port) as framework:
        run_on(framework, z2, "given-up")
        here.kill("agent2")
        # Gone is an operator's word also for an agent that is away at that moment.
        assert operate(here.port, gone(z2)).status == 200
        told = framework.await_update("given-up")
        assert told["state"] == "TASK_GONE_BY_OPERATOR"
        restart_master(here)
        resubscribed(framework)
        await_agents(here.port, {"z1"})
        framework.reconcile(("given-up", z2))
        assert framework.await_update("given-up")["state"] == "TASK_GONE_BY_OPERATOR"
        with suppress(subprocess.CalledProcessError):  # the dev cluster's command says so
            here.start("agent2")
        # What it runs is not taken up again, and neither is it under its id.
        assert not [s for s in updates_of(framework, 4 * QUIET_S) if s["state"] == "TASK_RUNNING"]
        assert z2 not in agents(here.port).values()
