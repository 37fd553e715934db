"""The operators' side of the master without a process: drains, maintenance, events, views."""

import json
from typing import Any

import orjson
import pytest

from connectors.devcluster.master import maintenance, metrics, observed, operator_calls, v1_views
from connectors.devcluster.master.rows import Rows, pieces, plain, rendered, size_of
from connectors.devcluster.master.views import (
    duration_text,
    frameworks_view,
    slaves_view,
    state_summary_view,
    state_view,
    tasks_view,
)
from connectors.devcluster.wire import codec
from tests.unit.devcluster.master_rig import AgentLink, Json, Rig, Scheduler, task_info
from tests.unit.devcluster.wire_check import check_message

MACHINE: Json = {"hostname": "agent1", "ip": "127.0.0.1"}


def operate(rig: Rig, kind: str, body: Json | None = None) -> operator_calls.Reply:
    """What a call is answered."""
    call: Json = {"type": kind, **({} if body is None else {kind.lower(): body})}
    parsed = codec.parse("master.Call", codec.JSON, json.dumps(call).encode())
    reply = operator_calls.answer(rig.master, parsed, rig.now)
    rig.settle()
    return reply


def about(agent: AgentLink, **more: Any) -> Json:
    """The body of a call about one agent."""
    return {"agent_id": {"value": agent.agent_id}, **more}


def scheduled() -> Json:
    """A schedule for the machine of agent1."""
    window = {"machine_ids": [MACHINE], "unavailability": {"start": {"nanoseconds": 1}}}
    return {"schedule": {"windows": [window]}}


def running(rig: Rig, agent: AgentLink, framework: Scheduler, task_id: str = "t") -> None:
    """Have a task of the framework run on the agent."""
    rig.pass_time(1.1)
    offer = next(o for o in framework.offers() if o["agent_id"]["value"] == agent.agent_id)
    framework.launch([offer], task_info(task_id, offer), refuse_seconds=100.0)
    status = agent.update(framework.framework_id, task_id, "TASK_RUNNING")
    acknowledge(framework, status)
    framework.fresh()
    agent.fresh()


def acknowledge(framework: Scheduler, status: Json) -> None:
    """Acknowledge a status."""
    body = {k: status[k] for k in ("agent_id", "task_id", "uuid")}
    assert framework.call("ACKNOWLEDGE", body) == 202


def drain_state(rig: Rig, agent: AgentLink) -> str | None:
    """How far the agent's drain is."""
    drain = rig.master.cluster.operator.drains.get(agent.agent_id)
    return None if drain is None else drain.state


def test_a_drain_is_over_when_the_last_end_is_acknowledged() -> None:
    rig = Rig()
    agent, framework = rig.agent(), rig.subscribe()
    running(rig, agent, framework)
    grace = {"seconds": 2, "nanos": 5}
    assert operate(rig, "DRAIN_AGENT", about(agent, max_grace_period=grace)).status == 200
    told = next(m for m in agent.fresh() if m["type"] == "DRAIN")
    assert told["max_grace_period"] == {"nanoseconds": 2 * 10**9 + 5}
    assert not told["mark_gone"]
    ended = agent.update(framework.framework_id, "t", "TASK_KILLED")
    rig.pass_time(2.0)
    assert drain_state(rig, agent) == "DRAINING"
    assert framework.offers() == []
    assert operate(rig, "REACTIVATE_AGENT", about(agent)).text == (
        "Agent is still in the DRAINING state"
    )
    acknowledge(framework, ended)
    rig.pass_time(0.1)
    assert drain_state(rig, agent) == "DRAINED"
    assert operate(rig, "REACTIVATE_AGENT", about(agent)).status == 200
    assert agent.fresh()[-1]["type"] == "UNDRAIN"
    framework.call("REVIVE")
    rig.pass_time(1.1)
    assert framework.offers()


