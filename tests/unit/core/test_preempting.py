"""The fold looks at each preemption that a round proposes: what it refuses, how it counts."""

from msgspec.structs import replace

from scheduler.fold.preemption import preemptions_left, preemptions_left_of
from scheduler.model.changes import ProposalRefused
from scheduler.model.disruption import DisruptionBudget, Relocations
from scheduler.model.ids import HostId, JobId, TaskId
from scheduler.model.policy import Policy
from scheduler.model.proposals import PreemptTask
from scheduler.model.resources import Need
from scheduler.model.rules import Guards
from scheduler.model.task import KillInitiated
from tests.support.cell import CellInMemory, batch, running_cell, service

LARGE = Need(cpu_milli=64_000, memory_mib=64)
VIP = JobId("vip")


def cell_with(guards: Guards, tasks: int = 4) -> tuple[CellInMemory, list[TaskId]]:
    """A cell in which some tasks run, and a job waits that fits nowhere."""
    policy = Policy()
    cell = running_cell(1, replace(policy, placement=replace(policy.placement, guards=guards)))
    running = cell.run(service(tasks), "flex")
    for task_id in running:
        cell.status(task_id, "TASK_RUNNING")
    cell.submit(batch(1, need=LARGE), "vip")
    cell.launched()
    return cell, running


def preempt(cell: CellInMemory, task_id: TaskId, for_job: JobId = VIP, host: str = "host1") -> str:
    """Why the preemption is refused; empty where it is carried out."""
    cell.write(PreemptTask(task_id, HostId(host), for_job, "room"))
    return "; ".join(each.why for each in cell.said_last() if isinstance(each, ProposalRefused))


def test_what_does_not_run_there_for_whom_nobody_waits_and_ones_own() -> None:
    cell, (first, *_) = cell_with(Guards())
    assert preempt(cell, TaskId("none-w-0-1")) == "task none-w-0-1 does not run, or is being ended"
    assert preempt(cell, first, host="host2") == f"task {first} is on host host1"
    assert preempt(cell, first, JobId("none")) == "no task of job none waits for a host"
    cell.submit(service(5, need=LARGE), "own")
    cell.scale(desired=9, job_id="flex")
    assert preempt(cell, first, JobId("flex")) == "a job does not end its own tasks"
    assert preempt(cell, first) == ""
    ended = cell.is_in(first, KillInitiated)
    assert (ended.reason, ended.message) == ("evicted", "placement: for job vip: room")
    assert preempt(cell, first) == f"task {first} does not run, or is being ended"


def test_budgets_of_the_cell_and_of_a_job_are_for_an_hour() -> None:
    of_job, of_cell = Guards(preemptions_per_job_per_hour=1), Guards(preemptions_per_hour=1)
    for guards, words in (
        (of_job, "job flex has lost 1 tasks to others within an hour"),
        (of_cell, "the budget of 1 preemptions an hour is used up"),
    ):
        cell, (first, second, *_) = cell_with(guards)
        assert preempt(cell, first) == ""
        assert preempt(cell, second) == words
        left = (preemptions_left(cell.state), preemptions_left_of(cell.state, JobId("flex")))
        assert 0 in left
        cell.pass_ms(3_600_000)
        assert preempt(cell, second) == ""


def test_a_jobs_own_budget_holds_against_others() -> None:
    cell = running_cell(1)
    budget = DisruptionBudget(policy=Relocations(0))
    first, _ = cell.run(replace(service(2), budget=budget), "flex")
    for task in cell.tasks("flex"):
        cell.status(task.task_id, "TASK_RUNNING")
    cell.submit(batch(1, need=LARGE), "vip")
    cell.launched()
    assert preempt(cell, first) == (
        "its job's disruption budget: it was moved 0 times already, and its job allows 0"
    )
