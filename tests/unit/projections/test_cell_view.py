"""The view as a whole: one fold with the machine, answers for producers, and what halts it."""

import pytest

from projections.answers import ANSWERS_MAX
from projections.cell_view import CellView
from projections.summary import summary
from projections.why import Why, why
from scheduler.digest import canonical_bytes
from scheduler.machine import Refusal
from scheduler.model.changes import JobAccepted, JobRejected, RequestAccepted
from scheduler.model.codec import decode_record
from scheduler.model.events import CellRecord, Checkpoint, Mark, Tick
from scheduler.model.ids import JobId
from scheduler.model.inbound import Fault, InboundRejected
from tests.support.cell import batch
from tests.unit.projections.watched import lines_of, watched_cell


def test_a_view_folds_what_the_machine_folds_and_returns_its_changes() -> None:
    cell = watched_cell()
    cell.run(batch(2))
    again = CellView()
    changes = [
        (offset, index, change)
        for offset, data in enumerate(cell.log)
        for index, change in again.apply(offset, decode_record(data))
    ]
    assert changes == cell.changes
    assert canonical_bytes(again.state) == canonical_bytes(cell.state)
    assert list(lines_of(again)) == list(lines_of(cell.view))


def test_a_record_folded_twice_changes_nothing() -> None:
    cell = watched_cell()
    cell.run(batch(2))
    before = list(lines_of(cell.view))
    for offset, data in enumerate(cell.log):
        assert cell.view.apply(offset, decode_record(data)) == ()
    assert list(lines_of(cell.view)) == before


def test_producers_find_the_answer_to_their_record() -> None:
    cell = watched_cell()
    cell.submit(batch())
    cell.submit(batch(2))
    cell.scale(desired=2, job_id="none")
    cell.kill_job()
    kinds = []
    for offset in range(1, 5):
        answer = cell.view.answer_to("jobs", 0, offset)
        assert answer is not None
        assert answer.source.offset == offset
        assert cell.has_event(cell.view.address(answer.place.spot))
        kinds.append(type(answer.change))
    assert kinds == [JobAccepted, JobRejected, JobRejected, RequestAccepted]
    assert cell.view.answer_to("jobs", 0, 5) is None
    assert cell.view.answer_to("jobs", 1, 1) is None
    assert [each.source.offset for each in cell.view.answers.last_rejections(1)] == [3]
    assert [each.source.offset for each in cell.view.answers.last_rejections(9)] == [3, 2]


def test_answers_have_a_limit_and_the_oldest_go_first() -> None:
    cell = watched_cell(hosts=0)
    rejected = InboundRejected(faults=(Fault("", "bad"),), digest="d")
    for _ in range(0, ANSWERS_MAX + 1_000, 1_000):
        cell.copy("jobs", *[rejected] * 1_000)
    assert cell.view.answers.dropped == 1_000
    assert cell.view.answer_to("jobs", 0, 1_000) is None
    assert cell.view.answer_to("jobs", 0, 1_001) is not None


def test_a_halted_fold_is_stale_and_goes_on_answering() -> None:
    cell = watched_cell()
    (task_id,) = cell.run(batch())
    mark = cell.write(Mark())
    wrong = Checkpoint(mark_offset=mark, digest_version=1, digest="0" * 32)
    record = CellRecord(version=1, epoch=cell.epoch, at_ms=cell.now_ms, events=(wrong,))
    at = len(cell.log)
    with pytest.raises(Refusal):
        cell.view.apply(at, record)
    assert f"the fold halted at offset {at}" in cell.view.stale
    assert isinstance(why(cell.view, task_id), Why)
    assert summary(cell.view).stale == cell.view.stale


def test_a_hole_in_the_log_halts_and_says_so() -> None:
    cell = watched_cell()
    record = CellRecord(version=1, epoch=cell.epoch, at_ms=cell.now_ms, events=(Tick(),))
    with pytest.raises(Refusal):
        cell.view.apply(len(cell.log) + 1, record)
    assert "missing from the log" in cell.view.stale


def test_a_job_of_a_name_that_was_forgotten_begins_a_new_history(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("projections.histories.JOBS_BEYOND_FOLD_MAX", 10)
    cell = watched_cell()
    cell.set_policy(finished_jobs_max=1)
    task_ids = []
    for job_id in ("first", "second", "first"):
        task_ids += cell.run(batch(), job_id)
        cell.status(task_ids[-1], "TASK_FINISHED")
        cell.offer("host1")
    jobs = cell.view.timeline.histories.jobs
    assert list(jobs) == ["second", "first"]
    assert [line.what for line in cell.job_history("first")] == ["submitted", "job state"]
    assert list(jobs[JobId("first")].task_ids) == task_ids[-1:]
