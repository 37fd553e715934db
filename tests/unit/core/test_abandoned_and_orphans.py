"""Tasks that come back after they were given up, and tasks that the log does not know."""

from typing import Any

import pytest

from scheduler.model.changes import OrphanGone, OrphanSeen, RequestAccepted
from scheduler.model.ids import HostId, TaskId
from scheduler.model.inbound import OrphanForgotten
from scheduler.model.policy import Policy
from scheduler.model.proposals import KillTask, ReconcileTasks
from scheduler.model.task import Disconnected, Finished, KillInitiated, Queued, Started
from tests.support.cell import CellInMemory, batch, running_cell, service

STRANGER = TaskId("stranger")


def given_up(size: int = 1, policy: Policy | None = None) -> tuple[CellInMemory, list[TaskId]]:
    """A cell that gave tasks up on a host out of reach, and replaced them."""
    cell = running_cell(hosts=1, policy=policy)
    task_ids = cell.run(service(size))
    for task_id in task_ids:
        cell.answer(task_id, "TASK_UNREACHABLE")
    cell.pass_ms(60_000)
    assert all(cell.is_in(each, Finished).is_abandoned for each in task_ids)
    cell.decide_and_carry_out()
    return cell, task_ids


def test_a_host_out_of_reach_is_waited_for_and_then_its_tasks_are_replaced() -> None:
    cell = running_cell()
    (task_id,) = cell.run(service(1))
    cell.answer(task_id, "TASK_UNREACHABLE")
    assert isinstance(cell.task_state(task_id), Disconnected)
    cell.pass_ms(59_999)
    assert isinstance(cell.task_state(task_id), Disconnected)
    cell.tick(1)
    ended = cell.is_in(task_id, Finished)
    assert (ended.reason, ended.is_abandoned) == ("lost", True)
    assert "60000 ms" in ended.message
    assert isinstance(cell.task().state, Queued)


def test_a_host_that_comes_back_in_time_has_its_tasks_as_they_were() -> None:
    cell = running_cell()
    (task_id,) = cell.run(service(1))
    before = cell.task_state(task_id)
    cell.answer(task_id, "TASK_UNREACHABLE")
    cell.pass_ms(59_999)
    cell.status(task_id, "TASK_RUNNING", uuid="")
    assert cell.task_state(task_id) == before
    cell.pass_ms(120_000)
    assert isinstance(cell.task_state(task_id), Started)


def test_a_replaced_task_that_comes_back_is_killed_until_it_has_ended() -> None:
    cell, (task_id,) = given_up()
    cell.status(task_id, "TASK_RUNNING")
    assert cell.is_in(task_id, Finished).is_back
    kill = KillTask(task_id=task_id, host_id=cell.place(task_id).host_id, is_inferred=True)
    assert cell.proposed(KillTask) == [kill]
    cell.tick(10_000)
    assert cell.proposed(KillTask) == [kill]
    cell.status(task_id, "TASK_KILLED")
    ended = cell.is_in(task_id, Finished)
    assert (ended.reason, ended.is_abandoned, ended.is_back) == ("lost", False, False)
    cell.tick(10_000)
    assert cell.proposed(KillTask) == []


def test_coming_back_does_not_disturb_the_replacement() -> None:
    cell, (task_id,) = given_up()
    cell.tick(1_000)
    cell.offer("host2")
    (replacement,) = cell.launched()
    cell.status(replacement, "TASK_RUNNING")
    before = cell.task_state(replacement)
    cell.status(task_id, "TASK_RUNNING")
    cell.status(task_id, "TASK_FINISHED")
    assert cell.task_state(replacement) is before
    assert cell.task().task_id == replacement
    assert cell.state.jobs[cell.task().job_id].open_indexes == 1


def test_one_that_goes_out_of_reach_again_is_left_alone() -> None:
    cell, (task_id,) = given_up()
    cell.status(task_id, "TASK_RUNNING")
    cell.answer(task_id, "TASK_UNREACHABLE")
    assert cell.proposed(KillTask) == []
    cell.status(task_id, "TASK_RUNNING", uuid="")
    assert len(cell.proposed(KillTask)) == 1


def test_many_that_come_back_are_killed_only_within_the_hours_budget() -> None:
    cell, task_ids = given_up(6, Policy(inferred_kills_per_hour=2))
    for task_id in task_ids:
        cell.status(task_id, "TASK_RUNNING")
    # A round proposes no more than it may: nothing is refused.
    assert [each.task_id for each in cell.proposed(KillTask)] == sorted(task_ids)[:2]
    cell.tick(60_000, times=3)
    assert {each.task_id for each in cell.proposed(KillTask)} == set(sorted(task_ids)[:2])
    for task_id in sorted(task_ids)[:2]:
        cell.status(task_id, "TASK_KILLED")
    cell.tick(60_000, times=56)
    assert cell.proposed(KillTask) == []
    cell.tick(60_000)
    assert [each.task_id for each in cell.proposed(KillTask)] == sorted(task_ids)[2:4]


def test_kills_that_a_user_asked_for_do_not_use_that_budget() -> None:
    cell = running_cell(hosts=1, policy=Policy(inferred_kills_per_hour=0))
    cell.run(batch(6))
    cell.kill_job()
    kills = cell.proposed(KillTask)
    assert len(kills) == 6
    assert not any(each.is_inferred for each in kills)


