"""Executors that frameworks bring: what they are told, what their word and their end lead to."""

import pytest

from connectors.devcluster.agent.model import Phase
from tests.unit.devcluster.agent_rig import FRAMEWORK, AgentRig, Json, task_info, uuid_of

GONE = ("TASK_FAILED", "REASON_EXECUTOR_TERMINATED", "Executor terminated")


def test_tasks_wait_for_the_subscription_and_go_to_one_executor() -> None:
    rig = AgentRig()
    rig.launch("one", "two")
    assert (len(rig.executors), rig.heard()) == (1, [])
    assert rig.subscribe() is None
    assert rig.heard() == ["SUBSCRIBED", "LAUNCH", "LAUNCH"]
    rig.launch("three")
    assert rig.heard() == ["LAUNCH"]
    assert len(rig.executors) == 1


def test_the_subscription_tells_who_and_where_the_executor_is() -> None:
    rig = AgentRig()
    container = rig.launch("t")
    rig.subscribe()
    subscribed = rig.events[0][1]["subscribed"]
    assert subscribed["executor_info"]["framework_id"] == {"value": "f"}
    assert subscribed["framework_info"] == {**FRAMEWORK, "failover_timeout": 0.0}
    assert subscribed["agent_info"]["id"] == {"value": "a"}
    assert subscribed["container_id"] == {"value": container}


@pytest.mark.parametrize("kind", ["UPDATE", "MESSAGE"])
def test_only_a_subscribed_executor_is_heard(kind: str) -> None:
    rig = AgentRig()
    body: Json = {"update": {"status": {}}, "message": {"data": "QQ=="}}
    assert rig.say(kind, **body) == (400, "Framework cannot be found")
    assert rig.say("HEARTBEAT") == (202, "")
    rig.launch("t")
    assert rig.say(kind, "other", **body) == (400, "Executor cannot be found")
    assert rig.subscribe("other") == "Executor cannot be found"
    assert rig.say(kind, **body) == (403, "Executor is not subscribed")


def test_an_update_is_kept_then_acknowledged_to_the_executor_then_sent_on_with_its_place() -> None:
    rig = AgentRig()
    container = rig.launch("t")
    rig.subscribe()
    rig.heard()
    rig.order.clear()
    rig.update("t", "TASK_RUNNING", executor_id={"value": "e"})
    assert rig.order == ["Keep", "ToMaster", "ToStream"]
    assert rig.heard() == ["ACKNOWLEDGED"]
    status = rig.sent[-1]["update"]["status"]
    assert status["agent_id"] == {"value": "a"}
    place = status["container_status"]
    assert (place["container_id"], place["executor_pid"]) == ({"value": container}, 11)
    assert status["timestamp"] == rig.now


def test_a_repeated_update_is_acknowledged_again_and_sent_on_once() -> None:
    rig = AgentRig()
    rig.launch("t")
    rig.subscribe()
    rig.heard()
    for _ in range(2):
        rig.update("t", "TASK_RUNNING")
    assert rig.heard() == ["ACKNOWLEDGED", "ACKNOWLEDGED"]
    assert len(rig.pending("t")) == 1


def test_an_update_that_names_another_agent_is_nobodys() -> None:
    rig = AgentRig()
    rig.launch("t")
    rig.subscribe()
    rig.heard()
    rig.update("t", "TASK_RUNNING", agent_id={"value": "elsewhere"})
    assert (rig.heard(), rig.states()) == ([], [])


def test_an_update_of_a_task_that_nobody_launched_is_passed_on_until_it_is_acknowledged() -> None:
    rig = AgentRig()
    rig.launch("t")
    rig.subscribe()
    rig.heard()
    rig.update("ghost", "TASK_RUNNING")
    assert (rig.heard(), rig.states()) == ([], ["TASK_RUNNING"])
    assert [t["info"]["task_id"]["value"] for t in rig.state.registration()["tasks"]] == ["t"]
    rig.now += 10.0
    rig.state.tick(rig.now)
    rig.settle()
    assert rig.states() == ["TASK_RUNNING"]
    rig.acknowledge("ghost")
    assert ("f", "ghost") not in rig.state.tasks