def test_a_drain_is_asked_for_again_by_the_next_master() -> None:
    rig = Rig()
    agent, framework = rig.agent(), rig.subscribe()
    running(rig, agent, framework)
    operate(rig, "DRAIN_AGENT", about(agent))
    kept = orjson.loads(orjson.dumps(rig.registry))
    after = Rig(registry=kept)
    task = {
        "framework_id": framework.framework_id,
        "info": task_info("t", {"agent_id": {"value": agent.agent_id}}),
        "role": "*",
        "state": "TASK_RUNNING",
        "update_state": "TASK_RUNNING",
        "update_uuid": None,
    }
    info = {"id": {"value": framework.framework_id}, "user": "u", "name": "f", "checkpoint": True}
    back = after.agent(agent_id=agent.agent_id, frameworks=[info], tasks=[task])
    assert [m["type"] for m in back.fresh()] == ["REGISTERED", "DRAIN"]
    assert not after.master.cluster.agents[agent.agent_id].is_active
    after.pass_time(0.2)
    assert drain_state(after, back) == "DRAINING"


def test_an_agent_that_drains_for_nobody_is_told_so() -> None:
    rig = Rig()
    back = rig.agent(agent_id="old", drain={"mark_gone": False})
    assert [m["type"] for m in back.fresh()] == ["REGISTERED", "UNDRAIN"]


def test_an_empty_agent_that_shall_be_gone_is_gone_at_once() -> None:
    rig = Rig()
    agent, framework = rig.agent(), rig.subscribe()
    framework.fresh()
    operate(rig, "DRAIN_AGENT", about(agent, mark_gone=True))
    rig.pass_time(0.1)
    assert [e["type"] for e in framework.fresh()] == ["RESCIND", "FAILURE"]
    assert agent.agent_id in rig.master.cluster.gone
    assert rig.registry["drains"] == {}
    assert operate(rig, "DRAIN_AGENT", about(agent)).text == "Unknown agent"


def test_a_deactivated_agent_is_offered_to_nobody_and_keeps_its_tasks() -> None:
    rig = Rig()
    agent, framework = rig.agent(), rig.subscribe()
    running(rig, agent, framework)
    assert operate(rig, "DEACTIVATE_AGENT", about(agent)).status == 200
    framework.call("REVIVE")
    rig.pass_time(2.0)
    assert framework.offers() == []
    assert agent.fresh() == []
    assert operate(rig, "REACTIVATE_AGENT", about(agent)).status == 200
    assert framework.offers()


def test_a_machine_that_is_down_may_have_no_agent_until_it_is_up() -> None:
    rig = Rig()
    agent, framework = rig.agent(), rig.subscribe()
    running(rig, agent, framework)
    operate(rig, "UPDATE_MAINTENANCE_SCHEDULE", scheduled())
    rig.pass_time(0.1)
    assert "INVERSE_OFFERS" in [e["type"] for e in framework.fresh()]
    assert operate(rig, "START_MAINTENANCE", {"machines": [MACHINE]}).status == 200
    said = framework.fresh()
    lost = next(e["update"]["status"] for e in said if e["type"] == "UPDATE")
    assert (lost["state"], lost["reason"]) == ("TASK_LOST", "REASON_AGENT_REMOVED")
    assert {"FAILURE", "RESCIND_INVERSE_OFFER"} <= {e["type"] for e in said}
    assert agent.fresh()[-1]["type"] == "SHUTDOWN"
    assert rig.master.cluster.agents == {}

    after = Rig(registry=orjson.loads(orjson.dumps(rig.registry)))
    refused = after.agent(agent_id=agent.agent_id)
    assert [(m["type"], m["message"]) for m in refused.fresh()] == [
        ("SHUTDOWN", "Machine is `DOWN`")
    ]
    other = after.agent(2)
    assert other.fresh()[0]["type"] == "REGISTERED"
    assert operate(after, "STOP_MAINTENANCE", {"machines": [MACHINE]}).status == 200
    assert after.agent(agent_id=agent.agent_id).fresh()[0]["type"] == "REGISTERED"
    assert after.registry["schedule"] == {}


