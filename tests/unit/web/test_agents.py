"""Groups of hosts and hosts over REST; what is ordered of them steers placement."""

import pytest

from scheduler.model.ids import HostId, OfferId
from scheduler.model.mesos import HostFacts, Offer
from scheduler.model.resources import PortRange, Resources
from tests.support.asgi import Answer, Body, call
from tests.support.cell import running_cell
from tests.support.web_cell import WebCell, descriptor

GROUPS, INSTANCES = "/api/v3/agent/instanceGroups", "/api/v3/agent/instances"
ACTOR = {"X-Flumina-Actor": "ada"}


def _web() -> WebCell:
    """Three hosts: two of group ``old``, one of ``new``."""
    web = WebCell(running_cell(hosts=0))
    for number, group in enumerate(("old", "old", "new")):
        attributes = (("group", group), ("itype", f"m{number}"))
        facts = HostFacts(f"h{number}", f"http://10.0.0.{number}:5051", attributes)
        resources = Resources(4_000, 8_192, 10_000, (PortRange(31_000, 31_009),))
        web.cell.offers(Offer(OfferId(f"o{number}"), HostId(f"S{number}"), resources, facts))
    return web


def _put(web: WebCell, target: str, body: Body, headers: dict[str, str] | None = None) -> Answer:
    return call(web.app, "PUT", target, body, ACTOR | (headers or {}))


def _placed_on(web: WebCell, name: str, size: int = 1, **changes: object) -> set[str]:
    """The hosts that the tasks of a new job are launched on."""
    body = descriptor(batch={"size": size}, **changes)
    assert call(web.app, "POST", f"/api/v3/jobs?jobId={name}", body).status == 201
    web.cell.launched()
    found = (web.cell.host_of(each.task_id) for each in web.cell.tasks(name))
    return {str(each) for each in found if each is not None}


def test_groups_are_made_from_what_hosts_say() -> None:
    web = _web()
    shown = call(web.app, "GET", GROUPS).json
    assert [(each["id"], each["current"]) for each in shown["items"]] == [("new", 1), ("old", 2)]
    group = call(web.app, "GET", f"{GROUPS}/new").json
    assert (group["instanceType"], group["lifecycleStatus"]["state"]) == ("m2", "Active")
    instance = call(web.app, "GET", f"{INSTANCES}/S0").json
    assert (instance["instanceGroupId"], instance["hostname"]) == ("old", "h0")
    assert instance["ipAddress"] == "10.0.0.0"
    assert len(call(web.app, "GET", INSTANCES).json["items"]) == 3
    assert call(web.app, "GET", f"{GROUPS}/none").status == 404
    assert call(web.app, "GET", f"{INSTANCES}/S9").status == 404


@pytest.mark.parametrize("lifecycle", ["Inactive", "Removable"])
def test_a_group_that_is_not_used_gets_no_tasks(lifecycle: str) -> None:
    web = _web()
    order = {"lifecycleState": lifecycle}
    assert _put(web, f"{GROUPS}/old/lifecycle?why=kernel", order).status == 200
    assert _placed_on(web, "a", 3) == {"S2"}
    assert _put(web, f"{GROUPS}/new/lifecycle", order).status == 200
    assert _placed_on(web, "b") == set()
    assert _put(web, f"{GROUPS}/old/lifecycle", {"lifecycleState": "Active"}).status == 200
    web.cell.launched()
    assert {str(web.cell.host_of(each.task_id)) for each in web.cell.tasks("b")} <= {"S0", "S1"}


def test_a_group_that_is_phased_out_is_the_last_choice() -> None:
    web = _web()
    assert _put(web, f"{GROUPS}/old/lifecycle", {"lifecycleState": "PhasedOut"}).status == 200
    assert _placed_on(web, "a") == {"S2"}
    big = {"resources": {"cpu": 4, "memoryMB": 256}, "command": ["true"]}
    assert _placed_on(web, "b", container=big) <= {"S0", "S1"} != set()


