"""The policy over REST: shown whole, set whole, switched part by part; refused with every fault."""

from typing import Any

import pytest

from scheduler.model.policy import Policy
from scheduler.model.reading.faults import Faults
from scheduler.model.rules_document.reading import read_policy
from tests.support.asgi import Answer, call
from tests.support.web_cell import WebCell

POLICY = "/api/flumina/policy"
RULES = "/api/flumina/commands/rules"
HOST = "/api/flumina/commands/host"
ACTOR = {"X-Flumina-Actor": "ada"}


def put(web: WebCell, document: Any, query: str = "?why=test") -> Answer:
    """Set the policy."""
    return call(web.app, "PUT", POLICY + query, document, ACTOR)


def shown(web: WebCell) -> dict[str, Any]:
    """The document in force."""
    found: dict[str, Any] = call(web.app, "GET", POLICY).json["document"]
    return found


def test_what_is_shown_can_be_put_back() -> None:
    web = WebCell()
    answer = call(web.app, "GET", POLICY)
    assert (answer.status, answer.json["version"]) == (200, 1)
    assert read_policy(answer.json["document"], Faults()) == Policy()
    assert put(web, answer.json["document"]).json == {"id": "policy"}
    assert web.cell.state.policy_version == 1, "nothing was changed"
    document = {**answer.json["document"], "mode": "failover"}
    assert put(web, document, "?why=test&ifVersion=1").status == 200
    assert (shown(web)["mode"], web.cell.state.policy_version) == ("failover", 2)
    late = put(web, document, "?why=test&ifVersion=1")
    assert (late.status, late.json["faults"][0]["field"]) == (412, "ifVersion")


def test_a_dry_run_says_what_would_change_and_changes_nothing() -> None:
    web = WebCell()
    document = {**shown(web), "lost_zones": ["b"], "groups": {"DEFAULT": {"tier": "Critical"}}}
    answer = put(web, document, "?dryRun=true")
    assert answer.status == 200
    assert answer.json == {
        "dryRun": True,
        "version": 1,
        "changes": [
            {"path": "lost_zones", "before": [], "after": ["b"]},
            {"path": "groups.DEFAULT.tier", "before": "Flex", "after": "Critical"},
        ],
    }
    assert not web.published
    refused = put(web, {"mode": "x"}, "?dryRun=true")
    assert (refused.status, refused.json["faults"][0]["field"]) == (400, "mode")


@pytest.mark.parametrize(
    ("document", "query", "fields"),
    [
        ({"mode": "x", "aging": 5}, "?why=test", ["mode", "aging"]),
        ([], "?why=test", [""]),
        ("{", "?why=test", [""]),
        ('{"mode": "normal", "mode": "failover"}', "?why=test", ["mode"]),
        ('{"guards": {"aging": 1, "aging": 2}}', "?why=test", ["guards.aging"]),
        ('{"a": ' * 100 + "1" + "}" * 100, "?why=test", [".".join("a" * 33)]),
        ({}, "", ["why"]),
        ({}, "?why=test&ifVersion=x", ["ifVersion"]),
    ],
)
def test_a_policy_that_cannot_hold_is_refused_and_nothing_is_published(
    document: Any, query: str, fields: list[str]
) -> None:
    web = WebCell()
    answer = put(web, document.encode() if isinstance(document, str) else document, query)
    assert answer.status == 400
    assert [each["field"] for each in answer.json["faults"]] == fields
    assert not web.published


def test_an_operator_says_who_he_is() -> None:
    web = WebCell()
    assert call(web.app, "PUT", f"{POLICY}?why=test", {}).status == 400
    assert call(web.app, "POST", RULES, {"mode": "failover", "why": "test"}).status == 400


def test_switches_change_what_they_name() -> None:
    web = WebCell()
    assert call(web.app, "POST", RULES, {"mode": "failover", "why": "t"}, ACTOR).status == 200
    order = {"loseZones": ["b"], "ifVersion": 2, "why": "dark"}
    done = call(web.app, "POST", RULES, order, ACTOR)
    assert (done.status, done.json) == (200, {"id": "rules"})
    document = shown(web)
    assert (document["mode"], document["lost_zones"]) == ("failover", ["b"])
    assert call(web.app, "POST", RULES, order, ACTOR).status == 412
    bad = call(web.app, "POST", RULES, {"setGroups": {"g": {"tier": "T"}}, "why": "t"}, ACTOR)
    assert (bad.status, bad.json["faults"][0]["field"]) == (400, "setGroups.g.tier")
    twice = b'{"setGroups": {"g": {"tier": "Flex", "tier": "Flex"}}, "why": "t"}'
    bad = call(web.app, "POST", RULES, twice, ACTOR)
    assert (bad.status, bad.json["faults"][0]["field"]) == (400, "setGroups.g.tier")


def test_a_host_is_taken_out_and_let_back_in() -> None:
    web = WebCell()
    order = {"hostId": "host1", "standing": "draining", "why": "new kernel"}
    assert call(web.app, "POST", HOST, order, ACTOR).json == {"id": "host"}
    assert [each.standing for each in web.cell.state.host_orders.values()] == ["draining"]
    assert call(web.app, "POST", HOST, {**order, "hostId": "x"}, ACTOR).status == 404
    assert call(web.app, "POST", HOST, {**order, "standing": "enabled"}, ACTOR).status == 200
    assert not web.cell.state.host_orders
