"""Tasks that may not share a host, a device or an interface: a state that says so halts the cell.

How: two tasks run on one host, which is fine; then the state is changed by hand, past the fold, and
the invariants must see it. The fold itself would never let it come to that.
"""

import pytest
from msgspec.structs import replace

from scheduler.invariants import check_everything
from scheduler.model.constraint import Constraint, ConstraintKind
from scheduler.model.ids import JobId, TaskId
from scheduler.model.task import Started
from tests.support.cell import CellInMemory, batch, running_cell

JOB = JobId("job")


def two_on_one_host() -> tuple[CellInMemory, list[TaskId]]:
    """A cell with one host and two tasks of one job on it."""
    cell = running_cell(hosts=1)
    return cell, cell.run(batch(2))


def give(cell: CellInMemory, task_id: TaskId, **things: object) -> None:
    """Give a running task scarce things, past the fold."""
    task = cell.state.tasks[task_id]
    assert isinstance(task.state, Started)
    place = replace(task.state.place, **things)
    cell.state.tasks[task_id] = replace(task, state=replace(task.state, place=place))


@pytest.mark.parametrize("kind", ["uniqueHost", "exclusiveHost"])
def test_two_tasks_where_one_may_be(kind: ConstraintKind) -> None:
    cell, _ = two_on_one_host()
    check_everything(cell.state)
    job = cell.state.jobs[JOB]
    container = replace(job.spec.container, hard_constraints=(Constraint(kind),))
    cell.state.jobs[JOB] = replace(job, spec=replace(job.spec, container=container))
    with pytest.raises(AssertionError, match=f"host1 breaks {kind} of job"):
        check_everything(cell.state)


def test_two_tasks_with_one_device() -> None:
    cell, (first, second) = two_on_one_host()
    give(cell, first, gpus=(0, 1))
    give(cell, second, gpus=(2,))
    check_everything(cell.state)
    give(cell, second, gpus=(1,))
    with pytest.raises(AssertionError, match="two tasks have one device of host1"):
        check_everything(cell.state)


def test_two_sets_of_groups_on_one_interface() -> None:
    cell, (first, _) = two_on_one_host()
    spec = batch(1, security_groups=("sg-1",))
    cell.offer("host1")
    (other,) = cell.run(spec, "other")
    give(cell, first, interface=0)
    give(cell, other, interface=1)
    check_everything(cell.state)
    give(cell, other, interface=0)
    with pytest.raises(AssertionError, match="an interface of host1 has two sets of groups"):
        check_everything(cell.state)
