"""What replaces an ended task, after how long, and whose budget it uses."""

from typing import Any

import pytest
from msgspec.structs import replace

from scheduler.model.ids import JobId, TaskId
from scheduler.model.job import Batch, JobSpec, RetryPolicy
from scheduler.model.task import Finished, KillInitiated, Queued, Task
from tests.support.cell import CellInMemory, batch, running_cell, service

DELAYED = RetryPolicy(kind="delayed", retries=100, delay_ms=7_000, delay_ms_max=7_000)
DOUBLING = RetryPolicy(kind="exponentialBackOff", retries=100, delay_ms=2_000, delay_ms_max=15_000)


def delay_of(task: Task) -> int:
    """How long the task waits for its retry."""
    assert isinstance(task.state, Queued)
    return task.state.ready_at_ms - task.state.since_ms


def again(cell: CellInMemory) -> TaskId:
    """The replacement, once its delay is over and it runs."""
    cell.pass_ms(delay_of(cell.task()))
    cell.offer("host9")
    (task_id,) = cell.launched()
    cell.status(task_id, "TASK_RUNNING")
    return task_id


def delays(spec: JobSpec, ends: list[Any]) -> list[int]:
    """The delays of a job's replacements when its tasks end like this, one after another."""
    cell = running_cell()
    (task_id,) = cell.run(spec)
    found = []
    for state in ends:
        cell.status(task_id, state)
        found.append(delay_of(cell.task()))
        task_id = again(cell)
    return found


@pytest.mark.parametrize(
    ("spec", "ends", "wanted"),
    [
        # Titus: the longer of the policy's delay and the system's own, from 1 s to 30 s.
        (batch(1, retries=9), ["TASK_FAILED"] * 3, [1_000, 2_000, 4_000]),
        (replace(batch(1), retry=DELAYED), ["TASK_FAILED"] * 3, [7_000, 7_000, 7_000]),
        (
            replace(batch(1), retry=DOUBLING),
            ["TASK_FAILED"] * 5,
            [2_000, 4_000, 8_000, 15_000, 16_000],
        ),
        (
            replace(batch(1), retry=DOUBLING),
            ["TASK_LOST"] * 7,
            [2_000, 4_000, 8_000, 15_000, 16_000, 30_000, 30_000],
        ),
        # One row, whoever is to blame.
        (
            replace(batch(1), retry=DOUBLING),
            ["TASK_FAILED", "TASK_LOST", "TASK_FAILED", "TASK_LOST"],
            [2_000, 4_000, 8_000, 15_000],
        ),
        (service(1), ["TASK_FINISHED", "TASK_FAILED", "TASK_LOST"], [1_000, 2_000, 4_000]),
    ],
)
def test_delays(spec: JobSpec, ends: list[Any], wanted: list[int]) -> None:
    assert delays(spec, ends) == wanted


def test_a_task_that_ran_for_five_minutes_begins_its_back_off_anew() -> None:
    cell = running_cell()
    (task_id,) = cell.run(replace(batch(1), retry=DOUBLING))
    cell.status(task_id, "TASK_FAILED")
    task_id = again(cell)
    cell.status(task_id, "TASK_FAILED")
    assert delay_of(cell.task()) == 4_000
    task_id = again(cell)
    cell.pass_ms(299_999)
    cell.status(task_id, "TASK_FAILED")
    assert delay_of(cell.task()) == 8_000
    task_id = again(cell)
    cell.pass_ms(300_000)
    cell.status(task_id, "TASK_FAILED")
    assert delay_of(cell.task()) == 2_000


def test_five_minutes_are_counted_also_where_it_was_killed_or_out_of_reach_at_the_end() -> None:
    for last in ("kill", "unreachable"):
        cell = running_cell()
        (task_id,) = cell.run(replace(service(1), retry=DOUBLING))
        cell.status(task_id, "TASK_FAILED")
        task_id = again(cell)
        cell.pass_ms(300_000)
        if last == "kill":
            cell.kill_task(task_id)
            cell.status(task_id, "TASK_KILLED")
        else:
            cell.answer(task_id, "TASK_UNREACHABLE")
            cell.pass_ms(60_000)
        assert cell.task().user_failures_in_a_row == (last == "kill")