def test_after_an_end_nothing_follows() -> None:
    rig = AgentRig()
    rig.launch("t")
    rig.subscribe()
    rig.heard()
    rig.update("t", "TASK_FINISHED")
    rig.update("t", "TASK_FAILED")
    assert rig.heard() == ["ACKNOWLEDGED", "ACKNOWLEDGED"]
    assert [s["state"] for s in rig.pending("t")] == ["TASK_FINISHED"]


def test_a_second_subscription_ends_the_first_stream_and_launches_nothing_again() -> None:
    rig = AgentRig()
    rig.launch("t")
    rig.subscribe()
    rig.update("t", "TASK_STARTING")
    rig.acknowledge()
    rig.heard()
    rig.states()
    rig.order.clear()
    missed = {"task_id": {"value": "t"}, "state": "TASK_RUNNING", "uuid": uuid_of("missed")}
    rig.subscribe(stream_id="s2", unacknowledged_updates=[{"status": missed}])
    assert rig.order[0] == "EndStream"
    assert rig.heard() == ["SUBSCRIBED", "ACKNOWLEDGED"]
    assert rig.states() == ["TASK_RUNNING"]


def test_an_executor_that_subscribes_twice_without_a_report_is_told_to_go() -> None:
    rig = AgentRig()
    rig.launch("t")
    rig.subscribe()
    rig.heard()
    missed = {"task_id": {"value": "t"}, "state": "TASK_RUNNING", "uuid": uuid_of("missed")}
    rig.subscribe(stream_id="s2", unacknowledged_updates=[{"status": missed}])
    assert rig.heard() == ["SHUTDOWN", "ACKNOWLEDGED"]


def test_a_closed_stream_ends_nothing() -> None:
    rig = AgentRig()
    rig.launch("t")
    rig.subscribe()
    rig.state.executor_stream_closed("s")
    rig.update("t", "TASK_RUNNING")
    assert rig.states() == ["TASK_RUNNING"]
    rig.master("KILL_TASK", framework_id="f", task_id="t", kill_policy=None)
    assert rig.state.executors["f", "e"].phase is Phase.RUNNING


def test_messages_go_both_ways() -> None:
    rig = AgentRig()
    rig.launch("t")
    rig.subscribe()
    rig.heard()
    rig.master("FRAMEWORK_MESSAGE", framework_id="f", executor_id="e", data="QQ==")
    rig.master("FRAMEWORK_MESSAGE", framework_id="f", executor_id="nobody", data="QQ==")
    assert rig.events == [("s", {"type": "MESSAGE", "message": {"data": "QQ=="}})]
    rig.say("MESSAGE", message={"data": "Qg=="})
    expected = {"framework_id": "f", "executor_id": "e", "data": "Qg=="}
    assert rig.sent[-1] == {"type": "EXECUTOR_MESSAGE", **expected}


def test_a_kill_is_passed_on_with_its_policy_only() -> None:
    rig = AgentRig()
    rig.launch("t", kill_policy={"grace_period": {"nanoseconds": 7}})
    rig.subscribe()
    rig.events.clear()
    policy = {"grace_period": {"nanoseconds": 5}}
    for each in (None, policy):
        rig.master("KILL_TASK", framework_id="f", task_id="t", kill_policy=each)
    assert [e["kill"] for _, e in rig.events] == [
        {"task_id": {"value": "t"}},
        {"task_id": {"value": "t"}, "kill_policy": policy},
    ]
    assert rig.states() == []