def test_a_schedule_with_one_machine_up_again_keeps_the_others() -> None:
    rig = Rig()
    body = scheduled()
    body["schedule"]["windows"][0]["machine_ids"] = [MACHINE, {**MACHINE, "hostname": "b"}]
    operate(rig, "UPDATE_MAINTENANCE_SCHEDULE", body)
    operate(rig, "START_MAINTENANCE", {"machines": [MACHINE]})
    operate(rig, "STOP_MAINTENANCE", {"machines": [MACHINE]})
    left = [{"id": {**MACHINE, "hostname": "b"}}]
    assert maintenance.status(rig.master.cluster) == {"draining_machines": left}


def watch(rig: Rig) -> list[Json]:
    """The events of an operator's stream from now on."""
    cluster = rig.master.cluster
    cluster.operator.streams["operator"] = rig.now
    rig.streams["operator"] = []
    observed.subscribe(cluster, "operator", plain(v1_views.get_state(cluster)), rig.now)
    rig.settle()
    return rig.streams["operator"]


def kinds(events: list[Json]) -> list[str]:
    """The types of the events, heartbeats left out; they are taken away."""
    found = [e["type"] for e in events if e["type"] != "HEARTBEAT"]
    events.clear()
    return found


def test_what_operators_are_told() -> None:
    rig = Rig()
    events = watch(rig)
    assert [e["type"] for e in events] == ["SUBSCRIBED", "HEARTBEAT"]
    kinds(events)
    agent = rig.agent()
    assert kinds(events) == ["AGENT_ADDED"]
    framework = rig.subscribe()
    assert kinds(events) == ["FRAMEWORK_ADDED"]
    offer = framework.offers()[0]
    framework.launch([offer], task_info("t", offer))
    assert kinds(events) == ["TASK_ADDED"]
    for _ in range(2):
        agent.update(framework.framework_id, "t", "TASK_RUNNING")
    assert kinds(events) == ["TASK_UPDATED"]
    framework.close()
    assert kinds(events) == []
    operate(rig, "MARK_AGENT_GONE", about(agent))
    assert kinds(events) == ["TASK_UPDATED"]
    reply = operate(rig, "TEARDOWN", {"framework_id": {"value": framework.framework_id}})
    assert (reply.status, kinds(events)) == (200, ["FRAMEWORK_REMOVED"])
    rig.pass_time(15.1)
    assert [e["type"] for e in events] == ["HEARTBEAT"]


def test_counters_count_ends_by_source_and_reason() -> None:
    rig = Rig()
    agent, framework = rig.agent(), rig.subscribe()
    running(rig, agent, framework)
    agent.update(framework.framework_id, "t", "TASK_FAILED")
    agent.update(framework.framework_id, "t", "TASK_FAILED")
    framework.call("TEARDOWN")
    found = metrics.snapshot(rig.master.cluster, rig.now)
    assert found["master/tasks_failed"] == 1.0
    assert found["master/messages_status_update"] == 3.0
    assert found["master/messages_unregister_framework"] == 1.0
    assert found["master/tasks_killed"] == 0.0
    assert (found["master/cpus_used"], found["master/cpus_total"]) == (0.0, 4.0)


def test_what_is_used_leaves_out_what_is_only_offered() -> None:
    rig = Rig()
    agent, framework = rig.agent(), rig.subscribe()
    running(rig, agent, framework)
    rig.agent(2)
    rig.pass_time(1.1)
    assert framework.offers()
    shown = plain(frameworks_view(rig.master.cluster))["frameworks"][0]
    assert shown["used_resources"]["cpus"] == 0.5
    assert shown["offered_resources"]["cpus"] == 4.0
    assert shown["resources"]["cpus"] == 4.5
    found = metrics.snapshot(rig.master.cluster, rig.now)
    assert found["master/cpus_used"] == 0.5
    assert found["allocator/mesos/resources/cpus/offered_or_allocated"] == 4.5
    assert found["allocator/mesos/roles/*/shares/dominant"] == pytest.approx(4.5 / 8)


