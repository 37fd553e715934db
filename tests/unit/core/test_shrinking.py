"""A kill that makes its service smaller: what happens to the bounds, and when it is refused.

How: tasks of a service in a cell in memory are killed with ``shrink``, and the bounds are read.
"""

import pytest

from scheduler.model.changes import JobRejected
from scheduler.model.ids import JobId, TaskId
from scheduler.model.inbound import TaskKillAsked
from scheduler.model.job import Service
from tests.support.cell import CellInMemory, running_cell, service


def shrink(cell: CellInMemory, task_id: TaskId, *, is_minimum_kept: bool = False) -> str:
    """Kill with shrink; the field of the refusal, or nothing."""
    cell.copy("jobs", TaskKillAsked(task_id, "ada", "", True, is_minimum_kept))
    said = [each for each in cell.said_last() if isinstance(each, JobRejected)]
    return said[0].faults[0].field if said else ""


def bounds(cell: CellInMemory) -> tuple[int, int]:
    kind = cell.state.jobs[JobId("job")].spec.kind
    assert isinstance(kind, Service)
    return kind.minimum, kind.desired


@pytest.mark.parametrize(
    ("minimum", "is_minimum_kept", "field", "wanted"),
    [
        (1, False, "", (1, 1)),
        (2, False, "", (1, 1)),
        (1, True, "", (1, 1)),
        (2, True, "preventMinSizeUpdate", (2, 2)),
    ],
)
def test_titus_a_minimum_that_is_kept_refuses_the_shrink(
    minimum: int, is_minimum_kept: bool, field: str, wanted: tuple[int, int]
) -> None:
    cell = running_cell()
    first, _ = cell.run(service(2, minimum=minimum))
    assert shrink(cell, first, is_minimum_kept=is_minimum_kept) == field
    assert bounds(cell) == wanted


def test_shrinks_go_down_to_none_and_never_below() -> None:
    cell = running_cell()
    task_ids = cell.run(service(2, minimum=2))
    for task_id in task_ids:
        assert shrink(cell, task_id) == ""
    assert bounds(cell) == (0, 0)
    for task_id in task_ids:
        assert shrink(cell, task_id) == "shrink"
    assert bounds(cell) == (0, 0)


def test_a_shrink_that_is_asked_for_twice_shrinks_once() -> None:
    cell = running_cell()
    first, _, _ = cell.run(service(3))
    assert shrink(cell, first) == ""
    assert shrink(cell, first) == ""
    assert bounds(cell) == (0, 2)


def test_without_the_wish_to_keep_it_the_flag_alone_is_no_shrink() -> None:
    cell = running_cell()
    (task_id,) = cell.run(service(1, minimum=1))
    cell.copy("jobs", TaskKillAsked(task_id, "ada", "", False, True))
    assert bounds(cell) == (1, 1)
    cell.status(task_id, "TASK_KILLED")
    assert cell.task().resubmit_of == task_id
