"""Submissions and kills of jobs: given what the cell knows, what becomes of a request."""

from typing import Any

import pytest
from msgspec.structs import replace

from scheduler.model.changes import (
    JobAccepted,
    JobChanged,
    JobRejected,
    RequestAccepted,
    TaskChanged,
)
from scheduler.model.ids import JobId, TaskId
from scheduler.model.inbound import JobKillAsked, TaskKillAsked
from scheduler.model.job import JobSpec
from scheduler.model.policy import Policy
from scheduler.model.proposals import LaunchTasks
from scheduler.model.resources import Need
from scheduler.model.task import Finished, KillInitiated, Placed, Queued, Started
from tests.support.cell import batch, running_cell, service, submission


def named(spec: JobSpec, sequence: str = "001") -> JobSpec:
    """The job as member of a group, which must be alone with its name."""
    return replace(spec, stack="main", detail="blue", sequence=sequence)


def needing(**need: int) -> dict[str, Any]:
    """A container that needs this much."""
    values: dict[str, Any] = {"cpu_milli": 100, "memory_mib": 32} | need
    return {"need": Need(**values)}


def test_an_accepted_job_has_a_waiting_task_for_each_index() -> None:
    cell = running_cell(hosts=0)
    cell.submit(batch(3))
    assert [task.task_id for task in cell.tasks()] == [
        "job-worker-0-1",
        "job-worker-1-2",
        "job-worker-2-3",
    ]
    assert all(isinstance(task.state, Queued) for task in cell.tasks())
    accepted, changed, *_ = cell.said_last()
    assert isinstance(accepted, JobAccepted)
    assert not accepted.is_repeated
    assert accepted.source.topic == "jobs"
    assert changed == JobChanged(job_id=JobId("job"), state="Accepted", desired=3)


def test_a_service_of_none_is_accepted_and_stays() -> None:
    cell = running_cell()
    cell.submit(service(0))
    assert cell.tasks() == []
    assert cell.state.jobs[JobId("job")].state == "Accepted"


def test_the_same_submission_again_is_answered_again_and_changes_nothing() -> None:
    cell = running_cell(hosts=0)
    cell.submit(batch(2))
    before = cell.state.jobs[JobId("job")], cell.tasks()
    cell.submit(batch(2))
    assert (cell.state.jobs[JobId("job")], cell.tasks()) == before
    (answer,) = cell.said_last()
    assert isinstance(answer, JobAccepted)
    assert answer.is_repeated


def test_the_same_submission_after_a_scaling_is_still_the_same() -> None:
    cell = running_cell()
    cell.submit(service(2))
    cell.scale(5)
    cell.submit(service(2))
    assert len(cell.tasks()) == 5
    assert [type(change) for change in cell.said_last()] == [JobAccepted]


def test_the_same_name_with_other_content_is_refused() -> None:
    cell = running_cell(hosts=0)
    cell.submit(batch(2))
    cell.submit(batch(3))
    (refusal,) = cell.said_last()
    assert isinstance(refusal, JobRejected)
    assert [fault.field for fault in refusal.faults] == ["jobId"]
    assert len(cell.tasks()) == 2


def test_a_name_in_a_group_is_taken_while_its_job_is_active() -> None:
    cell = running_cell()
    cell.submit(named(batch(1)), "first")
    cell.submit(named(batch(1)), "second")
    (refusal,) = cell.said_last()
    assert isinstance(refusal, JobRejected)
    assert refusal.faults[0].field == "jobGroupInfo.sequence"
    assert "first" in refusal.faults[0].text
    cell.submit(named(batch(1), "002"), "third")
    assert JobId("third") in cell.state.jobs
    cell.kill_job("first")
    cell.submit(named(batch(1)), "fourth")
    assert cell.state.group_names == {
        "app-main-blue-001": "fourth",
        "app-main-blue-002": "third",
    }


def test_a_name_in_a_group_is_kept_until_the_last_task_has_ended() -> None:
    cell = running_cell()
    cell.run(named(batch(1)), "first")
    cell.kill_job("first")
    cell.submit(named(batch(1)), "second")
    assert isinstance(cell.said_last()[0], JobRejected)
    cell.status(cell.task(0, "first").task_id, "TASK_KILLED")
    cell.submit(named(batch(1)), "third")
    assert isinstance(cell.said_last()[0], JobAccepted)