def test_a_group_with_a_tier_is_for_jobs_of_that_tier() -> None:
    web = _web()
    assert _put(web, f"{GROUPS}/old/tier", {"tier": "Critical"}).status == 200
    assert _placed_on(web, "a", 3) == {"S2"}  # Of group DEFAULT, which is of tier Flex.
    shown = call(web.app, "GET", f"{GROUPS}/old").json
    assert shown["tier"] == "Critical"
    refused = _put(web, f"{GROUPS}/old/tier", {"tier": "Gold"})
    assert (refused.status, refused.json["faults"][0]["field"]) == (400, "tier")
    assert _put(web, f"{GROUPS}/old/tier", {"tier": ""}).status == 200


def test_attributes_of_groups_and_hosts_stay_beside_each_other_and_keep_tasks_away() -> None:
    web = _web()
    away = {"attributes": {"noPlacement": "true", "team": "a"}}
    assert _put(web, f"{GROUPS}/old/attributes", away).status == 200
    assert _put(web, f"{INSTANCES}/S2/attributes", away).status == 200
    assert _placed_on(web, "a") == set()
    for target in (f"{GROUPS}/old", f"{INSTANCES}/S2"):
        assert call(web.app, "GET", target).json["attributes"] == away["attributes"]
        done = call(web.app, "DELETE", f"{target}/attributes?keys=noPlacement", headers=ACTOR)
        assert done.status == 200
        assert call(web.app, "GET", target).json["attributes"] == {"team": "a"}
    web.cell.launched()
    assert web.cell.host_of(web.cell.tasks("a")[0].task_id) is not None


def test_a_change_of_a_group_keeps_what_it_does_not_name() -> None:
    web = _web()
    assert _put(web, f"{GROUPS}/old/tier", {"tier": "Flex"}).status == 200
    assert _put(web, f"{GROUPS}/old/attributes", {"attributes": {"a": "b"}}).status == 200
    assert _put(web, f"{GROUPS}/old/lifecycle", {"lifecycleState": "PhasedOut"}).status == 200
    shown = call(web.app, "GET", f"{GROUPS}/old")
    assert (shown.json["tier"], shown.json["attributes"]) == ("Flex", {"a": "b"})
    assert shown.json["lifecycleStatus"]["state"] == "PhasedOut"
    late = _put(web, f"{GROUPS}/old/tier", {"tier": ""}, {"If-Match": '"1"'})
    assert late.status == 412
    current = {"If-Match": shown.headers["etag"]}
    assert _put(web, f"{GROUPS}/old/tier", {"tier": ""}, current).status == 200


BAD: dict[str, tuple[str, Body, int, str]] = {
    "no lifecycle": (f"{GROUPS}/old/lifecycle", {}, 400, "lifecycleState"),
    "a lifecycle of our own": (
        f"{GROUPS}/old/lifecycle",
        {"lifecycleState": "Sleeping"},
        400,
        "lifecycleState",
    ),
    "a tier that is a list": (f"{GROUPS}/old/tier", {"tier": ["a"]}, 400, "tier"),
    "another group's id": (
        f"{GROUPS}/old/tier",
        {"tier": "", "instanceGroupId": ["new"]},
        400,
        "instanceGroupId",
    ),
    "no attributes": (f"{INSTANCES}/S0/attributes", {"attributes": {}}, 400, "attributes"),
    "a group that nobody names": (f"{GROUPS}/x/tier", {"tier": ""}, 404, "id"),
    "a host that is not there": (
        f"{INSTANCES}/x/attributes",
        {"attributes": {"a": "b"}},
        404,
        "id",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_makes_no_sense_is_refused_by_its_field(case: str) -> None:
    target, body, status, field = BAD[case]
    refused = _put(_web(), target, body)
    assert refused.status == status, refused.json
    assert field in {each["field"] for each in refused.json["faults"]}


def test_only_somebody_with_a_name_orders() -> None:
    assert call(_web().app, "PUT", f"{GROUPS}/old/tier", {"tier": ""}).status == 400
