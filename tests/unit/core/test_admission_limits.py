"""What a cell gives a task at least and at most, and names of which there is one.

How: jobs are submitted to a cell in memory under a policy, and what became of them is looked at.
"""

from typing import Any

import pytest
from msgspec.structs import replace

from scheduler.fold.admission import update_faults
from scheduler.model.changes import JobAccepted, JobRejected
from scheduler.model.ids import JobId
from scheduler.model.inbound import JobScaleAsked
from scheduler.model.job import JobSpec
from scheduler.model.job_updates import UpdatePlan
from scheduler.model.policy import Policy
from scheduler.model.resources import Need
from scheduler.model.rules import CapacityGroup, PlacementRules
from tests.support.cell import CellInMemory, batch, running_cell, service, submission

AS_TITUS = Policy(
    task_cpu_milli_min=1_000,
    task_disk_mib_min=10_000,
    task_network_mbps_min=128,
    task_memory_mib_min=512,
)


def refused_fields(cell: CellInMemory) -> list[str]:
    (refusal,) = cell.said(JobRejected)
    return [fault.field for fault in refusal.faults]


def test_nothing_is_raised_unless_the_policy_says_so() -> None:
    cell = running_cell()
    cell.submit(batch(1))
    assert cell.state.jobs[JobId("job")].spec == batch(1)


def test_titus_cpu_disk_and_network_are_raised_and_memory_is_refused() -> None:
    cell = running_cell(policy=AS_TITUS)
    asked = batch(1, need=Need(cpu_milli=10, memory_mib=512, disk_mib=1))
    cell.submit(asked)
    need = cell.state.jobs[JobId("job")].spec.container.need
    assert need == Need(cpu_milli=1_000, memory_mib=512, disk_mib=10_000, network_mbps=128)
    cell.submit(asked)
    assert cell.said(JobAccepted)[-1].is_repeated, "the same submission again"
    cell.submit(batch(1, need=Need(cpu_milli=10, memory_mib=511, disk_mib=1)), "small")
    assert refused_fields(cell) == ["container.resources.memoryMB"]


@pytest.mark.parametrize(
    ("need", "field"),
    [
        ({"cpu_milli": 96_001}, "cpu"),
        ({"memory_mib": 1_152_001}, "memoryMB"),
        ({"disk_mib": 1_550_001}, "diskMB"),
        ({"network_mbps": 400_001}, "networkMbps"),
        ({"gpus": 17}, "gpu"),
    ],
)
def test_titus_what_a_task_may_have_at_most(need: dict[str, int], field: str) -> None:
    cell = running_cell()
    values: dict[str, Any] = {"cpu_milli": 500, "memory_mib": 256, "disk_mib": 10}
    cell.submit(batch(1, need=Need(**{**values, **need})))
    assert refused_fields(cell) == [f"container.resources.{field}"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [(batch(1_001), "batch.size"), (service(1, 10_001), "service.capacity.max")],
)
def test_titus_how_large_a_job_may_be(spec: JobSpec, field: str) -> None:
    cell = running_cell()
    cell.submit(spec)
    assert refused_fields(cell) == [field]


def test_titus_active_jobs_are_limited_and_ended_ones_do_not_count() -> None:
    assert Policy().active_jobs_max == 20_000
    cell = running_cell(policy=Policy(active_jobs_max=1))
    (task_id,) = cell.run(batch(1))
    cell.submit(batch(1), "second")
    assert JobId("second") not in cell.state.jobs
    cell.status(task_id, "TASK_FINISHED")
    cell.submit(batch(1), "second")
    assert JobId("second") in cell.state.jobs


