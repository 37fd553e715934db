"""Other instants of a small day: states, differences, timelines, causes, skipped records."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from scheduler.digest import canonical_bytes
from scheduler.model.codec import digest_of
from scheduler.model.events import Tick
from scheduler.model.healing import HealingStep, Runbook, RunbooksAsked
from scheduler.model.health import Evidence, HostJudged
from scheduler.model.ids import HostId
from scheduler.model.inbound import HostOrdered, RecordSkipped
from streams.travel.answering import Answering
from streams.travel.errors import TravelError
from tests.support.cell import CellInMemory, batch, running_cell
from tests.support.log_in_memory import LogInMemory, NotesInMemory, SnapshotsInMemory

Found = TypeVar("Found")


def run(asked: Coroutine[Any, Any, Found]) -> Found:
    """What the coroutine answers."""
    return asyncio.run(asked)


@pytest.fixture(scope="module")
def day() -> CellInMemory:
    """A job of two tasks: one fails and is tried again, then the job is killed."""
    cell = running_cell(2)
    task_ids = cell.run(batch(2, retries=1))
    cell.tick(5_000)
    cell.status(task_ids[0], "TASK_FAILED")
    cell.offer("host1")
    cell.pass_ms(60_000)
    cell.launched()
    cell.status(cell.task(0).task_id, "TASK_RUNNING")
    cell.kill_job()
    cell.decide_and_carry_out()
    for task in cell.tasks():
        cell.status(task.task_id, "TASK_KILLED")
    cell.copy("commands", HostOrdered(HostId("host2"), "draining", "ada", "old"))
    return cell


def answering(cell: CellInMemory, snapshots: tuple[int, ...] = ()) -> Answering:
    """Answers about the day, from snapshots before these records."""
    return Answering(LogInMemory(cell.log), SnapshotsInMemory(cell.log, snapshots))


def test_a_state_is_that_of_a_fold_from_zero(day: CellInMemory) -> None:
    asked = answering(day, (5, 12))
    for end in (1, 4, 13, 12, 20, len(day.log)):
        view = run(asked.machine.view_at(end))
        wanted = day.refolded(day.log[:end])
        assert canonical_bytes(view.state) == canonical_bytes(wanted.state)
        assert view.machine.digest.value() == wanted.digest.value()


def test_a_snapshot_and_a_kept_state_save_folding(day: CellInMemory) -> None:
    asked = answering(day, (20,))
    run(asked.machine.view_at(22))
    assert asked.machine.records_folded == 2
    run(asked.machine.view_at(25))
    assert asked.machine.records_folded == 5
    run(asked.machine.view_at(22))
    assert asked.machine.records_folded == 5


def test_an_instant_of_time_is_the_state_after_all_records_up_to_it(day: CellInMemory) -> None:
    asked = answering(day)
    summary = run(asked.traveller.state("2023-11-14T22:13:25Z"))
    assert summary.at_ms == 1_700_000_005_000
    before = run(asked.traveller.state("2023-11-14T22:13:24.999Z"))
    assert before.at_ms == 1_700_000_000_000
    assert before.next_offset < summary.next_offset


@pytest.mark.parametrize(
    ("at", "kind"),
    [
        ("9999", "unclear"),
        ("test/ffffffff:3", "unclear"),
        ("2001-01-01", "unclear"),
        ("soon", "unclear"),
    ],
)
def test_what_cannot_be_asked_is_refused(day: CellInMemory, at: str, kind: str) -> None:
    with pytest.raises(TravelError) as refused:
        run(answering(day).traveller.state(at))
    assert refused.value.kind == kind


def test_a_difference_names_the_events_that_made_it(day: CellInMemory) -> None:
    asked = answering(day)
    killed = next(at for at, data in enumerate(day.log) if b'"JobKillAsked"' in data)
    found = run(asked.traveller.diff(str(killed - 1), str(killed), 100))
    assert found.counts["job"] == {"changed": 1}
    job = next(each for each in found.entities if each.kind == "job")
    assert (job.before, job.after) == ("Accepted, wants 2", "KillInitiated (killed), wants 2")
    assert job.addresses == (f"test/0a0b0c0d:{killed}[0]",)
    backwards = run(asked.traveller.diff(str(killed), str(killed - 1), 100))
    assert next(each for each in backwards.entities if each.kind == "job").after == job.before


def test_a_difference_is_paged(day: CellInMemory) -> None:
    asked = answering(day)
    whole = run(asked.traveller.diff("3", "now", 100))
    pages = [run(asked.traveller.diff("3", "now", 2, skip)) for skip in range(0, 8, 2)]
    assert [one for page in pages for one in page.entities] == list(whole.entities)
    assert pages[0].dropped == len(whole.entities) - 2


def test_nothing_is_different_of_one_instant(day: CellInMemory) -> None:
    found = run(answering(day).traveller.diff("10", "10", 100))
    assert (found.counts, found.entities) == ({}, ())


def test_a_timeline_of_a_host_has_its_tasks_and_its_orders(day: CellInMemory) -> None:
    page = run(answering(day).traveller.timeline("name-of-host2", "", "", 100))
    whats = [line.what for line in page.lines]
    assert page.kind == "host"
    assert whats[0] == "offered first"
    assert whats[-1] == "ordered"
    assert "launch proposed" in whats


def test_a_timeline_of_a_host_says_when_and_why_it_was_away_and_what_was_done() -> None:
    cell = running_cell(3)
    steps = (
        HealingStep("diagnose", (0,), "diagnose", script="status"),
        HealingStep("page", (), "page"),
    )
    runbooks = (Runbook("disks", steps=steps, detectors=("lines",)),)
    cell.copy("commands", RunbooksAsked(runbooks, "ada", "a test"))
    line = Evidence("line", "EXT4-fs error", "host-logs:3:42", 7)
    cell.copy("verdicts", HostJudged(HostId("host2"), "lines", "sick", 900, (line,)))
    cell.pass_ms(300_000)
    page = run(answering(cell).traveller.timeline("name-of-host2", "", "", 100))
    told = [(each.what, each.message) for each in page.lines]
    assert ("health: away", "lines: EXT4-fs error") in told
    healing = [message for what, message in told if what == "healing"]
    assert "disks" in healing[0]
    assert "EXT4-fs error" in healing[0]
    assert any("diagnose timedOut" in each for each in healing)
    away = next(each for each in page.lines if each.what == "health: away")
    assert away.source.startswith("verdicts/")
    assert (away.host_id, away.hostname) == ("host2", "name-of-host2")


def test_a_timeline_is_paged(day: CellInMemory) -> None:
    asked = answering(day)
    whole = run(asked.traveller.timeline("job-worker-1-2", "", "", 100))
    first = run(asked.traveller.timeline("job-worker-1-2", "", "", 3))
    rest = run(asked.traveller.timeline("job-worker-1-2", "", "", 100, first.next_skip))
    assert (*first.lines, *rest.lines) == whole.lines
    assert rest.next_skip == 0


def test_an_unknown_name_is_told(day: CellInMemory) -> None:
    with pytest.raises(TravelError) as refused:
        run(answering(day).traveller.timeline("nobody", "", "", 100))
    assert refused.value.kind == "unknown"


def test_causes_go_back_to_the_submission_link_by_link(day: CellInMemory) -> None:
    ended = next(at for at, data in reversed(list(enumerate(day.log))) if b'"TASK_KILLED"' in data)
    trace = run(answering(day).tracer.trace(f"test/0a0b0c0d:{ended}[0]", "causes"))
    texts = [" ".join(step.texts) for step in trace.steps]
    wanted = (
        "submitted",
        "RoundRecord",
        "proposed by the round",
        "is carried out",
        "ended: sent",
        "TASK_RUNNING",
        "its end was asked for by ada",
        "kill proposed",
        "is carried out",
        "ended: sent",
        "TASK_KILLED",
    )
    assert len(texts) == len(wanted)
    assert all(part in text for part, text in zip(wanted, texts, strict=True)), texts
    for step in trace.steps[1:]:
        assert step.led_to_by, "each link but the first was led to by another"
    assert trace.steps[0].sources == ("jobs/0a0b0c0d:0:1",)


def test_effects_of_a_submission_reach_all_that_followed(day: CellInMemory) -> None:
    trace = run(answering(day).tracer.trace("test/0a0b0c0d:6[1]", "effects"))
    said = " ".join(text for step in trace.steps for text in step.texts)
    for part in ("replaced", "job-worker-0-3: launch", "RoundRecord", "Finished (killed)"):
        assert part in said


def test_a_record_that_an_operator_had_skipped_is_left_out() -> None:
    cell = running_cell(1)
    broken = b'{"version":1,"nonsense":true}'
    at = len(cell.log)
    cell.log.append(broken)
    cell.machine.pass_over(at)
    skip = RecordSkipped(offset=at, digest=digest_of(broken), actor="ada", why="broken")
    cell.copy("commands", skip)
    cell.write(Tick())
    view = run(Answering(LogInMemory(cell.log)).machine.view_at(len(cell.log)))
    assert canonical_bytes(view.state) == canonical_bytes(cell.state)


def test_a_record_that_nobody_had_skipped_stops_and_says_where() -> None:
    cell = running_cell(1)
    at = len(cell.log)
    log = [*cell.log, b"{}", cell.log[-1]]
    with pytest.raises(TravelError) as refused:
        run(Answering(LogInMemory(log)).machine.view_at(at + 1))
    assert refused.value.kind == "unavailable"
    assert str(at) in refused.value.what


def test_histories_of_forgotten_tasks_come_from_the_table() -> None:
    cell = running_cell(1)
    cell.set_policy(finished_jobs_max=1, finished_tasks_max=1)
    for name in ("first", "second", "third"):
        (task_id,) = cell.run(batch(), name)
        cell.status(task_id, "TASK_FINISHED")
        cell.offer("host1")
    end = len(cell.log)
    notes = NotesInMemory(cell.log, end - 3)
    asked = Answering(LogInMemory(cell.log), SnapshotsInMemory(cell.log, (end - 3,)), notes)
    assert "first" not in cell.state.jobs
    found = run(asked.traveller.why("first-worker-0-1", "now"))
    assert found.is_forgotten
    assert found.state == "Finished"
    assert found.chain[0].text.startswith("submitted")
    page = run(asked.traveller.timeline("first", "", "", 100))
    assert [line.what for line in page.lines] == ["submitted", "job state"]
