"""The master's agents: away, given up, back; failover of the master; updates and reconciliation."""

import itertools

import pytest

from connectors.devcluster.master.model import Cluster, Settings
from connectors.devcluster.master.reconcile import Verdict, verdict_on_unknown
from tests.unit.devcluster.master_rig import AWARE, AgentLink, Json, Rig, Scheduler, task_info


def launched(framework: Scheduler, task_id: str = "t") -> Json:
    (offer,) = framework.offers()
    info = task_info(task_id, offer)
    framework.launch([offer], info)
    return info


def returning(rig: Rig, agent: AgentLink, framework: Scheduler, *tasks: Json) -> AgentLink:
    """The same agent on a new link, with these tasks running."""
    cluster = rig.master.cluster
    known = cluster.frameworks.get(framework.framework_id)
    info = known.info if known else {"user": "u", "name": "f", "checkpoint": True}
    return rig.agent(
        1,
        agent.agent_id,
        frameworks=[{**info, "id": {"value": framework.framework_id}}],
        tasks=[
            {
                "framework_id": framework.framework_id,
                "info": t,
                "role": "*",
                "state": "TASK_RUNNING",
                "update_state": "TASK_RUNNING",
                "update_uuid": "x",
            }
            for t in tasks
        ],
    )


def test_a_broken_link_rescinds_offers_and_keeps_tasks() -> None:
    rig = Rig()
    agent = rig.agent()
    framework = rig.subscribe()
    launched(framework)
    rig.pass_time(1.1)
    (offer,) = framework.offers()
    agent.close()
    (event,) = framework.fresh()
    assert event == {"type": "RESCIND", "rescind": {"offer_id": offer["id"]}}
    framework.call("RECONCILE", {"tasks": [{"task_id": {"value": "t"}}]})
    assert [s["state"] for s in framework.statuses()] == ["TASK_STAGING"]


def test_a_broken_link_costs_tasks_without_checkpoint_even_partition_aware_ones() -> None:
    rig = Rig()
    agent = rig.agent()
    framework = rig.subscribe(checkpoint=False)
    launched(framework)
    agent.close()
    (status,) = framework.statuses()
    assert (status["state"], status["reason"]) == ("TASK_LOST", "REASON_AGENT_DISCONNECTED")
    assert status["message"] == "Agent agent1 disconnected"


@pytest.mark.parametrize("is_linked", [True, False])
@pytest.mark.parametrize(
    ("capabilities", "state"), [(AWARE, "TASK_UNREACHABLE"), ([], "TASK_LOST")]
)
def test_four_missed_pings_lose_an_agent(
    is_linked: bool, capabilities: list[Json], state: str
) -> None:
    rig = Rig(ping_timeout_seconds=1.0)
    agent = rig.agent()
    framework = rig.subscribe(capabilities=capabilities)
    launched(framework)
    framework.call("SUPPRESS")
    if not is_linked:
        agent.close()
    rig.pass_time(4.9)
    assert framework.statuses() == []
    rig.pass_time(0.6)
    events = framework.fresh()
    status = events[0]["update"]["status"]
    assert (status["state"], status["reason"]) == (state, "REASON_AGENT_REMOVED")
    assert status["message"] == "health check timed out"
    assert status["unreachable_time"]["nanoseconds"] > 0
    assert events[1] == {"type": "FAILURE", "failure": {"agent_id": {"value": agent.agent_id}}}
    assert rig.registry["unreachable"].keys() == {agent.agent_id}
    assert rig.ended_links == ([agent.link_id] if is_linked else [])


def test_an_agent_that_answers_is_not_lost() -> None:
    rig = Rig(ping_timeout_seconds=1.0)
    agent = rig.agent()
    for _ in range(20):
        rig.pass_time(1.0)
        assert agent.say({"type": "PONG"})
    assert agent.agent_id in rig.master.cluster.agents


def test_a_return_in_time_is_silent_and_brings_remembered_kills() -> None:
    rig = Rig(ping_timeout_seconds=1.0)
    agent = rig.agent()
    framework = rig.subscribe()
    info = launched(framework)
    agent.update(framework.framework_id, "t", "TASK_RUNNING")
    agent.close()
    framework.fresh()
    framework.call("KILL", {"task_id": {"value": "t"}})
    rig.pass_time(2)
    back = returning(rig, agent, framework, info)
    assert [e["type"] for e in framework.fresh()] == ["OFFERS"]
    assert [m["type"] for m in back.fresh()] == ["REGISTERED", "KILL_TASK"]


