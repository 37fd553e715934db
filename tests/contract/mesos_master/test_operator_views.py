"""What people and dashboards read of a master: its GET endpoints and the GET calls of the v1 API.

Each case is compared with a real Mesos: the same stimulus, the same fields, the same refusals.
"""

from pathlib import Path
from typing import Any

import pytest

from streams.cli.doctor_network import clock_of_answer
from streams.clock import now_ms
from tests.contract.mesos_master.master_client import (
    Framework,
    Json,
    agents,
    request,
    scalars,
    task,
    until,
)
from tests.contract.mesos_master.operator_client import await_view, get, operate, told

pytestmark = pytest.mark.integration

V0_AGENT = {
    "id",
    "hostname",
    "port",
    "attributes",
    "pid",
    "registered_time",
    "resources",
    "used_resources",
    "offered_resources",
    "reserved_resources",
    "unreserved_resources",
    "active",
    "deactivated",
    "version",
    "capabilities",
}
V0_FRAMEWORK = {
    "id",
    "name",
    "user",
    "used_resources",
    "offered_resources",
    "capabilities",
    "hostname",
    "webui_url",
    "active",
    "connected",
    "recovered",
    "failover_timeout",
    "checkpoint",
    "registered_time",
    "unregistered_time",
    "resources",
    "tasks",
    "unreachable_tasks",
    "completed_tasks",
    "offers",
    "executors",
    "offer_constraints",
}
V0_TASK = {
    "id",
    "name",
    "framework_id",
    "executor_id",
    "slave_id",
    "state",
    "resources",
    "role",
    "statuses",
}


@pytest.mark.parametrize("prefix", ["", "/master"])
@pytest.mark.parametrize(
    "name", ["state", "state-summary", "slaves", "frameworks", "tasks", "roles", "flags"]
)
def test_views_are_there_with_and_without_the_masters_name(
    port: int, prefix: str, name: str
) -> None:
    reply = request(port, "GET", f"{prefix}/{name}")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert isinstance(reply.json, dict)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_a_view_is_shown_whatever_the_method(port: int, method: str) -> None:
    assert request(port, method, "/slaves", "").status == 200
    assert (request(port, method, "/health", "").status, request(port, "GET", "/health").text) == (
        200,
        "",
    )


def test_the_fields_of_an_agent_a_framework_and_a_task(port: int) -> None:
    with Framework(port, name="fields", labels={"labels": [{"key": "a", "value": "b"}]}) as one:
        one.run("live", labels={"labels": [{"key": "k", "value": "v"}]})
        agent = get(port, "/slaves")["slaves"][0]
        full = {f"{kind}_resources_full" for kind in ("reserved", "unreserved", "used", "offered")}
        assert V0_AGENT | full <= agent.keys()
        assert agent["resources"]["ports"] == "[31000-31999]"
        assert get(port, "/state")["slaves"][0].keys() >= V0_AGENT
        shown = get(port, f"/frameworks?framework_id={one.framework_id}")["frameworks"]
        assert [f["id"] for f in shown] == [one.framework_id]
        assert V0_FRAMEWORK | {"role", "labels"} <= shown[0].keys()
        live = shown[0]["tasks"][0]
        assert live.keys() >= V0_TASK
        assert live["labels"] == [{"key": "k", "value": "v"}]
        assert live["resources"] == {"cpus": 0.1, "mem": 32.0, "disk": 0.0, "gpus": 0.0}
        assert "executor_pid" not in live["statuses"][-1]["container_status"]


def test_one_agent_by_its_id(port: int) -> None:
    z1 = agents(port)["z1"]
    assert [a["id"] for a in get(port, f"/slaves?slave_id={z1}")["slaves"]] == [z1]
    for wrong in ("nobody", ""):
        found = get(port, f"/slaves?slave_id={wrong}")
        assert found == {"slaves": [], "recovered_slaves": []}
    # There is no parameter of this name.
    assert len(get(port, "/slaves?agent_id=nobody")["slaves"]) == 2


def test_no_framework_of_this_id(port: int) -> None:
    empty: Json = {"frameworks": [], "completed_frameworks": [], "unregistered_frameworks": []}
    assert get(port, "/frameworks?framework_id=nobody") == empty


def test_tasks_are_ordered_by_their_first_status_and_cut(port: int) -> None:
    with Framework(port, name="many") as one:
        for name in ("first", "second", "third"):
            one.run(name)
        mine = f"framework_id={one.framework_id}"

        def names(query: str) -> list[str]:
            return [t["id"] for t in get(port, f"/tasks?{mine}&{query}")["tasks"]]

        newest = ["third", "second", "first"]
        assert names("") == newest
        assert names("order=asc") == newest[::-1]
        assert names("order=desc") == names("order=nonsense") == newest
        assert names("limit=1") == ["third"]
        assert names("limit=1&offset=1") == ["second"]
        assert names("limit=0") == names("offset=1000") == []
        assert names("task_id=second") == ["second"]
        # What is no number counts as not said.
        for odd in ("limit=abc", "limit=-1", "limit=", "limit=1.5", "offset=abc"):
            assert names(odd) == newest
        assert get(port, "/tasks?framework_id=nobody")["tasks"] == []


