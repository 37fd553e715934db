"""Roles, suppression and FrameworkInfo: who gets offers, in which role, and how that may change."""

import time
from typing import Any

import pytest

from tests.contract.mesos_master.master_client import (
    PATIENCE_S,
    QUIET_S,
    Framework,
    Json,
    Reply,
    scalars,
    task,
)

pytestmark = pytest.mark.integration

MULTI_ROLE = [{"type": "MULTI_ROLE"}, {"type": "PARTITION_AWARE"}]
AWARE = [{"type": "PARTITION_AWARE"}]
SUPPLIED = "Supplied FrameworkInfo is not valid: "
UPDATE = "FrameworkInfo update is not valid: "


def of_kind(events: list[Json], kind: str) -> list[Json]:
    """The bodies of the events of this kind."""
    return [e[kind.lower()] for e in events if e["type"] == kind]


def roles_of(events: list[Json]) -> set[str]:
    """The roles of the offers among the events; ``-`` when none is named."""
    offers = [o for body in of_kind(events, "OFFERS") for o in body["offers"]]
    return {o.get("allocation_info", {}).get("role", "-") for o in offers}


def update(framework: Framework, more: Json | None = None, **info: Any) -> Reply:
    """The answer to UPDATE_FRAMEWORK with these changes; None leaves a field out."""
    wanted = {**framework.info, "id": {"value": framework.framework_id}, **info}
    wanted = {k: v for k, v in wanted.items() if v is not None}
    return framework.call("UPDATE_FRAMEWORK", {"framework_info": wanted, **(more or {})})