def test_a_return_from_the_lost_says_what_runs() -> None:
    rig = Rig(ping_timeout_seconds=1.0)
    agent = rig.agent()
    framework = rig.subscribe()
    info = launched(framework)
    agent.update(framework.framework_id, "t", "TASK_RUNNING")
    agent.close()
    rig.pass_time(6)
    framework.call("KILL", {"task_id": {"value": "t"}, "agent_id": {"value": agent.agent_id}})
    framework.fresh()
    back = returning(rig, agent, framework, info)
    status = framework.fresh()[0]["update"]["status"]
    assert (status["state"], status["reason"]) == ("TASK_RUNNING", "REASON_AGENT_REREGISTERED")
    assert "uuid" not in status
    # A kill while it was lost is not remembered.
    assert [m["type"] for m in back.fresh()] == ["REGISTERED"]
    assert rig.registry["unreachable"] == {}


def test_the_id_of_an_unreachable_task_cannot_be_used() -> None:
    rig = Rig(ping_timeout_seconds=1.0)
    agent = rig.agent(1)
    framework = rig.subscribe()
    launched(framework)
    agent.close()
    rig.pass_time(6)
    framework.fresh()
    rig.agent(2)
    launched(framework)
    (status,) = framework.statuses()
    assert status["message"] == "Task reuses the ID of an unreachable task: t"


def test_a_launch_that_never_arrived_is_asked_back() -> None:
    rig = Rig(ping_timeout_seconds=1.0)
    agent = rig.agent()
    framework = rig.subscribe()
    info = launched(framework)
    agent.close()
    back = returning(rig, agent, framework)
    (registered,) = back.fresh()
    assert [r["info"] for r in registered["reconciliations"]] == [info]


def test_a_new_agent_at_the_address_of_one_that_is_away_replaces_it() -> None:
    rig = Rig()
    agent = rig.agent(1)
    framework = rig.subscribe()
    launched(framework)
    agent.close()
    framework.fresh()
    new = rig.agent(1)
    assert new.agent_id != agent.agent_id
    events = framework.fresh()
    assert events[0]["update"]["status"]["state"] == "TASK_GONE"
    assert events[0]["update"]["status"]["message"] == "a new agent registered at the same address"


def test_an_agent_marked_gone_may_not_return() -> None:
    rig = Rig()
    agent = rig.agent()
    framework = rig.subscribe()
    launched(framework)
    framework.call("SUPPRESS")
    assert rig.master.mark_gone(agent.agent_id, rig.now)
    rig.settle()
    states = [s["state"] for s in framework.statuses()]
    assert states == ["TASK_GONE_BY_OPERATOR"]
    back = rig.agent(1, agent.agent_id)
    assert [m["type"] for m in back.messages] == ["SHUTDOWN"]
    assert not rig.master.mark_gone("never-here", rig.now)


def test_the_registry_is_written_before_the_agent_hears_of_it() -> None:
    rig = Rig()
    rig.agent()
    assert rig.order == ["record MASTER_STARTED", "save", "message REGISTERED"]


def test_a_new_master_waits_and_then_gives_up() -> None:
    before = Rig()
    agent = before.agent()
    rig = Rig(before.registry, reregister_timeout_seconds=10.0)
    framework = rig.subscribe()
    rig.pass_time(9.9)
    framework.fresh()
    question = {"task_id": {"value": "t"}, "agent_id": {"value": agent.agent_id}}
    framework.call("RECONCILE", {"tasks": [question, {"task_id": {"value": "u"}}]})
    assert framework.statuses() == []
    rig.pass_time(0.2)
    assert [e["type"] for e in framework.fresh()] == ["FAILURE"]
    framework.call("RECONCILE", {"tasks": [question]})
    assert [s["state"] for s in framework.statuses()] == ["TASK_UNREACHABLE"]


def test_a_new_master_learns_tasks_from_their_agent() -> None:
    before = Rig()
    agent = before.agent()
    old = before.subscribe()
    info = launched(old)
    rig = Rig(before.registry)
    framework = rig.subscribe(old.framework_id)
    framework.call("KILL", {"task_id": {"value": "t"}, "agent_id": {"value": agent.agent_id}})
    assert framework.statuses() == []
    returning(rig, agent, framework, info)
    framework.fresh()
    framework.call("RECONCILE", {"tasks": []})
    assert [s["state"] for s in framework.statuses()] == ["TASK_RUNNING"]


def test_a_framework_that_comes_after_its_agents_finds_its_tasks() -> None:
    before = Rig()
    agent = before.agent()
    old = before.subscribe()
    info = launched(old)
    rig = Rig(before.registry)
    returning(rig, agent, old, info)
    assert rig.master.cluster.frameworks[old.framework_id].is_recovered
    framework = rig.subscribe(old.framework_id)
    framework.fresh()
    framework.call("RECONCILE", {"tasks": []})
    assert [s["state"] for s in framework.statuses()] == ["TASK_RUNNING"]


