"""How many tasks of a job wait for a host or start at once, and who goes on when one has started.

How: the limit is set to a few in a cell in memory; offers are plenty. After each record it is
checked that nobody is held back below the limit, see `tests.support.derived`.
"""

import pytest
from msgspec.structs import replace

from scheduler.digest import Digest
from scheduler.model.changes import ProposalRefused
from scheduler.model.ids import HostId, JobId, TaskId
from scheduler.model.job import RetryPolicy
from scheduler.model.policy import Policy
from scheduler.model.proposals import Launch, LaunchTasks
from scheduler.model.task import Finished, Queued
from tests.support.cell import CellInMemory, batch, running_cell, service

JOB = JobId("job")


def limited(most: int = 3) -> CellInMemory:
    """A cell with room for all, where so many tasks of a job may start at once."""
    return running_cell(hosts=4, policy=Policy(unstarted_tasks_per_job_max=most), cpus=16)


def numbers(task_ids: list[TaskId]) -> list[int]:
    return [int(each.rsplit("-", 1)[1]) for each in task_ids]


def test_titus_three_hundred_tasks_of_a_job_start_at_once() -> None:
    assert Policy().unstarted_tasks_per_job_max == 300


def test_the_next_task_goes_on_when_one_has_started_and_in_order() -> None:
    cell = limited()
    cell.submit(batch(6))
    first = cell.launched()
    assert numbers(first) == [1, 2, 3]
    assert cell.launched() == []
    cell.status(first[0], "TASK_STARTING")
    assert cell.launched() == [], "it has not started"
    cell.status(first[0], "TASK_RUNNING")
    assert numbers(cell.launched()) == [4]
    cell.status(first[1], "TASK_FINISHED")
    assert numbers(cell.launched()) == [5]
    assert len(cell.tasks()) == 6, "all are there to be seen"


def test_jobs_do_not_wait_for_each_other() -> None:
    cell = limited(2)
    cell.submit(batch(5))
    cell.submit(service(5), "other")
    assert len(cell.launched()) == 4


def test_delayed_retries_count_against_the_limit() -> None:
    cell = limited(2)
    slow = RetryPolicy("delayed", 9, 60_000, 60_000)
    cell.submit(replace(batch(4), retry=slow))
    for task_id in cell.launched():
        cell.status(task_id, "TASK_FAILED")
    # Both places are the retries' of the first two: the others were let go on before.
    assert cell.state.unstarted == {JOB: 2}
    assert numbers(cell.launched()) == [3, 4]
    cell.tick(60_000)
    assert cell.launched() == [], "the retries are held back behind those"


def test_a_retry_that_was_held_back_still_waits_its_own_time() -> None:
    cell = limited(1)
    slow = RetryPolicy("delayed", 9, 60_000, 60_000)
    cell.submit(replace(batch(2), retry=slow))
    (first,) = cell.launched()
    cell.status(first, "TASK_RUNNING")
    (second,) = cell.launched()
    cell.status(first, "TASK_FAILED")
    assert numbers([cell.task(0).task_id]) == [3]
    cell.status(second, "TASK_RUNNING")
    assert cell.launched() == []
    cell.tick(59_999)
    assert cell.launched() == []
    cell.tick(1)
    assert numbers(cell.launched()) == [3]


def test_when_everything_fails_at_once_no_more_than_the_limit_come_again() -> None:
    cell = limited(3)
    cell.submit(service(9))
    running: list[TaskId] = []
    while len(running) < 9:
        for task_id in cell.launched():
            cell.status(task_id, "TASK_RUNNING")
            running.append(task_id)
    for task_id in running:
        cell.status(task_id, "TASK_FAILED")
    cell.offer("host9", cpus=16)
    cell.tick(1_000)
    assert len(cell.launched()) == 3
    assert cell.refolded().digest.value() == cell.machine.digest.value()


def test_a_held_task_that_is_killed_makes_no_room_and_a_killed_job_ends() -> None:
    cell = limited(2)
    cell.submit(service(5))
    held = cell.task(4).task_id
    cell.kill_task(held, is_shrink=True)
    assert isinstance(cell.task_state(held), Finished)
    assert len(cell.launched()) == 2
    cell.kill_job()
    assert cell.state.held == {}
    assert {type(cell.task_state(each.task_id)).__name__ for each in cell.tasks()} == {
        "Finished",
        "KillInitiated",
    }


def test_another_limit_lets_more_go_on_at_once_and_a_lower_one_takes_nothing_back() -> None:
    cell = limited(1)
    cell.submit(batch(6))
    assert len(cell.launched()) == 1
    cell.set_policy(unstarted_tasks_per_job_max=4)
    assert len(cell.launched()) == 3
    cell.set_policy(unstarted_tasks_per_job_max=1)
    assert cell.state.unstarted == {JOB: 4}


def test_a_gang_larger_than_the_limit_still_starts_whole() -> None:
    cell = limited(2)
    cell.submit(replace(batch(4), attributes=(("flumina.gang", "g"),)))
    assert len(cell.launched()) == 4


def test_one_that_is_let_go_on_is_one_entity_of_the_digest_however_many_are_held() -> None:
    cell = limited(2)
    cell.submit(batch(50))
    first = cell.launched()[0]
    cell.machine.digest.value()
    cell.status(first, "TASK_RUNNING")
    assert cell.state.dirty["held"] == {cell.task(2).task_id}
    value, anew = cell.machine.digest.value(), Digest(cell.state)
    anew.forget()
    assert anew.value() == value
    del cell.state.held[JOB][cell.task(3).task_id]
    anew.forget()
    assert anew.value() != value, "who is held back decides who is placed"


@pytest.mark.parametrize("fate", ["refused", "unknown"])
def test_a_launch_that_came_to_nothing_keeps_its_place(fate: str) -> None:
    cell = limited(2)
    cell.submit(batch(4))
    cell.decide_and_carry_out(fate)  # type: ignore[arg-type]
    assert cell.state.unstarted[JOB] <= 2
    assert sum(isinstance(each.state, Queued) for each in cell.tasks()) >= 2


def test_a_held_task_is_launched_by_no_proposal() -> None:
    cell = limited(1)
    cell.submit(batch(2))
    held = cell.task(1).task_id
    offer_id = cell.offer("host9", cpus=16)
    launch = LaunchTasks(HostId("host9"), (offer_id,), (Launch(held, ()),))
    cell.write(launch)
    (refusal,) = cell.said(ProposalRefused)
    assert refusal.why == f"task {held} waits until fewer tasks of its job have yet to start"
    assert isinstance(cell.task_state(held), Queued)
