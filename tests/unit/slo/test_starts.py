"""Tasks on their way: who waits, who is late, and that what has gone on is not kept.

How: changes of tasks are handed over one by one, with a state of which some waits.
"""

from projections.slo.book import SloBook
from projections.slo.starts import OnItsWay, Starts
from scheduler.model.changes import TaskChanged
from scheduler.model.ids import Generation, JobId, TaskId
from scheduler.state import State
from tests.support.cell import batch, running_cell

JOB = JobId("job")
MANY = 1_100
MINUTE = 60_000


def step(task_id: str, state: str, name: str) -> TaskChanged:
    """A task's step into a state."""
    return TaskChanged(JOB, TaskId(task_id), state, name)


def waiting(count: int) -> Starts:
    """So many tasks that wait for a host, one more each millisecond."""
    return Starts({TaskId(f"t{at}"): OnItsWay(JOB, "G", at) for at in range(count)})


def test_a_launch_that_comes_back_waits_for_a_host_again() -> None:
    starts = waiting(1)
    assert (starts.queued, starts.queued_of_groups["G"]) == (1, 1)
    starts.fold(State(), step("t0", "Launched", "effect started"), 5)
    assert starts.queued == 0
    starts.fold(State(), step("t0", "Accepted", "requeued"), 7)
    assert (starts.queued, starts.queued_of_groups["G"]) == (1, 1)
    starts.fold(State(), step("t0", "Accepted", "placed"), 8)
    assert starts.queued == 1, "counted once"
    starts.fold(State(), step("t0", "Launched", "effect started"), 9)
    started = starts.fold(State(), step("t0", "Started", "TASK_RUNNING"), 20)
    assert started is not None
    assert (started.start_ms, started.launch_ms) == (20, 11)


def test_of_a_task_that_is_older_than_what_was_folded_no_wait_is_known() -> None:
    starts = Starts()
    assert starts.fold(State(), step("old", "Accepted", "requeued"), 5) is None
    assert (starts.tasks, starts.queued) == ({}, 0)
    starts.fold(State(), step("new", "Accepted", "queued"), 6)
    assert list(starts.tasks) == ["new"]


def test_what_a_late_beginning_does_not_find_any_more_waits_no_longer() -> None:
    cell = running_cell(hosts=0)
    cell.submit(batch(2))
    first, second = (each.task_id for each in cell.tasks())
    gone = OnItsWay(JobId("gone"), "G", 5)
    kept = OnItsWay(JOB, "", cell.now_ms - MINUTE)
    starts = Starts({TaskId("gone-1"): gone, first: kept})
    starts.begin_late(cell.state)
    assert list(starts.tasks) == [first, second]
    assert starts.tasks[first] is kept
    assert (starts.queued, starts.queued_of_groups["G"]) == (2, 0)
    assert starts.oldest_wait_ms(cell.now_ms) >= MINUTE


def test_who_has_gone_on_is_not_kept_among_those_that_may_become_late() -> None:
    starts = waiting(MANY)
    for at in range(MANY - 2):
        starts.fold(State(), step(f"t{at}", "Started", "TASK_RUNNING"), MANY)
    assert len(starts._due) < MANY
    assert starts.queued == 2
    left = [MANY - 2, MANY - 1]
    assert starts.is_any_late(MINUTE * 2, MINUTE)
    assert [each.since_ms for each in starts.newly_late(MINUTE * 2, MINUTE)] == left
    assert list(starts.newly_late(MINUTE * 2, MINUTE)) == [], "each is told once"


def test_a_cell_that_goes_on_in_another_log_is_counted_from_its_beginning() -> None:
    book, state = SloBook(), running_cell().state
    assert book.begin(state, 0) is True
    assert book.begin(state, 1) is True
    assert book.begin(state, 1) is False, "counted already"
    state.generation = Generation("1b1b1b1b")
    assert book.begin(state, 0) is True
    assert (book.next_offset, book.generation, book.gaps) == (1, "1b1b1b1b", 0)
    assert book.begin(state, 5) is True
    assert book.gaps == 1
