"""Updates and acknowledgements, kills, and reconciliation while every agent is there."""

import time
from pathlib import Path

import pytest

from tests.contract.mesos_master.master_client import (
    PATIENCE_S,
    QUIET_S,
    Framework,
    Json,
    agents,
    fresh_uuid,
    task,
)
from tests.processes import wait_until

pytestmark = pytest.mark.integration

KILLING = [{"type": "PARTITION_AWARE"}, {"type": "TASK_KILLING_STATE"}]


def updates(events: list[Json]) -> list[Json]:
    """The statuses among the events."""
    return [e["update"]["status"] for e in events if e["type"] == "UPDATE"]


def states(events: list[Json]) -> list[str]:
    """The states of the updates among the events."""
    return [s["state"] for s in updates(events)]


def offered(event: Json) -> list[Json]:
    """The offers of an event."""
    return list(event["offers"]["offers"]) if event["type"] == "OFFERS" else []


def launched(framework: Framework, task_id: str, script: str, **more: object) -> Json:
    """The agent id of a task that was just launched."""
    offer = framework.offers()[0]
    framework.launch([offer], [task(task_id, offer, script, **more)])
    return dict(offer["agent_id"])


def test_the_next_update_waits_for_the_acknowledgement(port: int) -> None:
    with Framework(port) as framework:
        launched(framework, "slow", "true")
        running = framework.await_state("slow", "TASK_RUNNING")
        # It has ended long ago; reconciliation still says what was given out.
        assert not updates(framework.events_for(QUIET_S))
        framework.reconcile(("slow", None))
        answer = framework.await_update("slow")
        assert (answer["state"], answer["reason"]) == ("TASK_RUNNING", "REASON_RECONCILIATION")
        framework.acknowledge(running)
        assert framework.await_update("slow")["state"] == "TASK_FINISHED"


def test_an_unacknowledged_update_is_repeated_after_ten_seconds(port: int) -> None:
    with Framework(port) as framework:
        launched(framework, "repeated", "exec sleep 600")
        first = framework.await_state("repeated", "TASK_RUNNING")
        seen_at = time.monotonic()
        again = framework.await_update("repeated")
        assert time.monotonic() - seen_at > 9.0
        assert (again["uuid"], again["state"]) == (first["uuid"], "TASK_RUNNING")


def test_a_resubscription_makes_agents_repeat_what_is_pending_of_all(port: int) -> None:
    with Framework(port) as framework, Framework(port, name="neighbour") as neighbour:
        framework.call("SUPPRESS")
        framework.decline([o for e in framework.events_for(1) for o in offered(e)])
        agent_id = neighbour.run("of-neighbour")["agent_id"]
        neighbour.call("SUPPRESS")
        neighbour.decline([o for e in neighbour.events_for(1) for o in offered(e)])
        framework.call("REVIVE")
        offer = framework.offer_of(agent_id["value"])
        framework.launch([offer], [task("pending", offer)])
        first = framework.await_state("pending", "TASK_RUNNING")
        # Of any framework that this agent knows.
        neighbour.subscribe()
        assert framework.await_update("pending", patience_s=5.0)["uuid"] == first["uuid"]
        framework.subscribe()
        assert framework.await_update("pending", patience_s=5.0)["uuid"] == first["uuid"]


def test_a_first_subscription_makes_agents_repeat_nothing(port: int) -> None:
    with Framework(port) as framework:
        launched(framework, "pending", "exec sleep 600")
        framework.await_state("pending", "TASK_RUNNING")
        with Framework(port, name="newcomer"):
            assert not updates(framework.events_for(QUIET_S))


def test_foreign_and_double_acknowledgements_have_no_effect(port: int) -> None:
    with Framework(port) as framework:
        launched(framework, "acked", "true")
        running = framework.await_state("acked", "TASK_RUNNING")
        framework.acknowledge({**running, "uuid": fresh_uuid()})
        assert not updates(framework.events_for(QUIET_S))
        framework.acknowledge(running)
        finished = framework.await_update("acked")
        assert finished["state"] == "TASK_FINISHED"
        framework.acknowledge(running)
        assert not updates(framework.events_for(QUIET_S))
        framework.reconcile(("acked", None))
        assert framework.await_update("acked")["state"] == "TASK_FINISHED"


def test_an_ended_task_is_known_until_its_end_is_acknowledged(port: int) -> None:
    with Framework(port) as framework:
        agent_id = launched(framework, "ended", "true")
        finished = framework.await_state("ended", "TASK_FINISHED")
        offer = framework.offers()[0]
        framework.launch([offer], [task("ended", offer)])
        assert framework.await_update("ended")["message"] == "Task has duplicate ID: ended"
        framework.reconcile()
        assert framework.await_update("ended")["state"] == "TASK_FINISHED"
        framework.acknowledge(finished)
        framework.reconcile(("ended", agent_id["value"]))
        assert framework.await_update("ended")["state"] == "TASK_GONE"
        # Its id is free again. The other agent is asked: where an executor of that name has not
        # ended yet, the agent of Mesos 1.11.0 aborts itself.
        framework.subscribe()  # Its offer may have been passed over before; so it comes anew.
        framework.call("REVIVE")
        offer = framework.offer_of((set(agents(port).values()) - {agent_id["value"]}).pop())
        framework.launch([offer], [task("ended", offer)])
        framework.await_state("ended", "TASK_RUNNING")


def test_a_kill_ends_a_task(port: int, is_real: bool) -> None:
    with Framework(port, capabilities=KILLING) as framework:
        framework.run("victim")
        framework.kill("victim")
        status = framework.await_state("victim", "TASK_KILLED")
        assert status["source"] == "SOURCE_EXECUTOR"
        assert "reason" not in status
        if not is_real:
            assert status["message"] == "Command terminated with signal Terminated"


