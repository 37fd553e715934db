"""An agent marked gone by an operator; on clusters of its own, for it never comes back."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.mesos_client.clusters import Cluster, dev_cluster, real_mesos
from tests.contract.mesos_master.master_client import (
    JSON_HEADERS,
    Framework,
    Json,
    Reply,
    agents,
    await_agents,
    request,
    task,
)

pytestmark = pytest.mark.integration


@pytest.fixture(params=["dev", pytest.param("real", marks=pytest.mark.real_mesos)])
def doomed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster for one test."""
    start = dev_cluster if request.param == "dev" else real_mesos
    with start(tmp_path / "home") as running:
        await_agents(running.port, {"z1", "z2"})
        yield running


def operate(port: int, call: Json | str, content_type: str = "application/json") -> Reply:
    """The answer to an operator's call."""
    body = call if isinstance(call, str) else json.dumps(call)
    headers = {**JSON_HEADERS, "Content-Type": content_type}
    return request(port, path="/api/v1", body=body, headers=headers)


def gone(agent_id: str) -> Json:
    """The call that marks an agent gone."""
    return {"type": "MARK_AGENT_GONE", "mark_agent_gone": {"agent_id": {"value": agent_id}}}


def run_and_hush(framework: Framework, agent_id: str, task_id: str) -> None:
    """Run a task on this agent and take no more offers."""
    offer = framework.offer_of(agent_id)
    framework.launch([offer], [task(task_id, offer)], 3600.0)
    framework.acknowledge(framework.await_state(task_id, "TASK_RUNNING"))
    framework.call("SUPPRESS")


def test_an_agent_that_is_gone(doomed: Cluster) -> None:
    port = doomed.port
    z1 = agents(port)["z1"]
    with (
        Framework(port, name="aware") as aware,
        Framework(port, name="old", capabilities=[]) as old,
    ):
        old.call("SUPPRESS")
        run_and_hush(aware, z1, "of-aware")
        old.call("REVIVE")
        run_and_hush(old, z1, "of-old")
        assert operate(port, gone(z1)).status == 200
        told = aware.await_update("of-aware")
        assert told["state"] == "TASK_GONE_BY_OPERATOR"
        assert told["reason"] == "REASON_AGENT_REMOVED_BY_OPERATOR"
        assert told["message"] == "Agent has been marked gone"
        assert "uuid" not in told
        told = old.await_update("of-old")
        assert (told["state"], told["reason"]) == ("TASK_LOST", "REASON_AGENT_REMOVED")
        for framework in (aware, old):
            failure = framework.await_event("FAILURE")["failure"]
            assert failure == {"agent_id": {"value": z1}}

        for framework, task_id, state in (
            (aware, "of-aware", "TASK_GONE_BY_OPERATOR"),
            (aware, "never-was", "TASK_GONE_BY_OPERATOR"),
            (old, "of-old", "TASK_LOST"),
        ):
            framework.reconcile((task_id, z1))
            told = framework.await_update(task_id)
            assert (told["state"], told["message"]) == (state, "Reconciliation: Task is gone")
        aware.kill("of-aware", agent_id={"value": z1})
        assert aware.await_update("of-aware")["state"] == "TASK_GONE_BY_OPERATOR"
        assert operate(port, gone(z1)).status == 200
        assert agents(port).keys() == {"z2"}


def test_operator_calls_that_make_no_sense(port: int) -> None:
    invalid = "Failed to validate master::Call: "
    for call, status, text in (
        ({"type": "NONSENSE"}, 400, invalid + "Expecting 'type' to be present"),
        ({}, 400, invalid + "Expecting 'type' to be present"),
        ({"type": "MARK_AGENT_GONE"}, 400, invalid + "Expecting 'mark_agent_gone' to be present"),
        (gone("nobody"), 404, "Agent 'nobody' not found"),
    ):
        reply = operate(port, call)
        assert (reply.status, reply.text) == (status, text)
    assert operate(port, "{").status == 400
    assert operate(port, {"type": "GET_HEALTH"}, "text/plain").status == 415
    healthy = {"type": "GET_HEALTH", "get_health": {"healthy": True}}
    assert operate(port, {"type": "GET_HEALTH"}).json == healthy
    version = operate(port, {"type": "GET_VERSION"}).json["get_version"]["version_info"]
    assert version["version"] == "1.11.0"
