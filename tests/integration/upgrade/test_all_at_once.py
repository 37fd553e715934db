"""A thundering restart: every process of the control plane dies at once and comes back at once."""

import time
from pathlib import Path

import pytest

from scheduler.model.task import Started
from tests.support.api_process import ApiProcess
from tests.support.world import World, batch_of, service_of

pytestmark = pytest.mark.integration

FAIL_OVER_S_MAX = 15.0
"""What docs/cells.md promises from the death of a leader to the next election."""
CELLS = ("cell-0", "cell-1")


def test_a_restart_of_everything_at_once_converges_within_twice_a_fail_over(
    world: World, tmp_path: Path
) -> None:
    for name in CELLS:
        world.start_cell(name)
    apis = [ApiProcess(world.kafka, world.prefix, tmp_path / f"api-{n}") for n in _homes(tmp_path)]
    try:
        for api in apis:
            api.until_ready().until_healthy()
        world.submit("service", service_of(3, "sleep 1000"))
        world.until(lambda: world.are("service", Started, 3), "the service runs")
        ids = [task.task_id for task in world.tasks("service")]
        world.submit("meanwhile", batch_of(2, "true"))
        for name in CELLS:
            world.kill_cell(name)
        for api in apis:
            api.close()
        began_s = time.monotonic()
        for name in CELLS:
            world.start_cell(name)
        apis = [ApiProcess(world.kafka, world.prefix, tmp_path / f"api-{n}") for n in range(2)]
        for api in apis:
            api.until_ready().until_healthy()
        world.until(lambda: world.is_normal("meanwhile"), "what was asked for meanwhile is done")
        spent_s = time.monotonic() - began_s
        assert spent_s <= 2 * FAIL_OVER_S_MAX, f"it took {spent_s:.1f} s"
        assert [task.task_id for task in world.tasks("service")] == ids
        world.check_sound()
    finally:
        for api in apis:
            api.close()


def _homes(tmp_path: Path) -> range:
    """The numbers of the apis, each with a home of its own."""
    for number in range(2):
        (tmp_path / f"api-{number}").mkdir()
    return range(2)
