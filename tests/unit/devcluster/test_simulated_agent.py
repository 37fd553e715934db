"""A simulated agent keeps an agent's promises, and its tasks live as the model says."""

import pytest

from connectors.devcluster.master import maintenance
from connectors.devcluster.simulated.model import (
    Exit,
    Hosts,
    Images,
    Model,
    Run,
    Start,
    Stop,
)
from tests.unit.devcluster.simulated_rig import SimulatedRig, task

# A second in which nothing happens between master and agent but what was asked for.
SOON = 1.0


def model(**parts: object) -> Model:
    """A start of 2 s and a run of 10 s, without delay."""
    values: dict[str, object] = {
        "delay_s": 0.0,
        "start": Start(seconds=2.0),
        "runs": (Run(seconds=10.0),),
        "stop": Stop(seconds=0.5),
    }
    return Model(**(values | parts))  # type: ignore[arg-type]


def test_a_task_starts_runs_and_ends_when_the_model_says() -> None:
    rig = SimulatedRig(model())
    rig.launch(task("t"))
    began = rig.now
    rig.pass_time(20.0, is_acknowledging=True)
    assert rig.states("t") == ["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"]
    assert [round(s["timestamp"] - began, 3) for s in rig.updates] == [2.0, 2.0, 12.0]
    assert rig.updates[-1]["message"] == "Command exited with status 0"
    assert [facts["exit"] for _, facts in rig.lines("ENDED")] == [0]
    assert rig.fleet.live_tasks() == 0
    assert not rig.master.cluster.agents[rig.offers[0]["agent_id"]["value"]].tasks


def test_one_update_is_in_flight_and_is_repeated_after_10_and_30_seconds() -> None:
    rig = SimulatedRig(model())
    rig.launch(task("t"))
    began = rig.now
    times: list[float] = []
    while rig.now < began + 40:
        seen = len(rig.updates)
        rig.pass_time(0.5)
        times += [rig.now - began] * (len(rig.updates) - seen)
    # Made after 2 s; 10 s later it is repeated, and again 20 s after that.
    assert rig.states("t") == ["TASK_STARTING"]
    assert times == [2.0, 12.0, 32.0]
    rig.acknowledge(rig.updates[0])
    rig.pass_time(SOON)
    assert rig.states("t")[-1] == "TASK_RUNNING"


def test_an_acknowledgement_with_a_foreign_uuid_changes_nothing() -> None:
    rig = SimulatedRig(model())
    rig.launch(task("t"))
    rig.pass_time(3.0)
    rig.acknowledge(rig.updates[0] | {"uuid": "AAAAAAAAQACAAAAAAAAAAA=="})
    rig.pass_time(SOON)
    assert rig.states("t") == ["TASK_STARTING"]


def test_a_kill_before_the_start_is_over_is_a_kill_before_delivery() -> None:
    rig = SimulatedRig(model())
    rig.launch(task("t"))
    rig.pass_time(1.0)
    rig.call("KILL", task_id={"value": "t"})
    rig.pass_time(20.0, is_acknowledging=True)
    assert rig.states("t") == ["TASK_KILLED"]
    assert rig.updates[0]["reason"] == "REASON_TASK_KILLED_DURING_LAUNCH"
    assert rig.updates[0]["source"] == "SOURCE_AGENT"
    assert not rig.lines("STARTED")


@pytest.mark.parametrize(
    ("ignores", "grace_s", "end_s", "message"),
    [
        (0.0, 5.0, 0.5, "Command terminated with signal Terminated"),
        (1.0, 5.0, 5.0, "Command terminated with signal Killed"),
        (1.0, None, 3.0, "Command terminated with signal Killed"),
        (1.0, 60.0, 7.0, "Command exited with status 0"),
    ],
)
def test_a_kill_ends_a_task_by_sigterm_by_sigkill_or_when_it_ends_by_itself(
    ignores: float, grace_s: float | None, end_s: float, message: str
) -> None:
    rig = SimulatedRig(model(stop=Stop(seconds=0.5, ignores_term_share=ignores)))
    rig.launch(task("t"))
    rig.pass_time(5.0, is_acknowledging=True)
    grace = {} if grace_s is None else {"grace_period": {"nanoseconds": int(grace_s * 1e9)}}
    rig.call("KILL", task_id={"value": "t"}, kill_policy=grace)
    asked_at = rig.now
    rig.pass_time(70.0, is_acknowledging=True)
    assert rig.states("t")[-1] == "TASK_KILLED"
    assert rig.updates[-1]["message"] == message
    assert rig.updates[-1]["timestamp"] - asked_at == pytest.approx(end_s)
    assert len(rig.lines("ENDED")) == 1


