"""Scaling a service: bounds that drag, and who goes first when it becomes smaller."""

from typing import Any

import pytest
from msgspec.structs import replace

from scheduler.model.changes import JobChanged, JobRejected, RequestAccepted, TaskChanged
from scheduler.model.ids import HostId, JobId, OfferId, TaskId
from scheduler.model.job import Service
from scheduler.model.mesos import HostFacts, Offer
from scheduler.model.policy import Policy
from scheduler.model.resources import Resources
from scheduler.model.task import (
    Disconnected,
    Finished,
    KillInitiated,
    Queued,
    Started,
    StartInitiated,
)
from tests.support.cell import CellInMemory, batch, running_cell, service


def capacity(cell: CellInMemory) -> tuple[int, int, int]:
    """Minimum, desired and maximum of the job."""
    kind = cell.state.jobs[JobId("job")].spec.kind
    assert isinstance(kind, Service)
    return kind.minimum, kind.desired, kind.maximum


def going(cell: CellInMemory) -> list[int]:
    """The numbers of the tasks that the service gives up."""
    return sorted(
        task.number
        for task in cell.state.tasks.values()
        if isinstance(task.state, KillInitiated | Finished) and task.state.reason == "scaledDown"
    )


@pytest.mark.parametrize(
    ("asked", "becomes"),
    [
        ({"desired": 5}, (2, 5, 8)),
        ({"minimum": 3}, (3, 4, 8)),
        ({"minimum": 6}, (6, 6, 8)),
        ({"maximum": 6}, (2, 4, 6)),
        ({"maximum": 3}, (2, 3, 3)),
        ({"minimum": 0, "maximum": 0}, (0, 0, 0)),
        ({"minimum": 9, "maximum": 12}, (9, 9, 12)),
        ({"desired": 2, "minimum": 1, "maximum": 3}, (1, 2, 3)),
    ],
)
def test_a_bound_drags_the_size_along(asked: dict[str, Any], becomes: tuple[int, int, int]) -> None:
    cell = running_cell()
    cell.submit(service(4, maximum=8, minimum=2))
    cell.scale(**asked)
    assert capacity(cell) == becomes
    assert len(cell.tasks()) == becomes[1]
    assert isinstance(cell.said_last()[0], RequestAccepted)


@pytest.mark.parametrize(
    "asked",
    [
        {"desired": 9},
        {"desired": 1},
        {"minimum": 9},
        {"maximum": 1},
        {"desired": 3, "minimum": 4},
    ],
)
def test_bounds_out_of_order_are_refused(asked: dict[str, Any]) -> None:
    cell = running_cell()
    cell.submit(service(4, maximum=8, minimum=2))
    cell.scale(**asked)
    (refusal,) = cell.said_last()
    assert isinstance(refusal, JobRejected)
    assert refusal.faults[0].field == "capacity"
    assert capacity(cell) == (2, 4, 8)


def test_the_same_size_again_changes_nothing() -> None:
    cell = running_cell()
    cell.submit(service(4))
    cell.scale(4)
    assert [type(change) for change in cell.said_last()] == [RequestAccepted]


def test_a_batch_job_an_unknown_job_and_a_killed_job_do_not_scale() -> None:
    cell = running_cell()
    cell.submit(batch(2), "batch")
    cell.run(service(1), "killed")
    cell.kill_job("killed")
    for name in ("batch", "none", "killed"):
        cell.scale(1, job_id=name)
        (refusal,) = cell.said_last()
        assert isinstance(refusal, JobRejected)
        assert refusal.faults[0].field == "jobId"


def test_limits_of_the_policy_hold_for_growth() -> None:
    cell = running_cell(hosts=0, policy=Policy(service_size_max=20, queued_tasks_max=10))
    cell.submit(service(4, maximum=20))
    cell.scale(maximum=21)
    assert isinstance(cell.said_last()[0], JobRejected)
    cell.scale(11)
    assert isinstance(cell.said_last()[0], JobRejected)
    cell.scale(10)
    assert len(cell.tasks()) == 10


def test_a_limit_that_was_lowered_does_not_stop_a_service_from_shrinking() -> None:
    cell = running_cell(hosts=0)
    cell.submit(service(40, maximum=50))
    cell.set_policy(service_size_max=10, queued_tasks_max=10)
    cell.scale(20)
    assert len(cell.tasks()) == 20


