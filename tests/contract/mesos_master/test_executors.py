"""Custom executors: the v1 executor API, call by call, and what their ends lead to.

The test plays the executor itself; see ``executor_client``.
"""

import base64
import os
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.contract.mesos_client.clusters import CHECKOUT, Cluster
from tests.contract.mesos_master.executor_client import (
    Executor,
    agent_port,
    environment_file,
    executor_info,
    launched,
    let_exit,
    waiting,
    zone_of,
)
from tests.contract.mesos_master.master_client import (
    PATIENCE_S,
    QUIET_S,
    Framework,
    Json,
    await_agents,
    request,
    task,
)

pytestmark = pytest.mark.integration

OTHERS_EXECUTOR = CHECKOUT.parent / "shared" / "real-mesos" / "executor.py"
OWN_EXECUTOR = CHECKOUT / "tests" / "support" / "mesos_executor.py"
DATA = base64.b64encode(b"hello").decode()
GONE = ("TASK_FAILED", "SOURCE_AGENT", "REASON_EXECUTOR_TERMINATED", "Executor terminated")


def test_its_environment(port: int, tmp_path: Path) -> None:
    with Framework(port) as framework:
        info = waiting(tmp_path, "e", shutdown_grace_period=None)
        executor = launched(framework, tmp_path, info, "t")
        lines = environment_file(tmp_path, "e").read_text().splitlines()
        found = dict(line.split("=", 1) for line in lines)
        agent_id = found["MESOS_SLAVE_ID"]
        assert executor.port == agent_port(port, agent_id)
        expected = {
            "LIBPROCESS_IP": "127.0.0.1",
            "LIBPROCESS_PORT": "0",
            "MESOS_AGENT_ENDPOINT": f"127.0.0.1:{executor.port}",
            "MESOS_CHECKPOINT": "1",
            "MESOS_DIRECTORY": found["PWD"],
            "MESOS_EXECUTOR_ID": "e",
            "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": "5secs",
            "MESOS_FRAMEWORK_ID": framework.framework_id,
            "MESOS_HTTP_COMMAND_EXECUTOR": "0",
            "MESOS_RECOVERY_TIMEOUT": "15mins",
            "MESOS_SANDBOX": found["PWD"],
            "MESOS_SLAVE_ID": agent_id,
            "MESOS_SLAVE_PID": f"slave(1)@127.0.0.1:{executor.port}",
            "MESOS_SUBSCRIPTION_BACKOFF_MAX": "2secs",
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        }
        assert {k: v for k, v in found.items() if k not in {"PWD", "_", "SHLVL"}} == expected


def test_subscribed_tells_who_and_where_then_each_task_is_launched(
    port: int, tmp_path: Path
) -> None:
    with Framework(port) as framework:
        info = waiting(tmp_path, "e")
        executor = launched(framework, tmp_path, info, "one", "two", data=DATA)
        reply = executor.subscribe()
        assert reply.headers["content-type"] == "application/json"
        assert "mesos-stream-id" not in reply.headers
        first, one, two = executor.expect("SUBSCRIBED", "LAUNCH", "LAUNCH")
        subscribed = first["subscribed"]
        assert subscribed["executor_info"]["executor_id"] == {"value": "e"}
        framework_id = {"value": framework.framework_id}
        assert subscribed["executor_info"]["framework_id"] == framework_id
        assert subscribed["framework_info"]["id"] == framework_id
        assert subscribed["framework_info"]["checkpoint"] is True
        assert subscribed["agent_info"]["port"] == executor.port
        assert subscribed["container_id"]["value"]
        launches = [each["launch"]["task"] for each in (one, two)]
        assert [t["task_id"]["value"] for t in launches] == ["one", "two"]
        assert launches[0]["data"] == DATA
        assert launches[0]["executor"]["executor_id"] == {"value": "e"}
        # One that comes later goes to the same executor.
        offer = framework.offer_of(subscribed["agent_info"]["id"]["value"])
        framework.launch([offer], [task("three", offer, command=None, executor=info)])
        (launch,) = executor.expect("LAUNCH")
        assert launch["launch"]["task"]["task_id"] == {"value": "three"}


def test_its_own_resources_are_counted_once(port: int, tmp_path: Path) -> None:
    with Framework(port) as framework:
        info = waiting(tmp_path, "e")
        executor = launched(framework, tmp_path, info, "one", "two")
        tasks_and_executor = 3 * 0.1
        slaves = request(port, "GET", "/slaves").json["slaves"]
        (mine,) = [s for s in slaves if s["port"] == executor.port]
        assert round(mine["used_resources"]["cpus"], 3) == round(tasks_and_executor, 3)
        offer = framework.offer_of(mine["id"])
        (cpus,) = [r["scalar"]["value"] for r in offer["resources"] if r["name"] == "cpus"]
        assert round(cpus, 3) == round(4.0 - tasks_and_executor, 3)


