"""However scalings, shrinking kills, moves and ends race, a service's size is what it wants.

How: hypothesis makes orders to two services of a cell in memory; after each record every invariant
is checked, among them that bounds are in order, never negative, and that there are as many tasks
as are wanted. What was refused must have changed nothing.
"""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.model.changes import JobRejected
from scheduler.model.ids import JobId, TaskId
from scheduler.model.inbound import JobScaleAsked, TaskKillAsked
from scheduler.model.job import Service
from scheduler.model.job_requests import JobProcessesAsked, TaskMoveAsked
from scheduler.model.task import Finished, KillInitiated
from tests.support.cell import CellInMemory, running_cell, service

JOBS = (JobId("a"), JobId("b"))
BOUND = st.one_of(st.none(), st.integers(0, 6))
ORDERS = st.one_of(
    st.tuples(st.just("scale"), st.sampled_from(JOBS), BOUND, BOUND, BOUND),
    st.tuples(st.just("kill"), st.integers(0, 9), st.booleans(), st.booleans()),
    st.tuples(st.just("end"), st.integers(0, 9), st.sampled_from(["TASK_FAILED", "TASK_KILLED"])),
    st.tuples(st.just("move"), st.integers(0, 9), st.booleans()),
    st.tuples(st.just("switch"), st.sampled_from(JOBS), st.booleans(), st.booleans()),
    st.tuples(st.just("run")),
)


def some_task(cell: CellInMemory, choice: int) -> TaskId:
    """One of the tasks that were ever there."""
    there = sorted(cell.state.tasks)
    return there[choice % len(there)] if there else TaskId("a-worker-0-1")


def carry_out(cell: CellInMemory, order: Any) -> None:
    """Do what the order says."""
    match order:
        case ("scale", job_id, desired, minimum, maximum):
            cell.copy("jobs", JobScaleAsked(job_id, desired, minimum, maximum))
        case ("kill", choice, is_shrink, is_minimum_kept):
            body = TaskKillAsked(some_task(cell, choice), "ada", "", is_shrink, is_minimum_kept)
            cell.copy("jobs", body)
        case ("end", choice, state):
            cell.status(some_task(cell, choice), state)
        case ("move", choice, is_forth):
            source, target = JOBS if is_forth else JOBS[::-1]
            cell.copy("jobs", TaskMoveAsked(some_task(cell, choice), source, target))
        case ("switch", job_id, up, down):
            cell.copy("jobs", JobProcessesAsked(job_id, up, down))
        case _:
            cell.tick(40_000)
            cell.offer("host9", cpus=16)
            for task_id in cell.launched():
                cell.status(task_id, "TASK_RUNNING")


@settings(max_examples=60, deadline=None)
@given(st.lists(ORDERS, max_size=40))
def test_a_service_has_as_many_tasks_as_it_wants_whatever_races(orders: list[Any]) -> None:
    cell = running_cell(hosts=2, cpus=16)
    for job_id in JOBS:
        cell.run(service(2, maximum=6, minimum=1), job_id)
    for order in orders:
        before = {job_id: cell.state.jobs[job_id] for job_id in JOBS}
        carry_out(cell, order)
        if any(isinstance(each, JobRejected) for each in cell.said_last()):
            assert {job_id: cell.state.jobs[job_id] for job_id in JOBS} == before
        for job_id in JOBS:
            kind = cell.state.jobs[job_id].spec.kind
            assert isinstance(kind, Service)
            assert 0 <= kind.minimum <= kind.desired <= kind.maximum
    assert cell.refolded().digest.value() == cell.machine.digest.value()
    settle(cell)
    for job_id in JOBS:
        assert len(cell.tasks(job_id)) == cell.state.jobs[job_id].spec.desired


def settle(cell: CellInMemory) -> None:
    """Let every task that is to end have ended."""
    cell.decide_and_carry_out()
    for task_id, task in sorted(cell.state.tasks.items()):
        if isinstance(task.state, KillInitiated):
            cell.status(task_id, "TASK_KILLED")
            assert isinstance(cell.task_state(task_id), Finished)