def test_growth_fills_the_lowest_free_indexes() -> None:
    cell = running_cell()
    cell.submit(service(3))
    cell.scale(1)
    cell.scale(4)
    assert [task.index for task in cell.tasks()] == [0, 1, 2, 3]
    assert sorted(task.number for task in cell.tasks()) == [3, 4, 5, 6]


def test_growth_takes_no_index_of_a_task_that_is_still_ending() -> None:
    cell = running_cell()
    first, second = cell.run(service(2))
    cell.scale(1)
    assert isinstance(cell.task_state(first), KillInitiated)
    cell.scale(2)
    assert {task.index for task in cell.tasks()} == {0, 1, 2}
    cell.status(first, "TASK_KILLED")
    assert {task.index for task in cell.tasks()} == {1, 2}
    assert isinstance(cell.task_state(second), Started)


def test_a_scaled_down_task_is_not_replaced_and_says_why() -> None:
    cell = running_cell()
    (task_id,) = cell.run(service(1))
    cell.scale(0)
    assert cell.is_in(task_id, KillInitiated).reason == "scaledDown"
    cell.status(task_id, "TASK_FINISHED")
    assert cell.is_in(task_id, Finished).reason == "scaledDown"
    assert cell.tasks() == []
    assert cell.state.jobs[JobId("job")].open_indexes == 0
    assert cell.state.jobs[JobId("job")].state == "Accepted"


def mixed_service() -> tuple[CellInMemory, list[TaskId]]:
    """A service with a task in every class: 0 ends, 1 and 2 run, 3 starts, 4 waits."""
    cell = running_cell(hosts=1)
    task_ids = cell.run(service(3))
    cell.scale(4)
    cell.offer("host1")
    (starting,) = cell.launched()
    cell.status(starting, "TASK_STARTING")
    cell.kill_task(task_ids[0])
    cell.scale(5)
    return cell, [task.task_id for task in cell.tasks()]


@pytest.mark.parametrize(
    ("desired", "gone"),
    [(4, [1]), (3, [1, 5]), (2, [1, 4, 5]), (1, [1, 2, 4, 5]), (0, [1, 2, 3, 4, 5])],
)
def test_what_ends_anyway_goes_first_then_what_waits_starts_and_runs(
    desired: int, gone: list[int]
) -> None:
    cell, task_ids = mixed_service()
    assert [type(cell.task_state(each)) for each in task_ids] == [
        KillInitiated,
        Started,
        Started,
        StartInitiated,
        Queued,
    ]
    cell.scale(desired)
    assert going(cell) == gone


def test_a_task_that_ends_anyway_is_not_replaced_any_more_and_that_is_said() -> None:
    cell, task_ids = mixed_service()
    cell.scale(4)
    change = cell.said_last()[-1]
    assert isinstance(change, TaskChanged)
    assert (change.task_id, change.reason) == (task_ids[0], "scaledDown")
    cell.status(task_ids[0], "TASK_KILLED")
    assert len(cell.tasks()) == 4


def test_of_running_tasks_the_fullest_host_gives_up_its_oldest_one_by_one() -> None:
    cell = running_cell(hosts=0)
    cell.submit(service(7))
    for host, count in (("host1", 4), ("host2", 2), ("host3", 1)):
        cell.offer(host, cpus=count, memory_mib=256 * count)
        cell.launched()
    for task in cell.tasks():
        cell.status(task.task_id, "TASK_RUNNING")
    where = {task.number: cell.host_of(task.task_id) for task in cell.tasks()}
    assert list(where.values()) == [*["host1"] * 4, *["host2"] * 2, "host3"]
    # 4, 2, 1 tasks; then 3, 2, 1; then 2, 2, 1, where the oldest of all decides; then 1, 2, 1.
    for desired, gone in ((6, [1]), (5, [1, 2]), (4, [1, 2, 3]), (3, [1, 2, 3, 5])):
        again = CellInMemory()
        again.machine = cell.refolded()
        again.log, again.inbound = list(cell.log), dict(cell.inbound)
        again.now_ms, again.epoch = cell.now_ms, cell.epoch
        again.scale(desired)
        assert going(again) == gone