def test_an_update_is_acknowledged_before_the_framework_has_acknowledged_it(
    port: int, tmp_path: Path
) -> None:
    with Framework(port) as framework:
        executor = launched(framework, tmp_path, waiting(tmp_path, "e"), "t")
        executor.subscribe()
        (first, _) = executor.expect("SUBSCRIBED", "LAUNCH")
        sent = executor.update("t", "TASK_RUNNING", message="here", data=DATA)
        (acknowledged,) = executor.expect("ACKNOWLEDGED")
        assert acknowledged["acknowledged"] == {"task_id": {"value": "t"}, "uuid": sent["uuid"]}
        status = framework.await_update("t")
        assert (status["state"], status["uuid"]) == ("TASK_RUNNING", sent["uuid"])
        assert (status["message"], status["data"]) == ("here", DATA)
        assert status["agent_id"] == first["subscribed"]["agent_info"]["id"]
        place = status["container_status"]
        assert place["container_id"] == first["subscribed"]["container_id"]
        assert place["executor_pid"] > 1
        # The next one is the executor's to send and the agent's to hold.
        executor.update("t", "TASK_FINISHED")
        executor.expect("ACKNOWLEDGED")
        assert not [e for e in framework.events_for(QUIET_S) if e["type"] == "UPDATE"]
        framework.acknowledge(status)
        assert framework.await_update("t")["state"] == "TASK_FINISHED"


def test_a_repeated_update_is_acknowledged_again_and_passed_on_once(
    port: int, tmp_path: Path
) -> None:
    with Framework(port) as framework:
        executor = launched(framework, tmp_path, waiting(tmp_path, "e"), "t")
        executor.subscribe()
        executor.expect("SUBSCRIBED", "LAUNCH")
        status = executor.update("t", "TASK_RUNNING")
        assert executor.call("UPDATE", update={"status": status}).status == 202
        executor.expect("ACKNOWLEDGED", "ACKNOWLEDGED")
        framework.acknowledge(framework.await_update("t"))
        assert not [e for e in framework.events_for(QUIET_S) if e["type"] == "UPDATE"]


def test_an_update_that_names_another_agent_is_lost(port: int, tmp_path: Path) -> None:
    with Framework(port) as framework:
        executor = launched(framework, tmp_path, waiting(tmp_path, "e"), "t")
        executor.subscribe()
        executor.expect("SUBSCRIBED", "LAUNCH")
        executor.update("t", "TASK_RUNNING", agent_id={"value": "elsewhere"})
        assert executor.is_quiet()
        executor.update("t", "TASK_RUNNING", executor_id=None)
        status = framework.await_update("t")
        # What the executor did not say is not added.
        assert "executor_id" not in status


def test_an_update_of_a_task_that_nobody_launched_is_passed_on_bare(
    port: int, tmp_path: Path
) -> None:
    with Framework(port) as framework:
        executor = launched(framework, tmp_path, waiting(tmp_path, "e"), "t")
        executor.subscribe()
        executor.expect("SUBSCRIBED", "LAUNCH")
        executor.update("ghost", "TASK_RUNNING")
        status = framework.await_update("ghost")
        assert status["executor_id"] == {"value": "e"}
        assert "container_status" not in status
        framework.acknowledge(status)
        assert executor.is_quiet()


def test_after_an_end_nothing_of_the_task_is_passed_on(port: int, tmp_path: Path) -> None:
    with Framework(port) as framework:
        executor = launched(framework, tmp_path, waiting(tmp_path, "e"), "t")
        executor.subscribe()
        executor.expect("SUBSCRIBED", "LAUNCH")
        executor.update("t", "TASK_FINISHED")
        executor.update("t", "TASK_FAILED")
        executor.expect("ACKNOWLEDGED", "ACKNOWLEDGED")
        finished = framework.await_update("t")
        assert finished["state"] == "TASK_FINISHED"
        framework.acknowledge(finished)
        assert not [e for e in framework.events_for(QUIET_S) if e["type"] == "UPDATE"]


