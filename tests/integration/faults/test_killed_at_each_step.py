"""kill -9 at each step from a decision to its outcome, many times over: one launch a proposal.

One Kafka, one dev cluster, one candidate that is started again each time. It ends by SIGKILL at the
named step, and its next life begins where the log says. The witness is the dev cluster's journal.
"""

import itertools
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.model.task import Started
from streams.supervise.ports import free_block
from tests.support.nursery import Nursery
from tests.support.world import World, batch_of, service_of

pytestmark = pytest.mark.integration

SECOND_ACCEPT = "call-sent:AcceptOffers:2"
STEPS = {
    "intent": ("round-decided:LaunchTasks", "round-written:LaunchTasks"),
    "started": ("started-written:EffectStarted", "effect-started:AcceptOffers"),
    # The second ACCEPT of a life meets a first one whose outcome may be written or not.
    "accept": ("call-sent:AcceptOffers", SECOND_ACCEPT),
    # The first outcome of a life is that of the question for the service's tasks.
    "outcome": ("outcome-written:EffectEnded:2", "outcome-written:EffectEnded"),
}
KILLED_WITHIN_S = 60.0
CANDIDATE = "cell-0"


@pytest.fixture
def world(kafka: str, topic_prefix: str, tmp_path: Path) -> Iterator[World]:
    """Kafka and a dev cluster of two agents; the test starts the cell's lives."""
    there = World(kafka, topic_prefix, tmp_path)
    try:
        there.start_cluster(free_block(3))
        yield there
    finally:
        there.close()


@pytest.fixture
def lives(tmp_path: Path) -> Iterator[Nursery]:
    """Cell processes, one after the other."""
    with Nursery(tmp_path / "lives.log") as nursery:
        yield nursery


def kill_at_each_step(world: World, lives: Nursery, times: int) -> None:
    """Kill a leader so many times at each step, with work under way, and see all of it done."""
    lives.start(world.cell_environment(CANDIDATE))
    world.submit("service", service_of(3, "sleep 100000"))
    world.until(lambda: world.are("service", Started, 3), "the service runs")
    service = [task.task_id for task in world.tasks("service")]
    lives.kill()
    jobs: list[str] = []
    for number, (step, points) in itertools.product(range(times), STEPS.items()):
        # What the last life left undone and these two are this life's work.
        for half in ("a", "b"):
            jobs.append(f"{step}-{number}-{half}")
            world.submit(jobs[-1], batch_of(2, "sleep 0.1"))
        point, launches = points[number % len(points)], len(world.journal("LAUNCH"))
        lives.start(world.cell_environment(CANDIDATE, point))
        if point == SECOND_ACCEPT:
            world.until(
                lambda before=launches: len(world.journal("LAUNCH")) > before, "a first ACCEPT left"
            )
            jobs.append(f"{step}-{number}-c")
            world.submit(jobs[-1], batch_of(2, "sleep 0.1"))
        assert lives.wait(KILLED_WITHIN_S) == -signal.SIGKILL, (step, number)
        print(point, time.monotonic())
    lives.start(world.cell_environment(CANDIDATE))
    world.until(lambda: all(world.is_normal(job) for job in jobs), "every job is done")
    assert [task.task_id for task in world.tasks("service")] == service
    assert world.are("service", Started, 3)
    assert len(world.epochs()) == times * len(STEPS) + 2, "a life that never led was not killed"
    world.check_sound()


def test_a_leader_killed_at_each_step_launches_each_proposal_once(
    world: World, lives: Nursery
) -> None:
    kill_at_each_step(world, lives, times=3)


@pytest.mark.soak
def test_a_hundred_kills_at_each_step(world: World, lives: Nursery) -> None:
    kill_at_each_step(world, lives, times=30)
