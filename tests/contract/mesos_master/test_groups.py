"""Task groups: all or nothing, under a custom executor and under the default one."""

import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.contract.mesos_master.executor_client import (
    agent_port,
    executor_info,
    launch_group,
    launched_group,
    let_exit,
    waiting,
)
from tests.contract.mesos_master.master_client import (
    PATIENCE_S,
    Framework,
    Json,
    request,
    scalars,
    task,
)

pytestmark = pytest.mark.integration

DEFAULT: Json = {
    "type": "DEFAULT",
    "executor_id": {"value": "default"},
    "resources": scalars(0.1, 32, disk=10),
}
# The real one here has no default executor: the agent's helper programs are stand-ins.
NEEDS_DEFAULT = "the real Mesos' default executor is a helper program, for which others stand in"


def test_a_group_is_one_event_for_a_custom_executor(port: int, tmp_path: Path) -> None:
    with Framework(port) as framework:
        executor = launched_group(framework, tmp_path, waiting(tmp_path, "e"), "one", "two")
        executor.subscribe()
        (_, launch) = executor.expect("SUBSCRIBED", "LAUNCH_GROUP")
        tasks = launch["launch_group"]["task_group"]["tasks"]
        assert [t["task_id"]["value"] for t in tasks] == ["one", "two"]
        for name in ("one", "two"):
            executor.update(name, "TASK_RUNNING")
            framework.acknowledge(framework.await_update(name))
        executor.expect("ACKNOWLEDGED", "ACKNOWLEDGED")
        # A kill names one task; what that means for the group is the executor's to decide.
        framework.kill("one")
        (kill,) = executor.expect("KILL")
        assert kill["kill"]["task_id"] == {"value": "one"}
        executor.update("one", "TASK_KILLED")
        framework.acknowledge(framework.await_update("one"))
        executor.expect("ACKNOWLEDGED")
        assert executor.is_quiet()
        let_exit(tmp_path, "e", 1)
        assert framework.await_update("two")["reason"] == "REASON_EXECUTOR_TERMINATED"


def test_a_kill_before_delivery_ends_the_whole_group(port: int, tmp_path: Path) -> None:
    with Framework(port) as framework:
        executor = launched_group(framework, tmp_path, waiting(tmp_path, "e"), "one", "two")
        framework.kill("two")
        for _ in range(2):
            status = framework.await_event("UPDATE")["update"]["status"]
            assert (status["state"], status["source"]) == ("TASK_KILLED", "SOURCE_AGENT")
            assert status["reason"] == "REASON_TASK_KILLED_DURING_LAUNCH"
            assert status["message"] == (
                "A task within the task group was killed before delivery to the executor"
            )
        executor.subscribe()
        executor.expect("SHUTDOWN")


def test_of_an_invalid_group_nothing_starts(port: int) -> None:
    with Framework(port) as framework:
        offer = framework.offers()[0]
        good = task("good", offer, command=None)
        bad = task("bad", offer, command=None, resources=scalars(99.0))
        launch_group(framework, offer, executor_info("e"), [good, bad])
        for _ in range(2):
            status = framework.await_event("UPDATE")["update"]["status"]
            assert status["state"] == "TASK_ERROR"
            assert status["reason"] == "REASON_TASK_GROUP_INVALID"
            assert "required by task group and its executor" in status["message"]


def test_the_executors_end_is_that_of_the_group(port: int, tmp_path: Path) -> None:
    with Framework(port) as framework:
        executor = launched_group(framework, tmp_path, waiting(tmp_path, "e"), "one", "two")
        executor.subscribe()
        executor.expect("SUBSCRIBED", "LAUNCH_GROUP")
        let_exit(tmp_path, "e", 7)
        assert framework.await_event("FAILURE")["failure"]["status"] == 7 << 8
        for name in ("one", "two"):
            assert framework.await_update(name)["state"] == "TASK_FAILED"


# The default executor


@pytest.fixture
def dev_port(port: int, is_real: bool) -> int:
    """The port of the dev cluster's master."""
    if is_real:
        pytest.skip(NEEDS_DEFAULT)
    return port


def started(framework: Framework, scripts: dict[str, str], **more: object) -> dict[str, list[Json]]:
    """Launch a group of the default executor; its statuses until all of it runs."""
    offer = framework.offers()[0]
    tasks = [task(name, offer, script, **more) for name, script in scripts.items()]
    launch_group(framework, offer, DEFAULT, tasks)
    return collect(framework, dict.fromkeys(scripts, "TASK_RUNNING"))