def test_messages_go_both_ways(port: int, tmp_path: Path) -> None:
    with Framework(port) as framework:
        executor = launched(framework, tmp_path, waiting(tmp_path, "e"), "t")
        executor.subscribe()
        (first, _) = executor.expect("SUBSCRIBED", "LAUNCH")
        agent_id = first["subscribed"]["agent_info"]["id"]
        assert executor.call("MESSAGE", message={"data": DATA}).status == 202
        message = framework.await_event("MESSAGE")["message"]
        ids = {"agent_id": agent_id, "executor_id": {"value": "e"}}
        assert message == {**ids, "data": DATA}
        nowhere = {**ids, "executor_id": {"value": "nobody"}}
        for address in (nowhere, {**ids, "agent_id": {"value": "nowhere"}}, ids):
            assert framework.call("MESSAGE", {**address, "data": DATA}).status == 202
        (event,) = executor.expect("MESSAGE")
        assert event["message"] == {"data": DATA}


def test_kills_reach_it_as_they_were_asked(port: int, tmp_path: Path) -> None:
    policy = {"grace_period": {"nanoseconds": 7}}
    with Framework(port) as framework:
        info = waiting(tmp_path, "e")
        own = {"grace_period": {"nanoseconds": 60 * 10**9}}
        executor = launched(framework, tmp_path, info, "t", kill_policy=own)
        executor.subscribe()
        executor.expect("SUBSCRIBED", "LAUNCH")
        framework.kill("t")
        framework.kill("t", kill_policy=policy)
        plain, urgent = executor.expect("KILL", "KILL")
        assert plain["kill"] == {"task_id": {"value": "t"}}
        assert urgent["kill"] == {"task_id": {"value": "t"}, "kill_policy": policy}
        # How it ends is the executor's to say.
        executor.update("t", "TASK_FINISHED")
        assert framework.await_update("t")["state"] == "TASK_FINISHED"


def test_a_kill_before_it_subscribed_spares_its_other_task(port: int, tmp_path: Path) -> None:
    with Framework(port) as framework:
        executor = launched(framework, tmp_path, waiting(tmp_path, "e"), "one", "two")
        framework.kill("one")
        status = framework.await_update("one")
        assert status["state"] == "TASK_KILLED"
        assert status["reason"] == "REASON_TASK_KILLED_DURING_LAUNCH"
        assert (status["source"], status["executor_id"]) == ("SOURCE_AGENT", {"value": "e"})
        assert status["message"] == "Killed before delivery to the executor"
        executor.subscribe()
        (_, launch) = executor.expect("SUBSCRIBED", "LAUNCH")
        assert launch["launch"]["task"]["task_id"] == {"value": "two"}
        assert executor.is_quiet()


def test_one_that_has_lost_all_its_tasks_before_it_subscribed_is_sent_away(
    port: int, tmp_path: Path
) -> None:
    with Framework(port) as framework:
        executor = launched(framework, tmp_path, waiting(tmp_path, "e"), "t")
        framework.kill("t")
        framework.acknowledge(framework.await_update("t"))
        executor.subscribe()
        executor.expect("SHUTDOWN")
        failure = framework.await_event("FAILURE")["failure"]
        assert (failure["executor_id"], failure["status"]) == ({"value": "e"}, 9)


@pytest.mark.parametrize("status", [0, 7])
def test_its_end_is_told_and_its_live_tasks_have_failed(
    port: int, tmp_path: Path, status: int
) -> None:
    with Framework(port) as framework:
        executor = launched(framework, tmp_path, waiting(tmp_path, "e"), "over", "live", "silent")
        executor.subscribe()
        executor.expect("SUBSCRIBED", "LAUNCH", "LAUNCH", "LAUNCH")
        executor.update("over", "TASK_FINISHED")
        framework.acknowledge(framework.await_update("over"))
        executor.update("live", "TASK_RUNNING")
        framework.acknowledge(framework.await_update("live"))
        let_exit(tmp_path, "e", status)
        failure = framework.await_event("FAILURE")["failure"]
        assert failure["executor_id"] == {"value": "e"}
        assert failure["status"] == status << 8
        ended = [framework.await_update(task_id) for task_id in ("live", "silent")]
        for each in ended:
            told = (each["state"], each["source"], each["reason"], each["message"])
            assert told == GONE
            assert "uuid" in each
            assert each["agent_id"] == failure["agent_id"]


def test_one_that_ends_before_it_subscribed_takes_its_tasks_along(port: int) -> None:
    with Framework(port) as framework:
        offer = framework.offers()[0]
        info = executor_info("e", "exit 3")
        framework.launch([offer], [task("t", offer, command=None, executor=info)])
        assert framework.await_event("FAILURE")["failure"]["status"] == 3 << 8
        status = framework.await_update("t")
        assert (status["state"], status["reason"]) == ("TASK_FAILED", GONE[2])


