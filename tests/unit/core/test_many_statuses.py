"""Statuses of ten thousand tasks, in order and shuffled: the same end for each of them."""

import random
from itertools import cycle

from scheduler.model.ids import JobId, TaskId
from scheduler.model.mesos import MesosTaskState, StatusUpdate
from scheduler.model.task import Finished
from tests.support.cell import CellInMemory, batch

JOBS, TASKS_OF_A_JOB = 10, 1_000
COPIES_OF_A_RECORD = 1_000
ENDS: tuple[MesosTaskState, ...] = ("TASK_FINISHED", "TASK_FAILED", "TASK_LOST", "TASK_FINISHED")

Ends = dict[TaskId, str]


def launched() -> CellInMemory:
    """A cell in which ten thousand tasks have been launched and none was heard of."""
    cell = CellInMemory()
    cell.records_a_check = 1_000
    cell.elect()
    cell.subscribe()
    for number in range(100):
        cell.offer(f"host{number}", cpus=64, memory_mib=65_536, ports=(31_000, 31_999))
    for number in range(JOBS):
        cell.submit(batch(TASKS_OF_A_JOB), f"job-{number}")
    assert len(cell.launched()) == JOBS * TASKS_OF_A_JOB
    return cell


def told(cell: CellInMemory, shuffle: random.Random | None) -> tuple[Ends, dict[JobId, str]]:
    """How tasks and jobs ended, told of each task that it starts, runs and ends."""
    updates = [
        StatusUpdate(
            stream_id=cell.stream_id,
            task_id=task_id,
            state=state,
            uuid="dXVpZA==",
            host_id=cell.host_of(task_id),
        )
        for task_id, end in zip(sorted(cell.state.tasks), cycle(ENDS), strict=False)
        for state in ("TASK_STARTING", "TASK_RUNNING", end)
    ]
    first = {each.task_id for each in updates}
    if shuffle is not None:
        shuffle.shuffle(updates)
    for begin in range(0, len(updates), COPIES_OF_A_RECORD):
        cell.copy("mesos", *updates[begin : begin + COPIES_OF_A_RECORD])
    cell.check()
    ends: Ends = {task_id: cell.is_in(task_id, Finished).reason for task_id in first}
    return ends, {job_id: job.state for job_id, job in cell.state.jobs.items()}


def test_ten_thousand_tasks_end_as_they_would_have_in_order() -> None:
    in_order = told(launched(), None)
    assert set(in_order[0].values()) == {"normal", "failed", "lost"}
    assert told(launched(), random.Random(1)) == in_order