@pytest.mark.parametrize(
    ("limit", "spec", "field"),
    [
        ({"batch_size_max": 4}, batch(5), "batch.size"),
        ({"service_size_max": 9}, service(1, maximum=10), "service.capacity.max"),
        ({"queued_tasks_max": 4}, batch(5), ""),
        ({"task_cpu_milli_max": 99}, batch(**needing()), "container.resources.cpu"),
        ({"task_memory_mib_max": 31}, batch(**needing()), "container.resources.memoryMB"),
        ({"task_disk_mib_max": 5}, batch(**needing(disk_mib=6)), "container.resources.diskMB"),
        ({"task_ports_max": 1}, batch(**needing(ports=2)), "container.resources.ports"),
    ],
)
def test_a_limit_of_the_policy_refuses(limit: dict[str, Any], spec: JobSpec, field: str) -> None:
    cell = running_cell(hosts=0, policy=Policy(**limit))
    cell.submit(spec)
    (refusal,) = cell.said_last()
    assert isinstance(refusal, JobRejected)
    assert [fault.field for fault in refusal.faults] == [field]
    assert refusal.job_id == "job"
    assert cell.state.jobs == {}


@pytest.mark.parametrize(
    ("limit", "spec"),
    [
        ({"batch_size_max": 5}, batch(5)),
        ({"service_size_max": 10}, service(1, maximum=10)),
        ({"queued_tasks_max": 5}, batch(5)),
        ({"task_cpu_milli_max": 100}, batch(**needing())),
        ({"task_memory_mib_max": 32}, batch(**needing())),
        ({"active_jobs_max": 1}, batch(1)),
    ],
)
def test_what_is_just_within_a_limit_is_accepted(limit: dict[str, Any], spec: JobSpec) -> None:
    cell = running_cell(hosts=0, policy=Policy(**limit))
    cell.submit(spec)
    assert isinstance(cell.said_last()[0], JobAccepted)


def test_active_jobs_are_limited_and_ended_ones_do_not_count() -> None:
    cell = running_cell(hosts=0, policy=Policy(active_jobs_max=1))
    cell.submit(batch(1), "first")
    cell.submit(batch(1), "second")
    assert isinstance(cell.said_last()[0], JobRejected)
    cell.kill_job("first")
    cell.submit(batch(1), "third")
    assert isinstance(cell.said_last()[0], JobAccepted)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    cell = running_cell(hosts=0, policy=Policy(batch_size_max=1, task_cpu_milli_max=1))
    cell.submit(batch(2))
    (refusal,) = cell.said_last()
    assert isinstance(refusal, JobRejected)
    assert [fault.field for fault in refusal.faults] == [
        "batch.size",
        "container.resources.cpu",
    ]
    assert all(fault.hint for fault in refusal.faults)


def test_a_killed_job_ends_what_waits_at_once_and_kills_what_runs() -> None:
    cell = running_cell(hosts=1)
    running = cell.run(batch(2))
    cell.submit(batch(2), "waits")
    cell.kill_job("waits")
    assert [type(task.state) for task in cell.tasks("waits")] == [Finished, Finished]
    assert cell.state.jobs[JobId("waits")].state == "Finished"
    cell.kill_job("job")
    assert [type(task.state) for task in cell.tasks()] == [KillInitiated, KillInitiated]
    assert cell.state.jobs[JobId("job")].state == "KillInitiated"
    cell.status(running[0], "TASK_KILLED")
    assert cell.state.jobs[JobId("job")].state == "KillInitiated"
    cell.status(running[1], "TASK_FINISHED")
    job = cell.state.jobs[JobId("job")]
    assert (job.state, job.reason, job.open_indexes) == ("Finished", "killed", 0)
    assert {task.state.reason for task in cell.tasks() if isinstance(task.state, Finished)} == {
        "killed"
    }


def test_a_killed_job_stays_killed() -> None:
    cell = running_cell()
    cell.run(batch(1, retries=3))
    cell.kill_job()
    cell.status(cell.task().task_id, "TASK_FAILED")
    assert cell.state.jobs[JobId("job")].state == "Finished"
    assert cell.launched() == []
    cell.kill_job()
    assert [type(change) for change in cell.said_last()] == [RequestAccepted]