def collect(framework: Framework, wanted: dict[str, str]) -> dict[str, list[Json]]:
    """The statuses of these tasks, acknowledged, until each is in the wanted state."""
    found: dict[str, list[Json]] = {name: [] for name in wanted}
    deadline = time.monotonic() + PATIENCE_S
    while any(not s or s[-1]["state"] != wanted[name] for name, s in found.items()):
        left = deadline - time.monotonic()
        status = framework.await_event("UPDATE", patience_s=left)["update"]["status"]
        framework.acknowledge(status)
        found[status["task_id"]["value"]].append(status)
    return found


def states(statuses: Iterable[Json]) -> list[str]:
    """Their states."""
    return [s["state"] for s in statuses]


def test_each_task_of_a_group_is_a_container_within_one(dev_port: int) -> None:
    with Framework(dev_port) as framework:
        script = "echo $MESOS_TASK_ID; exec sleep 600"
        found = started(framework, {"one": script, "two": script})
        assert all(states(s) == ["TASK_STARTING", "TASK_RUNNING"] for s in found.values())
        places = [s[-1]["container_status"]["container_id"] for s in found.values()]
        assert places[0]["parent"] == places[1]["parent"]
        assert places[0]["value"] != places[1]["value"]
        agent_id = found["one"][-1]["agent_id"]["value"]
        agent = agent_port(dev_port, agent_id)
        for name in ("one", "two"):
            root = f"/frameworks/{framework.framework_id}/executors/default/runs/latest"
            read = f"/files/read?path={root}/tasks/{name}/stdout&offset=0"
            deadline = time.monotonic() + PATIENCE_S
            while (reply := request(agent, "GET", read)).json["data"] != f"{name}\n":
                assert time.monotonic() < deadline, reply.text
                time.sleep(0.02)


@pytest.mark.parametrize(
    ("script", "first", "other"),
    [
        ("exit 0", "TASK_FINISHED", "TASK_RUNNING"),
        ("exit 3", "TASK_FAILED", "TASK_KILLED"),
        ("kill -9 $$", "TASK_FAILED", "TASK_KILLED"),
    ],
)
def test_one_bad_end_ends_the_rest(
    dev_port: int, tmp_path: Path, script: str, first: str, other: str
) -> None:
    with Framework(dev_port) as framework:
        go = tmp_path / "go"
        wait = f"while [ ! -e '{go}' ]; do sleep 0.02; done; {script}"
        started(framework, {"one": wait, "two": "exec sleep 600"})
        go.touch()
        if other == "TASK_RUNNING":
            collect(framework, {"one": first})
            framework.reconcile(("two", None))
            assert framework.await_update("two")["state"] == other
            framework.kill("two")
            framework.await_state("two", "TASK_KILLED")
        else:
            collect(framework, {"one": first, "two": other})


def test_killing_one_kills_all_and_the_executor_leaves(dev_port: int) -> None:
    with Framework(dev_port) as framework:
        started(framework, {"one": "exec sleep 600", "two": "exec sleep 600"})
        framework.kill("one")
        ended: set[str] = set()
        failure: Json | None = None
        while ended != {"one", "two"} or failure is None:
            event = framework.stream.events.get(timeout=PATIENCE_S)
            if event["type"] == "FAILURE":
                failure = event["failure"]
            elif event["type"] == "UPDATE":
                status = event["update"]["status"]
                framework.acknowledge(status)
                assert status["state"] == "TASK_KILLED"
                ended.add(status["task_id"]["value"])
        assert (failure["executor_id"], failure["status"]) == ({"value": "default"}, 0)


def test_a_group_task_whose_keeper_dies_takes_the_group_along(dev_port: int) -> None:
    with Framework(dev_port) as framework:
        found = started(framework, {"one": "exec sleep 600", "two": "exec sleep 600"})
        os.kill(found["one"][-1]["container_status"]["executor_pid"], signal.SIGKILL)
        found = collect(framework, {"one": "TASK_FAILED", "two": "TASK_KILLED"})
        assert found["one"][-1]["reason"] == "REASON_EXECUTOR_TERMINATED"


def test_a_group_of_which_one_cannot_be_fetched_does_not_start(dev_port: int) -> None:
    with Framework(dev_port) as framework:
        offer = framework.offers()[0]
        hopeless = {"value": "true", "uris": [{"value": "file:///no/such/file"}]}
        tasks = [task("one", offer, "true"), task("two", offer, command=hopeless)]
        launch_group(framework, offer, DEFAULT, tasks)
        found = collect(framework, {"one": "TASK_FAILED", "two": "TASK_FAILED"})
        for statuses in found.values():
            assert [s["reason"] for s in statuses] == ["REASON_CONTAINER_LAUNCH_FAILED"]
            assert "'file:///no/such/file'" in statuses[0]["message"]
