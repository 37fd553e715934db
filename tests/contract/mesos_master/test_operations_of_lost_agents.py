"""Reservations and operations when agents and masters die: what survives, and what is said."""

import time
from contextlib import suppress

import pytest

from tests.contract.mesos_client.clusters import Cluster
from tests.contract.mesos_master.master_client import (
    PATIENCE_S,
    Json,
    agents,
    await_agents,
)
from tests.contract.mesos_master.reservations import (
    Reserving,
    amount,
    dynamic,
    held,
    operation,
    volume,
    volumes_in,
)

pytestmark = pytest.mark.integration

IRON = dynamic("iron")


def reserved(framework: Reserving) -> tuple[str, Json]:
    """The id of z2's agent, and the unacknowledged status of a reservation and a volume there."""
    agent_id = agents(framework.port)["z2"]
    offer = framework.offer_of(agent_id)
    framework.accept(
        [offer],
        operation("RESERVE", [amount("mem", 64.0, IRON), amount("disk", 8.0, IRON)], "o"),
        operation("CREATE", [volume(8.0, "v", IRON)]),
    )
    return agent_id, framework.await_operation("o")


def test_an_agent_that_restarts_keeps_them(cluster: Cluster) -> None:
    with Reserving(cluster.port, "iron") as framework:
        agent_id, status = reserved(framework)
        cluster.kill("agent2")
        cluster.start("agent2")
        # What was not acknowledged is said again by the new process; on a busy computer it comes
        # so late that the agent was given up meanwhile.
        again = framework.await_operation("o", 30.0)
        if "uuid" not in again:
            again = framework.await_operation("o", 30.0)
        assert again == status
        framework.acknowledge_operation(status)
        await_agents(cluster.port, {"z1", "z2"})
        offer = framework.offer_of(agent_id)
        assert (held(offer, "mem", "iron"), volumes_in(offer)) == (64.0, {"v": 8.0})


def test_an_unreachable_agent_makes_operations_unreachable(cluster: Cluster) -> None:
    with Reserving(cluster.port, "iron") as framework:
        agent_id, status = reserved(framework)
        cluster.kill("agent2")
        lost = framework.await_operation("o", 30.0)
        assert (lost["state"], lost["message"]) == (
            "OPERATION_UNREACHABLE",
            "Agent was marked unreachable",
        )
        assert "uuid" not in lost
        framework.await_event("FAILURE")
        for name in ("o", "never"):
            (answer,) = framework.ask((name, agent_id))
            assert (answer["state"], answer["message"]) == (
                "OPERATION_UNREACHABLE",
                "Reconciliation: Agent is unreachable",
            )
        assert framework.ask() == []
        cluster.start("agent2")
        assert framework.await_operation("o", 30.0) == status
        framework.acknowledge_operation(status)
        await_agents(cluster.port, {"z1", "z2"})
        assert held(framework.offer_of(agent_id), "mem", "iron") == 64.0


def test_a_new_master_learns_them_from_the_agents(cluster: Cluster) -> None:
    with Reserving(cluster.port, "iron") as framework:
        agent_id, status = reserved(framework)
        cluster.kill("agent2")
        cluster.kill("master")
        cluster.start("master")
        cluster.await_master()
        _return_to(framework)
        for name in ("o", "never"):
            (answer,) = framework.ask((name, agent_id))
            assert (answer["state"], answer["message"]) == (
                "OPERATION_RECOVERING",
                "Reconciliation: Agent is recovered but has not re-registered",
            )
        cluster.start("agent2")
        assert framework.await_operation("o", 30.0) == status
        (answer,) = framework.ask(("o", agent_id))
        assert answer["state"] == "OPERATION_FINISHED"
        framework.acknowledge_operation(status)
        await_agents(cluster.port, {"z1", "z2"})
        offer = framework.offer_of(agent_id)
        assert (held(offer, "mem", "iron"), volumes_in(offer)) == (64.0, {"v": 8.0})


def _return_to(framework: Reserving) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with suppress(OSError):
            stream = framework.open()
            if stream.status == 200:
                framework.stream = stream
                framework.await_event("SUBSCRIBED")
                framework.call("SUPPRESS")
                return
        assert time.monotonic() < deadline, "the framework cannot subscribe to the new master"
        time.sleep(0.1)
