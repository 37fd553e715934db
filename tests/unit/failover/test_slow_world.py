"""A drill in a world that is too slow, and what its report says of each promise."""

from contextlib import nullcontext

import pytest
from msgspec.structs import replace

from projections.failover.cell import STREAM
from projections.failover.drill import Drill, Way, WayResult
from projections.failover.numbers import Numbers
from projections.failover.report import report_of
from projections.failover.world import Prepared, World
from scheduler.model.effects import AskAll, AskState, Effect
from scheduler.model.ids import HostId, ProposalId, TaskId
from scheduler.model.mesos import StatusUpdate
from scheduler.model.policy import Policy

HOST, PROPOSAL = HostId("host-1"), ProposalId("9.0")
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
    made, found = drill(replace(TINY, start_ms=start_ms, limit_ms=start_ms + 60_000))
    assert (found.tasks, found.started) == (20, 4)
    assert found.kills == 16
    assert found.seconds == pytest.approx(start_ms / 1_000, abs=5)
    assert found.warm_images == 20 + 16, "each came to its image twice"
    assert found.started_by_seconds == (), "not even half of them ran"
    late = StatusUpdate(STREAM, TaskId("moved-app-000-worker-0-1"), "TASK_RUNNING")
    assert not made._is_true(late), "what was ended is not heard any more"


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
    offers = made._offer_number
    made._allocate()
    assert (made._offer_number, made._offers, made._offered) == (offers, {}, set())


def test_who_is_asked_answers_as_he_stands_and_who_is_gone_is_silent() -> None:
    made, _ = drill(replace(TINY, tasks=3))
    runs = sorted(made._running)
    host_id = made._running[runs[0]][0]
    made._states[runs[0]] = "TASK_STARTING"
    assert len(runs) == 5

    def answers(effect: Effect) -> list[tuple[TaskId, str, str]]:
        made._due.clear()
        made._carry_out(effect)
        return [(each.task_id, each.state, each.reason) for _, _, each in made._due]

    why = "REASON_RECONCILIATION"
    asked = AskState(PROPOSAL, ((TaskId("gone"), host_id), (runs[0], host_id)))
    assert answers(asked) == [(runs[0], "TASK_STARTING", why)]
    states = dict.fromkeys(runs, "TASK_RUNNING") | {runs[0]: "TASK_STARTING"}
    told = answers(AskAll(PROPOSAL))
    assert sorted(told) == [(each, states[each], why) for each in runs]
    del made._states[runs[1]]
    assert answers(AskState(PROPOSAL, ((runs[1], host_id),))) == [(runs[1], "TASK_STAGING", why)]


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
