"""An operator of Mesos takes a host away: it is emptied, Mesos is told so, and it comes back.

How: a real Kafka, a cell, and the dev cluster's master with two agents; its schedule of maintenance
is set by the operator API. That the real Mesos asks and is answered alike is in
`tests/contract/mesos_client/`; budgets, times and what goes wrong in `tests/unit/core/`.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from connectors.devcluster.node import ClusterConfig
from connectors.devcluster.supervise import operating
from scheduler.model.changes import HostMaintenanceChanged
from scheduler.model.ids import HostId
from scheduler.model.task import Started, place_of
from streams.supervise.ports import free_block
from tests.support.world import World, service_of

pytestmark = pytest.mark.integration


@pytest.fixture
def world(kafka: str, topic_prefix: str, tmp_path: Path) -> Iterator[World]:
    """A cell of two hosts that looks every second who has to move."""
    there = World(kafka, topic_prefix, tmp_path)
    try:
        there.start_cluster(free_block(3), agents=2)
        there.start_cell("cell-1")
        there.set_policy(relocation_ms=1_000, descheduling_ms=1_000, service_notice_ms=0)
        yield there
    finally:
        there.close()


def answered(world: World) -> list[str]:
    """What the operator is shown that frameworks said."""
    with urlopen(f"http://{world.master}/maintenance/status", timeout=10) as answer:
        shown: dict[str, Any] = json.load(answer)
    return [
        each["status"]
        for machine in shown.get("draining_machines", ())
        for each in machine.get("statuses", ())
    ]


def test_a_host_is_emptied_given_and_had_again(world: World) -> None:
    descriptor = service_of(2, "exec sleep 600", cpu=0.5)
    descriptor["disruptionBudget"] = {
        "availabilityPercentageLimit": {"percentageOfHealthyContainers": 50},
        "rateUnlimited": {},
    }
    world.submit("svc", descriptor)
    world.until(lambda: world.are("svc", Started, 2), "the service runs")

    def hosts() -> set[HostId]:
        places = (place_of(each.state) for each in world.tasks("svc"))
        return {place.host_id for place in places if place is not None}

    (busy,) = hosts()  # Packed together.
    hostname = world.machine.state.hostname(busy)
    config = ClusterConfig.read(world.home / "mesos")
    operating.schedule_maintenance(config, hostname, 1_800, 3_600)

    def is_moved() -> bool:
        return world.are("svc", Started, 2) and busy not in hosts()

    world.until(is_moved, "the tasks have left the host")
    assert world.machine.state.host_orders[busy].actor == "mesos-maintenance"
    world.until(lambda: "ACCEPT" in answered(world), "Mesos is told that it may have the host")

    operating.clear_maintenance(config)
    world.until(lambda: busy not in world.machine.state.host_orders, "the host is used again")
    said = [each for _, _, each in world.changes if isinstance(each, HostMaintenanceChanged)]
    standings = [each.standing for each in said]
    assert standings[:2] == ["announced", "draining"]
    assert "accept" in standings
    assert standings[-1] == "over"
    world.check_sound()
