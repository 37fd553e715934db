"""The failover drill: the modelled world pays once for image and binding, and pack is ahead."""

from contextlib import nullcontext

import msgspec
import pytest

from projections.failover.demand import demand_of, tasks_of
from projections.failover.drill import Drill, Way, WayResult
from projections.failover.numbers import Numbers
from projections.failover.report import markdown, report_of
from projections.failover.world import Cloud, World
from scheduler.model.ids import HostId

SMALL = Numbers(tasks=600)
HOST = HostId("host-1")


def run(way: Way, numbers: Numbers = SMALL) -> WayResult:
    return Drill(numbers, way, nullcontext, lambda: 0.0).run()


def test_the_first_task_fetches_the_image_and_the_next_one_waits_for_the_rest() -> None:
    numbers = Numbers(pull_mb_per_second=50)
    world = World(numbers, {"a:1": 500, "b:1": 100})
    assert world.prepare(HOST, "a:1", -1, (), 1_000).at_ms == 11_000
    assert world.prepare(HOST, "a:1", -1, (), 4_000).at_ms == 11_000
    # A second image waits for the first, and whoever comes when all is there waits for nothing.
    assert world.prepare(HOST, "b:1", -1, (), 4_000).at_ms == 13_000
    assert world.prepare(HOST, "a:1", -1, (), 20_000).at_ms == 20_000
    assert (world.totals.pulls, world.totals.warm_images) == (2, 2)
    # Another host has nothing of it.
    assert world.prepare(HostId("host-2"), "a:1", -1, (), 20_000).at_ms == 30_000


def test_an_interface_is_bound_once_for_a_set_and_anew_for_another() -> None:
    world = World(Numbers(bind_ms=2_000), {})
    assert world.prepare(HOST, "", 0, ("sg-1",), 1_000).at_ms == 3_000
    assert world.prepare(HOST, "", 0, ("sg-1",), 1_500).at_ms == 3_000
    assert world.prepare(HOST, "", 0, ("sg-2",), 9_000).at_ms == 11_000
    assert world.prepare(HOST, "", 1, ("sg-1",), 9_000).at_ms == 11_000
    assert (world.totals.binds, world.totals.warm_interfaces) == (3, 1)


def test_the_cloud_takes_a_burst_and_then_its_rate_and_never_saves_more_than_a_burst() -> None:
    cloud = Cloud(Numbers(calls_bucket=5, calls_per_second=10))
    burst = [cloud.call_at(10_000) for _ in range(8)]
    assert burst[:6] == [10_000] * 6
    assert burst[6:] == [10_100, 10_200]
    assert [cloud.call_at(60_000) for _ in range(7)][-1] == 60_100


def test_the_demand_is_as_large_as_asked_and_the_same_each_time() -> None:
    demand = demand_of(SMALL)
    assert tasks_of(demand.evacuated) == 600
    assert tasks_of(demand.residents) == 402
    assert demand == demand_of(SMALL)
    assert {type(job.spec.kind).__name__ for job in demand.evacuated} == {"Batch", "Service"}


@pytest.mark.slow
def test_packed_all_start_and_sooner_than_spread_with_fewer_images_and_bindings() -> None:
    spread, pack = run("spread"), run("pack")
    assert spread.started == pack.started == 600
    assert pack.seconds < spread.seconds
    assert pack.pulls < spread.pulls
    assert pack.binds < spread.binds
    assert pack.hosts_used < spread.hosts_used
    # Each task came to an image, and to an interface: one of the two was counted.
    for each in (spread, pack):
        assert each.pulls + each.warm_images == each.tasks
        assert each.binds + each.warm_interfaces == each.tasks
    report = report_of(SMALL, (spread, pack))
    assert report.broken == ()
    assert "| seconds until the last one ran (modelled) |" in markdown(report)


def test_the_same_drill_is_the_same_to_the_event() -> None:
    small = Numbers(tasks=200)
    assert run("pack", small) == run("pack", small)


def test_a_promise_that_was_not_kept_is_said() -> None:
    pack = run("pack", Numbers(tasks=200))
    late = msgspec.structs.replace(pack, seconds=301.0, control_plane_seconds=61.0, started=199)
    found = report_of(SMALL, (msgspec.structs.replace(pack, way="spread"), late))
    assert len(found.broken) == 4
    assert "**Not kept:** packed, 199 of 200 tasks started." in markdown(found)
