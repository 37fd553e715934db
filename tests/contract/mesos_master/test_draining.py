"""Agents that an operator drains, deactivates and takes back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.mesos_client.clusters import Cluster, dev_cluster, real_mesos
from tests.contract.mesos_master.master_client import Framework, Json, agents, await_agents
from tests.contract.mesos_master.operator_client import (
    await_view,
    get,
    of_agent,
    operate,
    run_on,
    told,
)

pytestmark = pytest.mark.integration

STUBBORN = "trap '' TERM; while :; do sleep 0.2; done"


def drain(port: int, agent_id: str, **more: Any) -> None:
    """Ask for a drain."""
    assert operate(port, "DRAIN_AGENT", {**of_agent(agent_id), **more}).status == 200


def reactivate(port: int, agent_id: str) -> tuple[int, str]:
    """What the wish to have the agent back is answered."""
    reply = operate(port, "REACTIVATE_AGENT", of_agent(agent_id))
    return reply.status, reply.text


def seen(port: int, agent_id: str) -> Json:
    """The agent in /slaves."""
    return dict(get(port, f"/slaves?slave_id={agent_id}")["slaves"][0])


def await_drained(port: int, agent_id: str) -> None:
    """Return when nothing is left on the agent."""
    await_view(lambda: seen(port, agent_id)["drain_info"]["state"] == "DRAINED")


@pytest.fixture
def z1(port: int) -> Iterator[str]:
    """An agent that is active again after the test."""
    agent_id = agents(port)["z1"]
    yield agent_id
    operate(port, "REACTIVATE_AGENT", of_agent(agent_id))
    await_agents(port, {"z1", "z2"})
    # The master takes it back at once; the agent itself drains on until its last executor is gone.
    own_port = int(seen(port, agent_id)["pid"].rpartition(":")[2])
    await_view(lambda: "drain_config" not in get(own_port, "/state"))


def test_a_drain_from_the_call_to_the_return(port: int, z1: str) -> None:
    minute = {"grace_period": {"nanoseconds": 60 * 10**9}}
    with Framework(port, name="drained") as one:
        run_on(one, z1, "victim", STUBBORN, kill_policy=minute)
        drain(port, z1, max_grace_period={"seconds": 1, "nanos": 5})
        killed = one.await_update("victim")
        if killed["state"] == "TASK_KILLING":
            one.acknowledge(killed)
            killed = one.await_update("victim")
        assert (killed["state"], killed["reason"]) == ("TASK_KILLED", "REASON_AGENT_DRAINING")
        assert killed["source"] == "SOURCE_EXECUTOR"

        # While the end is not acknowledged the agent is not drained.
        shown = seen(port, z1)
        config = {"max_grace_period": {"nanoseconds": 10**9 + 5}, "mark_gone": False}
        assert shown["drain_info"] == {"state": "DRAINING", "config": config}
        assert shown["estimated_drain_start_time_seconds"] > 10**9
        assert (shown["active"], shown["deactivated"]) == (False, True)
        assert reactivate(port, z1) == (400, "Agent is still in the DRAINING state")
        state = get(port, "/state")
        assert (state["activated_slaves"], state["deactivated_slaves"]) == (1, 1)
        metrics = get(port, "/metrics/snapshot")
        assert (metrics["master/slaves_active"], metrics["master/slaves_inactive"]) == (1.0, 1.0)
        assert metrics["master/slaves_connected"] == 2.0

        one.acknowledge(killed)
        await_drained(port, z1)
        listed = told(port, "GET_AGENTS")["agents"]
        mine = next(a for a in listed if a["agent_info"]["id"]["value"] == z1)
        assert (mine["active"], mine["deactivated"]) == (False, True)
        assert mine["drain_info"] == {"state": "DRAINED", "config": config}
        assert mine["estimated_drain_start_time"]["nanoseconds"] > 10**18

        assert reactivate(port, z1) == (200, "")
        assert reactivate(port, z1) == (400, "Agent is not deactivated")
        assert "drain_info" not in seen(port, z1)
        one.call("REVIVE")
        one.offer_of(z1)


def test_an_idle_agent_is_drained_at_once_and_its_offers_are_taken_back(port: int, z1: str) -> None:
    with Framework(port, name="idle") as one:
        offer = one.offer_of(z1)
        drain(port, z1)
        one.await_event("RESCIND", lambda e: bool(e["rescind"]["offer_id"] == offer["id"]))
        await_drained(port, z1)
        assert seen(port, z1)["drain_info"]["config"] == {"mark_gone": False}
        # A second drain takes the place of the first.
        drain(port, z1, max_grace_period={"seconds": 7})
        await_drained(port, z1)
        config = seen(port, z1)["drain_info"]["config"]
        assert config["max_grace_period"] == {"nanoseconds": 7 * 10**9}
        one.call("REVIVE")
        events = [e for e in one.events_for() if e["type"] == "OFFERS"]
        offered = [o["agent_id"]["value"] for e in events for o in e["offers"]["offers"]]
        assert z1 not in offered


def test_a_deactivated_agent_keeps_its_tasks(port: int, z1: str) -> None:
    with Framework(port, name="kept") as one:
        run_on(one, z1, "kept", "exec sleep 600")
        for _ in range(2):
            assert operate(port, "DEACTIVATE_AGENT", of_agent(z1)).status == 200
        shown = seen(port, z1)
        assert (shown["active"], shown["deactivated"]) == (False, True)
        assert "drain_info" not in shown
        one.reconcile(("kept", z1))
        assert one.await_update("kept")["state"] == "TASK_RUNNING"
        assert reactivate(port, z1) == (200, "")
        assert seen(port, z1)["active"]


@pytest.fixture(params=["dev", pytest.param("real", marks=pytest.mark.real_mesos)])
def doomed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster for one test."""
    start = dev_cluster if request.param == "dev" else real_mesos
    with start(tmp_path / "home") as running:
        await_agents(running.port, {"z1", "z2"})
        yield running


