"""The running cell, cut off from its master, and its master from an agent; healed soon, or late.

The one thing to know: the dev cluster's own journal is the witness: no task twice, none lost, and
nothing that was launched unknown to the log.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.model.task import Started
from streams.supervise.ports import free_block
from tests.support.world import World, batch_of, service_of

pytestmark = pytest.mark.integration

# Pings of a second, of which this cluster's agents may miss four.
MISSED_PINGS_MAX = 4
SHORT_S = 2.0


@pytest.fixture
def world(kafka: str, topic_prefix: str, tmp_path: Path) -> Iterator[World]:
    """Kafka, a dev cluster of two agents, and a cell with a service of four tasks on it."""
    there = World(kafka, topic_prefix, tmp_path)
    try:
        there.start_cluster(free_block(4), missed_pings_max=MISSED_PINGS_MAX)
        there.start_cell("cell-0")
        there.set_policy(unreachable_timeout_ms=3_000)
        # More than a host has room for: both have some.
        there.submit("service", service_of(4, "sleep 1000", cpu=1.5))
        there.until(lambda: there.are("service", Started, 4), "the service runs")
        yield there
    finally:
        there.close()


def ids(world: World) -> list[str]:
    return [task.task_id for task in world.tasks("service")]


def pass_time(world: World, seconds: float) -> None:
    """Go on folding and checking what comes for so long."""
    until = time.monotonic() + seconds
    world.until(lambda: time.monotonic() > until, "time passes", seconds + 10)


def works(world: World, name: str) -> None:
    """See a new job through to its end."""
    world.submit(name, batch_of(3, "true"))
    world.until(lambda: world.is_normal(name), f"{name} is done", 60)


def test_a_scheduler_cut_off_for_a_moment_goes_on_where_it_was(world: World) -> None:
    assert world.cluster is not None
    before = ids(world)
    world.cluster.partition("scheduler", "master")
    world.submit("meanwhile", batch_of(3, "true"))
    pass_time(world, SHORT_S)
    assert not world.is_normal("meanwhile")
    world.cluster.heal()
    world.until(lambda: world.is_normal("meanwhile"), "the job of the cut is done", 60)
    assert ids(world) == before
    world.check_sound()


def test_a_scheduler_cut_off_while_an_agent_is_lost_hears_of_it_later(world: World) -> None:
    assert world.cluster is not None
    before = ids(world)
    places = {line["task_id"]: line["agent_id"] for line in world.journal("LAUNCH")}
    world.cluster.partition("scheduler", "master")
    world.cluster.kill("agent1", host=True)
    world.host_deaths["agent1"] = time.time_ns() // 1_000_000
    pass_time(world, MISSED_PINGS_MAX + 3.0)
    # Nothing was heard, so nothing is known and nothing was done about it.
    assert ids(world) == before
    assert world.are("service", Started, 4)
    world.cluster.heal()
    # In its place comes a new one, for the journal of the dead one is complete.
    world.cluster.start_node("agent3")
    world.until(
        lambda: world.are("service", Started, 4) and ids(world) != before,
        "what ran on agent1 runs elsewhere",
        60,
    )
    replaced = [old for old, new in zip(before, ids(world), strict=True) if old != new]
    assert len({places[task_id] for task_id in replaced}) == 1
    assert len(replaced) < len(before)
    works(world, "after")
    world.check_sound()


def test_an_agent_cut_off_for_a_moment_loses_nothing(world: World) -> None:
    assert world.cluster is not None
    before = ids(world)
    world.cluster.partition("master", "agent1")
    world.submit("meanwhile", batch_of(6, "sleep 0.5"))
    pass_time(world, SHORT_S)
    world.cluster.heal()
    world.until(lambda: world.is_normal("meanwhile"), "the job of the cut is done", 60)
    assert ids(world) == before
    assert world.are("service", Started, 4)
    world.check_sound()


def test_an_agent_cut_off_too_long_and_its_tasks_are_replaced_once(world: World) -> None:
    """After the time-out its tasks run elsewhere; on its return the old ones are ended."""
    assert world.cluster is not None
    before = ids(world)
    # Room for those that will be replaced.
    world.cluster.start_node("agent3")
    world.cluster.partition("master", "agent1")
    world.until(
        lambda: world.are("service", Started, 4) and ids(world) != before,
        "what ran on agent1 runs elsewhere",
        60,
    )
    after = ids(world)
    replaced = {old for old, new in zip(before, after, strict=True) if old != new}
    assert replaced <= set(world.alive()), "a cut ends no process"
    world.cluster.heal()
    world.until(
        lambda: not replaced & set(world.alive()), "the old ones have ended on their return", 60
    )
    assert ids(world) == after
    works(world, "after")
    launched = [line["task_id"] for line in world.journal("LAUNCH")]
    started = [line["task_id"] for line in world.journal("STARTED")]
    assert len(launched) == len(set(launched))
    assert len(started) == len(set(started))
