"""Two cells, two workers, one dies: the other leads both within 15 s, nothing is launched twice.

Real processes on a real Kafka, and one dev cluster with a framework for each cell. The worker that
died comes back, and gets a cell without the other one's having to end.
"""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from scheduler.model.task import Started
from streams.supervise.ports import free_block
from streams.supervise.up import OF_SHARED_HOSTS
from tests.support.world import World, batch_of, service_of

pytestmark = pytest.mark.integration

TAKEN_OVER_WITHIN_S = 15.0
"""The promise: 6 s of session, and the rest for the group, the election and Mesos."""


@pytest.fixture
def cells(kafka: str, topic_prefix: str, tmp_path: Path) -> Iterator[tuple[World, World]]:
    """Two cells of one Kafka and one dev cluster; the first starts processes for both."""
    first, second = (
        World(kafka, topic_prefix, tmp_path, partition=number, cells=2) for number in (0, 1)
    )
    try:
        second.cluster = first.start_cluster(free_block(3))
        yield first, second
    finally:
        second.cluster = None  # It is the first one's to stop.
        second.close()
        first.close()


def test_one_of_two_workers_dies_and_the_other_takes_its_cell(cells: tuple[World, World]) -> None:
    first, second = cells
    first.start_cell("worker-0")
    first.start_cell("worker-1")
    first.until(lambda: first.machine.state.leader != "", "a leader of the first cell")
    second.until(
        lambda: second.machine.state.leader not in {"", leader_of(first)}, "one leader for each"
    )
    for each, job_id in ((first, "one"), (second, "two")):
        # They share hosts, so neither may sit on offers that it has no use for.
        each.set_policy(**OF_SHARED_HOSTS)
        each.submit(job_id, service_of(3, "sleep 1000"))
    for each, job_id in ((first, "one"), (second, "two")):
        each.until(partial(each.are, job_id, Started, 3), f"service {job_id} runs")
    assert first.machine.state.cell_uuid != second.machine.state.cell_uuid
    before = [*ids(first, "one"), *ids(second, "two")]
    dead, survivor = leader_of(second), leader_of(first)
    epochs = first.epochs()
    first.kill_cell(dead)
    died_at_s = time.monotonic()
    # The first cell is served throughout; the second as soon as it is taken over.
    second.submit("late", batch_of(2, "true"))
    first.submit("meanwhile", batch_of(2, "true"))
    first.until(lambda: first.is_normal("meanwhile"), "the first cell works on", 15)
    second.until(lambda: leader_of(second) == survivor, "the survivor leads both", 30)
    taken_s = time.monotonic() - died_at_s
    second.until(lambda: second.is_normal("late"), "a job of the cell that was taken over", 30)
    print(f"taken over after {taken_s:.1f} s")
    assert taken_s < TAKEN_OVER_WITHIN_S
    first.start_cell(dead)
    second.until(lambda: leader_of(second) == dead, "the group gives a cell back", 30)
    second.submit("last", batch_of(2, "true"))
    second.until(lambda: second.is_normal("last"), "a job of the cell that was given back", 30)
    first.read()
    assert first.cells[survivor].poll() is None, "handing a cell on ends nobody"
    assert first.epochs() == epochs, "the survivor's own cell was led without a break"
    assert [*ids(first, "one"), *ids(second, "two")] == before
    first.check_sound(second)
    second.check_sound(first)


def ids(world: World, job_id: str) -> list[str]:
    """The job's current tasks."""
    world.read()
    return [task.task_id for task in world.tasks(job_id)]


def leader_of(world: World) -> str:
    """Who leads the cell, by its log."""
    world.read()
    return world.machine.state.leader