def test_a_summary_counts_tasks_by_agent_and_framework(port: int) -> None:
    with Framework(port, name="summed") as one:
        status = one.run("live")
        one.run("over", "exit 0")
        one.acknowledge(one.await_state("over", "TASK_FINISHED"))
        summary = get(port, "/state-summary")
        mine = next(f for f in summary["frameworks"] if f["id"] == one.framework_id)
        assert (mine["TASK_RUNNING"], mine["TASK_FINISHED"], mine["TASK_LOST"]) == (1, 1, 0)
        agent_id = status["agent_id"]["value"]
        assert agent_id in mine["slave_ids"]
        host = next(a for a in summary["slaves"] if a["id"] == agent_id)
        assert one.framework_id in host["framework_ids"]
        assert host["TASK_RUNNING"] == 1


def test_a_role_is_there_while_it_is_used(port: int) -> None:
    more = {"roles": ["web"], "capabilities": [{"type": "MULTI_ROLE"}]}
    with Framework(port, name="roles", **more) as one:
        offer = one.offers()[0]
        resources = [{**r, "allocation_info": {"role": "web"}} for r in scalars()]
        one.launch([offer], [task("mine", offer, resources=resources)], 3600.0)
        one.acknowledge(one.await_state("mine", "TASK_RUNNING"))
        web = next(r for r in get(port, "/roles")["roles"] if r["name"] == "web")
        assert web["frameworks"] == [one.framework_id]
        assert web["allocated"] == {"cpus": 0.1, "mem": 32.0}
        assert (web["weight"], web["quota"]["limit"]) == (1.0, {})
        assert web["quota"]["consumed"] == web["allocated"]
        shown = next(r for r in told(port, "GET_ROLES")["roles"] if r["name"] == "web")
        assert (shown["weight"], shown["frameworks"]) == (1.0, [{"value": one.framework_id}])
    await_view(lambda: not any(r["name"] == "web" for r in get(port, "/roles")["roles"]))


def _cpus_of(port: int, framework: str) -> list[float]:
    frameworks = get(port, "/state")["frameworks"]
    return [each["used_resources"]["cpus"] for each in frameworks if each["name"] == framework]


def _where_metrics_and_hosts_agree(port: int) -> Any:
    """The metrics, once they count what the hosts say is used: tests before may have left some."""
    metrics = get(port, "/metrics/snapshot")
    used = sum(each["used_resources"]["cpus"] for each in get(port, "/slaves")["slaves"])
    return metrics if metrics["master/cpus_used"] == pytest.approx(used) else None


def test_metrics_that_people_chart(port: int, tmp_path: Path) -> None:
    over = tmp_path / "over"
    before = get(port, "/metrics/snapshot")
    assert before["master/elected"] == 1.0
    assert before["master/uptime_secs"] > 0
    assert before["master/slaves_connected"] == before["master/slaves_active"] == 2.0
    assert before["master/slaves_disconnected"] == before["master/slaves_inactive"] == 0.0
    assert (before["master/cpus_total"], before["master/gpus_total"]) == (8.0, 0.0)
    with Framework(port, name="counted") as one:
        # Both offers are held first: one that came while a state is awaited would be passed over.
        first, second = one.offers(2)
        one.launch([first], [task("live", first, "exec sleep 600")])
        one.acknowledge(one.await_state("live", "TASK_RUNNING"))
        wrong = task("wrong", second, resources=scalars(cpus=1000))
        one.launch([second], [wrong, task("over", second, until(over))])
        one.await_state("wrong", "TASK_ERROR")
        # Of an end that the agent passed on together with the begin, Mesos counts neither.
        one.acknowledge(one.await_state("over", "TASK_RUNNING"))
        over.touch()
        one.acknowledge(one.await_state("over", "TASK_FINISHED"))
        one.reconcile()
        # What an executor used is free when its agent has told its end, and not before.
        await_view(lambda: _cpus_of(port, "counted") == [0.1])
        after = await_view(lambda: _where_metrics_and_hosts_agree(port))

        def grown(name: str) -> float:
            return float(after[name] - before.get(name, 0.0))

        assert after["master/tasks_running"] == 1.0
        assert after["master/cpus_used"] >= 0.1
        assert after["master/cpus_percent"] == pytest.approx(after["master/cpus_used"] / 8)
        assert grown("master/tasks_finished") == grown("master/tasks_error") == 1.0
        assert grown("master/task_error/source_master/reason_task_invalid") == 1.0
        assert grown("master/messages_launch_tasks") == 2.0
        assert grown("master/messages_register_framework") == 1.0
        assert grown("master/messages_reconcile_tasks") == 1.0
        assert after["master/frameworks_active"] == after["master/frameworks_connected"]
        assert grown("master/frameworks_active") == 1.0
        listed = told(port, "GET_METRICS", {})["metrics"]
        assert {m["name"] for m in listed} >= before.keys() - {"registrar/log/recovered"}