def test_a_kill_on_a_host_out_of_reach_is_waited_for_and_then_given_up() -> None:
    cell = running_cell()
    (task_id,) = cell.run(service(1))
    cell.kill_task(task_id)
    cell.answer(task_id, "TASK_UNREACHABLE")
    cell.pass_ms(59_999)
    assert cell.is_in(task_id, KillInitiated).is_unreachable
    cell.tick(1)
    ended = cell.is_in(task_id, Finished)
    assert (ended.reason, ended.is_abandoned) == ("killed", True)
    assert [each.task_ids for each in cell.proposed(ReconcileTasks)] == [(task_id,)]


def test_a_kill_elsewhere_is_repeated_for_as_long_as_it_takes() -> None:
    cell = running_cell()
    (task_id,) = cell.run(service(1))
    cell.kill_task(task_id)
    for _ in range(50):
        assert len(cell.proposed(KillTask)) == 1
        cell.tick(10_000)
    assert isinstance(cell.task_state(task_id), KillInitiated)


def test_a_task_that_the_log_does_not_know_is_an_orphan_and_never_killed() -> None:
    cell = running_cell()
    cell.status(STRANGER, "TASK_RUNNING", host_id="host7")
    seen = OrphanSeen(task_id=STRANGER, host_id=HostId("host7"), state="TASK_RUNNING")
    assert cell.said_last() == [seen]
    for _ in range(20):
        cell.pass_ms(300_000)
        cell.status(STRANGER, "TASK_RUNNING", host_id="host7")
        assert cell.proposed(KillTask) == []
    assert list(cell.state.orphans) == [STRANGER]
    assert len(cell.said(OrphanSeen)) == 1


@pytest.mark.parametrize(
    "state", ["TASK_FINISHED", "TASK_KILLED", "TASK_GONE", "TASK_LOST", "TASK_DROPPED"]
)
def test_an_orphan_that_has_ended_is_gone(state: Any) -> None:
    cell = running_cell()
    cell.status(STRANGER, "TASK_RUNNING")
    cell.status(STRANGER, state)
    assert cell.said_last() == [OrphanGone(task_id=STRANGER, why=state)]
    assert cell.state.orphans == {}
    cell.status(STRANGER, state)
    assert cell.said_last() == []


@pytest.mark.parametrize("state", ["TASK_UNREACHABLE", "TASK_UNKNOWN", "TASK_FINISHED"])
def test_who_is_not_heard_of_alive_is_no_orphan(state: Any) -> None:
    cell = running_cell()
    cell.status(STRANGER, state)
    assert cell.state.orphans == {}


def test_an_orphan_keeps_its_host_and_when_it_was_first_seen() -> None:
    cell = running_cell()
    cell.status(STRANGER, "TASK_STARTING", host_id="host7")
    first_ms = cell.now_ms
    cell.tick(5_000)
    cell.status(STRANGER, "TASK_RUNNING", host_id=None)
    orphan = cell.state.orphans[STRANGER]
    assert (orphan.host_id, orphan.state, orphan.first_seen_at_ms) == (
        "host7",
        "TASK_RUNNING",
        first_ms,
    )
    cell.answer(STRANGER, "TASK_UNREACHABLE")
    assert cell.state.orphans[STRANGER].state == "TASK_UNREACHABLE"


def test_an_operator_says_that_an_orphan_is_dealt_with() -> None:
    cell = running_cell()
    cell.status(STRANGER, "TASK_RUNNING")
    cell.copy("commands", OrphanForgotten(task_id=STRANGER, actor="op", why="stopped by hand"))
    gone, accepted = cell.said_last()
    assert gone == OrphanGone(task_id=STRANGER, why="op: stopped by hand")
    assert isinstance(accepted, RequestAccepted)
    assert cell.state.orphans == {}
    cell.copy("commands", OrphanForgotten(task_id=STRANGER, actor="op", why="again"))
    assert [type(change) for change in cell.said_last()] == [RequestAccepted]


def test_the_list_of_orphans_has_a_limit() -> None:
    cell = running_cell(policy=Policy(orphans_max=2))
    for name in ("a", "b", "c"):
        cell.status(TaskId(name), "TASK_RUNNING")
    assert sorted(cell.state.orphans) == ["a", "b"]


def test_an_answer_about_a_stranger_on_an_older_stream_says_nothing() -> None:
    cell = running_cell()
    old, new = cell.stream_id, cell.subscribe()
    cell.stream_id = old
    cell.answer(STRANGER, "TASK_RUNNING")
    cell.status(STRANGER, "TASK_RUNNING")
    cell.stream_id = new
    assert cell.state.orphans == {}


def test_a_forgotten_task_that_comes_back_is_an_orphan() -> None:
    cell, (task_id,) = given_up(policy=Policy(finished_tasks_max=1))
    cell.submit(batch(1), "other")
    cell.kill_job("other")
    assert task_id not in cell.state.tasks
    cell.status(task_id, "TASK_RUNNING")
    assert list(cell.state.orphans) == [task_id]
    assert cell.proposed(KillTask) == []


def test_a_host_that_flaps_for_ten_minutes_restarts_nothing() -> None:
    # Every five seconds it is out of reach, and five seconds later back.
    cell = running_cell(hosts=1)
    task_ids = cell.run(service(2))
    launches = len(cell.said(RequestAccepted))
    for _ in range(60):
        for task_id in task_ids:
            cell.answer(task_id, "TASK_UNREACHABLE")
        cell.pass_ms(5_000)
        for task_id in task_ids:
            cell.status(task_id, "TASK_RUNNING", uuid="")
        cell.pass_ms(5_000)
        assert cell.proposed(KillTask) == []
    assert [task.task_id for task in cell.tasks()] == task_ids
    assert all(isinstance(cell.task_state(each), Started) for each in task_ids)
    assert len(cell.said(RequestAccepted)) == launches