def test_a_killed_service_without_tasks_ends_at_once() -> None:
    cell = running_cell()
    cell.submit(service(0))
    cell.kill_job()
    job = cell.state.jobs[JobId("job")]
    assert (job.state, job.reason) == ("Finished", "killed")


def test_killing_a_job_whose_launch_is_accepted_gives_its_offer_back() -> None:
    cell = running_cell(hosts=1)
    cell.submit(batch(2))
    offers = dict(cell.state.offers)
    cell.decide()
    assert cell.state.offers == {}
    cell.kill_job()
    assert cell.state.offers == offers
    assert all(isinstance(task.state, Finished) for task in cell.tasks())


def test_a_request_for_an_unknown_job_or_task_is_refused() -> None:
    cell = running_cell()
    for body, field in (
        (JobKillAsked(job_id=JobId("none")), "jobId"),
        (TaskKillAsked(task_id=TaskId("none-worker-0-1")), "taskId"),
    ):
        cell.copy("jobs", body)
        (refusal,) = cell.said_last()
        assert isinstance(refusal, JobRejected)
        assert [fault.field for fault in refusal.faults] == [field]
        assert refusal.job_id == "none"


def test_a_killed_task_of_a_service_is_replaced() -> None:
    cell = running_cell()
    (task_id,) = cell.run(service(1))
    cell.kill_task(task_id)
    killing = cell.is_in(task_id, KillInitiated)
    assert (killing.reason, killing.message) == ("killed", "ada")
    cell.status(task_id, "TASK_KILLED")
    replaced = cell.task()
    assert (replaced.index, replaced.number, replaced.resubmit_of) == (0, 2, task_id)
    assert replaced.original_id == task_id


def test_killing_a_task_that_has_ended_or_is_ending_is_taken_and_changes_nothing() -> None:
    cell = running_cell()
    first, second = cell.run(batch(2))
    cell.status(first, "TASK_FINISHED")
    cell.kill_task(second)
    for task_id in (first, second):
        before = cell.task_state(task_id)
        cell.kill_task(task_id)
        assert cell.task_state(task_id) is before
        assert [type(change) for change in cell.said_last()] == [RequestAccepted]


def test_killing_one_task_of_a_launch_sends_the_others_back_to_the_queue() -> None:
    cell = running_cell(hosts=1)
    cell.submit(batch(3))
    cell.decide()
    first, second, third = (task.task_id for task in cell.tasks())
    assert isinstance(cell.task_state(second), Placed)
    cell.kill_task(second)
    assert not any(isinstance(each.proposal, LaunchTasks) for each in cell.state.decisions.values())
    assert isinstance(cell.task_state(first), Queued)
    assert isinstance(cell.task_state(second), Finished)
    assert cell.launched() == [first, third]


def test_what_waits_and_is_killed_says_who_asked() -> None:
    cell = running_cell(hosts=0)
    cell.submit(batch(1))
    cell.copy("jobs", JobKillAsked(job_id=JobId("job"), actor="ada", why="by mistake"))
    ended = cell.is_in(cell.task().task_id, Finished)
    assert (ended.reason, ended.message, ended.place) == ("killed", "ada: by mistake", None)


@pytest.mark.parametrize(
    ("ends", "reason"),
    [
        (["TASK_FINISHED", "TASK_FINISHED"], "normal"),
        (["TASK_FINISHED", "TASK_FAILED"], "failed"),
        (["TASK_ERROR", "TASK_FAILED"], "invalidRequest"),
        (["TASK_KILLED", "TASK_FINISHED"], "killed"),
    ],
)
def test_a_batch_job_ends_with_the_reason_of_its_lowest_index_that_went_wrong(
    ends: list[Any], reason: str
) -> None:
    cell = running_cell()
    task_ids = cell.run(batch(2))
    for task_id, state in reversed(list(zip(task_ids, ends, strict=True))):
        assert cell.state.jobs[JobId("job")].state == "Accepted"
        cell.status(task_id, state)
    job = cell.state.jobs[JobId("job")]
    assert (job.state, job.reason) == ("Finished", reason)
    assert cell.said(JobChanged)[-1] == JobChanged(
        job_id=JobId("job"), state="Finished", reason=reason
    )


def test_a_finished_service_task_is_replaced_also_when_it_ended_well() -> None:
    cell = running_cell()
    (task_id,) = cell.run(service(1))
    cell.status(task_id, "TASK_FINISHED")
    assert cell.task().resubmit_of == task_id
    assert cell.state.jobs[JobId("job")].state == "Accepted"


