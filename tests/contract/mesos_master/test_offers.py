"""Offers: what they hold, who gets them, how they end, and how long a refusal lasts."""

import pytest

from tests.contract.mesos_master.master_client import (
    PATIENCE_S,
    QUIET_S,
    Framework,
    Json,
    agents,
    ports,
    scalars,
    task,
)
from tests.processes import wait_until

pytestmark = pytest.mark.integration

MULTI_ROLE = [{"type": "MULTI_ROLE"}, {"type": "PARTITION_AWARE"}]


def amount(offer: Json, name: str) -> float:
    """How much of a scalar an offer holds."""
    return float(next(r["scalar"]["value"] for r in offer["resources"] if r["name"] == name))


def held(events: list[Json], kind: str) -> list[Json]:
    """The events of this kind."""
    return [e for e in events if e["type"] == kind]


def test_an_offer_is_all_that_an_agent_has_free(port: int) -> None:
    with Framework(port) as framework:
        by_agent = {o["agent_id"]["value"]: o for o in framework.offers(2)}
        assert by_agent.keys() == set(agents(port).values())
        offer = by_agent[agents(port)["z1"]]
        assert offer["framework_id"]["value"] == framework.framework_id
        assert {n: amount(offer, n) for n in ("cpus", "mem", "disk")} == {
            "cpus": 4.0,
            "mem": 8192.0,
            "disk": 10000.0,
        }
        span = next(r["ranges"]["range"] for r in offer["resources"] if r["name"] == "ports")
        assert span == [{"begin": 31000, "end": 31999}]
        assert all(r["role"] == "*" for r in offer["resources"])
        zone = {"name": "zone", "type": "TEXT", "text": {"value": "z1"}}
        assert offer["attributes"] == [zone]
        assert offer["url"]["address"]["ip"] == "127.0.0.1"
        assert offer["url"]["address"]["port"] == port + 1
        assert offer["url"]["path"] == "/slave(1)"
        assert offer["url"]["address"]["hostname"] == offer["hostname"]
        assert "allocation_info" not in offer


def test_a_declined_offer_comes_back_when_the_refusal_ends(port: int) -> None:
    with Framework(port) as framework:
        declined = framework.offers(2)
        framework.decline(declined, 2.0)
        quiet_until = framework.events_for(1.5)
        assert not held(quiet_until, "OFFERS")
        again = framework.offers(2)
        assert not {o["id"]["value"] for o in again} & {o["id"]["value"] for o in declined}


def test_the_default_refusal_is_five_seconds(port: int) -> None:
    with Framework(port) as framework:
        framework.decline(framework.offers(2))
        assert not held(framework.events_for(4.5), "OFFERS")
        framework.await_event("OFFERS", patience_s=5.0)


def test_refusals_outlive_a_second_subscription(port: int) -> None:
    with Framework(port) as framework:
        framework.decline(framework.offers(2), 3600.0)
        framework.subscribe()
        assert not held(framework.events_for(2.5), "OFFERS")
        framework.subscribe_more = {"suppressed_roles": ["*"]}
        framework.subscribe()
        framework.subscribe_more = {}
        # A suppression that ends takes the refusals with it, here as in UPDATE_FRAMEWORK.
        framework.subscribe()
        assert framework.offers(2)


def test_refusals_end_with_the_stream(port: int) -> None:
    with Framework(port) as framework:
        framework.decline(framework.offers(2), 3600.0)
        framework.stream.close()
        request = {"requests": list[Json]()}
        wait_until(lambda: framework.call("REQUEST", request).status == 403, "it is away")
        framework.subscribe()
        assert framework.offers(2)


@pytest.mark.parametrize("seconds", [0.0, 0.1])
def test_a_short_refusal_waits_for_the_next_allocation_only(port: int, seconds: float) -> None:
    with Framework(port) as framework:
        framework.decline(framework.offers(2), seconds)
        framework.await_event("OFFERS", patience_s=4.0)


def test_a_negative_refusal_is_the_default(port: int) -> None:
    with Framework(port) as framework:
        framework.decline(framework.offers(2), -1.0)
        assert not held(framework.events_for(3.0), "OFFERS")


def test_revive_clears_refusals_at_once(port: int) -> None:
    with Framework(port) as framework:
        framework.decline(framework.offers(2), 3600.0)
        assert not held(framework.events_for(QUIET_S), "OFFERS")
        assert framework.call("REVIVE").status == 202
        framework.await_event("OFFERS", patience_s=3.0)


def test_suppress_ends_offers_until_revive(port: int) -> None:
    with Framework(port) as framework:
        offers = framework.offers(2)
        assert framework.call("SUPPRESS").status == 202
        framework.decline(offers, 0.0)
        assert not held(framework.events_for(2.5), "OFFERS")
        framework.call("REVIVE")
        framework.await_event("OFFERS", patience_s=3.0)


def test_a_role_can_be_suppressed_from_the_first_moment(port: int) -> None:
    framework = Framework(port, capabilities=MULTI_ROLE, roles=["quiet"])
    framework.subscribe_more = {"suppressed_roles": ["quiet"]}
    with framework:
        assert not held(framework.events_for(2.5), "OFFERS")
        framework.call("REVIVE", {"roles": ["quiet"]})
        assert framework.offers()[0]["allocation_info"] == {"role": "quiet"}