def test_a_later_kill_can_only_shorten_the_grace() -> None:
    rig = SimulatedRig(model(stop=Stop(ignores_term_share=1.0), runs=(Run(seconds=1e6),)))
    rig.launch(task("t"))
    rig.pass_time(5.0, is_acknowledging=True)
    asked_at = rig.now
    for seconds in (20, 4, 50):
        rig.call(
            "KILL",
            task_id={"value": "t"},
            kill_policy={"grace_period": {"nanoseconds": seconds * 10**9}},
        )
    rig.pass_time(60.0, is_acknowledging=True)
    assert rig.updates[-1]["timestamp"] - asked_at == pytest.approx(4.0)


def test_a_framework_that_knows_killing_is_told_of_it() -> None:
    capabilities = [{"type": "PARTITION_AWARE"}, {"type": "TASK_KILLING_STATE"}]
    rig = SimulatedRig(model(), capabilities=capabilities)
    rig.launch(task("t"))
    rig.pass_time(5.0, is_acknowledging=True)
    rig.call("KILL", task_id={"value": "t"})
    rig.pass_time(5.0, is_acknowledging=True)
    assert rig.states("t")[-2:] == ["TASK_KILLING", "TASK_KILLED"]


def test_a_start_that_fails_says_so_and_frees_its_resources() -> None:
    rig = SimulatedRig(model(start=Start(seconds=2.0, failure_share=1.0)))
    rig.launch(task("t"))
    rig.pass_time(5.0, is_acknowledging=True)
    assert rig.states("t") == ["TASK_FAILED"]
    assert rig.updates[0]["reason"] == "REASON_CONTAINER_LAUNCH_FAILED"
    assert not rig.lines("STARTED")


def test_an_image_is_pulled_once_for_a_host() -> None:
    images = Images(size_mib=100.0, host_mib_per_s=50.0)
    rig = SimulatedRig(model(images=images, start=Start(seconds=0.0)))
    rig.launch(task("a", "app"))
    began = rig.now
    rig.pass_time(5.0, is_acknowledging=True)
    rig.launch(task("b", "app"))
    again = rig.now
    rig.pass_time(5.0, is_acknowledging=True)
    running = {
        s["task_id"]["value"]: s["timestamp"] for s in rig.updates if s["state"] == "TASK_RUNNING"
    }
    assert running["a"] - began == pytest.approx(2.0)
    assert running["b"] - again == pytest.approx(0.0)


def test_the_first_run_that_matches_decides_and_a_command_can_say_it_itself() -> None:
    runs = (
        Run(label="tier=batch", seconds=1.0, exits=(Exit(status=7),)),
        Run(variable="KIND=short", seconds=2.0, exits=(Exit(signal=9),)),
        Run(seconds=3.0),
    )
    rig = SimulatedRig(model(runs=runs, start=Start(seconds=0.0)))

    def with_variables(**variables: str) -> dict[str, object]:
        named = [{"name": name, "value": value} for name, value in variables.items()]
        return {"command": {"value": "x", "environment": {"variables": named}}}

    labels = {"labels": {"labels": [{"key": "tier", "value": "batch"}]}}
    own = with_variables(SIMULATED_RUN_SECONDS="4.5", SIMULATED_EXIT_STATUS="3")
    rig.launch(
        task("label", **labels),
        task("variable", **with_variables(KIND="short")),
        task("other", **with_variables(KIND="long")),
        task("own", **own),
    )
    began = rig.now
    rig.pass_time(20.0, is_acknowledging=True)
    ends = {
        s["task_id"]["value"]: (round(s["timestamp"] - began, 3), s["message"])
        for s in rig.updates
        if s["state"] in ("TASK_FINISHED", "TASK_FAILED")
    }
    assert ends == {
        "label": (1.0, "Command exited with status 7"),
        "variable": (2.0, "Command terminated with signal Killed"),
        "other": (3.0, "Command exited with status 0"),
        "own": (4.5, "Command exited with status 3"),
    }


def test_a_task_with_a_limit_ends_at_it() -> None:
    rig = SimulatedRig(model())
    rig.launch(task("t", max_completion_time={"nanoseconds": 4 * 10**9}))
    rig.pass_time(20.0, is_acknowledging=True)
    assert rig.updates[-1]["reason"] == "REASON_MAX_COMPLETION_TIME_REACHED"


def test_an_agent_that_is_killed_and_started_has_its_tasks_still() -> None:
    rig = SimulatedRig(model(runs=(Run(seconds=50.0),)))
    rig.launch(task("t"))
    rig.pass_time(5.0, is_acknowledging=True)
    assert rig.fleet.kill("agent1", rig.now) is None
    assert rig.fleet.kill("agent1", rig.now) is not None
    rig.pass_time(5.0)
    assert rig.fleet.revive("agent1", rig.now) is None
    rig.pass_time(60.0, is_acknowledging=True)
    assert rig.states("t") == ["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"]
    assert len(rig.lines("STARTED")) == 1