def test_a_kill_before_the_executor_came_spares_it_while_it_has_another_task() -> None:
    rig = AgentRig()
    rig.launch("one", "two")
    rig.master("KILL_TASK", framework_id="f", task_id="one", kill_policy=None)
    (status,) = rig.pending("one")
    assert (status["state"], status["reason"]) == (
        "TASK_KILLED",
        "REASON_TASK_KILLED_DURING_LAUNCH",
    )
    assert status["message"] == "Killed before delivery to the executor"
    rig.subscribe()
    launched = [e["launch"]["task"]["task_id"]["value"] for _, e in rig.events if "launch" in e]
    assert launched == ["two"]
    assert rig.exits() == []


def test_an_executor_whose_only_task_was_killed_before_it_began_is_not_waited_for() -> None:
    rig = AgentRig()
    info = task_info("t", executor={"executor_id": {"value": "e"}, "command": {"value": "true"}})
    rig.master("RUN_TASK", framework=FRAMEWORK, task=info, role="*")
    rig.master("KILL_TASK", framework_id="f", task_id="t", kill_policy=None)
    assert rig.exits() == [("e", -1)]
    assert rig.states() == ["TASK_KILLED"]
    assert rig.subscribe() == "Executor cannot be found"


def test_an_executor_that_comes_when_all_its_tasks_were_killed_is_told_to_go() -> None:
    rig = AgentRig()
    rig.launch("t")
    rig.master("KILL_TASK", framework_id="f", task_id="t", kill_policy=None)
    assert rig.exits() == []
    assert rig.subscribe() is None
    assert rig.heard() == ["SHUTDOWN"]
    assert rig.state.executors["f", "e"].destroy_at == 5.0


def test_an_executors_end_is_told_and_then_that_of_its_live_tasks() -> None:
    rig = AgentRig()
    container = rig.launch("over", "live", "queued")
    rig.subscribe()
    rig.update("over", "TASK_FINISHED")
    rig.acknowledge("over")
    rig.sent.clear()
    rig.executor("ENDED", container, wait_status=1792, is_killed=False, is_over_time=False)
    assert rig.exits() == [("e", 1792)]
    assert [m["type"] for m in rig.sent] == ["EXITED_EXECUTOR", "UPDATE", "UPDATE"]
    for task_id in ("live", "queued"):
        (status,) = rig.pending(task_id)
        assert (status["state"], status["reason"], status["message"]) == GONE
        assert (status["source"], status["executor_id"]) == ("SOURCE_AGENT", {"value": "e"})
        rig.acknowledge(task_id)
    assert (rig.state.executors, rig.state.frameworks) == ({}, {})


@pytest.mark.parametrize(("grace", "seconds"), [(None, 5.0), (10**9, 1.0)])
def test_a_shutdown_is_asked_and_then_enforced(grace: int | None, seconds: float) -> None:
    rig = AgentRig()
    container = rig.launch("t")
    rig.subscribe()
    if grace is not None:
        rig.executors[0].info["shutdown_grace_period"] = {"nanoseconds": grace}
    rig.heard()
    rig.commands.clear()
    for _ in range(2):
        rig.master("SHUTDOWN_EXECUTOR", framework_id="f", executor_id="e")
    assert rig.heard() == ["SHUTDOWN"]
    rig.state.tick(seconds - 0.1)
    rig.settle()
    assert rig.commands == []
    rig.state.tick(seconds)
    rig.settle()
    assert rig.commands == [(container, {"type": "DESTROY"})]


def test_an_executor_that_is_going_takes_nothing_more() -> None:
    rig = AgentRig()
    rig.launch("t")
    rig.subscribe()
    rig.master("SHUTDOWN_EXECUTOR", framework_id="f", executor_id="e")
    rig.heard()
    rig.launch("late")
    rig.master("KILL_TASK", framework_id="f", task_id="t", kill_policy=None)
    assert rig.heard() == []
    (status,) = rig.pending("late")
    assert (status["state"], status["reason"]) == ("TASK_DROPPED", "REASON_EXECUTOR_TERMINATED")
    assert (status["message"], "executor_id" in status) == ("Executor terminating", False)