# What SUBSCRIBE is answered by ERROR.
REFUSED: dict[str, tuple[Json, Json, str]] = {
    "whitespace in a role": (
        {"role": "a b"},
        {},
        (
            "'FrameworkInfo.role' is not a valid role: Role component 'a b' is invalid because it "
            "contains backspace or whitespace"
        ),
    ),
    "a dot for a role": (
        {"role": "."},
        {},
        "'FrameworkInfo.role' is not a valid role: Role '.' cannot include '.' as a component",
    ),
    "a dash before a role": (
        {"role": "-x"},
        {},
        (
            "'FrameworkInfo.role' is not a valid role: Role component '-x' is invalid because it "
            "starts with a dash"
        ),
    ),
    "a star within a role": (
        {"role": "a/*"},
        {},
        "'FrameworkInfo.role' is not a valid role: Role 'a/*' cannot include '*' as a component",
    ),
    "roles twice": (
        {"capabilities": MULTI_ROLE, "roles": ["a", "a"]},
        {},
        "'FrameworkInfo.roles' contains duplicate items: { a }",
    ),
    "an endless failover timeout": (
        {"failover_timeout": 1e12},
        {},
        "The framework failover_timeout (1e+12) is invalid",
    ),
    "a suppressed role that it lacks": (
        {"capabilities": MULTI_ROLE, "roles": ["a"]},
        {"suppressed_roles": ["x"]},
        "Suppressed role 'x' is not contained in the list of roles",
    ),
    "a suppressed role that is none": (
        {"capabilities": MULTI_ROLE, "roles": ["a"]},
        {"suppressed_roles": ["a//b"]},
        "Suppressed role 'a//b' is not contained in the list of roles",
    ),
}
TAKEN: dict[str, tuple[Json, Json]] = {
    "a negative failover timeout": ({"failover_timeout": -1.0}, {}),
    "everybody's role": ({"role": "*"}, {}),
    "everybody's role among several": ({"capabilities": MULTI_ROLE, "roles": ["*"]}, {}),
    "a role and one below it": ({"capabilities": MULTI_ROLE, "roles": ["a", "a/b"]}, {}),
    "its only role suppressed": ({}, {"suppressed_roles": ["*"]}),
    "offer filters of a role that it lacks": (
        {"capabilities": MULTI_ROLE, "roles": ["a"], "offer_filters": {"b": {}}},
        {},
    ),
    "no user and no name": ({"user": "", "name": ""}, {}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_framework_hears_why(port: int, name: str) -> None:
    info, more, message = REFUSED[name]
    framework = Framework(port, **info)
    framework.subscribe_more = more
    stream = framework.open()
    event = stream.events.get(timeout=PATIENCE_S)
    assert (event["type"], event["error"]["message"]) == ("ERROR", message)


@pytest.mark.parametrize("name", TAKEN)
def test_an_odd_framework_is_taken(port: int, name: str) -> None:
    info, more = TAKEN[name]
    framework = Framework(port, **info)
    framework.subscribe_more = more
    with framework:
        assert framework.framework_id


def test_two_roles_share(port: int) -> None:
    with Framework(port, capabilities=MULTI_ROLE, roles=["a", "b"]) as framework:
        assert roles_of(framework.events_for(2.0)) == {"a", "b"}


def test_offers_of_a_role_that_was_given_up_are_rescinded(port: int) -> None:
    with Framework(port, capabilities=MULTI_ROLE, roles=["a", "b"]) as framework:
        offers = framework.offers(2)
        in_a = [o["id"]["value"] for o in offers if o["allocation_info"]["role"] == "a"]
        assert update(framework, roles=["b"]).status == 200
        events = framework.events_for(2.5)
        rescinded = [body["offer_id"]["value"] for body in of_kind(events, "RESCIND")]
        assert rescinded == in_a
        assert roles_of(events) == {"b"}


def test_roles_may_be_added_and_suppressed_by_an_update(port: int) -> None:
    with Framework(port, capabilities=MULTI_ROLE, roles=["a"]) as framework:
        offers = framework.offers(2)
        assert update(framework, {"suppressed_roles": ["a"]}, roles=["a", "c"]).status == 200
        framework.decline(offers, 0.0)
        assert roles_of(framework.events_for(2.5)) == {"c"}


def test_an_update_that_ends_suppression_ends_refusals_and_another_does_not(port: int) -> None:
    with Framework(port, capabilities=MULTI_ROLE, roles=["a"]) as framework:
        framework.decline(framework.offers(2), 3600.0)
        assert update(framework, name="renamed").status == 200
        assert not of_kind(framework.events_for(2.0), "OFFERS")
        assert update(framework, {"suppressed_roles": ["a"]}).status == 200
        assert not of_kind(framework.events_for(QUIET_S), "OFFERS")
        assert update(framework).status == 200
        assert framework.offers()


def test_a_framework_may_leave_multi_role(port: int) -> None:
    with Framework(port, capabilities=MULTI_ROLE, roles=["a"]) as framework:
        framework.offers(2)
        assert update(framework, roles=None, capabilities=AWARE).status == 200
        events = framework.events_for(2.5)
        assert len(of_kind(events, "RESCIND")) == 2
        assert roles_of(events) == {"-"}


def test_a_new_subscription_may_change_roles_and_leave_tasks_in_the_old(port: int) -> None:
    with Framework(port, capabilities=MULTI_ROLE, roles=["a"]) as framework:
        framework.run("stays")
        framework.info["roles"] = ["other"]
        framework.subscribe()
        assert roles_of(framework.events_for(2.0)) == {"other"}
        framework.reconcile(("stays", None))
        assert framework.await_update("stays")["state"] == "TASK_RUNNING"


@pytest.mark.parametrize(
    ("more", "info", "message"),
    [
        ({"suppressed_roles": ["z"]}, {}, f"{SUPPLIED}Suppressed role 'z' is not contained in "),
        ({}, {"user": "other"}, f"{UPDATE}Updating 'FrameworkInfo.user' is unsupported; "),
        ({}, {"principal": "x"}, f"{UPDATE}Changing framework's principal is not allowed."),
        ({}, {"checkpoint": False}, f"{UPDATE}Updating 'FrameworkInfo.checkpoint' is unsupported"),
        ({}, {"failover_timeout": 1e12}, f"{SUPPLIED}The framework failover_timeout (1e+12) is "),
        ({}, {"roles": ["b/"]}, f"{SUPPLIED}'FrameworkInfo.roles' contains invalid role: "),
        ({}, {"roles": ["b", "b"]}, f"{SUPPLIED}'FrameworkInfo.roles' contains duplicate items"),
    ],
)
def test_a_refused_update_is_400(port: int, more: Json, info: Json, message: str) -> None:
    with Framework(port, capabilities=MULTI_ROLE, roles=["b"]) as framework:
        reply = update(framework, more, **info)
        assert reply.status == 400
        assert reply.text.startswith(message)


def test_what_may_be_updated(port: int) -> None:
    with Framework(port, capabilities=MULTI_ROLE, roles=["b"]) as framework:
        labels = {"labels": [{"key": "k"}]}
        changes: Json = {"name": "new", "failover_timeout": 5.0, "hostname": "h", "labels": labels}
        assert update(framework, **changes, webui_url="u").status == 200


@pytest.mark.parametrize("kind", ["SUPPRESS", "REVIVE"])
@pytest.mark.parametrize("roles", [["unknown"], [""], ["a/../b"]])
def test_roles_that_a_framework_lacks_are_202_and_nothing(
    port: int, kind: str, roles: list[str]
) -> None:
    with Framework(port) as framework:
        offers = framework.offers(2)
        assert framework.call(kind, {"roles": roles}).status == 202
        framework.decline(offers, 0.0)
        assert framework.offers()


def test_one_role_of_two_is_suppressed_and_revived(port: int) -> None:
    with Framework(port, capabilities=MULTI_ROLE, roles=["a", "b"]) as framework:
        offers = framework.offers(2)
        framework.call("SUPPRESS", {"roles": ["a"]})
        framework.decline(offers, 0.0)
        assert roles_of(framework.events_for(2.5)) == {"b"}
        framework.call("SUPPRESS", {"roles": ["b"]})
        framework.call("REVIVE", {"roles": ["a"]})
        # What is held in the role b stays held.
        assert roles_of(framework.events_for(QUIET_S)) <= {"a"}


def test_minimal_offers_are_as_large_as_the_framework_asked(port: int) -> None:
    least = {"quantities": [{"quantities": {"cpus": {"value": 100.0}}}]}
    filters = {"a": {"min_allocatable_resources": least}}
    info = {"capabilities": MULTI_ROLE, "roles": ["a"]}
    with Framework(port, **info, offer_filters=filters) as framework:
        assert not of_kind(framework.events_for(2.0), "OFFERS")
        assert update(framework, offer_filters={"a": {}}).status == 200
        assert framework.offers(2)


def test_request_is_ignored(port: int) -> None:
    with Framework(port) as framework:
        for requests in ([], [{"resources": scalars()}]):
            assert framework.call("REQUEST", {"requests": requests}).status == 202


def test_the_poorer_role_is_served_first(port: int) -> None:
    first = Framework(port, name="rich", capabilities=MULTI_ROLE, roles=["rich"])
    second = Framework(port, name="poor", capabilities=MULTI_ROLE, roles=["poor"])
    with first as rich, second as poor:
        offers = rich.offers(2)
        resources = scalars(2.0, 2048.0)
        launched = task("ballast", offers[0], resources=resources)
        rich.launch([offers[0]], [launched], 0.0)
        rich.decline([offers[1]], 0.0)
        # Both agents have something free; it goes to the one that has nothing.
        assert roles_of(poor.events_for(2.5)) == {"poor"}


def test_a_decline_of_unknown_offers_is_202(port: int) -> None:
    with Framework(port) as framework:
        framework.offers(2)
        framework.decline([{"id": {"value": "ghost"}}])


def test_an_offer_named_twice_is_used_up(port: int) -> None:
    with Framework(port) as framework:
        offer = framework.offers()[0]
        framework.launch([offer, offer], [task("twice", offer)])
        message = framework.await_update("twice")["message"]
        assert message.endswith(f"Duplicate offer {offer['id']['value']} in offer list")
        framework.launch([offer], [task("after", offer)])
        assert framework.await_update("after")["message"].endswith("is no longer valid")


def test_a_good_offer_beside_a_ghost_is_used_up(port: int) -> None:
    with Framework(port) as framework:
        offer = framework.offers()[0]
        framework.launch([offer, {"id": {"value": "ghost"}}], [task("haunted", offer)])
        message = framework.await_update("haunted")["message"]
        assert message.endswith("Offer ghost is no longer valid")
        framework.launch([offer], [task("after", offer)])
        assert framework.await_update("after")["message"].endswith("is no longer valid")


def test_a_foreign_offer_is_refused_and_used_up_without_a_word(port: int) -> None:
    with Framework(port, name="owner") as owner, Framework(port, name="thief") as thief:
        offer = owner.offers()[0]
        thief.launch([offer], [task("stolen", offer)])
        offer_id = offer["id"]["value"]
        assert thief.await_update("stolen")["message"] == (
            f"Task launched with invalid offers: Offer {offer_id} has invalid framework "
            f"{owner.framework_id} while framework {thief.framework_id} is expected"
        )
        assert not of_kind(owner.events_for(0.5), "RESCIND")
        owner.launch([offer], [task("own", offer)])
        assert owner.await_update("own")["message"].endswith("is no longer valid")


@pytest.mark.parametrize("seconds", ["Infinity", 1e30])
def test_an_endless_refusal_is_kept(port: int, seconds: float | str) -> None:
    with Framework(port) as framework:
        body = {"offer_ids": [o["id"] for o in framework.offers(2)]}
        filters = {"refuse_seconds": seconds}
        assert framework.call("DECLINE", {**body, "filters": filters}).status == 202
        assert not of_kind(framework.events_for(2.0), "OFFERS")
        framework.call("REVIVE")
        assert framework.offers()


@pytest.mark.parametrize("seconds", ["NaN", "nan", "soon"])
def test_a_refusal_that_is_no_number_is_400(port: int, seconds: str) -> None:
    with Framework(port) as framework:
        filters = {"refuse_seconds": seconds}
        reply = framework.call("DECLINE", {"offer_ids": [], "filters": filters})
        assert reply.status == 400
        text = f"Failed to parse '{seconds}' as a JSON number for field 'refuse_seconds'"
        assert text in reply.text


def test_a_refusal_given_as_text_counts(port: int) -> None:
    with Framework(port) as framework:
        body = {"offer_ids": [o["id"] for o in framework.offers(2)]}
        begun = time.monotonic()
        framework.call("DECLINE", {**body, "filters": {"refuse_seconds": "1"}})
        assert framework.offers()
        # As no number it would be an hour, or the default: five seconds.
        assert 0.9 <= time.monotonic() - begun < 4.9
