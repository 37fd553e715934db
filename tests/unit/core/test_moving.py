"""A task moves from one service to another: what goes along, what stays, and when it may not.

How: two services run in a cell in memory; the move is asked for, and both jobs, the task, and what
placement counts are looked at. After each record every invariant is checked.
"""

from typing import Any

import pytest
from msgspec.structs import replace

from scheduler.model.changes import JobChanged, JobRejected, TaskChanged
from scheduler.model.ids import JobId, TaskId
from scheduler.model.job import JobSpec, RetryPolicy, Service, TaskSet
from scheduler.model.job_requests import JobProcessesAsked, TaskMoveAsked
from scheduler.model.task import KillInitiated, Started
from scheduler.model.volumes import VolumeClaim
from tests.support.cell import CellInMemory, batch, running_cell, service

HERE, THERE = JobId("here"), JobId("there")


def two_services(target: JobSpec | None = None) -> tuple[CellInMemory, list[TaskId]]:
    """A cell with a service of three tasks and another; the tasks of the first."""
    cell = running_cell(hosts=3)
    task_ids = cell.run(service(3, maximum=5), "here")
    cell.run(target or service(2, maximum=4), "there")
    return cell, task_ids


def move(cell: CellInMemory, task_id: TaskId, source: JobId = HERE, target: JobId = THERE) -> None:
    cell.copy("jobs", TaskMoveAsked(task_id, source, target, actor="ada", why="split"))


def refused(cell: CellInMemory) -> tuple[str, str]:
    """The field and the text for which the last record was refused."""
    (refusal,) = cell.said_last()
    assert isinstance(refusal, JobRejected), refusal
    (fault,) = refusal.faults
    return fault.field, fault.text


def sizes(cell: CellInMemory) -> tuple[int, int]:
    return cell.state.jobs[HERE].spec.desired, cell.state.jobs[THERE].spec.desired


def test_a_moved_task_goes_on_running_and_both_sizes_change_at_once() -> None:
    cell, (first, second, third) = two_services()
    before = cell.state.tasks[second]
    move(cell, second)
    after = cell.state.tasks[second]
    assert sizes(cell) == (2, 3)
    assert after.state == before.state
    assert (after.job_id, after.index, after.moved_from) == (THERE, 2, HERE)
    assert [each.task_id for each in cell.tasks("here")] == [first, third]
    assert [each.task_id for each in cell.tasks("there")][2] == second
    assert cell.state.on_hosts == {HERE: 2, THERE: 3}
    changed = [each for each in cell.said_last() if isinstance(each, TaskChanged)]
    assert [(each.job_id, each.moved_from, each.step) for each in changed] == [
        (THERE, HERE, "moved")
    ]
    said = [each for each in cell.said_last() if isinstance(each, JobChanged)]
    assert [(each.job_id, each.desired, each.reason) for each in said] == [
        (HERE, 2, "moved"),
        (THERE, 3, "moved"),
    ]
    assert cell.launched() == [], "nothing takes its place"


def test_the_target_replaces_a_moved_task_that_ends_and_the_source_does_not() -> None:
    cell, (first, _, _) = two_services()
    move(cell, first)
    cell.status(first, "TASK_FAILED")
    new = cell.task(2, "there")
    assert (new.resubmit_of, new.resubmit_number, new.moved_from) == (first, 1, None)
    assert new.task_id == TaskId("there-worker-2-4"), "one that was never used"
    assert len(cell.tasks("here")) == 2


def test_a_killed_source_leaves_the_moved_task_alone() -> None:
    cell, (first, second, third) = two_services()
    move(cell, first)
    cell.kill_job("here")
    assert isinstance(cell.task_state(first), Started)
    for task_id in (second, third):
        assert isinstance(cell.task_state(task_id), KillInitiated)
        cell.status(task_id, "TASK_KILLED")
    assert cell.state.jobs[HERE].state == "Finished"
    assert isinstance(cell.task_state(first), Started)
    cell.kill_task(first, is_shrink=True)
    cell.status(first, "TASK_KILLED")
    assert sizes(cell)[1] == 2


def test_a_task_moves_back_and_bears_the_last_source() -> None:
    cell, (first, _, _) = two_services()
    move(cell, first)
    move(cell, first, THERE, HERE)
    task = cell.state.tasks[first]
    assert (task.job_id, task.index, task.moved_from) == (HERE, 0, THERE)
    assert sizes(cell) == (3, 2)


def test_the_freed_index_is_used_again_under_a_new_id() -> None:
    cell, (first, _, _) = two_services()
    move(cell, first)
    cell.scale(3, job_id="here")
    assert cell.task(0, "here").task_id == TaskId("here-worker-0-4")


def test_a_follower_that_begins_anew_sees_the_same() -> None:
    cell, (first, _, _) = two_services()
    move(cell, first)
    assert cell.refolded().digest.value() == cell.machine.digest.value()