def test_an_executor_that_does_not_subscribe_in_a_minute_is_ended_and_its_tasks_say_why() -> None:
    rig = AgentRig()
    container = rig.launch("t")
    rig.state.tick(60.0)
    rig.settle()
    assert rig.commands[-1] == (container, {"type": "DESTROY"})
    rig.ended(container, 9)
    (status,) = rig.pending("t")
    assert status["reason"] == "REASON_EXECUTOR_REGISTRATION_TIMEOUT"
    assert status["message"] == "Executor did not register within 1mins"


def test_a_container_that_cannot_be_made_fails_all_tasks_that_waited() -> None:
    rig = AgentRig()
    container = rig.launch("one", "two")
    rig.executor("SUBSCRIBE", container, pid=1, task_pid=0, fetch_error="Failed to fetch 'x'")
    assert rig.exits() == [("e", -1)]
    for task_id in ("one", "two"):
        (status,) = rig.pending(task_id)
        assert status["reason"] == "REASON_CONTAINER_LAUNCH_FAILED"
        assert status["message"] == "Failed to launch container: Failed to fetch 'x'"


def test_a_removed_framework_takes_its_executors_along() -> None:
    rig = AgentRig()
    container = rig.launch("t")
    rig.subscribe()
    rig.heard()
    rig.master("SHUTDOWN_FRAMEWORK", framework_id="f")
    assert (rig.heard(), rig.state.tasks) == (["SHUTDOWN"], {})
    # What it says of its tasks while it goes would be repeated for ever: nobody is there.
    rig.update("t", "TASK_KILLED")
    assert rig.state.tasks == {}
    rig.ended(container, 0)
    assert (rig.state.executors, rig.state.frameworks) == ({}, {})


# Groups


def test_a_group_for_a_custom_executor_is_one_launch() -> None:
    rig = AgentRig()
    rig.group("one", "two", kind="CUSTOM")
    rig.subscribe()
    (event,) = (e for _, e in rig.events if e["type"] == "LAUNCH_GROUP")
    tasks = event["launch_group"]["task_group"]["tasks"]
    assert [t["task_id"]["value"] for t in tasks] == ["one", "two"]
    # From then on the executor decides what the end of one is for the others.
    rig.update("one", "TASK_FAILED")
    assert rig.pending("two") == []


@pytest.mark.parametrize("kind", ["DEFAULT", "CUSTOM"])
def test_a_kill_before_delivery_ends_the_whole_group(kind: str) -> None:
    rig = AgentRig()
    rig.group("one", "two", kind=kind)
    rig.master("KILL_TASK", framework_id="f", task_id="two", kill_policy=None)
    for task_id in ("one", "two"):
        (status,) = rig.pending(task_id)
        assert status["state"] == "TASK_KILLED"
        assert status["reason"] == "REASON_TASK_KILLED_DURING_LAUNCH"
        assert status["message"] == (
            "A task within the task group was killed before delivery to the executor"
        )


def test_a_group_starts_when_all_of_it_can() -> None:
    rig = AgentRig()
    one, two = rig.group("one", "two")
    rig.executor("SUBSCRIBE", one, pid=10, task_pid=0)
    assert (rig.states(), rig.commands) == ([], [])
    rig.executor("SUBSCRIBE", two, pid=11, task_pid=0)
    assert rig.states() == ["TASK_STARTING", "TASK_STARTING"]
    assert rig.commands == [(one, {"type": "RUN"}), (two, {"type": "RUN"})]
    status = rig.pending("one")[0]
    parent = status["container_status"]["container_id"]["parent"]
    assert parent == {"value": rig.state.executors["f", "e"].container_id}
    assert status["executor_id"] == {"value": "e"}