def test_a_late_agent_is_told_to_end_a_removed_frameworks_tasks() -> None:
    rig = Rig(ping_timeout_seconds=1.0)
    agent = rig.agent()
    framework = rig.subscribe()
    info = launched(framework)
    agent.close()
    framework.call("TEARDOWN")
    back = returning(rig, agent, framework, info)
    assert [m["type"] for m in back.fresh()] == ["REGISTERED", "SHUTDOWN_FRAMEWORK"]


def test_an_old_link_is_not_listened_to() -> None:
    rig = Rig()
    old = rig.agent()
    framework = rig.subscribe()
    returning(rig, old, framework)
    assert rig.ended_links == [old.link_id]
    assert not old.say({"type": "PONG"})


def test_an_end_frees_resources_before_its_update_is_given_out() -> None:
    rig = Rig()
    agent = rig.agent()
    framework = rig.subscribe()
    launched(framework)
    agent.update(framework.framework_id, "t", "TASK_RUNNING", latest="TASK_FINISHED")
    rig.pass_time(1.1)
    offers = [o for e in framework.fresh() if e["type"] == "OFFERS" for o in e["offers"]["offers"]]
    total = sum(r["scalar"]["value"] for o in offers for r in o["resources"] if r["name"] == "cpus")
    assert total == 4.0
    framework.call("RECONCILE", {"tasks": []})
    assert [s["state"] for s in framework.statuses()] == ["TASK_RUNNING"]


def test_an_acknowledged_end_is_forgotten_and_passed_on() -> None:
    rig = Rig()
    agent = rig.agent()
    framework = rig.subscribe()
    launched(framework)
    status = agent.update(framework.framework_id, "t", "TASK_FINISHED")
    agent.fresh()
    body = {k: status[k] for k in ("agent_id", "task_id", "uuid")}
    framework.call("ACKNOWLEDGE", {**body, "uuid": status["uuid"][:-4] + "AA=="})
    assert framework.framework_id in rig.master.cluster.frameworks
    assert rig.master.cluster.frameworks[framework.framework_id].tasks
    framework.call("ACKNOWLEDGE", body)
    assert not rig.master.cluster.frameworks[framework.framework_id].tasks
    assert [m["type"] for m in agent.fresh()] == ["ACKNOWLEDGE", "ACKNOWLEDGE"]
    assert [line["what"] for line in rig.journal[-2:]] == ["ACKNOWLEDGE", "ACKNOWLEDGE"]


def test_an_acknowledgement_of_what_this_master_never_gave_out_goes_nowhere() -> None:
    rig = Rig()
    agent = rig.agent()
    framework = rig.subscribe()
    info = launched(framework)
    agent.fresh()
    body = {"agent_id": info["agent_id"], "task_id": info["task_id"]}
    framework.call("ACKNOWLEDGE", {**body, "uuid": "AAAAAAAAQACAAAAAAAAAAA=="})
    assert agent.fresh() == []


WHERE = {
    "registered": "here",
    "unreachable": "lost",
    "gone": "gone",
    "not back": "waited-for",
    "unknown": "nobody",
    "not named": None,
}
TABLE = [
    ("registered", False, "TASK_GONE"),
    ("registered", True, "TASK_GONE"),
    ("unreachable", False, "TASK_UNREACHABLE"),
    ("unreachable", True, "TASK_UNREACHABLE"),
    ("gone", False, "TASK_GONE_BY_OPERATOR"),
    ("not back", True, None),
    ("unknown", False, "TASK_UNKNOWN"),
    ("unknown", True, "TASK_UNKNOWN"),
    ("not named", False, "TASK_UNKNOWN"),
    ("not named", True, None),
]


@pytest.mark.parametrize(("where", "is_someone_waited_for", "state"), TABLE)
def test_reconciliation_of_the_unknown(
    where: str, is_someone_waited_for: bool, state: str | None
) -> None:
    rig = Rig()
    here = rig.agent(1)
    numbers = itertools.count()
    cluster = Cluster(Settings("127.0.0.1", 5050), "m", 0.0, lambda: str(next(numbers)))
    cluster.agents["here"] = rig.master.cluster.agents[here.agent_id]
    cluster.unreachable["lost"] = 7.0
    cluster.gone["gone"] = 7.0
    if is_someone_waited_for:
        cluster.recovered["waited-for"] = {"agent_id": "waited-for"}
    verdict = verdict_on_unknown(cluster, WHERE[where])
    assert (None if verdict is None else verdict.state) == state
    if where == "unreachable":
        assert verdict == Verdict("TASK_UNREACHABLE", "Reconciliation: Task is unreachable", 7.0)