DIFFERENT_NEED = replace(service(1).container.need, cpu_milli=501)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"container": replace(service(1).container, need=DIFFERENT_NEED)}, "container"),
        ({"container": replace(service(1).container, command=("false",))}, "container"),
        ({"capacity_group": "other"}, "capacity_group"),
        ({"attributes": (("titus.x", "1"),)}, "attributes"),
    ],
)
def test_a_job_that_runs_something_else_is_no_target(changes: dict[str, Any], name: str) -> None:
    cell, (first, _, _) = two_services(replace(service(1, maximum=4), **changes))
    move(cell, first)
    field, text = refused(cell)
    assert field == "targetJobId"
    assert text.endswith(f"they differ in {name}")
    assert sizes(cell) == (3, 1)


def test_names_owner_retries_and_attributes_of_their_own_may_differ() -> None:
    target = replace(
        service(1, maximum=4),
        owner_email="another@example.org",
        application_name="second",
        stack="x",
        detail="y",
        sequence="001",
        retry=RetryPolicy("delayed", 3, 5_000, 5_000),
        attributes=(("flumina.provenance.commit", "1a2b"), ("team", "b")),
        is_enabled=False,
    )
    cell, (first, _, _) = two_services(target)
    move(cell, first)
    assert sizes(cell) == (2, 2)


def test_sizes_at_their_bounds_refuse_the_move() -> None:
    cell, (first, second, _) = two_services(service(3, maximum=4))
    cell.scale(minimum=2, job_id="here")
    move(cell, first)
    move(cell, second)
    assert refused(cell) == ("sourceJobId", "job here wants 2 tasks, its minimum")
    cell.scale(minimum=1, job_id="here")
    move(cell, second)
    assert refused(cell) == ("targetJobId", "job there wants 4 tasks, its maximum")
    assert sizes(cell) == (2, 4)


def test_switches_of_either_job_refuse_the_move() -> None:
    cell, (first, _, _) = two_services()
    cell.copy("jobs", JobProcessesAsked(HERE, is_decrease_disabled=True))
    move(cell, first)
    assert refused(cell)[0] == "sourceJobId"
    cell.copy("jobs", JobProcessesAsked(HERE, is_decrease_disabled=False))
    cell.copy("jobs", JobProcessesAsked(THERE, is_increase_disabled=True))
    move(cell, first)
    assert refused(cell)[0] == "targetJobId"


def test_only_what_runs_moves_and_only_from_the_job_that_has_it() -> None:
    cell, (first, second, third) = two_services()
    move(cell, first, HERE, HERE)
    assert refused(cell)[0] == "targetJobId"
    move(cell, first, HERE, JobId("nobody"))
    assert refused(cell)[0] == "targetJobId"
    move(cell, first, THERE, HERE)
    assert refused(cell) == ("sourceJobId", f"task {first} is of job here")
    cell.status(first, "TASK_UNREACHABLE")
    move(cell, first)
    assert refused(cell) == ("taskId", f"task {first} is Disconnected, and not Started")
    cell.kill_task(second)
    move(cell, second)
    assert refused(cell)[0] == "taskId"
    cell.status(third, "TASK_FAILED")
    move(cell, cell.task(2, "here").task_id)
    assert refused(cell)[0] == "taskId"
    assert sizes(cell) == (3, 2)


def test_batch_jobs_take_part_in_no_move() -> None:
    cell = running_cell(hosts=3)
    (task_id,) = cell.run(batch(1), "here")
    (other,) = cell.run(service(1), "there")
    move(cell, task_id)
    assert refused(cell)[0] == "sourceJobId"
    move(cell, other, THERE, HERE)
    assert refused(cell)[0] == "targetJobId"
    assert isinstance(cell.state.jobs[THERE].spec.kind, Service)


@pytest.mark.parametrize("name", ["here", "there"])
def test_what_stays_with_indexes_and_what_is_of_several_kinds_is_not_moved(name: str) -> None:
    field = "sourceJobId" if name == "here" else "targetJobId"
    claim = VolumeClaim("data", "/data", size_mib=100)
    sets = (TaskSet("a", 1, (("dc", "a"),)), TaskSet("b", 1, (("dc", "b"),)))
    for changes, text in (
        ({"volumes": (claim,)}, f"job {name} has volumes or addresses, which stay with its index"),
        ({"sets": sets}, f"job {name} has tasks of several kinds: it is updated, or has sets"),
    ):
        cell = running_cell(hosts=3)
        cell.submit(replace(service(2), **changes), name)
        cell.submit(service(2), "there" if name == "here" else "here")
        move(cell, cell.task(0, "here").task_id)
        assert refused(cell)[0] == field
        assert refused(cell)[1].startswith(text)
