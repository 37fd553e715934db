"""Operators' calls that are refused, and those that act on frameworks and resources."""

import json

import pytest

from tests.contract.mesos_master.master_client import (
    JSON_HEADERS,
    Framework,
    Json,
    agents,
    request,
)
from tests.contract.mesos_master.operator_client import await_view, get, of_agent, operate, told

pytestmark = pytest.mark.integration

CONVERT = "Failed to convert JSON into Call protobuf: "
VALIDATE = "Failed to validate master::Call: "
NOBODY: Json = {"agent_id": {"value": "nobody"}}


@pytest.mark.parametrize(
    "kind",
    [
        "GET_METRICS",
        "LIST_FILES",
        "READ_FILE",
        "UPDATE_MAINTENANCE_SCHEDULE",
        "START_MAINTENANCE",
        "STOP_MAINTENANCE",
        "MARK_AGENT_GONE",
        "DRAIN_AGENT",
        "DEACTIVATE_AGENT",
        "REACTIVATE_AGENT",
        "TEARDOWN",
        "RESERVE_RESOURCES",
        "UNRESERVE_RESOURCES",
        "CREATE_VOLUMES",
        "DESTROY_VOLUMES",
        "GROW_VOLUME",
        "SHRINK_VOLUME",
        "SET_LOGGING_LEVEL",
        "UPDATE_WEIGHTS",
        "UPDATE_QUOTA",
        "SET_QUOTA",
        "REMOVE_QUOTA",
    ],
)
def test_a_call_without_its_body(port: int, kind: str) -> None:
    reply = operate(port, kind)
    text = f"{VALIDATE}Expecting '{kind.lower()}' to be present"
    assert (reply.status, reply.text) == (400, text)


@pytest.mark.parametrize(
    ("kind", "body", "status", "text"),
    [
        ("LIST_FILES", {}, 400, CONVERT + "Missing required fields: list_files.path"),
        ("READ_FILE", {"path": "/x"}, 400, CONVERT + "Missing required fields: read_file.offset"),
        ("LIST_FILES", {"path": "/nope"}, 404, ""),
        ("READ_FILE", {"path": "/nope", "offset": 0}, 404, ""),
        ("MARK_AGENT_GONE", NOBODY, 404, "Agent 'nobody' not found"),
        ("DRAIN_AGENT", NOBODY, 400, "Unknown agent"),
        ("DEACTIVATE_AGENT", NOBODY, 400, "Unknown agent"),
        ("REACTIVATE_AGENT", NOBODY, 400, "Agent is not deactivated"),
        (
            "DRAIN_AGENT",
            {**NOBODY, "max_grace_period": "3s"},
            400,
            CONVERT + "Not expecting a JSON string for field 'max_grace_period'",
        ),
        (
            "TEARDOWN",
            {"framework_id": {"value": "nobody"}},
            400,
            "No framework found with specified ID",
        ),
        (
            "RESERVE_RESOURCES",
            {**NOBODY, "resources": []},
            400,
            "No agent found with specified ID",
        ),
        ("START_MAINTENANCE", {}, 400, "List of machines is empty"),
        ("STOP_MAINTENANCE", {"machines": []}, 400, "List of machines is empty"),
    ],
)
def test_a_call_that_cannot_be_done(
    port: int, kind: str, body: Json, status: int, text: str
) -> None:
    reply = operate(port, kind, body)
    assert (reply.status, reply.text) == (status, text)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ('{"type": 7}', CONVERT + "Not expecting a JSON number for field 'type'"),
        ("[]", CONVERT + "Expecting a JSON object"),
        ('{"type": "get_health"}', VALIDATE + "Expecting 'type' to be present"),
        ("{}", VALIDATE + "Expecting 'type' to be present"),
    ],
)
def test_what_is_no_call(port: int, body: str, text: str) -> None:
    reply = request(port, path="/api/v1", body=body, headers=JSON_HEADERS)
    assert (reply.status, reply.text) == (400, text)