def test_a_shutdown_is_asked_and_then_enforced(port: int, tmp_path: Path) -> None:
    with Framework(port) as framework:
        executor = launched(framework, tmp_path, waiting(tmp_path, "e"), "heeds", "ignores")
        executor.subscribe()
        (first, *_) = executor.expect("SUBSCRIBED", "LAUNCH", "LAUNCH")
        asked_at = time.monotonic()
        ids = {"agent_id": first["subscribed"]["agent_info"]["id"], "executor_id": {"value": "e"}}
        assert framework.call("SHUTDOWN", ids).status == 202
        executor.expect("SHUTDOWN")
        executor.update("heeds", "TASK_KILLED")
        assert framework.await_update("heeds")["state"] == "TASK_KILLED"
        # Its own grace is a second; then it is ended, and what it left was never said to end.
        assert framework.await_event("FAILURE")["failure"]["status"] == 9
        # The default is five.
        assert 0.8 < time.monotonic() - asked_at < 4.9
        status = framework.await_update("ignores")
        assert (status["state"], status["reason"]) == ("TASK_FAILED", GONE[2])


def test_one_that_is_going_takes_nothing_more(port: int, tmp_path: Path) -> None:
    with Framework(port) as framework:
        # Longer than a busy computer needs for what follows.
        grace = {"nanoseconds": 60 * 10**9}
        info = waiting(tmp_path, "e", shutdown_grace_period=grace)
        executor = launched(framework, tmp_path, info, "t")
        executor.subscribe()
        (first, _) = executor.expect("SUBSCRIBED", "LAUNCH")
        executor.update("t", "TASK_RUNNING")
        framework.acknowledge(framework.await_update("t"))
        agent_id = first["subscribed"]["agent_info"]["id"]
        framework.subscribe()  # Offers that came before the update were passed over: all come anew.
        offer = framework.offer_of(agent_id["value"])
        ids = {"agent_id": agent_id, "executor_id": {"value": "e"}}
        framework.call("SHUTDOWN", ids)
        executor.expect("ACKNOWLEDGED", "SHUTDOWN")
        framework.launch([offer], [task("late", offer, command=None, executor=info)])
        status = framework.await_update("late")
        assert (status["state"], status["source"]) == ("TASK_DROPPED", "SOURCE_AGENT")
        assert status["reason"] == "REASON_EXECUTOR_TERMINATED"
        assert status["message"] == "Executor terminating"
        assert "executor_id" not in status
        framework.kill("t")
        assert executor.is_quiet()
        let_exit(tmp_path, "e", 0)
        framework.await_event("FAILURE")


def test_a_teardown_shuts_it_down(port: int, tmp_path: Path) -> None:
    with Framework(port) as framework:
        executor = launched(framework, tmp_path, waiting(tmp_path, "e"), "t")
        executor.subscribe()
        executor.expect("SUBSCRIBED", "LAUNCH")
        framework.call("TEARDOWN")
        executor.expect("SHUTDOWN")


def test_a_second_subscription_ends_the_first_stream(port: int, tmp_path: Path) -> None:
    with Framework(port) as framework:
        executor = launched(framework, tmp_path, waiting(tmp_path, "e"), "t")
        executor.subscribe()
        executor.expect("SUBSCRIBED", "LAUNCH")
        executor.update("t", "TASK_STARTING")
        framework.acknowledge(framework.await_update("t"))
        executor.expect("ACKNOWLEDGED")
        first = executor.events
        missed = executor.status("t", "TASK_RUNNING")
        executor.subscribe(unacknowledged_updates=[{"status": missed}])
        assert first.get(timeout=PATIENCE_S)["type"] == "END OF STREAM"
        # What is unacknowledged is taken; what was launched is not launched again.
        executor.expect("SUBSCRIBED", "ACKNOWLEDGED")
        assert framework.await_update("t")["uuid"] == missed["uuid"]


def test_one_that_subscribes_again_before_it_has_reported_is_sent_away(
    port: int, tmp_path: Path
) -> None:
    with Framework(port) as framework:
        executor = launched(framework, tmp_path, waiting(tmp_path, "e"), "t")
        executor.subscribe()
        executor.expect("SUBSCRIBED", "LAUNCH")
        missed = executor.status("t", "TASK_RUNNING")
        executor.subscribe(unacknowledged_updates=[{"status": missed}])
        executor.expect("SHUTDOWN", "ACKNOWLEDGED")


def test_a_broken_stream_ends_nothing(port: int, tmp_path: Path) -> None:
    with Framework(port) as framework:
        executor = launched(framework, tmp_path, waiting(tmp_path, "e"), "t")
        executor.subscribe()
        executor.expect("SUBSCRIBED", "LAUNCH")
        executor.close()
        assert not [e for e in framework.events_for(QUIET_S) if e["type"] != "OFFERS"]
        executor.update("t", "TASK_RUNNING")
        assert framework.await_update("t")["state"] == "TASK_RUNNING"


