"""kill -9 at each step from a decision to its outcome, many times over: one launch a proposal.

One Kafka, one dev cluster, one candidate that is started again each time. It ends by SIGKILL at the
named step, and its next life begins where the log says. The witness is the dev cluster's journal.
"""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.model.events import EffectEnded, EffectStarted
from scheduler.model.proposals import LaunchTasks
from scheduler.model.task import Started
from streams.supervise.ports import free_block
from tests.support.world import World, batch_of, service_of

pytestmark = pytest.mark.integration

STEPS = {
    "intent": ("round-decided:LaunchTasks", "round-written:LaunchTasks"),
    "started": ("started-written:EffectStarted", "effect-started:AcceptOffers"),
    "ACCEPT": ("call-sent:AcceptOffers",),
    # The first of a term tells how the question for the service's tasks ended.
    "outcome": ("outcome-written:EffectEnded:2", "outcome-written:EffectEnded"),
}
KILLED_WITHIN_S = 60.0


@pytest.fixture
def world(kafka: str, topic_prefix: str, tmp_path: Path) -> Iterator[World]:
    there = World(kafka, topic_prefix, tmp_path)
    try:
        there.start_cluster(free_block(3))
        there.start_cell("cell-0")
        there.submit("service", service_of(3, "sleep 100000"))
        there.until(lambda: there.are("service", Started, 3), "the service runs")
        there.kill_cell("cell-0")
        yield there
    finally:
        there.close()


def test_a_leader_killed_at_each_step_launches_each_proposal_once(world: World) -> None:
    _kill_at_each_step(world, times=2)


def _kill_at_each_step(world: World, times: int) -> None:
    service = [task.task_id for task in world.tasks("service")]
    jobs: list[str] = []
    for number in range(times):
        for step, points in STEPS.items():
            t0 = time.monotonic()
            process = world.start_cell("cell-0", crash_at=points[number % len(points)])
            t1 = time.monotonic()
            jobs.append(f"{step.lower()}-{number}")
            world.submit(jobs[-1], batch_of(2, "sleep 0.2"))
            assert world.wait_cell("cell-0", KILLED_WITHIN_S) == -signal.SIGKILL, step
            t2 = time.monotonic()
            world.read()
            print(points[number % len(points)], f"{t1-t0:.2f} {t2-t1:.2f} {time.monotonic()-t2:.2f}")
    world.start_cell("cell-0")
    world.until(lambda: all(world.is_normal(job) for job in jobs), "every job is done")
    assert [task.task_id for task in world.tasks("service")] == service
    assert world.are("service", Started, 3)
    world.check_sound()
