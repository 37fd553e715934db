"""Histories from notes and a snapshot are those of a fold from zero, wherever the notes end.

The day is small and has what a history can have: refusals that go on and change, a task that is
moved to another job, retries, kills, addresses of containers, an orphan. Notes and snapshot end
at one record after the other; random days do the same elsewhere (`tests/properties`).
"""

import asyncio

import pytest

from projections.history import history_of_job, history_of_task
from projections.travel.notes import Noted
from projections.travel.rebuilt import Rebuilt
from projections.why import Unknown, why
from scheduler.model.codec import decode_record
from scheduler.model.ids import JobId, TaskId
from scheduler.model.job_requests import TaskMoveAsked
from scheduler.model.resources import Need
from streams.travel.answering import Answering
from tests.properties.test_travel import folded, names_of, same
from tests.support.cell import CellInMemory, batch, running_cell, service
from tests.support.log_in_memory import LogInMemory, NotesInMemory, SnapshotsInMemory


def _day() -> CellInMemory:
    cell = running_cell(1)
    cell.submit(batch(2, need=Need(cpu_milli=64_000, memory_mib=64)), "large")
    for number in range(3):
        cell.tick(2_000)
        cell.launched()
        cell.offer(f"host{number + 2}", 1)
    first, second, third = cell.run(service(3), "here")
    cell.run(service(1), "there")
    for task_id in (first, second, third):
        cell.status(task_id, "TASK_RUNNING", container_ip="10.0.0.7")
    cell.copy("jobs", TaskMoveAsked(first, JobId("here"), JobId("there"), actor="ada", why="split"))
    cell.status(second, "TASK_FAILED", message="out of luck")
    cell.kill_task(third)
    cell.decide_and_carry_out()
    cell.tick(30_000)
    cell.decide_and_carry_out()
    cell.status(third, "TASK_KILLED")
    cell.status(TaskId("nobody-w-0-1"), "TASK_RUNNING")
    cell.offer("host2", 2)
    cell.launched()
    cell.tick(2_000)
    cell.launched()
    cell.kill_job("here")
    cell.tick()
    return cell


@pytest.fixture(scope="module")
def day() -> CellInMemory:
    """The day."""
    return _day()


async def _compare(day: CellInMemory, seam: int) -> None:
    end = len(day.log)
    quick = Answering(
        LogInMemory(day.log), SnapshotsInMemory(day.log, [seam]), NotesInMemory(day.log, seam)
    )
    view = folded(day.log, end)
    for name in names_of(view):
        found = why(view, name)
        assert not isinstance(found, Unknown)
        same(await quick.traveller.why(name, str(end - 1)), found)
        history = history_of_job(view, JobId(name)) or history_of_task(view, TaskId(name))
        if history is not None:
            events = await quick.traveller.events(name, str(end - 1), is_with_tasks=False)
            same(events, history)


def test_the_day_has_what_crosses_a_seam(day: CellInMemory) -> None:
    view = folded(day.log, len(day.log))
    large, there = view.job_history(JobId("large")), view.job_history(JobId("there"))
    assert large is not None
    assert there is not None
    assert len(large.refusals[0].offsets) >= 2
    assert len(there.task_ids) == 2
    assert len(day.state.orphans) == 1


@pytest.mark.parametrize("sixth", range(6))
def test_wherever_notes_end_histories_are_whole(day: CellInMemory, sixth: int) -> None:
    asyncio.run(_compare(day, 4 + sixth * (len(day.log) - 4) // 6))


def test_notes_of_what_began_before_them_say_nothing_alone(day: CellInMemory) -> None:
    """A table of notes that begins late, and no view of what was there before."""
    noted = Noted()
    rows = [each for at, data in enumerate(day.log) for each in noted.take(at, decode_record(data))]
    begun = next(each.offset for each in rows if each.job_id == "there")
    late = Rebuilt().take(each for each in rows if each.offset >= begun)
    assert set(late.jobs) == {"there"}
    whole = Rebuilt().take(rows)
    assert late.jobs[JobId("there")].entries == whole.jobs[JobId("there")].entries
    assert {each.job_id for each in late.tasks.values()} == {"here", "there"}
