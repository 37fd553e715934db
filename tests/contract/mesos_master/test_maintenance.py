"""The maintenance schedule and machines that are taken down and brought up."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.mesos_client.clusters import Cluster, dev_cluster, real_mesos
from tests.contract.mesos_master.master_client import (
    Framework,
    Json,
    agents,
    await_agents,
    request,
)
from tests.contract.mesos_master.operator_client import (
    Watch,
    await_view,
    get,
    operate,
    run_on,
    told,
)

pytestmark = pytest.mark.integration

START: Json = {"start": {"nanoseconds": 1}}
ELSEWHERE: Json = {"hostname": "Else.Where", "ip": "10.0.0.1"}


def windows(*machines: Json, **unavailability: Json) -> Json:
    """A schedule of one window."""
    return {
        "windows": [{"machine_ids": [*machines], "unavailability": {**START, **unavailability}}]
    }


def post(port: int, path: str, value: object) -> tuple[int, str]:
    """Status and text of what an endpoint answers."""
    body = value if isinstance(value, str) else json.dumps(value)
    reply = request(port, path=path, body=body)
    return reply.status, reply.text


TWICE = (
    """Machine '{"hostname":"Else.Where","ip":"10.0.0.1"}' """
    "appears more than once in the schedule"
)
NAMELESS = "Both 'hostname' and 'ip' for a machine are empty"


@pytest.mark.parametrize(
    ("schedule", "text"),
    [
        ("", "syntax error at line 1 near: "),
        ({"windows": [{}]}, "Missing required fields: windows[0].unavailability"),
        (windows(), "List of machines in the maintenance window is empty"),
        (windows({}), NAMELESS),
        (
            windows({"hostname": "a"}, {"hostname": "a"}),
            """Machine '{"hostname":"a"}' appears more than once in the schedule""",
        ),
        (windows({"hostname": "a", "ip": "x"}), "Failed to parse IPv4: x"),
        (
            windows({"hostname": "a"}, duration={"nanoseconds": -5}),
            "Unavailability 'duration' is negative",
        ),
    ],
)
def test_a_schedule_that_is_refused(port: int, schedule: object, text: str) -> None:
    assert post(port, "/maintenance/schedule", schedule) == (400, text)
    assert get(port, "/maintenance/schedule") == {}


@pytest.mark.parametrize("path", ["/machine/down", "/machine/up"])
@pytest.mark.parametrize(
    ("machines", "text"),
    [
        ("", "syntax error at line 1 near: "),
        ({}, "Unexpected JSON type parsed"),
        ([], "List of machines is empty"),
        ([{}], NAMELESS),
        (
            [{"hostname": "nope"}],
            """Machine '{"hostname":"nope"}' is not part of a maintenance schedule""",
        ),
        (
            [ELSEWHERE, ELSEWHERE],
            TWICE,
        ),
    ],
)
def test_machines_that_are_refused(port: int, path: str, machines: object, text: str) -> None:
    assert post(port, path, machines) == (400, text)


def test_a_machine_from_its_schedule_to_its_return(port: int) -> None:
    lower = {**ELSEWHERE, "hostname": "else.where"}
    name = json.dumps(lower, separators=(",", ":"))
    schedule = windows(ELSEWHERE, duration={"nanoseconds": 5})
    assert post(port, "/maintenance/schedule", schedule) == (200, "")
    assert get(port, "/maintenance/schedule") == schedule
    assert told(port, "GET_MAINTENANCE_SCHEDULE") == {"schedule": schedule}
    assert get(port, "/maintenance/status") == {"draining_machines": [{"id": ELSEWHERE}]}
    # Names are compared without case.
    assert post(port, "/machine/down", [lower]) == (200, "")
    down = {"down_machines": [ELSEWHERE]}
    assert get(port, "/maintenance/status") == down
    assert told(port, "GET_MAINTENANCE_STATUS") == {"status": down}
    refused = f"Machine '{name}' is not in DRAINING mode and cannot be brought down"
    assert post(port, "/machine/down", [lower]) == (400, refused)
    status, text = post(port, "/maintenance/schedule", {"windows": []})
    assert status == 400
    assert text.endswith("is deactivated and cannot be removed from the schedule")
    assert operate(port, "STOP_MAINTENANCE", {"machines": [lower]}).status == 200
    refused = f"Machine '{name}' is not in DOWN mode and cannot be brought up"
    assert post(port, "/machine/up", [lower]) == (400, refused)
    assert get(port, "/maintenance/status") == get(port, "/maintenance/schedule") == {}


def test_a_schedule_is_taken_back(port: int) -> None:
    body = {"schedule": windows(ELSEWHERE)}
    assert operate(port, "UPDATE_MAINTENANCE_SCHEDULE", body).status == 200
    assert operate(port, "UPDATE_MAINTENANCE_SCHEDULE", {"schedule": {}}).status == 200
    assert get(port, "/maintenance/schedule") == {}


def test_only_get_and_post(port: int) -> None:
    reply = request(port, "PUT", "/maintenance/schedule", "{}")
    assert (reply.status, reply.headers["allow"]) == (405, "GET, POST")
    assert request(port, "POST", "/maintenance/status", "{}").status == 405


@pytest.fixture(params=["dev", pytest.param("real", marks=pytest.mark.real_mesos)])
def doomed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster for one test."""
    start = dev_cluster if request.param == "dev" else real_mesos
    with start(tmp_path / "home") as running:
        await_agents(running.port, {"z1", "z2"})
        yield running


