"""What keeps a task from being evicted, in words, and what a count of quotas takes into account."""

from msgspec.structs import replace

from scheduler.disruption.quotas import UNLIMITED, Quotas
from scheduler.model.disruption import DisruptionBudget, Relocations
from scheduler.model.ids import JobId, TaskId
from tests.support.cell import CellInMemory, batch, running_cell, service

SVC = JobId("svc")


def running(budget: DisruptionBudget | None, tasks: int = 2) -> tuple[CellInMemory, list[TaskId]]:
    """A cell in which a service runs, judged since long enough for evictions."""
    cell = running_cell(1)
    found = cell.run(replace(service(tasks), budget=budget), "svc")
    for task_id in found:
        cell.status(task_id, "TASK_RUNNING")
    cell.pass_ms(120_000)
    return cell, found


def test_what_does_not_run_and_what_is_ended_cannot_be_evicted() -> None:
    cell, (first, *_) = running(None)
    cell.submit(batch(1), "waits")
    (waiting,) = cell.tasks("waits")
    quota = Quotas(cell.state).task(waiting)
    assert (quota.count, quota.message) == (
        0,
        f"task {waiting.task_id} does not run, or is being ended",
    )
    assert Quotas(cell.state).task(cell.state.tasks[first]).count == 1
    cell.kill_task(first)
    assert Quotas(cell.state).task(cell.state.tasks[first]).count == 0


def test_moves_of_each_task_are_counted_for_a_job_and_for_others() -> None:
    none_left = DisruptionBudget(policy=Relocations(0))
    cell, (first, *_) = running(none_left)
    task = cell.state.tasks[first]
    quotas = Quotas(cell.state)
    text = "it was moved 0 times already, and its job allows 0"
    assert (quotas.task(task).limit, quotas.task(task).message) == ("relocationLimit", text)
    assert quotas.job(SVC).message == "no task that runs was moved less than 0 times"
    assert (quotas.for_others(task).count, quotas.job_for_others(SVC)) == (0, 0)
    once = DisruptionBudget(policy=Relocations(1))
    cell, (first, *_) = running(once)
    quotas = Quotas(cell.state)
    assert (quotas.job(SVC).count, quotas.job_for_others(SVC)) == (2, 2)
    assert quotas.for_others(cell.state.tasks[first]).count == 1


def test_a_job_without_a_budget_is_protected_from_others_by_the_cells_alone() -> None:
    cell, (first, *_) = running(None)
    quotas = Quotas(cell.state)
    assert quotas.for_others(cell.state.tasks[first]).count == 1
    assert quotas.job_for_others(SVC) == UNLIMITED


def test_a_job_of_one_task_may_always_be_moved() -> None:
    cell, (_,) = running(None, tasks=1)
    quota = Quotas(cell.state).job(SVC)
    assert (quota.count, quota.message) == (1, "a job of one task may always be moved")
