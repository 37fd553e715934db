"""Offer constraints: only agents whose attributes a framework wants are offered to it."""

from typing import Any

import pytest

from tests.contract.mesos_master.master_client import PATIENCE_S, Framework, Json, Reply, agents

pytestmark = pytest.mark.integration

ROLE = {"capabilities": [{"type": "MULTI_ROLE"}], "roles": ["a"]}
BAD = "A role a has an invalid 'AttributeConstraint': "


def attribute(name: str, **predicate: Any) -> Json:
    """A constraint on an attribute."""
    return {"selector": {"attribute_name": name}, "predicate": predicate}


def pseudo(kind: str, **predicate: Any) -> Json:
    """A constraint on what is known of an agent besides."""
    return {"selector": {"pseudoattribute_type": kind}, "predicate": predicate}


def constraints(*groups: list[Json]) -> Json:
    """Offer constraints of the role ``a``."""
    inner = [{"attribute_constraints": group} for group in groups]
    return {"offer_constraints": {"role_constraints": {"a": {"groups": inner}}}}


def update(framework: Framework, wanted: Json) -> Reply:
    """The answer to UPDATE_FRAMEWORK with these constraints."""
    info = {**framework.info, "id": {"value": framework.framework_id}}
    return framework.call("UPDATE_FRAMEWORK", {"framework_info": info, **wanted})


def zones(framework: Framework, seconds: float) -> set[str]:
    """The zones whose agents are offered; the offers are given back."""
    found: set[str] = set()
    for event in framework.events_for(seconds):
        if event["type"] == "OFFERS":
            offers = event["offers"]["offers"]
            found |= {o["attributes"][0]["text"]["value"] for o in offers}
            framework.decline(offers, 3600.0)
    return found


BOTH = {"z1", "z2"}
# Constraints to the zones whose agents are offered.
CASES: dict[str, tuple[list[list[Json]], set[str]]] = {
    "equals": ([[attribute("zone", text_equals={"value": "z1"})]], {"z1"}),
    "not equals": ([[attribute("zone", text_not_equals={"value": "z1"})]], {"z2"}),
    "exists": ([[attribute("zone", exists={})]], BOTH),
    "not exists": ([[attribute("zone", not_exists={})]], set()),
    "missing does not exist": ([[attribute("rack", not_exists={})]], BOTH),
    "missing equals nothing": ([[attribute("rack", text_equals={"value": "x"})]], set()),
    "missing differs from all": ([[attribute("rack", text_not_equals={"value": "x"})]], BOTH),
    "all of a group": (
        [[attribute("zone", exists={}), attribute("zone", text_equals={"value": "z2"})]],
        {"z2"},
    ),
    "any group": (
        [
            [attribute("zone", text_equals={"value": "z1"})],
            [attribute("zone", text_equals={"value": "z2"})],
        ],
        BOTH,
    ),
    "a hostname": ([[pseudo("HOSTNAME", exists={})]], BOTH),
    "no such hostname": ([[pseudo("HOSTNAME", text_equals={"value": "elsewhere"})]], set()),
    "no region": ([[pseudo("REGION", not_exists={})]], BOTH),
    "some zone of a fault domain": ([[pseudo("ZONE", exists={})]], set()),
    "matches": ([[attribute("zone", text_matches={"regex": "z[1]"})]], {"z1"}),
    "matches in part only": ([[attribute("zone", text_matches={"regex": "z"})]], set()),
    "does not match": ([[attribute("zone", text_not_matches={"regex": ".*2"})]], {"z1"}),
}

REFUSED: dict[str, tuple[Json, str]] = {
    "no groups": (
        constraints(),
        ("'OfferConstraints::role_constraints' has an empty 'RoleConstraints::groups' for role a"),
    ),
    "an empty group": (
        constraints([]),
        (
            "'OfferConstraints::RoleConstraints::groups' for role acontains an empty "
            "RoleConstraints::Group"
        ),
    ),
    "no attribute": (
        constraints([{"selector": {}, "predicate": {"exists": {}}}]),
        (
            f"{BAD}Exactly one of 'AttributeConstraint::Selector::name' or "
            "'AttributeConstraint::Selector::pseudoattribute_type' must be set"
        ),
    ),
    "no predicate": (constraints([attribute("zone")]), f"{BAD}Unknown predicate type"),
    "an unknown pseudoattribute": (
        constraints([pseudo("UNKNOWN", exists={})]),
        f"{BAD}Unknown pseudoattribute type",
    ),
    "a broken pattern": (
        constraints([attribute("zone", text_matches={"regex": "("})]),
        f"{BAD}Failed to construct regex from pattern '(': missing ): (",
    ),
    "a pattern that is not regular": (
        constraints([attribute("zone", text_matches={"regex": "(a)\\1"})]),
        (f"{BAD}Failed to construct regex from pattern '(a)\\1': invalid escape sequence: \\1"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_only_wanted_agents_are_offered(port: int, name: str) -> None:
    groups, expected = CASES[name]
    framework = Framework(port, **ROLE)
    framework.subscribe_more = constraints(*groups)
    assert agents(port).keys() == BOTH
    with framework:
        assert zones(framework, 1.5) == expected


@pytest.mark.parametrize("name", REFUSED)
def test_constraints_that_make_no_sense_are_refused(port: int, name: str) -> None:
    wanted, begin = REFUSED[name]
    framework = Framework(port, **ROLE)
    framework.subscribe_more = wanted
    event = framework.open().events.get(timeout=PATIENCE_S)
    assert event["type"] == "ERROR"
    assert event["error"]["message"].startswith(begin)
    framework.subscribe_more = {}
    with framework:
        reply = update(framework, wanted)
        assert reply.status == 400
        assert reply.text.startswith(f"'UpdateFramework.offer_constraints' are not valid: {begin}")


def test_an_update_changes_constraints_and_revive_does_not(port: int) -> None:
    framework = Framework(port, **ROLE)
    framework.subscribe_more = constraints([attribute("zone", text_equals={"value": "z1"})])
    with framework:
        assert zones(framework, 1.5) == {"z1"}
        framework.call("REVIVE")
        assert zones(framework, 1.5) == {"z1"}
        assert update(framework, {}).status == 200
        assert zones(framework, 1.5) == {"z2"}