def subscribed_again(executor: Executor, **subscription: object) -> None:
    """Subscribe as soon as the agent that was restarted lets the executor."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            if executor.subscribe(**subscription).status == 200:
                return
        except OSError:
            pass
        assert time.monotonic() < deadline, "the agent has not come back"
        time.sleep(0.01)


def told_by_agent(framework: Framework, task_id: str, state: str) -> Json:
    """The status by which the agent says this; a slow one may have been given up meanwhile."""
    while True:
        status = framework.await_state(task_id, state)
        if status["source"] == "SOURCE_AGENT":
            return status


def test_after_a_restart_of_the_agent_it_has_two_seconds(
    cluster: Cluster, port: int, tmp_path: Path
) -> None:
    with Framework(port) as framework:
        offer = framework.offers()[0]
        back, away = waiting(tmp_path, "back"), waiting(tmp_path, "away")
        tasks = [
            task("known", offer, command=None, executor=back),
            task("unheard", offer, command=None, executor=back),
            task("left", offer, command=None, executor=away),
        ]
        framework.launch([offer], tasks)
        agent_id = offer["agent_id"]["value"]
        executors = []
        for name, count in (("back", 2), ("away", 1)):
            executor = Executor(agent_port(port, agent_id), framework, name)
            deadline = time.monotonic() + PATIENCE_S
            while not environment_file(tmp_path, name).exists():
                assert time.monotonic() < deadline
                time.sleep(0.01)
            assert executor.subscribe().status == 200
            executor.expect("SUBSCRIBED", *["LAUNCH"] * count)
            executors.append(executor)
        executors[0].update("known", "TASK_RUNNING")
        framework.acknowledge(framework.await_update("known"))
        node = zone_of(framework, agent_id)
        cluster.kill(node)
        # The dev cluster's command waits until the agent is back; the executor must not.
        starting = threading.Thread(target=cluster.start, args=(node,))
        starting.start()
        missed = executors[0].status("known", "TASK_RUNNING", message="meanwhile")
        subscribed_again(executors[0], unacknowledged_updates=[{"status": missed}])
        starting.join()
        unheard = told_by_agent(framework, "unheard", "TASK_DROPPED")
        assert unheard["reason"] == "REASON_AGENT_RESTARTED"
        assert unheard["message"] == "Task launched during agent restart"
        # What was passed over meanwhile is sent again.
        framework.subscribe()
        left = told_by_agent(framework, "left", "TASK_GONE")
        assert left["reason"] == "REASON_EXECUTOR_REREGISTRATION_TIMEOUT"
        assert left["message"] == "Executor did not reregister within 2secs"
        executors[0].update("known", "TASK_FINISHED")
        framework.await_state("known", "TASK_FINISHED")
        await_agents(port, {"z1", "z2"})


@pytest.mark.parametrize(
    ("program", "names"),
    # That of others may leave when its first task has ended, whatever else was launched.
    [(OTHERS_EXECUTOR, ["one"]), (OWN_EXECUTOR, ["one", "two"])],
    ids=["others", "own"],
)
def test_whole_executors_run_tasks(port: int, program: Path, names: list[str]) -> None:
    if not program.is_file():
        pytest.skip(f"no {program.name} of others: it belongs to the real Mesos' folder")
    with Framework(port) as framework:
        offer = framework.offers()[0]
        command = f"exec '{os.path.realpath(sys.executable)}' '{program}'"
        info = executor_info("whole", command)
        # Its own command says what a task is to run; Mesos does not look at it.
        tasks = [task(name, offer, command=None, executor=info) for name in names]
        framework.launch([offer], tasks)
        finished: set[str] = set()
        statuses: list[int] = []
        # It may be gone before the framework has acknowledged what it said.
        deadline = time.monotonic() + 2 * PATIENCE_S
        while finished != set(names) or not statuses:
            assert time.monotonic() < deadline, (finished, statuses)
            event = framework.stream.events.get(timeout=PATIENCE_S)  # A beat comes each 15 s.
            if event["type"] == "FAILURE":
                statuses.append(event["failure"]["status"])
            elif event["type"] == "UPDATE":
                status = event["update"]["status"]
                framework.acknowledge(status)
                assert status["state"] != "TASK_FAILED", status
                if status["state"] == "TASK_FINISHED":
                    finished.add(status["task_id"]["value"])
        assert statuses == [0]