def test_a_multi_role_framework_is_told_the_role(port: int) -> None:
    with Framework(port, capabilities=MULTI_ROLE, roles=["red"]) as framework:
        offer = framework.offers()[0]
        assert offer["allocation_info"] == {"role": "red"}
        assert all(r["allocation_info"] == {"role": "red"} for r in offer["resources"])
        framework.launch([offer], [task("in-red", offer)])
        framework.await_state("in-red", "TASK_RUNNING")


def test_a_multi_role_framework_without_roles_gets_nothing(port: int) -> None:
    with Framework(port, capabilities=MULTI_ROLE) as framework:
        assert not held(framework.events_for(QUIET_S), "OFFERS")


def test_accept_without_operations_is_a_decline(port: int) -> None:
    with Framework(port) as framework:
        first = framework.offers(2)
        for offer in first:
            body = {"offer_ids": [offer["id"]], "filters": {"refuse_seconds": 2.0}}
            assert framework.call("ACCEPT", body).status == 202
        assert not held(framework.events_for(1.5), "OFFERS")
        assert framework.offers(2)


def test_what_a_launch_leaves_is_refused_and_then_offered(port: int) -> None:
    with Framework(port) as framework:
        offer = framework.offers(2)[0]
        resources = [*scalars(1.5, 1000.0), ports(31000, 31099)]
        framework.launch([offer], [task("eater", offer, resources=resources)], 1.0)
        framework.acknowledge(framework.await_state("eater", "TASK_RUNNING"))
        rest = framework.offer_of(offer["agent_id"]["value"])
        assert (amount(rest, "cpus"), amount(rest, "mem")) == (2.5, 7192.0)
        span = next(r["ranges"]["range"] for r in rest["resources"] if r["name"] == "ports")
        assert span == [{"begin": 31100, "end": 31999}]


def test_scalars_are_counted_in_thousandths(port: int) -> None:
    with Framework(port) as framework:
        offer = framework.offers(2)[0]
        many = [task(f"tenth-{n}", offer, resources=scalars(0.1004, 32.0)) for n in range(3)]
        framework.launch([offer], many)
        rest = framework.offer_of(offer["agent_id"]["value"])
        assert amount(rest, "cpus") == 3.7


def test_what_a_task_frees_is_offered(port: int) -> None:
    with Framework(port) as framework:
        offer = framework.offers(2)[0]
        framework.launch([offer], [task("brief", offer, "true", resources=scalars(1, 64))], 3600)
        framework.await_state("brief", "TASK_FINISHED")
        # Free at once, though the last update is not acknowledged; no filter covers so little.
        freed = framework.offer_of(offer["agent_id"]["value"])
        assert (amount(freed, "cpus"), amount(freed, "mem")) in {(1.0, 64.0), (4.0, 8192.0)}


def test_offers_of_the_old_stream_are_void_without_rescind(port: int) -> None:
    with Framework(port) as framework:
        old = framework.offers(2)
        old_stream = framework.stream
        framework.subscribe()
        rest = []
        while (event := old_stream.events.get(timeout=PATIENCE_S))["type"] != "END OF STREAM":
            rest.append(event)
        assert [e["error"]["message"] for e in held(rest, "ERROR")] == ["Framework failed over"]
        assert not held(rest, "RESCIND")
        framework.launch([old[0]], [task("too-late", old[0])])
        status = framework.await_update("too-late")
        assert status["state"] == "TASK_DROPPED"
        assert status["reason"] == "REASON_INVALID_OFFERS"
        assert status["message"].endswith("is no longer valid")
        assert "uuid" not in status


def test_a_second_framework_waits_for_what_the_first_holds(port: int) -> None:
    with Framework(port, name="first") as first:
        first.offers(2)
        with Framework(port, name="second") as second:
            assert not held(second.events_for(2.0), "OFFERS")
            first.stream.close()
            assert second.offers(2)


@pytest.mark.parametrize("is_aware", [True, False])
def test_a_launch_on_offers_that_are_not_there_did_not_happen(port: int, is_aware: bool) -> None:
    capabilities = [{"type": "PARTITION_AWARE"}] if is_aware else []
    expected = "TASK_DROPPED" if is_aware else "TASK_LOST"
    with Framework(port, capabilities=capabilities) as framework:
        ghost = {"id": {"value": "ghost-O1"}, "agent_id": {"value": "nobody"}}
        framework.launch([ghost], [task("lost", ghost)])
        status = framework.await_update("lost")
        assert status["state"] == expected
        assert status["source"] == "SOURCE_MASTER"
        assert status["reason"] == "REASON_INVALID_OFFERS"
        text = "Task launched with invalid offers: Offer ghost-O1 is no longer valid"
        assert status["message"] == text
        framework.launch([], [task("nowhere", ghost)])
        message = framework.await_update("nowhere")["message"]
        assert message == "Task launched with invalid offers: No offers specified"


def test_offers_of_two_agents_cannot_be_used_together_and_are_used_up(port: int) -> None:
    with Framework(port) as framework:
        both = framework.offers(2)
        framework.launch(both, [task("astride", both[0])])
        status = framework.await_update("astride")
        assert "must belong to one single agent" in status["message"]
        framework.launch([both[0]], [task("after", both[0])])
        assert framework.await_update("after")["message"].endswith("is no longer valid")
