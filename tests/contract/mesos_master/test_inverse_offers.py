"""Inverse offers: what frameworks hear of maintenance, and what they may say to it."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.contract.mesos_master.master_client import (
    JSON_HEADERS,
    QUIET_S,
    Framework,
    Json,
    request,
    task,
)

pytestmark = pytest.mark.integration


def set_schedule(port: int, *windows: Json) -> None:
    """Make these windows the maintenance schedule."""
    body = json.dumps({"windows": list(windows)})
    reply = request(port, "POST", "/maintenance/schedule", body, JSON_HEADERS)
    assert reply.status == 200, reply.text


@contextmanager
def scheduled(port: int, *offers: Json, start_s: float = 3600.0) -> Iterator[Json]:
    """The unavailability of these offers' machines, an hour from now; later there is none."""
    start = {"nanoseconds": int((time.time() + start_s) * 1e9)}
    unavailability = {"start": start, "duration": {"nanoseconds": 3_600_000_000_000}}
    machines = {(o["hostname"], o["url"]["address"]["ip"]) for o in offers}
    ids = [{"hostname": hostname, "ip": ip} for hostname, ip in sorted(machines)]
    set_schedule(port, {"machine_ids": ids, "unavailability": unavailability})
    try:
        yield unavailability
    finally:
        set_schedule(port)


def asked(framework: Framework) -> list[Json]:
    """The next inverse offers."""
    return list(framework.await_event("INVERSE_OFFERS")["inverse_offers"]["inverse_offers"])


def answer(framework: Framework, kind: str, offers: list[Json], refuse_seconds: float) -> None:
    """Accept or decline inverse offers."""
    body = {
        "inverse_offer_ids": [o["id"] for o in offers],
        "filters": {"refuse_seconds": refuse_seconds},
    }
    assert framework.call(f"{kind}_INVERSE_OFFERS", body).status == 202


def test_offers_are_rescinded_and_come_back_with_the_unavailability(port: int) -> None:
    with Framework(port) as framework:
        offers = framework.offers(2)
        with scheduled(port, *offers) as unavailability:
            gone = {framework.await_event("RESCIND")["rescind"]["offer_id"]["value"] for _ in "12"}
            assert gone == {o["id"]["value"] for o in offers}
            again = framework.offers(2)
            assert all(abs_start(o) == abs_start(unavailability) for o in again)
        # Without a schedule everything is offered anew, and nothing is unavailable.
        assert {framework.await_event("RESCIND")["type"] for _ in "12"} == {"RESCIND"}
        assert all("unavailability" not in o for o in framework.offers(2))


def abs_start(item: Json) -> int:
    """The start of an unavailability, to the microsecond: a real master counts in doubles."""
    return int(item.get("unavailability", item)["start"]["nanoseconds"]) // 10_000


def test_who_holds_something_there_is_asked_to_leave(port: int) -> None:
    with Framework(port) as framework:
        offers = framework.offers(2)
        agent_id = offers[0]["agent_id"]
        framework.launch([offers[0]], [task("stays", offers[0])], 3600.0)
        framework.acknowledge(framework.await_state("stays", "TASK_RUNNING"))
        framework.call("SUPPRESS")
        framework.decline([offers[1]], 3600.0)
        with scheduled(port, *offers) as unavailability:
            (inverse,) = asked(framework)
            assert set(inverse) == {"id", "url", "framework_id", "agent_id", "unavailability"}
            assert inverse["agent_id"] == agent_id
            assert inverse["framework_id"]["value"] == framework.framework_id
            assert abs_start(inverse) == abs_start(unavailability)
            # Asked once, until it has answered.
            assert not _inverse(framework.events_for(2.0))
        body = framework.await_event("RESCIND_INVERSE_OFFER")["rescind_inverse_offer"]
        assert body["inverse_offer_id"] == inverse["id"]


@pytest.mark.parametrize("kind", ["ACCEPT", "DECLINE"])
def test_an_answer_holds_for_a_while(port: int, kind: str) -> None:
    with Framework(port) as framework:
        offers = framework.offers(2)
        framework.launch([offers[0]], [task("stays", offers[0])], 3600.0)
        framework.acknowledge(framework.await_state("stays", "TASK_RUNNING"))
        framework.call("SUPPRESS")
        framework.decline([offers[1]], 3600.0)
        with scheduled(port, *offers):
            first = asked(framework)
            answer(framework, kind, first, 2.0)
            assert not _inverse(framework.events_for(1.2))
            second = asked(framework)
            assert [o["agent_id"] for o in second] == [o["agent_id"] for o in first]
            assert second[0]["id"] != first[0]["id"]
            # The task goes on whatever was answered.
            framework.reconcile(("stays", None))
            assert framework.await_update("stays")["state"] == "TASK_RUNNING"


def test_answers_to_unknown_inverse_offers_are_202(port: int) -> None:
    with Framework(port) as framework:
        for kind in ("ACCEPT", "DECLINE"):
            answer(framework, kind, [{"id": {"value": "ghost"}}], 1.0)
        assert not _inverse(framework.events_for(0.3))


def test_a_framework_that_returns_is_asked_again(port: int) -> None:
    with Framework(port) as framework:
        offers = framework.offers(2)
        framework.launch([offers[0]], [task("stays", offers[0])], 3600.0)
        framework.acknowledge(framework.await_state("stays", "TASK_RUNNING"))
        framework.call("SUPPRESS")
        framework.decline([offers[1]], 3600.0)
        with scheduled(port, *offers):
            first = asked(framework)
            framework.subscribe_more = {"suppressed_roles": ["*"]}
            framework.subscribe()
            second = asked(framework)
            assert [o["agent_id"] for o in second] == [o["agent_id"] for o in first]
            assert second[0]["id"] != first[0]["id"]


def test_who_holds_nothing_is_not_asked(port: int) -> None:
    with Framework(port) as holder, Framework(port, name="idle") as idle:
        offers = holder.offers(2)
        idle.call("SUPPRESS")
        with scheduled(port, *offers):
            assert asked(holder)
            assert not _inverse(idle.events_for(QUIET_S))


def _inverse(events: list[Json]) -> list[Json]:
    return [e for e in events if e["type"] == "INVERSE_OFFERS"]
