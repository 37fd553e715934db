"""Histories of what the fold has forgotten stay few, however many tasks go by in one record.

A cell in memory runs jobs of some hundred tasks, one after the other, beside a job of which all
tasks but one have ended: those the fold still knows, and they stand in the way of the others.
"""

from contextlib import nullcontext

import pytest

from projections.cell_view import CellView
from projections.failover.cell import STREAM, DrillCell
from scheduler.model.codec import RECORD_VERSION
from scheduler.model.events import CellEvent, CellRecord
from scheduler.model.ids import JobId, TaskId
from scheduler.model.inbound import OffersChanged
from scheduler.model.mesos import MesosTaskState, StatusUpdate
from scheduler.model.policy import Policy
from scheduler.model.resources import Resources
from scheduler.model.task import place_of
from tests.support.cell import batch, offer_of, submission

BEYOND = 10
LONG = 600
SHORT = 200
CYCLES = 8


class ViewedCell(DrillCell):
    """Every record is folded by a view as well."""

    def __init__(self) -> None:
        self.view = CellView()
        policy = Policy(finished_jobs_max=1, unstarted_tasks_per_job_max=LONG)
        super().__init__(policy, 1_700_000_000_000, nullcontext)

    def write(self, *events: CellEvent) -> int:
        """Append one record and fold it twice."""
        record = CellRecord(RECORD_VERSION, self._epoch, self.now_ms, events)
        offset = super().write(*events)
        self.view.apply(offset, record)
        return offset

    def run(self, job_id: str, size: int) -> list[TaskId]:
        """Submit a job and launch all of it, a hundred tasks on each host."""
        self.copy("jobs", [submission(batch(size), job_id)])
        resources = Resources(cpu_milli=50_000, memory_mib=25_600, disk_mib=1_000)
        offers = tuple(
            offer_of(f"offer-{job_id}-{number}", f"host-{job_id}-{number}", resources)
            for number in range(size // 100)
        )
        self.copy("mesos", [OffersChanged(STREAM, self.next_offset("mesos"), offers)])
        self.decide()
        return list(self.state.indexes[JobId(job_id)].values())

    def say(self, task_ids: list[TaskId], state: MesosTaskState) -> None:
        """Mesos says this of all of them, in as few records as it can."""
        self.copy("mesos", [self._update(each, state) for each in task_ids])

    def _update(self, task_id: TaskId, state: MesosTaskState) -> StatusUpdate:
        place = place_of(self.state.tasks[task_id].state)
        assert place is not None
        uuid = f"{task_id}-{state}"
        return StatusUpdate(STREAM, task_id, state, host_id=place.host_id, uuid=uuid)


def test_what_the_fold_has_forgotten_is_soon_forgotten_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("projections.histories.TASKS_BEYOND_FOLD_MAX", BEYOND)
    cell = ViewedCell()
    long = cell.run("long", LONG)
    cell.say(long, "TASK_RUNNING")
    cell.say(long[:-1], "TASK_FINISHED")
    for number in range(CYCLES):
        task_ids = cell.run(f"short{number}", SHORT)
        assert len(task_ids) == SHORT
        cell.say(task_ids, "TASK_FINISHED")
        cell.tick()
        cell.tick()

    tasks, histories = cell.state.tasks, cell.view.timeline.histories
    assert len(tasks) == LONG + SHORT
    assert len(histories.tasks) - len(tasks) <= BEYOND
    assert set(long) <= histories.tasks.keys()
    assert histories.tasks_dropped >= (CYCLES - 1) * SHORT - BEYOND
