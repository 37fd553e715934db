"""Relocation as it is shown: plans and what was tried, by job, task, application and group."""

from msgspec.structs import replace

from projections.disruption import (
    Wanted,
    execution_of,
    executions,
    hosts_to_empty,
    plan_json,
    plan_of,
    plans,
)
from scheduler.model.disruption import DisruptionBudget, RelocationPlan, SelfManaged
from scheduler.model.ids import HostId, JobId, TaskId
from scheduler.model.inbound import HostOrdered
from scheduler.model.job_requests import TaskAttributesAsked
from tests.support.cell import service
from tests.unit.projections.watched import WatchedCell, watched_cell

PATIENT = DisruptionBudget(SelfManaged(600_000))


def drain(cell: WatchedCell, standing: str = "draining") -> None:
    """An operator empties the host, or lets it be used again; the next look has passed."""
    order = HostOrdered(HostId("host1"), standing, "op", "new kernel")  # type: ignore[arg-type]
    cell.copy("commands", order)
    cell.tick(10_000, times=16)


def drained() -> WatchedCell:
    """A host that is drained, with two jobs whose owners have time."""
    cell = watched_cell()
    cell.tick(15_000)
    cell.run(replace(service(2), budget=PATIENT, application_name="shop"), "shop")
    cell.offer("host1")
    cell.run(replace(service(1), budget=PATIENT, capacity_group="G"), "tools")
    drain(cell)
    return cell


def planned(cell: WatchedCell, wanted: Wanted) -> list[str]:
    """The tasks whose plans are wanted."""
    return [each["taskId"] for each in plans(cell.view, wanted)]


def test_plans_are_found_by_job_task_application_and_group() -> None:
    cell = drained()
    first, second = (each.task_id for each in cell.tasks("shop"))
    (tool,) = (each.task_id for each in cell.tasks("tools"))
    for wanted, found in (
        (Wanted(), [first, second, tool]),
        (Wanted(job_ids=("tools", "none")), [tool]),
        (Wanted(task_ids=(second, tool)), [second, tool]),
        (Wanted(job_ids=("shop",), task_ids=(second, tool)), [second]),
        (Wanted(application="shop"), [first, second]),
        (Wanted(group="G"), [tool]),
        (Wanted(application="shop", group="G"), []),
    ):
        assert planned(cell, wanted) == found, wanted


def test_a_plan_of_a_task_that_is_on_no_host_names_none() -> None:
    cell = watched_cell()
    gone = RelocationPlan(TaskId("t"), JobId("j"), "taskMarked", "it is marked", 5, 7)
    assert plan_json(cell.view, gone) == {
        "taskId": "t",
        "reasonCode": "taskMarked",
        "reasonMessage": "it is marked",
        "decisionTime": 5,
        "relocationTime": 7,
        "flumina.jobId": "j",
        "flumina.immediate": False,
        "flumina.attempts": 0,
    }
    assert plan_of(cell.view, TaskId("t")) is None


def test_a_plan_that_is_over_without_us_has_no_success() -> None:
    cell = drained()
    (tool,) = (each.task_id for each in cell.tasks("tools"))
    shown = plan_of(cell.view, tool)
    assert shown is not None
    assert (shown["flumina.hostname"], shown["reasonCode"]) == ("name-of-host1", "hostDraining")
    assert execution_of(cell.view, tool) is None
    drain(cell, "enabled")
    over = execution_of(cell.view, tool)
    assert over is not None
    assert over["relocationAttempts"] == []
    assert over["flumina.end"] == "it need not leave its host any more"
    assert over["taskRelocationPlan"]["taskId"] == tool
    assert over in executions(cell.view, Wanted(group="G"))
    assert executions(cell.view, Wanted(job_ids=("other",))) == []


def test_a_task_that_is_marked_by_itself_empties_no_host() -> None:
    cell = watched_cell()
    cell.tick(15_000)
    (task_id,) = cell.run(replace(service(1), budget=PATIENT))
    mark = (("titus.relocation.required", "true"),)
    cell.copy("jobs", TaskAttributesAsked(task_id, mark))
    cell.tick(10_000, times=16)
    assert cell.state.plans[task_id].reason == "taskMarked"
    assert hosts_to_empty(cell.view) == []
    drain(cell)
    (host,) = hosts_to_empty(cell.view)
    assert (host["hostId"], host["tasks"], host["isEmpty"]) == ("host1", 1, False)
    assert host["why"] == "op: new kernel"
