"""What shows only after a while, or with more than one offer: beats, repetitions, long refusals."""

import time

import pytest

from tests.contract.mesos_master.master_client import (
    PATIENCE_S,
    QUIET_S,
    Framework,
    Json,
    agents,
    scalars,
    task,
)

pytestmark = pytest.mark.integration

AGENT_CPUS = 4.0
"""Of each agent of the clusters that these tests run against."""


def test_beats_come_each_15_s_and_repetitions_after_10_and_20_s(port: int) -> None:
    """Both at once, since both take half a minute."""
    with Framework(port) as framework:
        offer = framework.offers()[0]
        framework.launch([offer], [task("unheard", offer)])
        framework.await_state("unheard", "TASK_RUNNING")
        framework.call("SUPPRESS")
        began = time.monotonic()
        beats: list[float] = []
        uuids: list[str] = []
        told: list[float] = []
        while time.monotonic() < began + 36:
            if framework.stream.events.empty():
                time.sleep(0.1)  # The queue is looked at; what is timed stands in the events.
                continue
            event = framework.stream.events.get()
            if event["type"] == "HEARTBEAT":
                beats.append(event["at_s"])
            elif event["type"] == "UPDATE":
                uuids.append(event["update"]["status"]["uuid"])
                told.append(event["at_s"] - began)
        assert len(beats) >= 2
        assert 14 < beats[-1] - beats[-2] < 20
        assert len(set(uuids)) == 1
        assert len(told) == 2
        assert 9 < told[0] < 15
        assert told[1] > 28


def test_two_offers_of_one_agent_are_used_together(port: int) -> None:
    z1 = agents(port)["z1"]
    with Framework(port) as framework:
        offer = _whole_offer(framework, z1)
        framework.launch([offer], [task("first", offer, resources=scalars(1.0))])
        framework.acknowledge(framework.await_state("first", "TASK_RUNNING"))
        rest = framework.offer_of(z1)
        framework.kill("first")
        framework.acknowledge(framework.await_state("first", "TASK_KILLED"))
        freed = framework.offer_of(z1)
        assert [_cpus(each) for each in (rest, freed)] == [3.0, 1.0]
        framework.launch([rest, freed], [task("whole", rest, resources=scalars(4.0))])
        framework.await_state("whole", "TASK_RUNNING")


def _whole_offer(framework: Framework, agent_id: str) -> Json:
    """An offer of all that the agent has.

    What others left comes back bit by bit. The bits are kept until they make the whole and then go
    back together: given back one by one, each would be out while another is free, for ever.
    """
    deadline = time.monotonic() + PATIENCE_S
    held: list[Json] = []
    while round(_cpus(offer := framework.offer_of(agent_id)), 3) < AGENT_CPUS:
        held.append(offer)
        offered = sum(_cpus(each) for each in held)
        assert time.monotonic() < deadline, f"the agent offers only {offered} cpus"
        if round(offered, 3) >= AGENT_CPUS:
            framework.decline(held, 0.1)
            held = []
    return offer


def _cpus(offer: Json) -> float:
    """The offer's cpus."""
    (found,) = [each for each in offer["resources"] if each["name"] == "cpus"]
    return float(found["scalar"]["value"])


@pytest.mark.parametrize("seconds", [366 * 24 * 3600.0, 1e300])
def test_a_refusal_beyond_a_year_is_a_long_one_and_ends_by_revive(
    port: int, seconds: float
) -> None:
    with Framework(port) as framework:
        framework.decline(framework.offers(2), seconds)
        assert not [e for e in framework.events_for(QUIET_S + 1) if e["type"] == "OFFERS"]
        framework.call("REVIVE")
        assert framework.offers(2)


def test_an_updated_framework_makes_agents_repeat_what_is_pending_of_all(port: int) -> None:
    with Framework(port) as framework, Framework(port, name="neighbour") as neighbour:
        neighbour.call("SUPPRESS")
        neighbour.decline(
            [o for e in neighbour.events_for(1) if e["type"] == "OFFERS" for o in _offers(e)]
        )
        offer = framework.offers()[0]
        framework.launch([offer], [task("pending", offer)])
        first = framework.await_state("pending", "TASK_RUNNING")
        info = {**framework.info, "id": {"value": framework.framework_id}, "webui_url": "http://x"}
        assert framework.call("UPDATE_FRAMEWORK", {"framework_info": info}).status == 200
        assert framework.await_update("pending", patience_s=6.0)["uuid"] == first["uuid"]


def _offers(event: Json) -> list[Json]:
    """The offers of an event."""
    return list(event["offers"]["offers"])
