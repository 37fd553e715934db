"""Why, where it is seldom asked: odd rounds, held tasks, moved cells, views that begin late.

How: a watched cell writes records as a leader would; of some a round tells less than it could.
"""

from typing import Any

import pytest
from msgspec.structs import replace

from projections.cell_view import CellView
from projections.scheduling import scheduling_result
from projections.snapshot.format import Expected, capture, decode, encode
from projections.v3 import task_json
from projections.v3_query import Query, tasks_page
from projections.why import Why, why
from projections.words import instant
from scheduler.model.address import parse_address
from scheduler.model.disruption import DisruptionBudget, SelfManaged, UnhealthyTasks
from scheduler.model.events import CellEvent, RoundRecord
from scheduler.model.ids import HostId, JobId, TaskId
from scheduler.model.inbound import HostOrdered
from scheduler.model.job import Batch
from scheduler.model.policy import Policy
from scheduler.model.proposals import LaunchTasks
from scheduler.model.resources import Need
from tests.support.cell import batch, service
from tests.unit.core.test_continued import moved, record_of
from tests.unit.projections.watched import WatchedCell, watched_cell

ENDED = Query(task_states=frozenset({"Finished"}))


def write_round(cell: WatchedCell, **told: Any) -> tuple[CellEvent, ...]:
    """Write what the machine wants, with a record of the round that tells other things."""
    events = cell.machine.decide()
    written = [replace(each, **told) if isinstance(each, RoundRecord) else each for each in events]
    cell.write(*written)
    return tuple(written)


def restored(cell: WatchedCell) -> CellView:
    """A view that begins with a snapshot of what the cell is now."""
    taken = encode(capture(cell.view.machine)).data
    return CellView.restored(decode(taken, Expected()).machine)


def said_by(view: CellView, name: str) -> str:
    """The sentences of this view about a name."""
    found = why(view, name)
    assert isinstance(found, Why)
    return " ".join(found.sentences)


def test_tasks_beyond_the_most_that_may_be_unstarted_wait_for_the_others() -> None:
    cell = watched_cell(policy=Policy(unstarted_tasks_per_job_max=2))
    cell.submit(batch(3))
    (held,) = (each.task_id for each in cell.tasks() if each.index == 2)
    assert cell.says(held).endswith(
        "2 tasks of its job wait for a host or start (unstarted_tasks_per_job_max): it waits "
        "until one of them has started."
    )


def test_a_round_without_a_word_of_the_task_is_told_with_the_reason() -> None:
    for unexplained, reason in (
        (1, "it left 1 job unexplained, for want of room"),
        (0, "it does not name this job"),
    ):
        cell = watched_cell()
        cell.submit(batch(need=Need(9_000, 100)))
        events = write_round(cell, refusals=(), unexplained=unexplained)
        at = next(at for at, each in enumerate(events) if isinstance(each, RoundRecord))
        address = cell.view.address((len(cell.log) - 1, at))
        said = cell.says(cell.task().task_id)
        assert f"The last round, at {address}, says nothing of it: {reason}." in said


def test_a_round_that_does_not_say_why_it_chose_still_tells_what_it_had_to_place() -> None:
    cell = watched_cell()
    cell.submit(batch())
    write_round(cell, placements=())
    task_id = cell.task().task_id
    placement = cell.why(task_id).placement
    assert placement is not None
    assert (placement.waiting, placement.placed, placement.hosts) == (1, 1, 1)
    assert (placement.fitness, placement.parts, placement.runner_up) == (0, {}, "")
    assert "whose fitness" not in cell.says(task_id)
    told = scheduling_result(cell.view, task_id)
    assert told is not None
    assert (told["hosts"], told["round"]) == (1, placement.round)
    assert told["success"] == {
        "hostId": "host1",
        "host": "name-of-host1",
        "proposal": placement.proposal,
    }


def test_a_launch_without_any_round_says_so() -> None:
    cell = watched_cell()
    cell.submit(batch())
    (launch,) = (each for each in cell.machine.decide() if isinstance(each, LaunchTasks))
    cell.write(launch)
    task_id = cell.task().task_id
    address = cell.view.address((len(cell.log) - 1, 0))
    said = f"The launch on name-of-host1 was proposed at {address}, by no round that is recorded."
    assert said in cell.says(task_id)
    placement = cell.why(task_id).placement
    assert placement is not None
    assert (placement.proposal, placement.round) == (address, "")
    told = scheduling_result(cell.view, task_id)
    assert told is not None
    assert "round" not in told
    assert told["success"]["proposal"] == address


