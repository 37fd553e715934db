"""Histories laid over a view: what the view knows itself stays, and what it cannot know is told."""

import pytest

from projections.cell_view import CellView
from projections.entries import Entry, JobHistory, TaskHistory
from projections.travel.notes import Note, Noted
from projections.travel.overlay import CompletedView
from projections.travel.rebuilt import Rebuilt, at_the_end, job_at_the_end, kill_cause
from scheduler.machine import Machine
from scheduler.model.codec import decode_record
from scheduler.model.ids import HostId, JobId, TaskId
from scheduler.model.job_requests import TaskMoveAsked
from tests.support.cell import CellInMemory, batch, running_cell, service


@pytest.fixture(scope="module")
def day() -> CellInMemory:
    """Two rounds, and an orphan before each."""
    cell = running_cell(2)
    for name in ("first", "second"):
        cell.status(TaskId(f"orphan-{name}"), "TASK_RUNNING", host_id=HostId("host1"))
        cell.run(batch(), name)
    cell.status(TaskId("orphan-first"), "TASK_FINISHED", host_id=HostId("host1"))
    return cell


def noted(cell: CellInMemory) -> tuple[CellView, list[Note]]:
    """A view that folded all of the log, and its notes."""
    found = Noted()
    log = enumerate(cell.log)
    rows = [each for at, data in log for each in found.take(at, decode_record(data))]
    return found.view, rows


def late_view(cell: CellInMemory, begins: int) -> CompletedView:
    """A view that was restored before this record, and has folded the rest."""
    machine = Machine()
    for offset, data in enumerate(cell.log[:begins]):
        machine.apply(offset, decode_record(data))
    view = CellView.restored(machine)
    for offset, data in enumerate(cell.log[begins:], begins):
        view.apply(offset, decode_record(data))
    return CompletedView(view)


def test_a_view_of_the_end_is_told_of_the_last_round_and_of_orphans_places(
    day: CellInMemory,
) -> None:
    whole, rows = noted(day)
    late = late_view(day, len(day.log))
    assert (late.timeline.last_round, late.has_late_orphans) == (None, True)
    late.see(rows)
    last, own = late.timeline.last_round, whole.timeline.last_round
    assert last is not None
    assert own is not None
    assert (last.spot, last.placed, last.refusals) == (own.spot, 1, ())
    assert late.timeline.orphans == whole.timeline.orphans
    assert set(late.timeline.orphans) == {"orphan-second"}
    assert not late.has_late_orphans


def test_what_a_view_has_folded_itself_is_not_taken_from_notes(day: CellInMemory) -> None:
    """Notes of rounds say nothing of jobs: a view's own round says more than its note."""
    whole, rows = noted(day)
    view = CompletedView(whole)
    last, orphans = view.timeline.last_round, dict(view.timeline.orphans)
    assert last is not None
    assert orphans
    view.see(reversed(rows))
    assert view.timeline.last_round is last
    assert view.timeline.orphans == orphans


def test_an_older_round_behind_a_newer_one_is_not_the_last(day: CellInMemory) -> None:
    whole, rows = noted(day)
    late = late_view(day, len(day.log))
    late.see(reversed(rows))
    assert late.timeline.last_round is not None
    assert whole.timeline.last_round is not None
    assert late.timeline.last_round.spot == whole.timeline.last_round.spot


def task(job_id: str, created: int, state: str, replaced_by: str | None = None) -> TaskHistory:
    """A history of task ``t``."""
    by = TaskId(replaced_by) if replaced_by else None
    return TaskHistory(
        task_id=TaskId("t"), job_id=JobId(job_id), created=created, state=state, replaced_by=by
    )


def job(*task_ids: str) -> JobHistory:
    """A history of a job that had these tasks."""
    tasks = dict.fromkeys(map(TaskId, task_ids))
    return JobHistory(job_id=JobId("j"), created=1, task_ids=tasks)


def test_a_history_that_the_view_knows_nothing_of_is_as_its_notes_tell_it() -> None:
    assert at_the_end(task("j", 1, "Started"), None) == task("j", 1, "Started")
    assert job_at_the_end(job("t"), None) == job("t")


def test_what_the_state_of_the_end_knows_better_is_laid_over() -> None:
    told, late = task("j", 1, "Started", replaced_by="u"), task("k", 7, "Finished")
    assert at_the_end(told, late) == task("k", 1, "Finished", replaced_by="u")
    assert at_the_end(task("j", 1, "Started"), task("j", 1, "Finished", "v")).replaced_by == "v"
    assert job_at_the_end(job("t1"), job("t2")) == job("t1", "t2")


def test_a_move_is_told_where_neither_job_is_known() -> None:
    cell = running_cell(2)
    (moved,) = cell.run(service(1), "here")
    cell.run(service(1), "there")
    cell.copy("jobs", TaskMoveAsked(moved, JobId("here"), JobId("there"), actor="ada", why="split"))
    rows = [each for each in noted(cell)[1] if each.task_id == moved]
    assert {each.job_id for each in rows} == {"here", "there"}
    found = Rebuilt().take(rows)
    assert not found.jobs
    assert found.tasks[moved].job_id == "there"
    whole = Rebuilt().take(noted(cell)[1])
    assert not whole.jobs[JobId("here")].task_ids
    assert moved in whole.jobs[JobId("there")].task_ids


def test_the_cause_of_a_kill_is_the_last_decision_that_is_still_known() -> None:
    asked = Entry(3, 0, 1, "kill asked")
    others = [Entry(4, 0, 1, "status", state="KillInitiated"), Entry(5, 0, 1, "status")]
    assert kill_cause([Entry(2, 0, 1, "deadline"), asked, *others]) == (3, 0)
    assert kill_cause([asked, Entry(6, 1, 1, "status", state="Finished")]) == (6, 1)
    assert kill_cause(others) is None
