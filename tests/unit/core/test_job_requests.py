"""Attributes, switches and versions of jobs and tasks: what a request changes, and when it may not.

How: requests are copied into the log of a cell in memory, and job, task and answer are looked at.
"""

from collections.abc import Callable
from typing import get_args

import pytest

from scheduler.fold.inbound import RULES
from scheduler.model.changes import JobChanged, JobRejected, RequestAccepted, TaskChanged
from scheduler.model.ids import JobId, TaskId
from scheduler.model.inbound import InboundBody, JobKillAsked, JobScaleAsked, TaskKillAsked
from scheduler.model.job import Service
from scheduler.model.job_requests import (
    JobAttributesAsked,
    JobEnabledAsked,
    JobProcessesAsked,
    TaskAttributesAsked,
    TaskMoveAsked,
)
from scheduler.state import Job
from tests.support.cell import CellInMemory, batch, running_cell, service

JOB = JobId("job")
TASK = TaskId("job-worker-0-1")


def job_of(cell: CellInMemory, job_id: str = "job") -> Job:
    return cell.state.jobs[JobId(job_id)]


def refused_field(cell: CellInMemory) -> str:
    """The field that the last record was refused for."""
    (refusal,) = cell.said_last()
    assert isinstance(refusal, JobRejected), refusal
    (fault,) = refusal.faults
    assert fault.text
    return fault.field


def ask(cell: CellInMemory, body: InboundBody) -> None:
    """Ask, and demand that it is taken."""
    cell.copy("jobs", body)
    assert any(isinstance(each, RequestAccepted) for each in cell.said_last()), cell.said_last()


def test_attributes_of_a_job_are_set_over_old_ones_and_removed() -> None:
    cell = running_cell()
    cell.submit(service(1))
    ask(cell, JobAttributesAsked(JOB, (("a", "1"), ("b", "2"))))
    ask(cell, JobAttributesAsked(JOB, (("b", "3"), ("c", "4")), removed=("a", "never")))
    assert job_of(cell).spec.attributes == (("b", "3"), ("c", "4"))
    assert job_of(cell).version == 3
    assert [each.reason for each in cell.said(JobChanged)][1:] == ["attributes", "attributes"]


def test_what_changes_nothing_is_taken_and_counts_no_version() -> None:
    cell = running_cell()
    cell.submit(service(2, minimum=1))
    ask(cell, JobAttributesAsked(JOB, removed=("none",)))
    ask(cell, JobEnabledAsked(JOB, is_enabled=True))
    ask(cell, JobProcessesAsked(JOB, is_increase_disabled=False))
    ask(cell, JobScaleAsked(JOB, desired=2, minimum=1, maximum=100))
    assert job_of(cell).version == 1


def test_attributes_by_which_a_job_is_placed_stay_what_they_were() -> None:
    cell = running_cell()
    cell.submit(service(1))
    cell.copy("jobs", JobAttributesAsked(JOB, (("flumina.gang", "g"),)))
    assert refused_field(cell) == "attributes.flumina.gang"
    assert job_of(cell).spec.attributes == ()


def test_many_small_requests_make_no_record_that_one_could_not() -> None:
    cell = running_cell()
    cell.submit(service(1))
    for name in "abcd":
        ask(cell, JobAttributesAsked(JOB, ((name, "x" * 4_000),)))
    cell.copy("jobs", JobAttributesAsked(JOB, (("e", "x" * 4_000),)))
    assert refused_field(cell) == "attributes"
    assert len(job_of(cell).spec.attributes) == 4


def test_attributes_of_a_task_end_with_it() -> None:
    cell = running_cell()
    (task_id,) = cell.run(service(1))
    version = cell.task().version
    ask(cell, TaskAttributesAsked(task_id, (("debug", "1"), ("x", "y"))))
    ask(cell, TaskAttributesAsked(task_id, removed=("x",)))
    assert cell.task().attributes == (("debug", "1"),)
    assert cell.task().version == version + 2
    assert [each.step for each in cell.said(TaskChanged)][-2:] == ["attributes", "attributes"]
    cell.status(task_id, "TASK_FINISHED")
    assert cell.task().attributes == ()
    cell.copy("jobs", TaskAttributesAsked(task_id, (("late", "1"),)))
    assert refused_field(cell) == "taskId"


def test_a_service_is_taken_out_of_service_and_back() -> None:
    cell = running_cell()
    cell.submit(service(1))
    ask(cell, JobEnabledAsked(JOB, is_enabled=False))
    assert not job_of(cell).spec.is_enabled
    ask(cell, JobEnabledAsked(JOB, is_enabled=True))
    assert job_of(cell).spec.is_enabled
    assert [each.reason for each in cell.said(JobChanged)][1:] == ["enabled", "disabled"][::-1]


@pytest.mark.parametrize(
    "body",
    [
        JobEnabledAsked(JOB, is_enabled=False),
        JobProcessesAsked(JOB, is_increase_disabled=True),
        JobScaleAsked(JOB, desired=1),
    ],
)
def test_a_batch_job_has_no_switches_and_one_size(body: InboundBody) -> None:
    cell = running_cell()
    cell.submit(batch(1))
    cell.copy("jobs", body)
    assert refused_field(cell) == "jobId"