def test_the_replacement_waits_for_its_delay_and_then_is_placed_without_any_other_event() -> None:
    cell = running_cell()
    (task_id,) = cell.run(replace(batch(1), retry=DELAYED))
    cell.offer("host9")
    cell.status(task_id, "TASK_FAILED")
    replacement = cell.task().task_id
    assert cell.launched() == []
    cell.tick(6_999)
    assert cell.launched() == []
    cell.tick(1)
    assert cell.launched() == [replacement]


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_a_batch_index_is_retried_as_often_as_its_policy_says(retries: int) -> None:
    cell = running_cell()
    (task_id,) = cell.run(batch(1, retries=retries))
    for count in range(retries):
        cell.status(task_id, "TASK_FAILED")
        assert cell.task().number == count + 2
        task_id = again(cell)
    cell.status(task_id, "TASK_FAILED")
    assert isinstance(cell.task_state(task_id), Finished)
    assert cell.state.jobs[JobId("job")].state == "Finished"


@pytest.mark.parametrize("state", ["TASK_LOST", "TASK_GONE", "TASK_DROPPED"])
def test_ends_that_are_the_systems_fault_never_use_the_budget(state: Any) -> None:
    cell = running_cell()
    (task_id,) = cell.run(batch(1, retries=1))
    for _ in range(5):
        cell.status(task_id, state)
        task_id = again(cell)
    task = cell.task()
    assert (task.resubmit_number, task.system_resubmit_number) == (5, 5)
    cell.status(task_id, "TASK_FAILED")
    task_id = again(cell)
    cell.status(task_id, "TASK_FAILED")
    assert cell.state.jobs[JobId("job")].state == "Finished"


def test_a_stuck_task_never_uses_the_budget() -> None:
    cell = running_cell()
    cell.submit(batch(1))
    (task_id,) = cell.launched()
    cell.pass_ms(330_000)
    assert cell.is_in(task_id, KillInitiated).reason == "stuckInState"
    cell.status(task_id, "TASK_KILLED")
    assert cell.task().resubmit_of == task_id
    assert cell.task().system_resubmit_number == 1


def test_a_replacement_keeps_index_and_origin_and_takes_the_jobs_next_number() -> None:
    cell = running_cell()
    first, second = cell.run(batch(2, retries=9))
    cell.status(second, "TASK_FAILED")
    cell.status(first, "TASK_FAILED")
    assert [task.task_id for task in cell.tasks()] == ["job-worker-0-4", "job-worker-1-3"]
    task = cell.task(1)
    assert (task.original_id, task.resubmit_of, task.resubmit_number) == (second, second, 1)
    cell.pass_ms(1_000)
    cell.offer("host9")
    for task_id in cell.launched():
        cell.status(task_id, "TASK_FAILED")
    task = cell.task(1)
    assert task.original_id == second
    assert (task.resubmit_of, task.resubmit_number) == ("job-worker-1-3", 2)


def test_an_index_that_ended_well_is_done_for_good() -> None:
    cell = running_cell()
    first, second = cell.run(batch(2, retries=9))
    cell.status(first, "TASK_FINISHED")
    cell.status(second, "TASK_FAILED")
    assert cell.task(0).task_id == first
    assert cell.state.jobs[JobId("job")].open_indexes == 1


def limited(*, is_retried: bool, retries: int = 0) -> JobSpec:
    """A batch job whose task may run for ten seconds."""
    kind = Batch(size=1, runtime_limit_ms=10_000, is_retried_on_runtime_limit=is_retried)
    return replace(batch(1, retries=retries), kind=kind)


@pytest.mark.parametrize(
    ("spec", "is_replaced"),
    [
        (limited(is_retried=False, retries=5), False),
        (limited(is_retried=True, retries=1), True),
        (limited(is_retried=True, retries=0), False),
    ],
)
def test_a_runtime_limit_ends_the_task_and_is_retried_only_where_asked(
    spec: JobSpec, is_replaced: bool
) -> None:
    cell = running_cell()
    (task_id,) = cell.run(spec)
    cell.tick(9_999)
    assert cell.proposed(object) == []
    cell.tick(1)
    assert cell.is_in(task_id, KillInitiated).reason == "runtimeLimitExceeded"
    cell.status(task_id, "TASK_KILLED")
    assert (cell.task().resubmit_of == task_id) == is_replaced
    if not is_replaced:
        assert cell.state.jobs[JobId("job")].reason == "runtimeLimitExceeded"


def test_a_service_has_no_runtime_limit() -> None:
    cell = running_cell()
    (task_id,) = cell.run(service(1))
    before = cell.task_state(task_id)
    cell.tick(59_000, times=300)
    assert cell.task_state(task_id) is before


def test_a_retry_waits_without_rounds_being_written() -> None:
    cell = running_cell()
    (task_id,) = cell.run(replace(batch(1), retry=DELAYED))
    cell.offer("host9")
    cell.status(task_id, "TASK_FAILED")
    cell.decide_and_carry_out()
    assert cell.machine.decide() == ()