@pytest.mark.parametrize("text", ["abc", "-1secs", "5"])
def test_a_timeout_that_is_none(port: int, text: str) -> None:
    reply = request(port, "GET", f"/metrics/snapshot?timeout={text}")
    assert reply.status == 400
    assert reply.text.startswith(f"Invalid timeout '{text}': ")


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ("", 200, None),
        ("level=1&duration=1mins", 200, ""),
        ("level=1", 400, "Expecting 'duration=value' in query.\n"),
        ("duration=1mins", 400, "Expecting 'level=value' in query.\n"),
        ("level=abc&duration=1mins", 400, "Failed to convert 'abc' to number.\n"),
        ("level=-1&duration=1mins", 400, "Invalid level '-1'.\n"),
        ("level=1&duration=abc", 400, "Failed to convert '' to number.\n"),
    ],
)
def test_logging_toggle(port: int, query: str, status: int, text: str | None) -> None:
    reply = request(port, "GET", f"/logging/toggle?{query}")
    assert reply.status == status
    assert text is None or reply.text == text


@pytest.mark.parametrize(
    ("kind", "field", "shape"),
    [
        ("GET_HEALTH", "healthy", bool),
        ("GET_FLAGS", "flags", list),
        ("GET_VERSION", "version_info", dict),
        ("GET_LOGGING_LEVEL", "level", int),
        ("GET_MASTER", "master_info", dict),
        ("GET_STATE", "get_tasks", dict),
        ("GET_AGENTS", "agents", list),
        ("GET_FRAMEWORKS", "frameworks", list),
        ("GET_EXECUTORS", "executors", list),
        ("GET_TASKS", "tasks", list),
        ("GET_ROLES", None, dict),
        ("GET_OPERATIONS", None, dict),
        ("GET_QUOTA", "status", dict),
        ("GET_MAINTENANCE_STATUS", "status", dict),
        ("GET_MAINTENANCE_SCHEDULE", "schedule", dict),
    ],
)
def test_what_a_read_call_answers(
    port: int, kind: str, field: str | None, shape: type[object]
) -> None:
    body = told(port, kind)
    assert isinstance(body if field is None else body[field], shape)


def test_there_are_no_weights(port: int) -> None:
    assert operate(port, "GET_WEIGHTS").json == {"type": "GET_WEIGHTS"}
    assert get(port, "/weights") == []
    assert get(port, "/quota") == {}


def test_a_task_an_agent_and_a_framework_in_v1_shapes(port: int) -> None:
    with Framework(port, name="v1") as one:
        status = one.run("shown", labels={"labels": [{"key": "k", "value": "v"}]})
        state = told(port, "GET_STATE")
        item = next(
            t for t in state["get_tasks"]["tasks"] if t["framework_id"]["value"] == one.framework_id
        )
        assert item["task_id"] == {"value": "shown"}
        assert (item["state"], item["status_update_state"]) == ("TASK_RUNNING", "TASK_RUNNING")
        assert item["status_update_uuid"] == status["uuid"]
        assert item["labels"] == {"labels": [{"key": "k", "value": "v"}]}
        assert item["resources"][0]["allocation_info"] == {"role": "*"}
        assert "role" not in item["resources"][0]
        assert item["statuses"][-1]["container_status"]["executor_pid"] > 0
        agent = state["get_agents"]["agents"][0]
        assert agent["agent_info"].keys() >= {"hostname", "port", "resources", "attributes", "id"}
        assert agent["total_resources"][0]["role"] == "*"
        assert (agent["active"], agent["deactivated"]) == (True, False)
        assert agent["registered_time"]["nanoseconds"] > 10**18
        shown = next(
            f
            for f in state["get_frameworks"]["frameworks"]
            if f["framework_info"]["id"]["value"] == one.framework_id
        )
        assert (shown["active"], shown["connected"], shown["recovered"]) == (True, True, False)
        assert {r["name"]: r["scalar"]["value"] for r in shown["allocated_resources"]} == {
            "cpus": 0.1,
            "mem": 32.0,
        }
    done = told(port, "GET_FRAMEWORKS")["completed_frameworks"]
    gone = next(f for f in done if f["framework_info"]["id"]["value"] == one.framework_id)
    assert gone["unregistered_time"]["nanoseconds"] > 10**18
    over = next(
        t
        for t in told(port, "GET_TASKS")["completed_tasks"]
        if t["framework_id"]["value"] == one.framework_id
    )
    last = over["statuses"][-1]
    assert (over["state"], last["reason"]) == ("TASK_KILLED", "REASON_FRAMEWORK_REMOVED")
    assert last["message"] == f"Framework {one.framework_id} removed"


def test_answers_have_the_date_by_which_clocks_are_compared(port: int) -> None:
    """`flumina doctor` compares it with ours; a server may look at its clock once a second."""
    before_ms = now_ms()
    date = request(port, "GET", "/version").headers["date"]
    found = clock_of_answer(date, before_ms, now_ms())
    assert found.status == "ok", found.text
