"""The agent without processes: updates one by one, executors that come and go, kills, recovery."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.devcluster.agent.exits import Exit
from connectors.devcluster.agent.model import (
    Keep,
    KeepDrain,
    KeepExecutor,
    KeepFramework,
    KeepTask,
    Launch,
    LaunchExecutor,
    LocalTask,
    Phase,
)
from connectors.devcluster.agent.state import AgentState
from connectors.devcluster.agent.store import AgentStore
from connectors.devcluster.agent.updates import UpdateStream
from tests.unit.devcluster.agent_rig import (
    FRAMEWORK,
    INFO,
    AgentRig,
    executor_info,
    task_info,
    uuid_of,
)

Json = dict[str, Any]


def test_starting_then_running_then_the_end_each_after_an_acknowledgement() -> None:
    rig = AgentRig()
    container = rig.run()
    rig.executor("ENDED", container, wait_status=0, is_killed=False, is_over_time=False)
    assert rig.states() == ["TASK_STARTING"]
    rig.acknowledge()
    assert rig.states() == ["TASK_RUNNING"]
    rig.acknowledge()
    assert rig.states() == ["TASK_FINISHED"]
    rig.acknowledge()
    assert rig.state.tasks == {}
    # A framework with nothing here is unknown to the agent.
    assert rig.state.frameworks == {}


def test_the_latest_state_goes_with_every_update() -> None:
    rig = AgentRig()
    container = rig.run()
    rig.executor("ENDED", container, wait_status=0, is_killed=False, is_over_time=False)
    rig.master("FRAMEWORK", framework=FRAMEWORK)
    update = rig.sent[-1]["update"]
    assert (update["status"]["state"], update["latest_state"]) == ("TASK_STARTING", "TASK_FINISHED")


def test_an_update_is_kept_before_it_is_sent() -> None:
    rig = AgentRig()
    rig.run()
    kept, sent = rig.order.index("Keep"), rig.order.index("ToMaster")
    assert kept < sent


def test_an_executor_may_leave_only_after_the_end_is_kept() -> None:
    rig = AgentRig()
    container = rig.run()
    rig.order.clear()
    rig.executor("ENDED", container, wait_status=256, is_killed=False, is_over_time=False)
    assert rig.order == ["Keep", "ToKeeper"]
    assert rig.commands[-1] == (container, {"type": "LEAVE", "grace_seconds": 0.0})


@given(st.integers(0, 8))
def test_repeats_are_ten_seconds_doubling_to_ten_minutes(count: int) -> None:
    stream = UpdateStream()
    status = {"uuid": "u", "state": "TASK_RUNNING"}
    assert stream.add(status, 0.0) is status
    now, wait = 0.0, 10.0
    for _ in range(count):
        assert stream.due(now + wait - 0.1) is None
        now += wait
        assert stream.due(now) is status
        wait = min(2 * wait, 600.0)


def test_a_foreign_acknowledgement_moves_nothing() -> None:
    stream = UpdateStream()
    stream.add({"uuid": "1", "state": "TASK_RUNNING"}, 0.0)
    assert stream.add({"uuid": "2", "state": "TASK_FINISHED"}, 0.0) is None
    assert stream.acknowledge("2", 1.0) == (False, None)
    found, following = stream.acknowledge("1", 1.0)
    assert found
    assert following is not None
    assert following["uuid"] == "2"


def test_nothing_is_sent_without_a_link_and_all_of_it_after() -> None:
    rig = AgentRig()
    rig.state.unlinked()
    rig.run()
    assert rig.sent == []
    rig.now = 100.0
    rig.state.tick(rig.now)
    rig.settle()
    assert rig.sent == []
    rig.master("REGISTERED", agent_id="a", reconciliations=[])
    assert rig.states() == ["TASK_STARTING"]


def test_another_frameworks_return_repeats_only_where_it_is_known() -> None:
    rig = AgentRig()
    rig.run()
    rig.states()
    rig.master("FRAMEWORK", framework={**FRAMEWORK, "id": {"value": "stranger"}})
    assert rig.states() == []
    rig.master("FRAMEWORK", framework=FRAMEWORK)
    assert rig.states() == ["TASK_STARTING"]


def test_a_kill_before_delivery_is_told_as_such_and_nothing_runs() -> None:
    rig = AgentRig()
    rig.master("RUN_TASK", framework=FRAMEWORK, task=task_info("t"), role="*")
    rig.master("KILL_TASK", framework_id="f", task_id="t", kill_policy=None)
    status = rig.sent[-1]["update"]["status"]
    assert status["state"] == "TASK_KILLED"
    assert status["reason"] == "REASON_TASK_KILLED_DURING_LAUNCH"
    assert status["source"] == "SOURCE_AGENT"
    assert status["message"] == "Killed before delivery to the executor"
    rig.executor("SUBSCRIBE", rig.launched[0].container_id, pid=1, task_pid=0)
    assert [m["type"] for _, m in rig.commands] == ["LEAVE"]


@pytest.mark.parametrize(
    ("of_kill", "of_task", "seconds"),
    [
        (None, None, 3.0),
        (None, 10**10, 10.0),
        (5 * 10**8, 10**10, 0.5),
        (0, None, 0.0),
    ],
)
def test_the_grace_is_that_of_the_kill_then_of_the_task_then_three_seconds(
    of_kill: int | None, of_task: int | None, seconds: float
) -> None:
    def policy(grace: int | None) -> Json | None:
        return None if grace is None else {"grace_period": {"nanoseconds": grace}}

    rig = AgentRig()
    container = rig.run("t", kill_policy=policy(of_task) or {})
    rig.master("KILL_TASK", framework_id="f", task_id="t", kill_policy=policy(of_kill))
    assert rig.commands[-1] == (container, {"type": "KILL", "grace_seconds": seconds})


def test_killing_is_told_once() -> None:
    rig = AgentRig()
    container = rig.run()
    for _ in range(2):
        rig.master("KILL_TASK", framework_id="f", task_id="t", kill_policy=None)
    states = [s["state"] for s in rig.state.tasks["f", "t"].updates.pending]
    assert states == ["TASK_STARTING", "TASK_RUNNING", "TASK_KILLING"]
    assert [m["type"] for c, m in rig.commands if c == container] == ["RUN", "KILL", "KILL"]


def test_kills_of_the_ended_and_the_unknown_are_silent() -> None:
    rig = AgentRig()
    container = rig.run()
    rig.executor("ENDED", container, wait_status=0, is_killed=False, is_over_time=False)
    rig.commands.clear()
    rig.states()
    rig.master("KILL_TASK", framework_id="f", task_id="t", kill_policy=None)
    rig.master("KILL_TASK", framework_id="f", task_id="nobody", kill_policy=None)
    assert (rig.commands, rig.states()) == ([], [])


@pytest.mark.parametrize(
    ("end", "verdict"),
    [
        (Exit(0), ("TASK_FINISHED", None, "Command exited with status 0")),
        (Exit(7 << 8), ("TASK_FAILED", None, "Command exited with status 7")),
        (
            Exit(signal.SIGKILL),
            ("TASK_FAILED", None, "Command terminated with signal Killed"),
        ),
        (
            Exit(signal.SIGSEGV | 0x80),
            (
                "TASK_FAILED",
                None,
                "Command terminated with signal Segmentation fault (core dumped)",
            ),
        ),
        (Exit(0, is_killed=True), ("TASK_KILLED", None, "Command exited with status 0")),
        (
            Exit(signal.SIGTERM, is_killed=True),
            ("TASK_KILLED", None, "Command terminated with signal Terminated"),
        ),
        (
            Exit(signal.SIGKILL, is_over_time=True),
            (
                "TASK_FAILED",
                "REASON_MAX_COMPLETION_TIME_REACHED",
                "Command terminated with signal Killed",
            ),
        ),
    ],
)
def test_an_end_in_mesos_words(end: Exit, verdict: tuple[str, str | None, str]) -> None:
    assert end.verdict() == verdict


def test_an_executor_that_dies_fails_its_task() -> None:
    rig = AgentRig()
    container = rig.run()
    rig.state.keeper_gone(container, None, 0.0)
    status = rig.state.tasks["f", "t"].updates.pending[-1]
    assert (status["state"], status["reason"]) == ("TASK_FAILED", "REASON_EXECUTOR_TERMINATED")
    assert (status["message"], status["source"]) == ("Executor terminated", "SOURCE_AGENT")


def test_an_executor_that_never_comes_fails_its_task_after_a_minute() -> None:
    rig = AgentRig()
    rig.master("RUN_TASK", framework=FRAMEWORK, task=task_info("t"), role="*")
    rig.state.tick(59.0)
    rig.settle()
    assert rig.states() == []
    rig.state.tick(60.0)
    rig.settle()
    assert rig.sent[0]["update"]["status"]["reason"] == "REASON_EXECUTOR_REGISTRATION_TIMEOUT"


@pytest.mark.parametrize(("aware", "state"), [(True, "TASK_DROPPED"), (False, "TASK_LOST")])
def test_a_task_that_never_arrived_is_owned_up_to(aware: bool, state: str) -> None:
    rig = AgentRig()
    framework = {**FRAMEWORK, "capabilities": FRAMEWORK["capabilities"] if aware else []}
    lost = {"framework": framework, "info": task_info("t"), "role": "*"}
    rig.master("REGISTERED", agent_id="a", reconciliations=[lost])
    status = rig.sent[0]["update"]["status"]
    assert (status["state"], status["reason"]) == (state, "REASON_RECONCILIATION")
    assert "uuid" in status
    rig.acknowledge()
    assert rig.state.tasks == {}


def test_a_removed_framework_leaves_nothing() -> None:
    rig = AgentRig()
    container = rig.run()
    rig.order.clear()
    rig.master("SHUTDOWN_FRAMEWORK", framework_id="f")
    assert rig.commands[-1] == (container, {"type": "LEAVE", "grace_seconds": 3.0})
    assert (rig.state.tasks, rig.state.frameworks) == ({}, {})
    assert KeepFramework.__name__ in rig.order


def test_a_ping_is_answered() -> None:
    rig = AgentRig()
    rig.master("PING")
    assert rig.sent == [{"type": "PONG"}]


# Recovery: what was kept is all that the next process has.


def kept(rig: AgentRig, store: AgentStore) -> None:
    """Carry the keeping outputs out, as the agent process does."""
    for output in rig.state.take():
        match output:
            case LaunchExecutor() | KeepExecutor():
                store.keep_executor(output.executor)
            case KeepTask():
                store.make_container(output.task)
                store.keep_task(output.task)
            case KeepDrain():
                store.keep_drain(rig.state.drain)
            case Launch():
                store.make_container(output.task)
                store.keep_task(output.task)
            case Keep():
                store.keep(output.task, output.fact)
            case KeepFramework():
                store.keep_framework(output.framework_id, rig.state.frameworks[output.framework_id])
            case _:
                pass


def restarted(store: AgentStore) -> AgentRig:
    """The next process of the agent, before it is linked."""
    state = AgentState(INFO, lambda: "new", lambda: uuid_of("new"))
    state.restore("a", store.frameworks(), store.tasks(0.0), store.executors(0.0), store.drain())
    rig = AgentRig.__new__(AgentRig)
    AgentRig.__init__(rig, state)
    return rig


def test_a_restarted_agent_goes_on_where_it_was(tmp_path: Path) -> None:
    store = AgentStore(tmp_path)
    rig = AgentRig()
    rig.state.from_master(
        {"type": "RUN_TASK", "framework": FRAMEWORK, "task": task_info("t"), "role": "*"}, 0.0
    )
    kept(rig, store)
    (task,) = rig.state.tasks.values()
    rig.state.from_keeper(
        {"type": "SUBSCRIBE", "container_id": task.container_id, "pid": 1, "task_pid": 0}, 0.0
    )
    rig.state.from_keeper(
        {"type": "STARTED", "container_id": task.container_id, "task_pid": 2}, 0.0
    )
    uuid = task.updates.pending[0]["uuid"]
    rig.state.from_master(
        {"type": "ACKNOWLEDGE", "framework_id": "f", "task_id": "t", "uuid": uuid}, 0.0
    )
    kept(rig, store)

    after = restarted(store)
    (found,) = after.state.tasks.values()
    assert (found.phase, found.state) == (Phase.RECOVERING, "TASK_RUNNING")
    assert found.container_id == task.container_id
    assert [s["state"] for s in found.updates.pending] == ["TASK_RUNNING"]
    assert after.states() == ["TASK_RUNNING"]
    # Its executor comes back: nothing is said twice.
    after.executor("SUBSCRIBE", task.container_id, pid=1, task_pid=2)
    assert (found.phase, len(found.updates.pending)) == (Phase.RUNNING, 1)


@pytest.mark.parametrize(
    ("end", "state", "message"),
    [
        (Exit(0), "TASK_FINISHED", "Command exited with status 0"),
        (None, "TASK_GONE", "Executor did not reregister within 2secs"),
    ],
)
def test_an_executor_that_does_not_come_back_is_judged_by_what_it_left(
    tmp_path: Path, end: Exit | None, state: str, message: str
) -> None:
    store = AgentStore(tmp_path)
    rig = AgentRig()
    rig.state.from_master(
        {"type": "RUN_TASK", "framework": FRAMEWORK, "task": task_info("t"), "role": "*"}, 0.0
    )
    kept(rig, store)
    (task,) = rig.state.tasks.values()
    if end is not None:
        facts = {"wait_status": end.wait_status, "is_killed": False, "is_over_time": False}
        path = store.container(task.container_id) / "executor.json"
        path.write_text(json.dumps({"pid": 1, "task_pid": 2, **facts}))
    assert store.last_end(task.container_id) == end
    after = restarted(store)
    ends = {} if end is None else {task.container_id: end}
    after.state.end_recovery(ends, 0.0)
    last = after.state.tasks["f", "t"].updates.pending[-1]
    assert (last["state"], last["message"]) == (state, message)


def test_a_line_cut_short_by_a_kill_is_no_line(tmp_path: Path) -> None:
    store = AgentStore(tmp_path)
    task = LocalTask("f", task_info("t"), "*", "c", Phase.RUNNING, 0.0)
    store.make_container(task)
    store.keep_task(task)
    store.keep(task, {"update": {"uuid": "1", "state": "TASK_RUNNING"}})
    with (store.container("c") / "updates.jsonl").open("ab") as file:
        file.write(b'{"update": {"uu')
    (found,) = store.tasks(0.0)
    assert [s["uuid"] for s in found.updates.pending] == ["1"]


def test_an_agent_with_other_resources_is_another_agent(tmp_path: Path) -> None:
    store = AgentStore(tmp_path)
    store.keep_agent_id("a", INFO)
    assert store.agent_id(INFO) == "a"
    assert store.agent_id({**INFO, "resources": [1]}) is None
    assert store.tasks(0.0) == []
    assert store.agent_id(INFO) is None


def told(rig: AgentRig, store: AgentStore, **message: Any) -> None:
    """Let the master say something, and keep what it leads to."""
    rig.state.from_master(message, 0.0)
    kept(rig, store)


@pytest.mark.parametrize("comes_back", [True, False])
def test_an_executor_and_its_tasks_outlive_the_agent(tmp_path: Path, comes_back: bool) -> None:
    store, rig = AgentStore(tmp_path), AgentRig()
    info = task_info("t", executor=executor_info("e"))
    told(rig, store, type="RUN_TASK", framework=FRAMEWORK, task=info, role="*")
    (executor,) = rig.state.executors.values()
    container = executor.container_id
    after = restarted(store)
    assert after.state.recovering() == [container]
    after.executor("SUBSCRIBE", container, pid=1, task_pid=2)
    # Its process is here, and must not be started again; its word is awaited.
    assert (after.commands, after.state.recovering()) == ([], [container])
    if comes_back:
        after.subscribe(unacknowledged_tasks=[info])
        assert after.heard() == ["SUBSCRIBED"]
        assert after.state.recovering() == []
        after.update("t", "TASK_RUNNING")
        assert after.states() == ["TASK_RUNNING"]
        return
    after.state.end_recovery({}, 2.0)
    after.settle()
    assert after.commands == [(container, {"type": "DESTROY"})]
    after.ended(container, 9)
    (status,) = after.pending("t")
    assert (status["state"], status["message"]) == (
        "TASK_GONE",
        "Executor did not reregister within 2secs",
    )
    assert after.exits() == [("e", 9)]


def test_a_group_outlives_the_agent_as_a_group(tmp_path: Path) -> None:
    store, rig = AgentStore(tmp_path), AgentRig()
    info = {"executor_id": {"value": "e"}, "type": "DEFAULT", "resources": []}
    tasks = [task_info("one"), task_info("two")]
    group = {"framework": FRAMEWORK, "executor": info, "tasks": tasks, "role": "*"}
    told(rig, store, type="RUN_TASK_GROUP", **group)
    containers = [t.container_id for t in rig.state.tasks.values()]
    after = restarted(store)
    for container in containers:
        after.executor("SUBSCRIBE", container, pid=1, task_pid=2)
    after.commands.clear()
    after.ended(containers[0], 256)
    kill = {"type": "KILL", "grace_seconds": 3.0}
    assert (containers[1], kill) in after.commands
    after.ended(containers[1], 15, is_killed=True)
    assert after.exits() == [("e", 0)]


def test_a_drain_outlives_the_agent_and_kills_what_comes_back(tmp_path: Path) -> None:
    store, rig = AgentStore(tmp_path), AgentRig()
    told(rig, store, type="RUN_TASK", framework=FRAMEWORK, task=task_info("t"), role="*")
    (task,) = rig.state.tasks.values()
    for kind, pid in (("SUBSCRIBE", 0), ("STARTED", 2)):
        report = {"type": kind, "container_id": task.container_id, "pid": 1, "task_pid": pid}
        rig.state.from_keeper(report, 0.0)
        kept(rig, store)
    told(rig, store, type="DRAIN", max_grace_period={"nanoseconds": 10**9}, mark_gone=False)
    after = restarted(store)
    assert after.state.registration()["drain"] == {"max_grace_period": {"nanoseconds": 10**9}}
    after.executor("SUBSCRIBE", task.container_id, pid=1, task_pid=2)
    after.commands.clear()
    after.state.end_recovery({}, 1.0)
    after.settle()
    assert after.commands == [(task.container_id, {"type": "KILL", "grace_seconds": 1.0})]
    # It was announced before the restart.
    assert [s["state"] for s in after.pending("t")].count("TASK_KILLING") == 1
    told(after, store, type="UNDRAIN")
    assert store.drain() is None
