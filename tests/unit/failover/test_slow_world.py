"""A drill in a world that is too slow, and what its report says of each promise."""

from contextlib import nullcontext

import pytest
from msgspec.structs import replace

from projections.failover.drill import BEGAN_AT_MS, Drill, Way, WayResult
from projections.failover.numbers import Numbers
from projections.failover.report import report_of
from projections.failover.world import Prepared, World
from scheduler.model.ids import HostId
from scheduler.model.policy import Policy
from scheduler.model.task import Started

HOST = HostId("host-1")
TINY = Numbers(tasks=20, applications=3, security_group_sets=2, step_ms=1_000, allocation_ms=2_000)
"""16 tasks of services and 4 of batch jobs; 13 run there before."""
STUCK_MS = Policy().launch_timeout_ms
KEPT = WayResult(
    "pack", 20, 20, 5.0, (), 4, 3, 0, 0.0, 20, 0, 20, 0.0, 0, 1.0, 1.0, events=90, records=50
)


def drill(numbers: Numbers) -> tuple[Drill, WayResult]:
    """The drill, packed, when it is over."""
    made = Drill(numbers, "pack", nullcontext, lambda: 0.0)
    return made, made.run()


def test_services_that_take_too_long_are_ended_and_started_anew_and_never_counted() -> None:
    start_ms = STUCK_MS * 3 // 2
    _, found = drill(replace(TINY, start_ms=start_ms, limit_ms=start_ms + 60_000))
    assert (found.tasks, found.started) == (20, 4), "what was ended is not heard any more"
    assert found.kills == 16
    assert found.seconds == pytest.approx(start_ms / 1_000, abs=5)
    assert found.warm_images == 20 + 16, "each came to its image twice"
    assert found.started_by_seconds == (), "not even half of them ran"


def test_a_part_of_the_tasks_has_its_second_and_the_rest_has_none() -> None:
    start_ms = STUCK_MS * 3 // 2
    half = replace(TINY, batch_percent=60, start_ms=start_ms, limit_ms=start_ms + 60_000)
    _, found = drill(half)
    assert found.started == 12
    assert [percent for percent, _ in found.started_by_seconds] == [50]
    assert found.started_by_seconds[0][1] == found.seconds


def test_where_nothing_waits_for_long_offers_go_back_and_no_more_come() -> None:
    """Batch jobs may take longer to start than the cell holds on to what it needs not."""
    wait_ms = Policy().suppress_after_ms
    made, found = drill(replace(TINY, batch_percent=100, start_ms=wait_ms + 60_000))
    assert (found.started, found.kills) == (20, 0)
    assert made._cell.state.stream.is_suppressed
    assert not made._cell.state.offers
    assert made._offers == {}, "the master has taken all back, and offers nothing"


def test_who_runs_answers_when_all_are_asked_and_is_not_given_up() -> None:
    policy = Policy()
    limit_ms = policy.reconcile_all_ms + policy.start_timeout_ms
    numbers = replace(TINY, tasks=3, start_ms=10 * limit_ms, limit_ms=limit_ms, step_ms=2_000)
    made, found = drill(numbers)
    state = made._cell.state
    assert found.started == 0
    assert state.stream.reconcile_all_at_ms > BEGAN_AT_MS + STUCK_MS, "they were asked again"
    assert state.unanswered == {}
    residents = [each for each in state.tasks.values() if each.job_id.startswith("resident-")]
    assert [type(each.state) for each in residents] == [Started] * 2


@pytest.mark.parametrize(("way", "mode"), [("pack", "failover"), ("spread", "normal")])
def test_only_a_packed_drill_asks_for_the_mode_of_an_evacuation(way: Way, mode: str) -> None:
    made = Drill(replace(TINY, tasks=3), way, nullcontext, lambda: 0.0)
    assert made.run().started == 3
    assert made._cell.state.policy.placement.mode == mode


def test_a_drill_gives_up_when_its_time_is_over() -> None:
    _, found = drill(replace(TINY, limit_ms=2_000))
    assert (found.started, found.seconds, found.hosts_used > 0) == (0, 0.0, True)


def test_a_task_without_an_interface_finds_its_image_and_binds_nothing() -> None:
    world = World(Numbers(), {"a": 500})
    world.settle(HOST, "a", -1, ())
    assert world.prepare(HOST, "a", -1, (), 1_000) == Prepared(1_000, False, False)
    assert world.prepare(HOST, "a", 0, ("sg",), 1_000).has_bound
    world.settle(HOST, "a", 1, ("sg",))
    assert world.prepare(HOST, "a", 1, ("sg",), 1_000) == Prepared(1_000, False, False)
    assert (world.totals.warm_images, world.totals.binds, world.totals.warm_interfaces) == (3, 1, 1)


def test_a_report_of_what_was_kept_says_nothing() -> None:
    assert report_of(TINY, (replace(KEPT, way="spread", seconds=6.0), KEPT)).broken == ()


@pytest.mark.parametrize(
    ("pack", "spread", "broken"),
    [
        ({"started": 19}, {}, "packed, 19 of 20 tasks started"),
        ({"seconds": 300.0}, {"seconds": 301.0}, "packed, it took 300 s; 300 are allowed"),
        ({"seconds": 6.0}, {"seconds": 6.0}, "pack took 6 s and spread 6 s"),
        (
            {"control_plane_seconds": 60.0},
            {},
            "pack: the control plane took 60.0 s of a processor",
        ),
        (
            {},
            {"control_plane_seconds": 61.25},
            "spread: the control plane took 61.2 s of a processor",
        ),
    ],
)
def test_each_promise_that_was_not_kept_is_said_alone(
    pack: dict[str, float], spread: dict[str, float], broken: str
) -> None:
    other = replace(KEPT, **{"way": "spread", "seconds": 6.0} | spread)
    assert report_of(TINY, (other, replace(KEPT, **pack))).broken == (broken,)


def test_pack_need_not_be_ahead_of_what_never_started() -> None:
    other = replace(KEPT, way="spread", started=19, seconds=1.0)
    assert report_of(TINY, (other, KEPT)).broken == ()