def deaf(framework: Framework, task_id: str, ready: Path, trap: str = "", **more: object) -> None:
    """Run a task that heeds SIGTERM as ``trap`` says, and wait until it does."""
    script = f"trap '{trap}' TERM; : > '{ready}'; while :; do sleep 0.1; done"
    framework.run(task_id, script, **more)
    wait_until(ready.exists, "the task has set its trap")


def test_a_kill_is_announced_to_who_wants_to_know(port: int, is_real: bool, tmp_path: Path) -> None:
    if is_real:
        pytest.skip("the stand-in executor of the real Mesos does not announce kills")
    with Framework(port, capabilities=KILLING) as framework:
        deaf(framework, "announced", tmp_path / "ready")
        framework.kill("announced", kill_policy={"grace_period": {"nanoseconds": 500_000_000}})
        assert framework.await_update("announced")["state"] == "TASK_KILLING"


def test_a_task_that_ignores_the_signal_dies_after_the_grace(port: int, tmp_path: Path) -> None:
    with Framework(port) as framework:
        policy = {"grace_period": {"nanoseconds": 1_500_000_000}}
        deaf(framework, "stubborn", tmp_path / "ready", kill_policy=policy)
        asked_at = time.monotonic()
        framework.kill("stubborn")
        framework.await_state("stubborn", "TASK_KILLED")
        assert time.monotonic() - asked_at > 1.3


def test_the_grace_of_the_kill_goes_before_that_of_the_task(port: int, tmp_path: Path) -> None:
    with Framework(port) as framework:
        policy = {"grace_period": {"nanoseconds": 3600 * 10**9}}
        deaf(framework, "patient", tmp_path / "ready", kill_policy=policy)
        asked_at = time.monotonic()
        framework.kill("patient", kill_policy={"grace_period": {"nanoseconds": 200_000_000}})
        framework.await_state("patient", "TASK_KILLED")
        assert time.monotonic() - asked_at < PATIENCE_S  # and not an hour


def test_a_task_that_ends_well_on_a_kill_is_killed_all_the_same(port: int, tmp_path: Path) -> None:
    with Framework(port) as framework:
        deaf(framework, "polite", tmp_path / "ready", trap="exit 0")
        framework.kill("polite")
        framework.await_state("polite", "TASK_KILLED")


def test_a_kill_that_comes_before_the_task_runs_ends_it_too(port: int) -> None:
    with Framework(port) as framework:
        launched(framework, "early", "exec sleep 600")
        framework.kill("early")
        status = framework.await_state("early", "TASK_KILLED")
        if "reason" in status:
            assert status["reason"] == "REASON_TASK_KILLED_DURING_LAUNCH"
            assert status["source"] == "SOURCE_AGENT"


@pytest.mark.parametrize("is_aware", [True, False])
def test_unknown_tasks_by_the_table(port: int, is_aware: bool) -> None:
    capabilities = [{"type": "PARTITION_AWARE"}] if is_aware else []
    z1 = agents(port)["z1"]
    with Framework(port, capabilities=capabilities) as framework:
        for agent_id, state, message in (
            (z1, "TASK_GONE", "Reconciliation: Task is unknown to the agent"),
            ("nobody", "TASK_UNKNOWN", "Reconciliation: Task is unknown"),
            (None, "TASK_UNKNOWN", "Reconciliation: Task is unknown"),
        ):
            for ask in ("reconcile", "kill"):
                if ask == "reconcile":
                    framework.reconcile(("ghost", agent_id))
                else:
                    more = {} if agent_id is None else {"agent_id": {"value": agent_id}}
                    framework.kill("ghost", **more)
                status = framework.await_update("ghost")
                assert status["state"] == (state if is_aware else "TASK_LOST")
                assert status["message"] == message
                assert status["source"] == "SOURCE_MASTER"
                assert status["reason"] == "REASON_RECONCILIATION"
                assert status.get("agent_id", {}).get("value") == agent_id
                assert "uuid" not in status


def test_a_known_task_is_answered_whatever_agent_is_named(port: int) -> None:
    with Framework(port) as framework:
        status = framework.run("known")
        for agent_id in (None, status["agent_id"]["value"], "elsewhere"):
            framework.reconcile(("known", agent_id))
            answer = framework.await_update("known")
            assert answer["state"] == "TASK_RUNNING"
            assert answer["message"] == "Reconciliation: Latest task state"
            assert answer["agent_id"] == status["agent_id"]


def test_implicit_reconciliation_reports_each_known_task_once(port: int) -> None:
    with Framework(port) as framework:
        framework.run("one")
        framework.run("two")
        framework.reconcile()
        answers = updates(framework.events_for(QUIET_S))
        assert sorted(s["task_id"]["value"] for s in answers) == ["one", "two"]
        assert {s["state"] for s in answers} == {"TASK_RUNNING"}


def test_implicit_reconciliation_of_nothing_is_silent(port: int) -> None:
    with Framework(port) as framework:
        framework.reconcile()
        assert not updates(framework.events_for(QUIET_S))


def test_a_kill_that_names_the_wrong_agent_is_ignored(port: int) -> None:
    with Framework(port) as framework:
        framework.run("misnamed")
        framework.kill("misnamed", agent_id={"value": "elsewhere"})
        assert not updates(framework.events_for(QUIET_S))
        framework.reconcile(("misnamed", None))
        assert framework.await_update("misnamed")["state"] == "TASK_RUNNING"


def test_a_kill_of_an_ended_unacknowledged_task_is_silent(port: int) -> None:
    with Framework(port) as framework:
        launched(framework, "over", "true")
        framework.await_state("over", "TASK_FINISHED")
        framework.kill("over")
        assert not updates(framework.events_for(QUIET_S))