def test_a_drain_outlives_agent_and_master_and_may_end_in_gone(doomed: Cluster) -> None:
    port = doomed.port
    z1, z2 = (agents(port)[zone] for zone in ("z1", "z2"))
    with Framework(port, name="aware") as aware:
        run_on(aware, z1, "slow", "exec sleep 600")
        drain(port, z1)
        killed = aware.await_update("slow")
        assert killed["state"] == "TASK_KILLED"
        doomed.kill("master")
        doomed.kill("agent1")
        doomed.kill("agent2")
        doomed.start("master")
        doomed.await_master()
        for node in ("agent1", "agent2"):
            doomed.start(node)
        await_view(lambda: len(get(port, "/slaves")["slaves"]) == 2)
        assert seen(port, z1)["drain_info"]["state"] == "DRAINING"
        assert not seen(port, z1)["active"]
        aware.subscribe()
        again = aware.await_update("slow")
        assert (again["state"], again["uuid"]) == ("TASK_KILLED", killed["uuid"])
        aware.acknowledge(again)
        await_drained(port, z1)

        # A drain that ends in gone is told to each framework in the words it knows.
        # Whoever subscribes again is offered again what it has let lie.
        aware.subscribe()
        run_on(aware, z2, "of-aware", "exec sleep 600")
        drain(port, z2, mark_gone=True)
        told_aware = aware.await_update("of-aware")
        assert told_aware["state"] == "TASK_GONE_BY_OPERATOR"
        assert told_aware["reason"] == "REASON_AGENT_DRAINING"
        assert seen(port, z2)["drain_info"]["config"] == {"mark_gone": True}
        aware.acknowledge(told_aware)
        failure = aware.await_event("FAILURE")["failure"]
        assert failure == {"agent_id": {"value": z2}}
        await_view(lambda: [s["id"] for s in get(port, "/slaves")["slaves"]] == [z1])
        aware.reconcile(("of-aware", z2))
        assert aware.await_update("of-aware")["state"] == "TASK_GONE_BY_OPERATOR"
        assert operate(port, "DRAIN_AGENT", of_agent(z2)).text == "Unknown agent"
