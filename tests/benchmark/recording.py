"""Records the log of a real cell: a real Kafka, a dev cluster, a cell process, the example jobs.

The one thing to know: a recording begins when the cell is at rest and ends when it is at rest
again, so that copies of it can follow one another (`tests.benchmark.copies`).
"""

import json
from dataclasses import dataclass
from pathlib import Path

from scheduler.model.ids import JobId
from scheduler.model.task import Finished, Started
from scheduler.state import State
from streams.supervise.ports import free_block
from tests.support.world import World

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
RETRY, SERVICE, BATCH = "fails-and-retries", "service-5", "batch-20"
SERVICE_TASKS = 5
AGENTS = 2
CPU_MILLI = AGENTS * 4_000
"""What the dev cluster's agents offer by default: four processors each."""


@dataclass(frozen=True)
class Recording:
    """The cell log of a real cell; the work begins with record ``begins``."""

    log: tuple[bytes, ...]
    begins: int


def is_at_rest(state: State, cpu_milli: int = CPU_MILLI) -> bool:
    """Whether nothing waits or is under way, and all that the hosts have free is held by us."""
    offered = sum(held.resources.cpu_milli for held in state.offers.values())
    used = sum(
        state.jobs[state.tasks[task_id].job_id].spec.container.need.cpu_milli
        for there in state.host_tasks.values()
        for task_id in there
    )
    is_busy = state.queue or state.decisions or state.unanswered or not state.clock.is_judging
    return not is_busy and offered + used == cpu_milli


def record_demo(kafka: str, prefix: str, home: Path) -> Recording:
    """What a cell wrote while it ran the demo's three jobs, in the demo's order."""
    world = World(kafka, prefix, home)
    try:
        begins = _cell_at_rest(world)
        _submit(world, RETRY)
        _submit(world, SERVICE)
        world.until(lambda: _runs(world) and _has_failed(world), "a service, a failed task", 60)
        _submit(world, BATCH)
        world.until(
            lambda: world.is_normal(BATCH) and world.is_normal(RETRY) and _rests(world),
            "the batch jobs are done, and the cell is at rest again",
            60,
        )
        return Recording(tuple(world.log), begins)
    finally:
        world.close()


def record_service(kafka: str, prefix: str, home: Path) -> Recording:
    """What a cell wrote until the service of five ran, and a tick later."""
    world = World(kafka, prefix, home)
    try:
        begins = _cell_at_rest(world)
        _submit(world, SERVICE)
        world.until(lambda: _runs(world) and _rests(world), "the service runs, the cell rests", 60)
        # As in a cell that works for long, a tick says that all of this was published.
        changed_offset = world.changes[-1][0]
        world.until(
            lambda: world.machine.state.published_offset >= changed_offset,
            "a tick says that the changes are published",
        )
        return Recording(tuple(world.log), begins)
    finally:
        world.close()


def _cell_at_rest(world: World) -> int:
    """A cell on two hosts that has nothing to do; the offset of its next record."""
    world.start_cluster(free_block(AGENTS + 1), agents=AGENTS)
    world.start_cell("cell-1")
    world.until(lambda: _rests(world), "the cell is at rest", 60)
    return len(world.log)


def _submit(world: World, name: str) -> None:
    world.submit(name, json.loads((EXAMPLES / f"{name}.json").read_bytes()))


def _rests(world: World) -> bool:
    return is_at_rest(world.machine.state)


def _runs(world: World) -> bool:
    return world.are(SERVICE, Started, SERVICE_TASKS)


def _has_failed(world: World) -> bool:
    tasks = world.machine.state.tasks.values()
    return any(each.job_id == JobId(RETRY) and isinstance(each.state, Finished) for each in tasks)