def test_without_checkpoint_the_tasks_of_a_killed_agent_are_gone() -> None:
    rig = SimulatedRig(model(runs=(Run(seconds=50.0),)), checkpoint=False)
    rig.launch(task("t"))
    rig.pass_time(5.0, is_acknowledging=True)
    rig.fleet.kill("agent1", rig.now)
    rig.pass_time(SOON)
    assert rig.states("t")[-1] == "TASK_LOST"
    assert [facts["exit"] for _, facts in rig.lines("ENDED")] == [-9]


def test_an_agent_that_was_marked_gone_ends_its_tasks_and_asks_no_more() -> None:
    rig = SimulatedRig(model(runs=(Run(seconds=50.0),)))
    rig.launch(task("t"))
    rig.pass_time(5.0, is_acknowledging=True)
    assert rig.master.mark_gone(rig.offers[0]["agent_id"]["value"], rig.now)
    rig.pass_time(5.0)
    assert [facts["task_id"] for _, facts in rig.lines("ENDED")] == ["t"]
    assert not rig.fleet.agents["agent1"].is_up
    assert "marked gone" in str(rig.fleet.revive("agent1", rig.now))


def test_an_agent_of_a_machine_that_is_down_asks_once_a_second_until_it_is_up() -> None:
    rig = SimulatedRig(model(runs=(Run(seconds=50.0),)))
    rig.launch(task("t"))
    rig.pass_time(5.0, is_acknowledging=True)
    cluster, agent = rig.master.cluster, rig.fleet.agents["agent1"]
    machine = {"hostname": "agent1", "ip": agent.info["ip"]}
    window = {"machine_ids": [machine], "unavailability": {"start": {"nanoseconds": 0}}}
    assert maintenance.update_schedule(cluster, {"windows": [window]}, rig.now) is None
    assert maintenance.take_down(cluster, [machine], rig.now) is None
    down_at = rig.now
    asked: set[str] = set()
    while rig.now < down_at + 4.5:
        rig.pass_time(0.1)
        asked |= {agent.link_id} if agent.link_id else set()
    assert len(rig.lines("ENDED")) == 1
    assert not cluster.agents
    # One for each second; a link that is refused at once makes place for the next.
    assert 4 <= len(asked) <= 6
    assert maintenance.bring_up(cluster, [machine]) is None
    rig.pass_time(1.0)
    assert len(cluster.agents) == 1


def test_an_agent_away_for_long_is_unreachable_and_says_that_it_runs_when_it_returns() -> None:
    rig = SimulatedRig(model(runs=(Run(seconds=1e6),)))
    rig.launch(task("t"))
    rig.pass_time(5.0, is_acknowledging=True)
    rig.fleet.kill("agent1", rig.now)
    for _ in range(20):
        rig.pass_time(5.0)
    assert rig.states("t")[-1] == "TASK_UNREACHABLE"
    rig.fleet.revive("agent1", rig.now)
    rig.pass_time(SOON)
    assert rig.states("t")[-1] == "TASK_RUNNING"
    assert rig.updates[-1]["reason"] == "REASON_AGENT_REREGISTERED"


def test_what_was_under_way_to_an_agent_that_died_is_dropped() -> None:
    rig = SimulatedRig(model(delay_s=1.0))
    rig.pass_time(5.0)
    rig.launch(task("t"))
    rig.fleet.kill("agent1", rig.now)
    rig.pass_time(5.0)
    rig.fleet.revive("agent1", rig.now)
    rig.pass_time(10.0, is_acknowledging=True)
    assert rig.states("t") == ["TASK_DROPPED"]
    assert rig.updates[0]["reason"] == "REASON_RECONCILIATION"


def test_hosts_die_and_return_by_the_model_and_their_tasks_have_failed() -> None:
    hosts = Hosts(uptime_s=30.0, downtime_s=10.0)
    rig = SimulatedRig(model(hosts=hosts, runs=(Run(seconds=1e6),)))
    rig.launch(task("t"))
    rig.pass_time(60.0, is_acknowledging=True)
    assert rig.states("t") == ["TASK_STARTING", "TASK_RUNNING", "TASK_FAILED"]
    assert rig.updates[-1]["reason"] == "REASON_EXECUTOR_REREGISTRATION_TIMEOUT"
    assert rig.lines("ENDED")[0][0] == 30.0


def test_a_torn_down_framework_s_tasks_end() -> None:
    rig = SimulatedRig(model(runs=(Run(seconds=1e6),)))
    rig.launch(task("t"))
    rig.pass_time(5.0, is_acknowledging=True)
    rig.call("TEARDOWN")
    rig.pass_time(SOON)
    assert rig.fleet.live_tasks() == 0
    assert len(rig.lines("ENDED")) == 1