def test_a_switch_blocks_desired_only() -> None:
    cell = running_cell()
    cell.submit(service(3, minimum=1, maximum=5))
    ask(cell, JobProcessesAsked(JOB, is_increase_disabled=True, is_decrease_disabled=True))
    for bounds in ((4, None, None), (2, None, None), (None, 4, None), (None, None, 2)):
        cell.scale(*bounds)
        assert refused_field(cell) == "capacity.desired"
    ask(cell, JobScaleAsked(JOB, minimum=3, maximum=9))
    assert job_of(cell).spec.kind == Service(minimum=3, desired=3, maximum=9)
    ask(cell, JobProcessesAsked(JOB, is_increase_disabled=False))
    assert job_of(cell).spec.is_decrease_disabled, "what is not given stays"
    ask(cell, JobScaleAsked(JOB, desired=4))
    assert len(cell.tasks()) == 4


def test_with_both_switches_set_an_ended_task_is_still_replaced() -> None:
    cell = running_cell()
    (task_id,) = cell.run(service(1))
    ask(cell, JobProcessesAsked(JOB, is_increase_disabled=True, is_decrease_disabled=True))
    cell.status(task_id, "TASK_FAILED")
    assert cell.task().resubmit_of == task_id


def test_a_switch_blocks_the_kill_that_shrinks_and_not_the_one_that_does_not() -> None:
    cell = running_cell()
    first, _ = cell.run(service(2))
    ask(cell, JobProcessesAsked(JOB, is_decrease_disabled=True))
    cell.copy("jobs", TaskKillAsked(first, is_shrink=True))
    assert refused_field(cell) == "capacity.desired"
    ask(cell, TaskKillAsked(first))
    assert job_of(cell).spec.desired == 2


CHANGES: list[Callable[[int | None], InboundBody]] = [
    lambda version: JobScaleAsked(JOB, desired=1, if_version=version),
    lambda version: JobAttributesAsked(JOB, (("a", "1"),), if_version=version),
    lambda version: JobEnabledAsked(JOB, is_enabled=False, if_version=version),
    lambda version: JobProcessesAsked(JOB, is_increase_disabled=True, if_version=version),
    lambda version: TaskMoveAsked(TASK, JOB, JobId("other"), if_version=version),
    lambda version: JobKillAsked(JOB, if_version=version),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_a_job_counts_its_version_and_is_refused_for_another(
    change: Callable[[int | None], InboundBody],
) -> None:
    cell = running_cell()
    cell.run(service(2))
    cell.submit(service(2), "other")
    assert job_of(cell).version == 1
    before = job_of(cell)
    for version in (0, 2):
        cell.copy("jobs", change(version))
        assert refused_field(cell) == "ifVersion"
    assert job_of(cell) == before
    ask(cell, change(1))
    assert job_of(cell).version == 2


def test_a_job_of_which_only_tasks_change_keeps_its_version_until_it_ends() -> None:
    cell = running_cell()
    (task_id,) = cell.run(batch(1, retries=1))
    assert job_of(cell).version == 1
    cell.status(task_id, "TASK_FAILED")
    assert job_of(cell).version == 1
    cell.tick(2_000)
    cell.launched()
    cell.status(cell.task().task_id, "TASK_FINISHED")
    assert (job_of(cell).state, job_of(cell).version) == ("Finished", 2)


def test_each_state_of_a_task_counts_its_version_and_a_repeated_update_does_not() -> None:
    cell = running_cell()
    cell.submit(service(1))
    assert cell.task().version == 1
    (task_id,) = cell.launched()
    cell.status(task_id, "TASK_RUNNING")
    version = cell.task().version
    cell.status(task_id, "TASK_RUNNING")
    assert cell.task().version == version
    for body in (
        TaskKillAsked(task_id, if_version=version - 1),
        TaskAttributesAsked(task_id, (("a", "1"),), if_version=version - 1),
    ):
        cell.copy("jobs", body)
        assert refused_field(cell) == "ifVersion"
    ask(cell, TaskKillAsked(task_id, if_version=version))
    assert cell.task().version == version + 1


@pytest.mark.parametrize("change", CHANGES[:5])
@pytest.mark.parametrize("is_ended", [False, True])
def test_a_job_that_ends_or_has_ended_refuses_changes(
    change: Callable[[int | None], InboundBody], is_ended: bool
) -> None:
    cell = running_cell()
    task_ids = cell.run(service(2))
    cell.submit(service(2), "other")
    cell.kill_job()
    if is_ended:
        cell.launched()
        for task_id in task_ids:
            cell.status(task_id, "TASK_KILLED")
    assert job_of(cell).state == ("Finished" if is_ended else "KillInitiated")
    cell.copy("jobs", change(None))
    assert refused_field(cell) in {"jobId", "sourceJobId"}


def test_what_nobody_knows_is_refused_by_its_name() -> None:
    cell = running_cell()
    none = JobId("none")
    for body, field in (
        (JobEnabledAsked(none, is_enabled=True), "jobId"),
        (JobProcessesAsked(none, is_increase_disabled=True), "jobId"),
        (JobAttributesAsked(none, (("a", "b"),)), "jobId"),
        (TaskAttributesAsked(TaskId("none-worker-0-1"), (("a", "b"),)), "taskId"),
        (TaskMoveAsked(TaskId("none-worker-0-1"), none, JOB), "taskId"),
    ):
        cell.copy("jobs", body)
        assert refused_field(cell) == field


def test_every_kind_of_inbound_body_has_its_rule() -> None:
    assert set(RULES) == set(get_args(InboundBody))