def test_a_group_of_which_one_cannot_start_does_not_start() -> None:
    rig = AgentRig()
    one, two = rig.group("one", "two")
    rig.executor("SUBSCRIBE", one, pid=10, task_pid=0)
    rig.state.launch_failed(two, "no space", rig.now)
    rig.settle()
    for task_id in ("one", "two"):
        (status,) = rig.pending(task_id)
        assert status["reason"] == "REASON_CONTAINER_LAUNCH_FAILED"
    assert (one, {"type": "LEAVE", "grace_seconds": 3.0}) in rig.commands


@pytest.mark.parametrize(("wait_status", "ends_all"), [(0, False), (256, True), (9, True)])
def test_one_bad_end_ends_the_group(wait_status: int, ends_all: bool) -> None:
    rig = AgentRig()
    one, two = rig.running_group("one", "two")
    rig.commands.clear()
    rig.ended(one, wait_status)
    kill = (two, {"type": "KILL", "grace_seconds": 3.0})
    assert (kill in rig.commands) == ends_all
    states = [s["state"] for s in rig.pending("two")]
    assert ("TASK_KILLING" in states) == ends_all
    assert rig.exits() == []
    rig.ended(two, 15, is_killed=True)
    # The default executor leaves when it has nothing more to run.
    assert rig.exits() == [("e", 0)]


def test_a_second_kill_of_a_groups_task_shortens_nothing() -> None:
    rig = AgentRig()
    one, _ = rig.running_group("one", "two")
    rig.commands.clear()
    for nanoseconds in (10**10, 0):
        policy = {"grace_period": {"nanoseconds": nanoseconds}}
        rig.master("KILL_TASK", framework_id="f", task_id="one", kill_policy=policy)
    assert rig.commands == [(one, {"type": "KILL", "grace_seconds": 10.0})]


def test_a_second_group_shares_the_default_executor() -> None:
    rig = AgentRig()
    one = rig.running_group("one")
    two = rig.running_group("two")
    assert len(rig.state.executors) == 1
    rig.ended(one[0], 256)
    assert [s["state"] for s in rig.pending("two")] == ["TASK_STARTING", "TASK_RUNNING"]
    assert rig.exits() == []
    rig.ended(two[0])
    assert rig.exits() == [("e", 0)]


def test_shutting_a_default_executor_down_kills_its_tasks() -> None:
    rig = AgentRig()
    one, two = rig.running_group("one", "two")
    rig.commands.clear()
    rig.master("SHUTDOWN_EXECUTOR", framework_id="f", executor_id="e")
    assert [c for c, m in rig.commands if m["type"] == "KILL"] == [one, two]
    for container in (one, two):
        rig.ended(container, 15, is_killed=True)
    assert rig.exits() == [("e", 0)]


# Checks, as keepers report them


def test_health_is_told_with_its_reason_and_goes_on_being_told() -> None:
    rig = AgentRig()
    container = rig.run()
    rig.executor("CHECKED", container, healthy=True, is_kill_due=False)
    rig.executor("CHECKED", container, check_status={"type": "TCP", "tcp": {"succeeded": True}})
    healthy, check = rig.pending("t")[-2:]
    assert (healthy["state"], healthy["healthy"]) == ("TASK_RUNNING", True)
    assert healthy["reason"] == "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED"
    assert check["reason"] == "REASON_TASK_CHECK_STATUS_UPDATED"
    # The newest of both is in both.
    assert check["healthy"] is True


def test_a_checked_task_says_in_every_status_how_the_check_stands() -> None:
    rig = AgentRig()
    container = rig.run("t", check={"type": "COMMAND", "command": {}})
    rig.executor(
        "CHECKED", container, check_status={"type": "COMMAND", "command": {"exit_code": 1}}
    )
    rig.ended(container)
    checks = [s["check_status"]["command"] for s in rig.pending("t")]
    # The last status begins anew, as that of Mesos' command executor does.
    assert checks == [{}, {}, {"exit_code": 1}, {}]