def busy() -> Rig:
    """A master with agents, frameworks, tasks in all states, offers and a drain."""
    rig = Rig()
    agents = [rig.agent(n) for n in (1, 2, 3)]
    framework = rig.subscribe(labels={"labels": [{"key": "a", "value": "b"}]})
    rig.pass_time(1.1)
    offers = {o["agent_id"]["value"]: o for o in framework.offers()}
    for agent, task_id in zip(agents, ("live", "over"), strict=False):
        offer = offers[agent.agent_id]
        framework.launch([offer], task_info(task_id, offer))
        acknowledge(framework, agent.update(framework.framework_id, task_id, "TASK_RUNNING"))
    acknowledge(framework, agents[1].update(framework.framework_id, "over", "TASK_FINISHED"))
    gone = rig.subscribe()
    gone.call("TEARDOWN")
    operate(rig, "DRAIN_AGENT", about(agents[2]))
    framework.call("REVIVE")
    rig.pass_time(1.1)
    return rig


def test_each_view_is_the_same_in_pieces_and_at_once() -> None:
    cluster = busy().master.cluster
    for view in (
        state_view(cluster),
        state_summary_view(cluster),
        slaves_view(cluster),
        frameworks_view(cluster),
        tasks_view(cluster, 100, 0, lambda _task: True),
        v1_views.get_state(cluster),
    ):
        assert orjson.loads(b"".join(pieces(view))) == orjson.loads(rendered(view))
        assert orjson.loads(rendered(view)) == orjson.loads(orjson.dumps(plain(view)))


@pytest.mark.parametrize(
    "kind",
    [
        "GET_AGENTS",
        "GET_EXECUTORS",
        "GET_FLAGS",
        "GET_FRAMEWORKS",
        "GET_HEALTH",
        "GET_LOGGING_LEVEL",
        "GET_MAINTENANCE_SCHEDULE",
        "GET_MAINTENANCE_STATUS",
        "GET_MASTER",
        "GET_METRICS",
        "GET_OPERATIONS",
        "GET_QUOTA",
        "GET_ROLES",
        "GET_STATE",
        "GET_TASKS",
        "GET_VERSION",
        "GET_WEIGHTS",
    ],
)
def test_each_answer_is_a_message_of_mesos(kind: str) -> None:
    rig = busy()
    reply = operate(rig, kind, {} if kind == "GET_METRICS" else None)
    assert reply.response is not None
    value = plain(reply.response)
    check_message("master.Response", value)
    codec.encode("master.Response", codec.PROTOBUF, value)


@pytest.mark.parametrize("kind", ["SET_QUOTA", "UPDATE_WEIGHTS", "UPDATE_QUOTA"])
def test_what_is_not_there_is_refused_aloud(kind: str) -> None:
    body: Json = {"quota_request": {}} if kind == "SET_QUOTA" else {}
    reply = operate(Rig(), kind, body)
    assert (reply.status, reply.text) == (
        501,
        f"This development cluster has no operator call {kind}",
    )


def test_long_lists_are_made_row_by_row() -> None:
    made: list[int] = []

    def view(number: int) -> Json:
        made.append(number)
        return {"n": number, "inner": Rows([number], lambda n: n)}

    value: Json = {"a": 1, "rows": Rows(range(1000), view), "none": Rows([], view)}
    assert size_of(value) == 1000
    parts = pieces(value)
    first = [next(parts) for _ in range(4)]
    assert len(made) < 200
    whole = orjson.loads(b"".join([*first, *parts]))
    assert whole["rows"][999] == {"n": 999, "inner": [999]}
    assert whole["none"] == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1, "1secs"), (15, "15secs"), (600, "10mins"), (3600, "1hrs"), (0.5, "500ms"), (90, "90secs")],
)
def test_durations_as_mesos_prints_them(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