def test_titus_of_concurrent_jobs_of_one_name_one_wins_and_leaves_no_ghost() -> None:
    """Titus reserves the name first, and a create that fails later must give it back."""
    spec = replace(service(1), stack="s", detail="d", sequence="001")
    cell = running_cell()
    cell.copy("jobs", submission(spec, "first"), submission(spec, "second"))
    assert cell.state.group_names == {"app-s-d-001": "first"}
    assert JobId("second") not in cell.state.jobs
    assert JobId("second") not in cell.state.indexes
    (refusal,) = cell.said(JobRejected)
    assert refusal.job_id == "second"
    too_large = replace(spec, sequence="002", kind=replace(spec.kind, maximum=10_001))
    cell.submit(too_large, "third")
    fits = replace(spec, sequence="002")
    cell.submit(fits, "fourth")
    assert cell.state.group_names["app-s-d-002"] == "fourth", "a refused job keeps no name"
    cell.launched()
    cell.kill_job("first")
    cell.status(cell.task(job_id="first").task_id, "TASK_KILLED")
    cell.submit(spec, "second")
    assert cell.state.group_names["app-s-d-001"] == "second"


def test_jobs_without_a_sequence_share_their_name() -> None:
    cell = running_cell()
    cell.copy("jobs", submission(service(1), "first"), submission(service(1), "second"))
    assert len(cell.state.jobs) == 2


def test_a_service_may_have_as_many_tasks_as_its_capacity_group_says() -> None:
    """Titus: service maximum 10,000, custom by capacity group (2,500)."""
    groups = (
        CapacityGroup("small", "Flex", service_size_max=3),
        CapacityGroup("large", "Flex", service_size_max=30),
        CapacityGroup("usual", "Flex"),
    )
    rules = PlacementRules()
    rules = replace(rules, groups=(*rules.groups, *groups))
    cell = running_cell(policy=Policy(service_size_max=10, placement=rules))
    fits = {"small": 3, "large": 30, "usual": 10, "DEFAULT": 10}
    for group, most in fits.items():
        for number, maximum in enumerate((most, most + 1)):
            spec = replace(service(1, maximum=maximum), capacity_group=group)
            cell.submit(spec, f"{group.lower()}-{number}")
        (job_id,) = [each for each in cell.state.jobs if each.startswith(group.lower())]
        assert job_id == f"{group.lower()}-0"
        cell.copy("jobs", JobScaleAsked(job_id, maximum=most + 1))
        (refusal,) = [each for each in cell.said_last() if isinstance(each, JobRejected)]
        assert refusal.faults[0].field == "capacity.max"
    assert refused_of(cell) == {"service.capacity.max", "capacity.max"}


def refused_of(cell: CellInMemory) -> set[str]:
    return {each.faults[0].field for each in cell.said(JobRejected)}


def _not_updated(cell: CellInMemory, spec: JobSpec, plan: UpdatePlan) -> list[tuple[str, str]]:
    """Field and text of all for which the job is not updated."""
    faults = update_faults(cell.state, cell.state.jobs[JobId("job")], spec, plan)
    return [(each.field, each.text) for each in faults]


def test_jobs_are_updated_to_jobs_of_their_own_kind_and_batch_jobs_never() -> None:
    cell = running_cell()
    cell.submit(batch(1))
    text = "job job is a batch job: its tasks run once"
    assert _not_updated(cell, service(1), UpdatePlan()) == [("jobId", text)]
    cell = running_cell()
    cell.submit(service(1))
    text = "is missing: job job is a service job"
    assert _not_updated(cell, batch(1), UpdatePlan()) == [("service", text)]
    assert _not_updated(cell, service(2), UpdatePlan()) == []


def test_a_whole_second_set_has_to_fit_among_what_waits() -> None:
    cell = running_cell()
    cell.submit(service(4))
    waiting = cell.state.queued_tasks
    assert waiting == 4
    plan = UpdatePlan(strategy="redBlack")
    cell.set_policy(queued_tasks_max=waiting + 4)
    assert _not_updated(cell, service(4), plan) == []
    cell.set_policy(queued_tasks_max=waiting + 3)
    text = "8 waiting tasks exceed the cell's limit of 7"
    assert _not_updated(cell, service(4), plan) == [("", text)]
