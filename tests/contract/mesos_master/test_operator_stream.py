"""The operators' event stream: what is told of tasks, agents and frameworks, and what is not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.mesos_client.clusters import Cluster, dev_cluster, real_mesos
from tests.contract.mesos_master.master_client import (
    PATIENCE_S,
    Framework,
    agents,
    await_agents,
    scalars,
    task,
    until,
)
from tests.contract.mesos_master.operator_client import Watch, get, of_agent, operate, run_on

pytestmark = pytest.mark.integration


def test_it_begins_with_all_there_is_and_a_heartbeat(port: int) -> None:
    with Framework(port, name="there") as one:
        one.run("before")
        watch = Watch(port)
        assert (watch.status, watch.headers["content-type"]) == (200, "application/json")
        assert "mesos-stream-id" not in watch.headers
        subscribed = watch.next("SUBSCRIBED")
        assert subscribed["heartbeat_interval_seconds"] == 15.0
        state = subscribed["get_state"]
        tasks = state["get_tasks"]["tasks"]
        assert "before" in [t["task_id"]["value"] for t in tasks]
        assert len(state["get_agents"]["agents"]) == 2
        names = [f["framework_info"]["name"] for f in state["get_frameworks"]["frameworks"]]
        assert "there" in names
        assert watch.events.get(timeout=PATIENCE_S)["type"] == "HEARTBEAT"


def test_the_life_of_a_framework_and_its_tasks(port: int, tmp_path: Path) -> None:
    over = tmp_path / "over"
    watch = Watch(port)
    watch.next("SUBSCRIBED")
    with Framework(port, name="watched") as one:
        added = watch.next("FRAMEWORK_ADDED")["framework"]
        assert added["framework_info"]["id"]["value"] == one.framework_id
        assert (added["active"], added["connected"], added["recovered"]) == (True, True, False)

        offer = one.offers()[0]
        one.launch([offer], [task("short", offer, until(over))])
        item = watch.next("TASK_ADDED")["task"]
        assert (item["task_id"]["value"], item["state"]) == ("short", "TASK_STAGING")
        assert "statuses" not in item
        for state in ("TASK_RUNNING", "TASK_FINISHED"):
            one.acknowledge(one.await_state("short", state))
            told = watch.next("TASK_UPDATED")
            if told["state"] == "TASK_STARTING":
                told = watch.next("TASK_UPDATED")
            assert told["framework_id"]["value"] == one.framework_id
            assert (told["state"], told["status"]["state"]) == (state, state)
            assert told["status"]["source"] == "SOURCE_EXECUTOR"
            # Not before: `state` is the newest that the agent knows, not the one told of.
            over.touch()

        # Nothing is said of a task that was never launched.
        offer = one.offers()[0]
        one.launch([offer], [task("wrong", offer, resources=scalars(cpus=1000))])
        one.await_state("wrong", "TASK_ERROR")
        info = {**one.info, "id": {"value": one.framework_id}, "name": "renamed"}
        assert one.call("UPDATE_FRAMEWORK", {"framework_info": info}).status == 200
        changed = watch.next("FRAMEWORK_UPDATED")["framework"]
        assert changed["framework_info"]["name"] == "renamed"
        one.info["name"] = "renamed"
        one.subscribe()
        back = watch.next("FRAMEWORK_UPDATED")["framework"]
        assert back["reregistered_time"]["nanoseconds"] > back["registered_time"]["nanoseconds"]
        # Nor when a stream breaks: the framework is only waited for.
        one.stream.close()
        assert watch.kinds_for(0.7) == []
        one.subscribe()
        watch.next("FRAMEWORK_UPDATED")
        one.run("last")
        watch.next("TASK_UPDATED", lambda b: bool(b["state"] == "TASK_RUNNING"))
    ended = watch.next("TASK_UPDATED")
    assert (ended["state"], ended["status"]["reason"]) == (
        "TASK_KILLED",
        "REASON_FRAMEWORK_REMOVED",
    )
    removed = watch.next("FRAMEWORK_REMOVED")["framework_info"]
    assert removed["id"]["value"] == one.framework_id


def test_an_update_that_is_repeated_is_told_once(port: int) -> None:
    watch = Watch(port)
    with Framework(port, name="slow") as one:
        offer = one.offers()[0]
        one.launch([offer], [task("again", offer)], 3600.0)
        first = one.await_state("again", "TASK_RUNNING")
        watch.next("TASK_UPDATED", lambda b: bool(b["state"] == "TASK_RUNNING"))
        # Whoever subscribes again is given what it did not acknowledge.
        one.subscribe()
        assert one.await_update("again")["uuid"] == first["uuid"]
        watch.next("FRAMEWORK_UPDATED")
        assert watch.kinds_for(0.5) == []


def test_a_reader_more_than_one_is_told_the_same(port: int) -> None:
    watches = [Watch(port), Watch(port)]
    with Framework(port, name="twice") as one:
        for watch in watches:
            added = watch.next("FRAMEWORK_ADDED")["framework"]["framework_info"]
            assert added["id"]["value"] == one.framework_id
    assert get(port, "/metrics/snapshot")["master/operator_event_stream_subscribers"] >= 2.0


@pytest.fixture(params=["dev", pytest.param("real", marks=pytest.mark.real_mesos)])
def doomed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster for one test."""
    start = dev_cluster if request.param == "dev" else real_mesos
    with start(tmp_path / "home") as running:
        await_agents(running.port, {"z1", "z2"})
        yield running


def test_agents_that_are_lost_come_back_and_are_gone(doomed: Cluster) -> None:
    port = doomed.port
    z1 = agents(port)["z1"]
    with Framework(port, name="homeless") as one:
        run_on(one, z1, "lost", "exec sleep 600")
        watch = Watch(port)
        watch.next("SUBSCRIBED")
        doomed.kill("agent1")
        told = watch.next("TASK_UPDATED")
        assert (told["state"], told["status"]["reason"]) == (
            "TASK_UNREACHABLE",
            "REASON_AGENT_REMOVED",
        )
        assert told["status"]["unreachable_time"]["nanoseconds"] > 10**18
        # The agent is not called removed: it may come back.
        assert watch.kinds_for(0.5) == []
        metrics = get(port, "/metrics/snapshot")
        assert metrics["master/slaves_unreachable"] == 1.0
        assert metrics["master/tasks_unreachable"] == 1.0
        assert metrics["master/slave_unreachable_completed"] == 1.0
        assert [t["state"] for t in get(port, "/tasks?task_id=lost")["tasks"]] == [
            "TASK_UNREACHABLE"
        ]

        doomed.start("agent1")
        item = watch.next("TASK_ADDED")["task"]
        assert (item["task_id"]["value"], item["state"]) == ("lost", "TASK_RUNNING")
        agent = watch.next("AGENT_ADDED")["agent"]
        assert agent["agent_info"]["id"]["value"] == z1
        assert {r["name"] for r in agent["allocated_resources"]} == {"cpus", "mem"}

        assert operate(port, "MARK_AGENT_GONE", of_agent(z1)).status == 200
        told = watch.next("TASK_UPDATED", lambda b: bool(b["state"] != "TASK_RUNNING"))
        assert told["state"] == "TASK_GONE_BY_OPERATOR"
        assert watch.kinds_for(0.5) == []
