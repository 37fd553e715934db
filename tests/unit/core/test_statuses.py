"""Updates of Mesos that come twice, late, or in any order: faults 7, 8, 9."""

import random

import pytest

from scheduler.model.changes import TaskChanged
from scheduler.model.ids import TaskId
from scheduler.model.mesos import MesosTaskState
from scheduler.model.policy import Policy
from scheduler.model.proposals import KillTask
from scheduler.model.task import Finished, Started
from tests.support.cell import CellInMemory, batch, running_cell

TASKS = 10_000
JOBS = 10
ENDS: tuple[MesosTaskState, ...] = ("TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_ERROR")


def test_an_update_repeated_a_hundred_times_is_one_entry() -> None:
    """Fault 7; each repetition is acknowledged by the connector, whatever the fold makes of it."""
    cell = running_cell()
    (task_id,) = cell.run(batch(1))
    entries = len([each for each in cell.said(TaskChanged) if each.task_id == task_id])
    before, state = cell.state.updates_without_news, cell.task_state(task_id)
    for _ in range(100):
        cell.status(task_id, "TASK_RUNNING")
    assert cell.task_state(task_id) is state
    assert len([each for each in cell.said(TaskChanged) if each.task_id == task_id]) == entries
    assert cell.state.updates_without_news == before + 100


def test_life_after_the_end_and_a_step_back_are_ignored_and_counted() -> None:
    """Fault 8."""
    cell = running_cell()
    ended, running = cell.run(batch(2))
    cell.status(ended, "TASK_FINISHED")
    before = cell.state.updates_without_news
    cell.status(ended, "TASK_RUNNING")
    cell.status(running, "TASK_STAGING")
    assert isinstance(cell.task_state(ended), Finished)
    assert isinstance(cell.task_state(running), Started)
    assert cell.state.updates_without_news == before + 2
    assert cell.proposed(KillTask) == []


def launched_cell() -> CellInMemory:
    """A cell that launched ten thousand tasks of which nothing was heard."""
    policy = Policy(
        launches_per_round_max=TASKS,
        finished_tasks_max=2 * TASKS,
        unstarted_tasks_per_job_max=TASKS,
    )
    cell = CellInMemory(policy)
    cell.records_a_check = 1_000_000
    cell.elect()
    cell.subscribe()
    for number in range(80):
        cell.offer(f"host{number}", 64, 65_536)
    for number in range(JOBS):
        cell.submit(batch(TASKS // JOBS), f"job{number}")
    assert len(cell.launched()) == TASKS
    return cell


@pytest.fixture(scope="module")
def ordered() -> dict[str, tuple[object, ...]]:
    """How every task and job ends when all is said in order."""
    cell = launched_cell()
    for update in updates(cell):
        cell.status(*update)
    return ends(cell)


def updates(cell: CellInMemory) -> list[tuple[TaskId, MesosTaskState]]:
    """A life and an end of every task, in order."""
    found: list[tuple[TaskId, MesosTaskState]] = []
    for number, task_id in enumerate(sorted(cell.state.tasks)):
        lives: tuple[MesosTaskState, ...] = ("TASK_STARTING", "TASK_RUNNING")
        found += [(task_id, each) for each in (*lives, ENDS[number % len(ENDS)])]
    return found


def ends(cell: CellInMemory) -> dict[str, tuple[object, ...]]:
    """What became of tasks and jobs."""
    state = cell.state
    found: dict[str, tuple[object, ...]] = {}
    for task_id, task in state.tasks.items():
        found[task_id] = task.state, task.resubmit_number
    for job_id, job in state.jobs.items():
        found[job_id] = job.state, job.reason, job.open_indexes
    return found


@pytest.mark.integration  # Ten thousand tasks.
def test_updates_of_ten_thousand_tasks_in_any_order_lead_to_the_same(
    ordered: dict[str, tuple[object, ...]],
) -> None:
    """Fault 9."""
    cell = launched_cell()
    shuffled = updates(cell)
    random.Random(1).shuffle(shuffled)
    for update in shuffled:
        cell.status(*update)
    assert ends(cell) == ordered
    cell.check()