def test_the_next_best_host_is_named_with_its_fitness_and_parts() -> None:
    cell = watched_cell(hosts=2)
    cell.submit(batch())
    (task_id,) = cell.launched()
    placement = cell.why(task_id).placement
    assert placement is not None
    second = placement.runner_up
    assert {placement.hostname, second} == {"name-of-host1", "name-of-host2"}
    assert placement.fitness == placement.runner_up_fitness
    said = cell.says(task_id)
    assert f"The next best was {second} with {placement.fitness}: as good, and less full" in said
    assert "No other host would have done." not in said


def test_a_task_that_exceeds_its_runtime_limit_is_not_retried_unless_the_job_says_so() -> None:
    cell = watched_cell()
    spec = batch(retries=3)
    (task_id,) = cell.run(replace(spec, kind=Batch(size=1, runtime_limit_ms=60_000)))
    cell.pass_ms(90_000)
    cell.decide_and_carry_out()
    assert "A time-out ran out at test/" in cell.says(task_id)
    cell.status(task_id, "TASK_KILLED")
    assert "A time-out ran out at test/" in cell.says(task_id)
    assert cell.says(task_id).count("Nothing takes its place") == 1
    assert "the job does not retry tasks that exceed its runtime limit." in cell.says(task_id)


def drained(cell: WatchedCell) -> None:
    """An operator empties the host; the looks that follow have passed."""
    cell.copy("commands", HostOrdered(HostId("host1"), "draining", "op", "new kernel"))
    cell.tick(10_000, times=16)


def test_a_task_that_has_to_leave_says_what_its_owner_has_left() -> None:
    cell = watched_cell()
    cell.tick(15_000)
    (task_id,) = cell.run(replace(service(1), budget=DisruptionBudget(SelfManaged(600_000))))
    drained(cell)
    plan = cell.state.plans[task_id]
    left_s = (plan.deadline_ms - cell.now_ms) // 1_000
    said = cell.says(task_id)
    assert (
        f"It has to leave its host: {plan.message} (planned {instant(plan.decided_at_ms)})" in said
    )
    assert f"Its owner has {left_s // 60} min {left_s % 60} s left to move it himself" in said
    assert "It has not been evicted" not in said


def test_whose_time_is_up_has_none_left() -> None:
    cell = watched_cell()
    cell.tick(15_000)
    (task_id,) = cell.run(replace(service(1), budget=DisruptionBudget(SelfManaged(100_000))))
    cell.copy("commands", HostOrdered(HostId("host1"), "draining", "op", "new kernel"))
    while task_id not in cell.state.plans:
        cell.tick(10_000)
    cell.now_ms = cell.state.plans[task_id].deadline_ms
    cell.write(RoundRecord(1, 0, 0, 0, 0, 0))
    said = cell.says(task_id)
    assert "It has to leave its host" in said
    assert "Its owner has" not in said


def test_a_task_that_a_budget_keeps_says_which_limit_and_after_how_many_attempts() -> None:
    cell = watched_cell()
    cell.tick(15_000)
    task_ids = cell.run(replace(service(4), budget=DisruptionBudget(UnhealthyTasks(1))))
    drained(cell)
    plan = next(each for each in cell.state.plans.values() if each.limit)
    assert plan.task_id in task_ids
    assert plan.attempts > 1
    assert (
        f"It has not been evicted, after {plan.attempts} attempts: {plan.limit_message} (health)."
    ) in cell.says(plan.task_id)
    assert "left to move it himself" not in cell.says(plan.task_id)


def test_what_a_late_view_has_not_seen_it_does_not_make_up() -> None:
    cell = watched_cell()
    (task_id,) = cell.run(service(1))
    running = restored(cell)
    cell.kill_job()
    cell.decide_and_carry_out()
    cell.status(task_id, "TASK_KILLED")
    cell.tick()
    late = restored(cell)
    said = said_by(late, task_id)
    assert "Mesos said" not in said_by(running, task_id)
    assert said_by(running, task_id).startswith(f"{task_id} runs on name-of-host1 since")
    assert f"{task_id} ended at {instant(cell.now_ms - 1_000)}: killed." in said
    assert "Nothing takes its place: the job is Finished." in said
    assert "asked for by" not in said_by(late, "job")
    assert "asked for by ada" in cell.says("job")


def test_a_late_view_knows_the_successor_and_not_when_it_came() -> None:
    cell = watched_cell()
    (first,) = cell.run(batch(retries=2))
    cell.status(first, "TASK_FAILED")
    second = cell.task().task_id
    assert f" {second} took its place." in said_by(restored(cell), first)