@pytest.mark.parametrize("kind", ["GET_HEALTH", "SUBSCRIBE"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "application/json", "Accept": "text/html"}, 406),
        ({"Accept": "application/json"}, 400),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/json; charset=utf-8"}, 415),
    ],
)
def test_headers_that_are_refused(port: int, kind: str, headers: Json, status: int) -> None:
    body = json.dumps({"type": kind})
    assert request(port, path="/api/v1", body=body, headers=headers).status == status


def test_an_answer_in_protobuf(port: int) -> None:
    body = json.dumps({"type": "GET_HEALTH"})
    headers = {"Content-Type": "application/json", "Accept": "application/x-protobuf"}
    reply = request(port, path="/master/api/v1", body=body, headers=headers)
    assert reply.headers["content-type"] == "application/x-protobuf"
    # Field 1, the type, is 1; field 2, get_health, holds field 1, true.
    assert reply.text.encode() == b"\x08\x01\x12\x02\x08\x01"


def test_only_post_is_allowed(port: int) -> None:
    for path in ("/api/v1", "/teardown", "/machine/down", "/machine/up"):
        reply = request(port, "GET", path)
        assert (reply.status, reply.headers["allow"]) == (405, "POST")
        assert reply.text.startswith("405 Method Not Allowed. Expecting one of { 'POST' }")


@pytest.mark.parametrize("way", ["endpoint", "call"])
def test_a_framework_is_torn_down_by_an_operator(port: int, way: str) -> None:
    with Framework(port, name="doomed") as one:
        one.run("last")
        if way == "endpoint":
            body = f"frameworkId={one.framework_id}"
            assert request(port, path="/teardown", body=body).status == 200
        else:
            called = {"framework_id": {"value": one.framework_id}}
            assert operate(port, "TEARDOWN", called).status == 200
        assert one.stream.has_ended.wait(20)
        done = [f["id"] for f in get(port, "/frameworks")["completed_frameworks"]]
        assert one.framework_id in done


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("", "Missing 'frameworkId' query parameter in the request body"),
        ("x=1", "Missing 'frameworkId' query parameter in the request body"),
        ("frameworkId=nobody", "No framework found with specified ID"),
    ],
)
def test_a_teardown_of_nobody(port: int, body: str, text: str) -> None:
    reply = request(port, path="/teardown", body=body)
    assert (reply.status, reply.text) == (400, text)


def _reserved(cpus: float) -> Json:
    reservation = {"type": "DYNAMIC", "role": "ops"}
    amount = {"type": "SCALAR", "scalar": {"value": cpus}}
    return {"name": "cpus", **amount, "reservations": [reservation]}


def test_an_operator_reserves_and_unreserves(port: int) -> None:
    z1 = agents(port)["z1"]

    def reserved() -> Json:
        return dict(get(port, f"/slaves?slave_id={z1}")["slaves"][0]["reserved_resources"])

    body = {**of_agent(z1), "resources": [_reserved(1.0)]}
    assert operate(port, "RESERVE_RESOURCES", body).status == 202
    await_view(lambda: reserved().get("ops", {}).get("cpus") == 1.0)
    role = next(r for r in get(port, "/roles")["roles"] if r["name"] == "ops")
    assert role["reserved"] == {"cpus": 1.0}
    full = get(port, f"/slaves?slave_id={z1}")["slaves"][0]["reserved_resources_full"]["ops"][0]
    assert full["reservations"] == [{"type": "DYNAMIC", "role": "ops"}]
    assert operate(port, "UNRESERVE_RESOURCES", body).status == 202
    await_view(lambda: reserved() == {})
    assert operate(port, "UNRESERVE_RESOURCES", body).status in (400, 409)
    # Other tests leave operations that nobody acknowledges; of these two nothing is kept.
    await_view(lambda: '"ops"' not in json.dumps(told(port, "GET_OPERATIONS")))