def test_a_task_reports_each_state_it_goes_through() -> None:
    cell = running_cell()
    cell.submit(batch(1))
    cell.launched()
    (task,) = cell.tasks()
    for state in ("TASK_STARTING", "TASK_RUNNING", "TASK_RUNNING", "TASK_FINISHED"):
        cell.status(task.task_id, state, observed_at_ms=77)
    assert cell.steps_of(task.task_id) == [
        "Accepted",
        "Launched",
        "StartInitiated",
        "Started",
        "Finished",
    ]
    last = cell.said(TaskChanged)[-1]
    assert (last.host_id, last.reason, last.observed_at_ms) == ("host1", "normal", 77)
    assert last.hostname == "name-of-host1"


def test_jobs_and_tasks_beyond_the_policy_are_forgotten_oldest_first() -> None:
    cell = running_cell(hosts=0, policy=Policy(finished_jobs_max=2))
    for name in ("first", "second", "third"):
        cell.submit(batch(2), name)
        cell.kill_job(name)
    assert list(cell.state.jobs) == ["second", "third"]
    assert {task.job_id for task in cell.state.tasks.values()} == {"second", "third"}


def test_a_job_too_large_to_be_kept_can_still_be_killed() -> None:
    cell = running_cell(hosts=1, policy=Policy(finished_tasks_max=1))
    cell.run(batch(3))
    cell.status(cell.task(2).task_id, "TASK_FINISHED")
    for index in (0, 1):
        cell.kill_task(cell.task(index).task_id)
    cell.status(cell.task(0).task_id, "TASK_KILLED")
    cell.kill_job()
    cell.status(cell.task(1).task_id, "TASK_KILLED")
    assert cell.state.jobs == {}
    assert cell.state.tasks == {}


def test_killing_what_waits_of_a_job_too_large_to_be_kept() -> None:
    cell = running_cell(hosts=0, policy=Policy(finished_tasks_max=1))
    cell.submit(batch(3))
    cell.kill_job()
    assert cell.state.jobs == {}
    assert cell.state.finished_jobs == {}


def test_replaced_tasks_are_forgotten_before_jobs_are() -> None:
    cell = running_cell(hosts=1, policy=Policy(finished_tasks_max=2))
    (first,) = cell.run(service(1), "service")
    cell.status(first, "TASK_FAILED")
    cell.submit(batch(1), "done")
    cell.kill_job("done")
    assert first in cell.state.tasks
    cell.submit(batch(1), "done too")
    cell.kill_job("done too")
    assert first not in cell.state.tasks
    assert list(cell.state.finished_jobs) == ["done", "done too"]


def test_a_name_that_was_forgotten_can_be_used_again_and_no_task_id_is() -> None:
    cell = running_cell(policy=Policy(finished_jobs_max=1))
    used = cell.run(batch(2, retries=5))
    cell.status(used[0], "TASK_FAILED")
    used.append(cell.task().task_id)
    cell.kill_job()
    cell.status(used[1], "TASK_KILLED")
    cell.submit(batch(1), "another")
    cell.kill_job("another")
    assert JobId("job") not in cell.state.jobs
    assert used[0] in cell.state.tasks, "a replaced task is remembered longer than its job"
    cell.submit(batch(2, retries=5))
    assert isinstance(cell.said_last()[0], JobAccepted)
    assert [task.task_id for task in cell.tasks()] == ["job-worker-0-4", "job-worker-1-5"]
    cell.status(used[0], "TASK_RUNNING")
    assert all(isinstance(task.state, Queued) for task in cell.tasks())


def test_a_submission_names_who_sent_it() -> None:
    cell = running_cell(hosts=0)
    cell.copy("jobs", replace(submission(batch(1), "job"), actor="ada"))
    assert cell.state.jobs[JobId("job")].actor == "ada"
    assert isinstance(cell.task().state, Queued)


def test_started_tasks_of_one_job_are_not_touched_by_the_kill_of_another() -> None:
    cell = running_cell()
    (kept,) = cell.run(batch(1), "kept")
    cell.run(batch(1), "killed")
    cell.kill_job("killed")
    assert isinstance(cell.task_state(kept), Started)