def test_of_starts_that_were_forgotten_only_the_number_is_told() -> None:
    cell = watched_cell(policy=Policy(finished_tasks_per_job_max=1))
    cell.set_policy(crash_loop_failures_min=0)
    cell.submit(batch(retries=9))
    failed = []
    for _ in range(3):
        failed += cell.launched()
        cell.status(failed[-1], "TASK_FAILED")
        cell.offer("host1")
        cell.tick(15_000, times=2)
    last = cell.task().task_id
    found = why(restored(cell), last)
    assert isinstance(found, Why)
    assert found.predecessors == (failed[-1],)
    assert "index 0 was started 4 times; 2 of those before are not shown here." in " ".join(
        found.sentences
    )


def test_an_ended_task_may_outlive_its_job_in_every_view(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fold forgets jobs and replaced tasks by numbers of their own; a snapshot has such too."""
    monkeypatch.setattr("projections.histories.JOBS_BEYOND_FOLD_MAX", 0)
    cell = watched_cell()
    (ended,) = cell.run(replace(service(1), owner_email="ada@example.org"))
    cell.kill_task(ended)
    cell.decide_and_carry_out()
    cell.status(ended, "TASK_KILLED")
    (last,) = (each.task_id for each in cell.tasks())
    cell.kill_job()
    cell.set_policy(finished_jobs_max=1)
    cell.submit(service(1), "other")
    cell.kill_job("other")
    assert "job" not in cell.state.jobs
    for view in (cell.view, restored(cell)):
        assert view.job_history(JobId("job")) is None
        assert "ada@example.org" not in view.timeline.histories.jobs_of_owner
        assert view.task_history(last) is None
        said = said_by(view, ended)
        assert said.startswith(f"{ended} ended at {instant(cell.now_ms)}: killed.")
        shown = task_json(view, ended)
        assert shown is not None
        assert (shown["jobId"], shown["status"]["state"]) == ("job", "Finished")
        assert "task.tier" not in shown["taskContext"]
        assert [each["id"] for each in tasks_page(view, ENDED)["items"]][:1] == [ended]
    found = why(cell.view, ended)
    assert isinstance(found, Why)
    assert "Mesos said TASK_KILLED" in " ".join(found.sentences)
    assert not any("submitted" in each.text for each in found.chain)


def test_a_cell_that_was_moved_says_so_of_its_jobs_and_has_no_leader_yet() -> None:
    cell = watched_cell(hosts=0)
    cell.submit(batch())
    cell.stream_ends()
    task_id = cell.task().task_id
    view = restored(cell)
    assert "elected at test/0a0b0c0d:1[0]" in said_by(view, task_id)
    view.apply(0, record_of(moved(cell)))
    assert "before the cell was moved to this Kafka" in said_by(view, "job")
    assert said_by(view, task_id).endswith(
        "The cell has had no leader in this log yet, so nothing is decided."
    )


def test_a_refusal_is_told_as_of_an_address_and_not_of_a_later_round() -> None:
    cell = watched_cell(hosts=0)
    cell.submit(batch(need=Need(9_000, 100)))
    cell.decide_and_carry_out()
    task_id = TaskId("job-worker-0-1")
    first = scheduling_result(cell.view, task_id)
    assert first is not None
    before = parse_address(first["round"])
    cell.offer("host1")
    cell.tick(10_000)
    cell.decide_and_carry_out()
    now = scheduling_result(cell.view, task_id)
    early = scheduling_result(cell.view, task_id, (before.offset, before.index))
    assert early is not None
    assert now is not None
    assert early["failures"] == first["failures"] != now["failures"]
    assert early["round"] == first["round"] != now["round"]


def test_rounds_from_before_a_task_was_there_are_not_held_against_it() -> None:
    cell = watched_cell()
    cell.run(batch(), "before")
    cell.submit(batch())
    said = cell.says(cell.task().task_id)
    assert said.endswith(
        "No round of placement has been written since; the next one will look at it."
    )
    assert "The last round" not in said


def test_a_request_that_was_refused_is_told_of_its_job() -> None:
    cell = watched_cell()
    cell.submit(batch())
    assert "was refused at" not in cell.says("job")
    cell.submit(batch(2))
    address = cell.view.address((len(cell.log) - 1, 0))
    said = cell.says("job")
    assert f"A request about it (record jobs/0a0b0c0d:0:2) was refused at {address}: " in said
    assert "duplicate id" in said


@pytest.mark.parametrize(("size", "words"), [(1, "1 task of"), (2, "2 tasks of")])
def test_a_round_that_refused_a_job_is_a_line_of_its_history(size: int, words: str) -> None:
    cell = watched_cell()
    cell.submit(batch(size, need=Need(9_000, 100)))
    cell.decide_and_carry_out()
    (line,) = (each for each in cell.job_history() if each.what == "round refused")
    assert line.message == f"{words} the job could not be placed"
    assert (line.count, line.last_address, line.last_at_ms) == (1, "", 0)
    assert [each.rule for each in line.refusals] == ["cpu"]