def test_agents_whose_machines_go_down_and_come_back(doomed: Cluster) -> None:
    port = doomed.port
    known = agents(port)
    # All agents of the real one share a machine; in the dev cluster each has a name of its own.
    names = sorted({s["hostname"] for s in get(port, "/slaves")["slaves"]})
    machines = [{"hostname": name, "ip": "127.0.0.1"} for name in names]
    with Framework(port, name="moved") as one:
        one.offer_of(known["z2"])  # Held; taken first, for an offer that comes meanwhile is lost.
        run_on(one, known["z1"], "victim", "exec sleep 600")
        body = {"schedule": windows(*machines, duration={"nanoseconds": 10**12})}
        assert operate(port, "UPDATE_MAINTENANCE_SCHEDULE", body).status == 200
        one.await_event("RESCIND")
        asked: list[Json] = []
        while known["z1"] not in {i["agent_id"]["value"] for i in asked}:  # One agent an event.
            asked += one.await_event("INVERSE_OFFERS")["inverse_offers"]["inverse_offers"]
        wanted = {**START, "duration": {"nanoseconds": 10**12}}
        assert all(i["unavailability"] == wanted for i in asked)
        answer = {"inverse_offer_ids": [i["id"] for i in asked]}
        assert one.call("ACCEPT_INVERSE_OFFERS", answer).status == 202

        def answers() -> list[Json]:
            draining = get(port, "/maintenance/status").get("draining_machines", [])
            return [s for machine in draining for s in machine.get("statuses", [])]

        said = await_view(answers)
        assert {(s["status"], s["framework_id"]["value"]) for s in said} == {
            ("ACCEPT", one.framework_id)
        }

        watch = Watch(port)
        watch.next("SUBSCRIBED")
        assert operate(port, "START_MAINTENANCE", {"machines": machines}).status == 200
        lost = one.await_update("victim")
        # LOST, although the framework is aware of partitions.
        assert (lost["state"], lost["reason"]) == ("TASK_LOST", "REASON_AGENT_REMOVED")
        assert lost["message"].endswith(" removed: Operator initiated 'Machine DOWN'")
        assert "uuid" not in lost
        removed = {watch.next("AGENT_REMOVED")["agent_id"]["value"] for _ in known}
        assert removed == set(known.values())
        assert get(port, "/slaves") == {"slaves": [], "recovered_slaves": []}
        assert get(port, "/metrics/snapshot")["master/slave_removals"] == 2.0
        one.reconcile(("victim", known["z1"]))
        assert one.await_update("victim")["state"] == "TASK_UNKNOWN"

        # An agent that is started there is refused, by the next master too.
        doomed.kill("agent1")
        doomed.kill("master")
        doomed.start("master")
        doomed.await_master()
        await_view(lambda: get(port, "/maintenance/status").get("down_machines") == machines)
        assert get(port, "/slaves")["slaves"] == []
        assert operate(port, "STOP_MAINTENANCE", {"machines": machines}).status == 200
        assert get(port, "/maintenance/status") == {}
        doomed.kill("agent2")
        doomed.start("agent1")
        doomed.start("agent2")
        assert await_agents(port, {"z1", "z2"}) == known
        one.subscribe()
