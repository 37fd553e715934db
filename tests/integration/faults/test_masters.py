"""The Mesos master is restarted, and fails over: same framework, all asked for, nothing killed."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from scheduler.model.task import Started
from streams.supervise.ports import free_block
from tests.support.world import World, batch_of, service_of

pytestmark = pytest.mark.integration


@pytest.fixture
def world(kafka: str, topic_prefix: str, tmp_path: Path) -> Iterator[World]:
    """A cell with a service of four tasks on a dev cluster of two masters and two agents."""
    there = World(kafka, topic_prefix, tmp_path)
    try:
        port = free_block(4)
        there.start_cluster(port, masters=2)
        there.master = f"127.0.0.1:{port},127.0.0.1:{port + 1}"
        there.start_cell("cell-0")
        there.submit("service", service_of(4, "sleep 100000"))
        there.until(lambda: there.are("service", Started, 4), "the service runs")
        yield there
    finally:
        there.close()


def test_masters_that_die_by_turns_cost_no_task_its_life(world: World) -> None:
    assert world.cluster is not None
    before = [task.task_id for task in world.tasks("service")]
    framework = world.machine.state.cell_uuid
    for job in ("first-turn", "second-turn"):
        stream = world.machine.state.stream.stream_id
        killed = world.cluster.kill_leader()
        world.submit(job, batch_of(3, "true"))
        world.until(partial(world.is_normal, job), "a job of the next master")
        assert world.machine.state.stream.stream_id != stream
        world.cluster.start_node(killed)
    assert [task.task_id for task in world.tasks("service")] == before
    assert world.are("service", Started, 4)
    assert world.machine.state.cell_uuid == framework
    assert not world.journal("KILL")
    asked = {task for line in world.journal("RECONCILE") for task in line["task_ids"]}
    assert set(before) <= asked
    world.check_sound()