def test_a_task_out_of_reach_goes_before_one_that_runs() -> None:
    cell = running_cell(hosts=1)
    running, away = cell.run(service(2))
    cell.answer(away, "TASK_UNREACHABLE")
    assert isinstance(cell.task_state(away), Disconnected)
    cell.scale(1)
    assert going(cell) == [2]
    assert isinstance(cell.task_state(running), Started)


def test_kill_with_shrink_makes_the_service_smaller_by_that_task() -> None:
    cell = running_cell()
    first, second = cell.run(service(2, minimum=2))
    cell.kill_task(first, is_shrink=True)
    assert capacity(cell) == (1, 1, 100)
    assert going(cell) == [1]
    assert isinstance(cell.task_state(second), Started)
    assert cell.said(JobChanged)[-1].desired == 1
    cell.kill_task(first, is_shrink=True)
    assert capacity(cell) == (1, 1, 100), "the same wish again"


def test_kill_with_shrink_of_a_task_that_is_being_killed_shrinks_as_well() -> None:
    cell = running_cell()
    first, _ = cell.run(service(2))
    cell.kill_task(first)
    cell.kill_task(first, is_shrink=True)
    assert capacity(cell) == (0, 1, 100)
    assert going(cell) == [1]
    cell.status(first, "TASK_KILLED")
    assert [task.index for task in cell.tasks()] == [1]


def test_kill_with_shrink_of_what_has_ended_or_of_a_batch_job_shrinks_nothing() -> None:
    cell = running_cell()
    (task_id,) = cell.run(service(1))
    cell.status(task_id, "TASK_FAILED")
    cell.kill_task(task_id, is_shrink=True)
    assert capacity(cell) == (0, 1, 100)
    (in_batch,) = cell.run(batch(1), "batch")
    cell.kill_task(in_batch, is_shrink=True)
    (refusal,) = cell.said_last()
    assert isinstance(refusal, JobRejected)
    assert refusal.faults[0].field == "shrink"
    assert isinstance(cell.task_state(in_batch), Started)


def test_a_service_that_wants_no_tasks_does_not_shrink() -> None:
    cell = running_cell()
    (task_id,) = cell.run(service(1))
    cell.scale(0)
    cell.kill_task(task_id, is_shrink=True)
    (refusal,) = cell.said_last()
    assert isinstance(refusal, JobRejected)
    assert capacity(cell) == (0, 0, 100)


def test_scaling_keeps_everything_else_of_the_job() -> None:
    cell = running_cell()
    cell.submit(service(2))
    before = cell.state.jobs[JobId("job")]
    cell.scale(3)
    after = cell.state.jobs[JobId("job")]
    kind = Service(minimum=0, desired=3, maximum=100)
    spec = replace(before.spec, kind=kind)
    assert after == replace(before, spec=spec, next_number=4, open_indexes=3, version=2)


def spread_over_zones(*counts: tuple[str, str, int]) -> CellInMemory:
    """A service that runs so many tasks on each host, which is in a zone."""
    cell = running_cell(hosts=0)
    cell.submit(service(sum(count for _, _, count in counts)))
    for host, zone, count in counts:
        resources = Resources(count * 500, 256 * count, 10_000)
        facts = HostFacts(hostname=host, attributes=(("zone", zone),))
        cell.offers(Offer(OfferId(f"o-{host}"), HostId(host), resources, facts=facts))
        for task_id in cell.launched():
            cell.status(task_id, "TASK_RUNNING")
    return cell


def test_titus_of_equally_full_hosts_that_of_the_biggest_zone_gives_up_its_oldest() -> None:
    cell = spread_over_zones(("h1", "a", 1), ("h2", "b", 1), ("h3", "b", 1), ("h4", "c", 2))
    assert [task.number for task in cell.tasks()] == [1, 2, 3, 4, 5]
    # The fullest host is h4; then all have one, zone b two hosts: 2; then all zones have one: 1.
    for desired, gone in ((4, [4]), (3, [2, 4]), (2, [1, 2, 4])):
        cell.scale(desired)
        assert going(cell) == gone


def test_tasks_of_others_make_no_host_crowded() -> None:
    cell = spread_over_zones(("h1", "a", 1), ("h2", "a", 2))
    resources = Resources(8_000, 8_000, 10_000)
    cell.offers(Offer(OfferId("more"), HostId("h1"), resources, facts=None))
    cell.run(service(5), "other")
    cell.scale(2)
    assert going(cell) == [2], "of its own two it has more there"
