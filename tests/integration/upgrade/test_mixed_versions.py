"""A rolling upgrade with the release before running beside this one, under load, on a real Kafka.

Cells and the api are restarted in random order, each time by the other build or the same, while
jobs are submitted without pause. Nothing is lost or doubled by the cluster's own journal, and the
folds of both builds, of the api and of this test come to one digest.
"""

import random
from pathlib import Path

import pytest

from scheduler.model.task import Finished, Started
from streams.drills.own_fold import folded_elsewhere
from streams.upgrade.baseline import BASELINE
from tests.integration.upgrade.builds import (
    ROOT,
    BuiltApi,
    MixedWorld,
    build_of,
    environment_of,
    has_baseline,
)
from tests.support.load import Load
from tests.support.world import batch_of, service_of

pytestmark = pytest.mark.integration

CELLS = ("cell-0", "cell-1")
LED_WITHIN_S = 60.0


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build of the release before."""
    if why := has_baseline():
        pytest.skip(why)
    return build_of(BASELINE.commit, tmp_path_factory.mktemp("before"))


@pytest.mark.parametrize("restarts", [4, pytest.param(20, marks=pytest.mark.soak)])
def test_restarts_of_both_builds_in_random_order_lose_and_double_nothing(
    world: MixedWorld, before: Path, restarts: int
) -> None:
    chance = random.Random(restarts)
    world.build = before
    for name in CELLS:
        world.start_cell(name)
    api = BuiltApi(world, before)
    try:
        api.until_ready().until_healthy()
        world.submit("service", service_of(3, "sleep 1000"))
        world.until(lambda: world.are("service", Started, 3), "the service runs")
        ids = [task.task_id for task in world.tasks("service")]
        # First all of the old build go, as in a rolling upgrade; then whatever chance says.
        plan = [("api", ROOT), (CELLS[1], ROOT), (CELLS[0], ROOT)]
        chance.shuffle(plan)
        while len(plan) < restarts:
            plan.append((chance.choice((*CELLS, "api")), chance.choice((before, ROOT))))
        with Load(world.kafka, world.prefix, "load", every_s=0.2) as load:
            for number, (name, build) in enumerate(plan[:restarts]):
                if name == "api":
                    api.stop()
                    api.close()
                    api = BuiltApi(world, build)
                    api.until_ready().until_healthy()
                else:
                    _replace(world, name, build)
                world.submit(f"job-{number}", batch_of(2, "true"))
                load.until_more(3, 60)
        accepted = [*load.acknowledged, *(f"job-{number}" for number in range(restarts))]
        world.until(
            lambda: all(each in world.machine.state.jobs for each in accepted),
            "every accepted job is in the log",
        )
        for number in range(restarts):
            world.until(lambda n=number: world.is_normal(f"job-{n}"), f"job-{number} done")  # type: ignore[misc]
        assert [task.task_id for task in world.tasks("service")] == ids, "no task was restarted"
        world.until(
            lambda: all(
                isinstance(each.state, Finished) or each.job_id == "service"
                for each in world.machine.state.tasks.values()
            ),
            "all others have ended",
        )
        world.check_sound()
        _same_digests(world, api, before)
    finally:
        api.close()


def _replace(world: MixedWorld, name: str, build: Path) -> None:
    """End a cell process as a crash does, start another build under its name, wait for a leader."""
    was_leader = world.machine.state.leader == name
    epochs = len(world.epochs())
    world.kill_cell(name)
    world.build = build
    world.start_cell(name)
    if was_leader:
        world.until(lambda: len(world.epochs()) > epochs, "the next leader", LED_WITHIN_S)
    world.read()


def _same_digests(world: MixedWorld, api: BuiltApi, before: Path) -> None:
    """One digest by the api, by both builds from zero, and by this test's own fold."""
    world.read()
    ours = world.machine.digest.value()
    end = len(world.log)
    for build in (ROOT, before):
        found = folded_elsewhere(world.kafka, f"{world.prefix}cell", end, environment_of(build))
        assert (found.end_offset, found.digest) == (end, ours), build
    there = api.ask("GET", "/api/flumina/state").json
    until = there["nextOffset"]
    here = folded_elsewhere(world.kafka, f"{world.prefix}cell", until, environment_of(ROOT))
    assert here.digest == there["digest"]
