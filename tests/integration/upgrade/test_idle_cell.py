"""An idle cell process is light: a few percent of a core, and under 200 MB."""

import time

import pytest

from scheduler.model.task import Started
from streams.load.processes import Use, uses
from tests.processes import wait_until
from tests.support.world import World, service_of

pytestmark = pytest.mark.integration

CORE_SHARE_MAX = 0.03
RSS_MIB_MAX = 200.0
WATCHED_S = 4.0
LOOKS = 5
"""Processor time does not depend on how busy a computer is by much; one quiet look is enough."""


def test_a_leader_with_nothing_to_do_uses_next_to_nothing(world: World) -> None:
    cell = world.start_cell("cell-0")
    world.submit("service", service_of(2, "sleep 1000"))
    world.until(lambda: world.are("service", Started, 2), "the service runs")
    seen: list[float] = []

    def is_quiet() -> bool:
        before, began_s = _use(cell.pid), time.monotonic()
        wait_until(lambda: time.monotonic() - began_s > WATCHED_S, "some seconds", 60)
        seen.append((_use(cell.pid).cpu_s - before.cpu_s) / (time.monotonic() - began_s))
        return seen[-1] < CORE_SHARE_MAX

    assert any(is_quiet() for _ in range(LOOKS)), f"shares of a core: {seen}"
    assert _use(cell.pid).rss_mib < RSS_MIB_MAX


def _use(pid: int) -> Use:
    return uses({"cell": pid})["cell"]
