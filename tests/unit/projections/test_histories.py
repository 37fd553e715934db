"""Histories as they are kept: what nobody knows is passed over, and who owns what stays in step."""

import pytest
from msgspec.structs import replace

from projections.histories import Histories, Origin
from projections.history import history_of_job
from projections.notes import HistoryNote, TaskBegan
from projections.obeyed import Place
from scheduler.model.changes import JobChanged, TaskChanged
from scheduler.model.events import ClassRefusal
from scheduler.model.ids import JobId, TaskId
from scheduler.model.job_requests import TaskMoveAsked
from scheduler.state import State
from tests.support.cell import batch, service
from tests.unit.projections.watched import watched_cell

NOBODY, NOTHING = JobId("nobody"), TaskId("nobody-worker-0-1")
HERE = Place(7, 0, 1_000)


def test_what_is_said_of_jobs_and_tasks_without_history_leaves_no_trace() -> None:
    told: list[tuple[Place, HistoryNote]] = []
    histories = Histories(State())
    histories.on_note = lambda place, note: told.append((place, note))
    ended = TaskChanged(NOBODY, NOTHING, "Finished", "TASK_FAILED", "failed")
    histories.job_changed(HERE, JobChanged(NOBODY, "Finished"))
    histories.task_ended(HERE, ended)
    histories.task_moved(HERE, ended)
    histories.note_job(HERE, NOBODY, "job state", Origin())
    histories.note_task(HERE, NOTHING, "status", Origin(), ended)
    histories.note_refusal(HERE, ClassRefusal(NOBODY, 1, (), "an offer"))
    histories.forget()
    assert told == []
    assert (histories.jobs, histories.tasks, histories.jobs_of_owner) == ({}, {}, {})
    assert histories.tasks_by_state.page({"Finished"}, -1, 9).places == []


def test_who_follows_the_notes_hears_of_a_move_as_of_another_beginning() -> None:
    cell = watched_cell(hosts=2)
    (first,) = cell.run(service(1), "here")
    cell.run(service(1), "there")
    told: list[HistoryNote] = []
    cell.view.timeline.histories.on_note = lambda _, note: told.append(note)
    cell.copy("jobs", TaskMoveAsked(first, JobId("here"), JobId("there"), actor="ada"))
    created = cell.view.timeline.histories.tasks[first].created
    (began,) = (each for each in told if isinstance(each, TaskBegan) and each.task_id == first)
    assert (began.job_id, began.created) == ("there", created)
    assert began.task is not None
    assert began.task.moved_from == "here"


def test_the_owner_of_a_forgotten_job_is_forgotten_with_his_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("projections.histories.JOBS_BEYOND_FOLD_MAX", 0)
    cell = watched_cell()
    owned = cell.view.timeline.histories.jobs_of_owner
    cell.set_policy(finished_jobs_max=1)
    for number, owner in enumerate(("ada@x", "bob@x", "bob@x", "eve@x")):
        cell.submit(replace(batch(), owner_email=owner), f"job{number}")
        cell.kill_job(f"job{number}")
        assert owner in owned
    assert {owner: list(jobs) for owner, jobs in owned.items()} == {"eve@x": ["job3"]}
    assert cell.view.timeline.histories.jobs_dropped == 3


def test_ended_jobs_that_the_fold_still_knows_are_not_dropped_however_many_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("projections.histories.JOBS_BEYOND_FOLD_MAX", -9)
    cell = watched_cell()
    for number in range(3):
        cell.submit(batch(), f"job{number}")
        cell.kill_job(f"job{number}")
    histories = cell.view.timeline.histories
    assert list(histories.jobs) == ["job0", "job1", "job2"]
    assert histories.jobs_dropped == 0
    assert history_of_job(cell.view, JobId("job0")) is not None