def test_too_many_failures_are_a_kill_that_says_unhealthy() -> None:
    rig = AgentRig()
    container = rig.run()
    rig.executor("CHECKED", container, healthy=False, is_kill_due=True)
    rig.executor("CHECKED", container, healthy=True, is_kill_due=False)
    rig.ended(container, 15, is_killed=True)
    told = [(s["state"], s.get("healthy")) for s in rig.pending("t")[2:]]
    assert told == [("TASK_RUNNING", False), ("TASK_KILLING", None), ("TASK_KILLED", False)]


def test_with_one_unhealthy_task_its_group_ends_unhealthy() -> None:
    rig = AgentRig()
    one, two = rig.running_group("one", "two")
    rig.executor("CHECKED", one, healthy=False, is_kill_due=True)
    rig.ended(one, 15, is_killed=True)
    rig.ended(two, 15, is_killed=True)
    assert [rig.pending(t)[-1]["healthy"] for t in ("one", "two")] == [False, False]


def test_a_keeper_that_comes_back_tells_only_what_is_new() -> None:
    rig = AgentRig()
    container = rig.run()
    rig.executor("CHECKED", container, healthy=True, is_kill_due=False)
    before = len(rig.pending("t"))
    rig.executor("SUBSCRIBE", container, pid=10, task_pid=11, healthy=True)
    assert len(rig.pending("t")) == before
    rig.executor("SUBSCRIBE", container, pid=10, task_pid=11, healthy=False)
    assert [s["healthy"] for s in rig.pending("t")[before:]] == [False]


# Draining

DRAIN = {"max_grace_period": {"nanoseconds": 10**9}, "mark_gone": False}


@pytest.mark.parametrize(("own", "seconds"), [(None, 1.0), (10**8, 0.1), (10**11, 1.0)])
def test_a_drain_kills_with_the_shorter_grace(own: int | None, seconds: float) -> None:
    rig = AgentRig()
    policy = {} if own is None else {"grace_period": {"nanoseconds": own}}
    container = rig.run("t", kill_policy=policy)
    rig.master("DRAIN", **DRAIN)
    assert rig.commands[-1] == (container, {"type": "KILL", "grace_seconds": seconds})


@pytest.mark.parametrize(
    ("is_gone", "states"),
    [
        (False, ["TASK_KILLING", "TASK_KILLED"]),
        # Also of the first, which is no end: so does 1.11.0.
        (True, ["TASK_GONE_BY_OPERATOR", "TASK_GONE_BY_OPERATOR"]),
    ],
)
def test_kills_of_a_drain_say_so(is_gone: bool, states: list[str]) -> None:
    rig = AgentRig()
    container = rig.run()
    rig.master("DRAIN", **{**DRAIN, "mark_gone": is_gone})
    rig.ended(container, 15, is_killed=True)
    told = rig.pending("t")[2:]
    assert [s["state"] for s in told] == states
    assert {s["reason"] for s in told} == {"REASON_AGENT_DRAINING"}


def test_what_fails_while_its_agent_drains_has_failed() -> None:
    rig = AgentRig()
    container = rig.run()
    rig.master("DRAIN", **DRAIN)
    rig.ended(container, 256)
    assert (rig.pending("t")[-1]["state"], rig.pending("t")[-1].get("reason")) == (
        "TASK_FAILED",
        None,
    )


def test_a_draining_agent_takes_nothing_until_it_is_told_to() -> None:
    rig = AgentRig()
    rig.master("DRAIN", **DRAIN)
    info = task_info("t", executor={"executor_id": {"value": "e"}, "command": {"value": "true"}})
    rig.master("RUN_TASK", framework=FRAMEWORK, task=info, role="*")
    (status,) = rig.pending("t")
    assert (status["state"], status["reason"]) == ("TASK_DROPPED", "REASON_AGENT_DRAINING")
    assert status["message"] == "Task was received while agent was already draining"
    assert rig.exits() == [("e", -1)]
    rig.acknowledge("t")
    rig.master("UNDRAIN")
    rig.run("t")
    assert rig.launched
