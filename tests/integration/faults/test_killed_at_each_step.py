"""kill -9 at each step from a decision to its outcome, many times over: one launch a proposal.

A leader ends by SIGKILL at the named step, with work under way, and is started again at once: its
next life goes on from what the log says. Two cells do so side by side on one Kafka, for most of a
start is waiting. The witness is each dev cluster's own journal.
"""

import itertools
import signal
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from scheduler.model.task import Started
from streams.cell.main import EXIT_LEADERSHIP_LOST
from streams.cell.points import POINTS
from streams.supervise.ports import free_block
from tests.integration.cell.test_take_over import MARKED
from tests.support.nursery import Nursery
from tests.support.world import World, batch_of, service_of

pytestmark = pytest.mark.integration

Steps = Mapping[str, tuple[str, ...]]

SECOND_ACCEPT: Final = "call-sent:AcceptOffers:2"
EARLY: Final[Steps] = {
    "intent": ("round-decided:LaunchTasks", "round-written:LaunchTasks"),
    "started": ("started-written:EffectStarted", "effect-started:AcceptOffers"),
}
LATE: Final[Steps] = {
    # A first ACCEPT of the same life has left before, its outcome may be written or not.
    "accept": ("call-sent:AcceptOffers", SECOND_ACCEPT),
    # The first outcome of a life is that of the question for the service's tasks.
    "outcome": ("outcome-written:EffectEnded:2", "outcome-written:EffectEnded"),
}
KILLED_WITHIN_S: Final = 60.0
CANDIDATE: Final = "cell-0"


class Cell:
    """One cell whose only candidate has many lives, and the jobs that it was given."""

    def __init__(self, kafka: str, prefix: str, home: Path, port: int) -> None:
        home.mkdir()
        self.world = World(kafka, prefix, home)
        self.world.start_cluster(port)
        self.lives = Nursery(home / "lives.log")
        self.jobs: list[str] = []

    def submit(self) -> None:
        """Two tasks more."""
        self.jobs.append(f"job-{len(self.jobs)}")
        self.world.submit(self.jobs[-1], batch_of(2, "sleep 0.1"))

    def live_until(self, point: str) -> int:
        """How a life ended that was to end at this point."""
        world, launched = self.world, len(self.world.journal("LAUNCH"))
        self.submit()
        self.lives.start(world.cell_environment(CANDIDATE, point))
        if point == SECOND_ACCEPT:
            world.until(lambda: len(world.journal("LAUNCH")) > launched, "a first ACCEPT left")
            self.submit()
        return self.lives.wait(KILLED_WITHIN_S)

    def killed_at(self, steps: Steps, times: int) -> None:
        """Die so many times at each step, then do all that was asked for."""
        world = self.world
        self.lives.start(world.cell_environment(CANDIDATE))
        world.submit("service", service_of(3, "sleep 100000"))
        world.until(lambda: world.are("service", Started, 3), "the service runs")
        service = [task.task_id for task in world.tasks("service")]
        self.lives.kill()
        for number, step in itertools.product(range(times), steps):
            point = steps[step][number % len(steps[step])]
            code = self.live_until(point)
            if code == EXIT_LEADERSHIP_LOST:  # On a computer too busy to hear itself: once more.
                code = self.live_until(point)
            assert code == -signal.SIGKILL, (point, number)
        self.lives.start(world.cell_environment(CANDIDATE))
        world.until(lambda: all(map(world.is_normal, self.jobs)), "every job is done")
        assert [task.task_id for task in world.tasks("service")] == service
        assert world.are("service", Started, 3)
        assert len(world.epochs()) >= times * len(steps) + 2, "a life ended before it led"
        world.check_sound()

    def close(self) -> None:
        """End everything that was started."""
        self.lives.close()
        self.world.close()


def kill_everywhere(kafka: str, prefix: str, home: Path, times: int) -> None:
    """Let two cells die so many times at each step."""
    cells: list[Cell] = []
    try:
        for number in range(2):
            place = home / f"cell-{number}"
            cells.append(Cell(kafka, f"{prefix}{number}.", place, free_block(3)))
        with ThreadPoolExecutor(2) as pool:
            dying = [
                pool.submit(cell.killed_at, steps, times)
                for cell, steps in zip(cells, (EARLY, LATE), strict=True)
            ]
            for each in dying:
                each.result()
    finally:
        for cell in cells:
            cell.close()


def test_every_marked_point_is_tried_here_or_in_a_take_over() -> None:
    here = {point for steps in (EARLY, LATE) for points in steps.values() for point in points}
    assert {each.partition(":")[0] for each in here | {*MARKED}} == set(POINTS)


def test_a_leader_killed_at_each_step_launches_each_proposal_once(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    kill_everywhere(kafka, topic_prefix, tmp_path, times=10)


@pytest.mark.soak
def test_a_leader_killed_a_hundred_times_at_each_step(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    kill_everywhere(kafka, topic_prefix, tmp_path, times=100)
