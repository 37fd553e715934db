"""The guard of DESIGN section 3: what makes a cell safe, what does not, and what then happens.

Every case is a cell in memory: what Mesos says, and which proposals and changes follow from it.
"""

import random

import pytest

from scheduler.model.changes import CellPaged, JobRejected, OrphanGone, SafeBegan, SafeEnded
from scheduler.model.ids import TaskId
from scheduler.model.inbound import FindingConfirmed, FindingRejected
from scheduler.model.policy import Policy
from scheduler.model.proposals import KillTask, LaunchTasks, ReconcileAll, ReconcileTasks
from scheduler.model.task import Disconnected, Finished, Launched, Queued, Started
from tests.support.cell import CellInMemory, batch, running_cell, service

MANY = Policy(
    service_size_max=20_000,
    launches_per_round_max=20_000,
    finished_tasks_max=40_000,
    unstarted_tasks_per_job_max=20_000,
)


def strangers(cell: CellInMemory, count: int) -> list[TaskId]:
    """So many tasks of which the log does not know say that they run."""
    names = [TaskId(f"stranger-{number}") for number in range(count)]
    for name in names:
        cell.status(name, "TASK_RUNNING", host_id="host1")
    return names


def kinds_paged(cell: CellInMemory) -> list[str | None]:
    """What was paged so far, in order."""
    return [each.kind for each in cell.said(CellPaged)]


def confirm(cell: CellInMemory, tasks: int, finding: int | None = None) -> None:
    """An operator says that the finding is so."""
    at = finding if finding is not None else (cell.state.safe.finding if cell.state.safe else 0)
    cell.copy("commands", FindingConfirmed(at, tasks, "op", "looked at it"))


def reject(cell: CellInMemory) -> None:
    """An operator says that the finding is wrong."""
    at = cell.state.safe.finding if cell.state.safe else 0
    cell.copy("commands", FindingRejected(at, "op", "the master was young"))


# Orphans.


def test_two_tasks_that_the_log_does_not_know_are_no_alarm() -> None:
    cell = running_cell()
    strangers(cell, 2)
    assert cell.state.safe is None
    assert kinds_paged(cell) == []


def test_three_are_an_alarm_and_nothing_is_killed() -> None:
    cell = running_cell()
    names = strangers(cell, 3)
    assert cell.state.safe is not None
    (began,) = cell.said(SafeBegan)
    assert began.finding == cell.state.safe.finding
    (page,) = cell.said(CellPaged)
    assert (page.kind, page.tasks, page.tasks_total) == ("safe", tuple(names), 3)
    for _ in range(50):
        cell.pass_ms(600_000)
        assert cell.proposed(KillTask) == []
    assert sorted(cell.state.orphans) == names
    assert len(cell.said(CellPaged)) == 1


def test_orphans_that_an_operator_confirmed_alarm_no_more_and_stay() -> None:
    cell = running_cell()
    names = strangers(cell, 3)
    confirm(cell, 3)
    assert cell.state.safe is None
    assert sorted(cell.state.orphans) == names
    assert all(each.is_confirmed for each in cell.state.orphans.values())
    for name in names:
        cell.status(name, "TASK_KILLING", host_id="host1")
    cell.status(TaskId("another"), "TASK_RUNNING")
    assert cell.state.safe is None, "one new orphan is tolerated again"
    assert cell.proposed(KillTask) == []


def test_orphans_of_a_rejected_finding_are_asked_for_anew() -> None:
    cell = running_cell()
    assert len(cell.proposed(ReconcileAll)) == 1
    strangers(cell, 3)
    reject(cell)
    assert (cell.state.safe, cell.state.orphans) == (None, {})
    assert len(cell.proposed(ReconcileAll)) == 1
    strangers(cell, 3)
    assert cell.state.safe is not None, "Mesos still has them"


def test_a_finding_of_which_nothing_is_left_ends_by_itself() -> None:
    cell = running_cell()
    for name in strangers(cell, 3):
        cell.status(name, "TASK_FINISHED")
    assert len(cell.said(OrphanGone)) == 3
    cell.tick()
    assert cell.state.safe is None
    assert [each.how for each in cell.said(SafeEnded)] == ["cleared"]


# Tasks that ran and that Mesos does not have.


def test_one_task_that_mesos_does_not_have_is_held_and_then_replaced() -> None:
    cell = running_cell(hosts=4)
    task_ids = cell.run(service(8))
    cell.answer(task_ids[0], "TASK_GONE")
    assert isinstance(cell.task_state(task_ids[0]), Disconnected)
    cell.pass_ms(59_999)
    assert isinstance(cell.task_state(task_ids[0]), Disconnected)
    cell.tick(1)
    assert cell.is_in(task_ids[0], Finished).reason == "lost"
    assert (cell.state.safe, cell.state.missing) == (None, {})


@pytest.mark.parametrize("state", ["TASK_UNKNOWN", "TASK_GONE", "TASK_LOST"])
def test_all_tasks_of_a_job_missing_at_once_are_an_alarm_and_nothing_is_given_up(
    state: str,
) -> None:
    cell = running_cell(hosts=4)
    task_ids = cell.run(service(4))
    others = cell.run(service(12), "other")
    for task_id in task_ids:
        cell.answer(task_id, state)  # type: ignore[arg-type]  # one of the enum's words
    assert cell.state.safe is not None
    assert kinds_paged(cell) == ["safe"]
    for _ in range(20):
        cell.pass_ms(600_000)
        cell.decide_and_carry_out()
    assert all(isinstance(cell.task_state(each), Disconnected) for each in task_ids)
    assert all(isinstance(cell.task_state(each), Started) for each in others)
    assert [task.task_id for task in cell.tasks()] == task_ids, "nothing was replaced"


def test_a_part_of_a_job_is_no_class_until_there_are_many() -> None:
    cell = running_cell(hosts=8, cpus=8)
    task_ids = cell.run(service(30))
    for task_id in task_ids[:10]:
        cell.answer(task_id, "TASK_GONE")
    assert cell.state.safe is None
    cell.answer(task_ids[10], "TASK_GONE")
    assert cell.state.safe is not None
    assert len(cell.state.missing) == 11


def test_a_confirmed_loss_is_replaced_at_once_and_only_then() -> None:
    cell = running_cell(hosts=4)
    task_ids = cell.run(service(4))
    for task_id in task_ids:
        cell.answer(task_id, "TASK_GONE")
    confirm(cell, 4)
    assert all(cell.is_in(each, Finished).is_abandoned for each in task_ids)
    assert all(isinstance(task.state, Queued) for task in cell.tasks())
    assert [each.how for each in cell.said(SafeEnded)] == ["confirmed"]
    assert cell.state.missing == {}


def test_nobody_confirms_what_he_has_not_seen() -> None:
    cell = running_cell(hosts=4)
    task_ids = cell.run(service(4))
    for task_id in task_ids:
        cell.answer(task_id, "TASK_GONE")
    for tasks, finding in ((3, None), (4, 1)):
        confirm(cell, tasks, finding)
        assert isinstance(cell.said_last()[-1], JobRejected)
        assert cell.state.safe is not None
    confirm(cell, 4)
    confirm(cell, 4, finding=1)
    (refused,) = cell.said_last()
    assert isinstance(refused, JobRejected)
    assert "not safe" in refused.faults[0].text


def test_a_rejected_loss_leaves_the_tasks_as_they_were_and_asks_again() -> None:
    cell = running_cell(hosts=4)
    task_ids = cell.run(service(4))
    before = [cell.task_state(each) for each in task_ids]
    for task_id in task_ids:
        cell.answer(task_id, "TASK_GONE")
    reject(cell)
    assert [cell.task_state(each) for each in task_ids] == before
    asked = [each for one in cell.proposed(ReconcileTasks) for each in one.task_ids]
    assert asked == sorted(task_ids)
    for task_id in task_ids:
        cell.answer(task_id, "TASK_GONE")
    assert cell.state.safe is not None, "Mesos still does not have them"


def test_tasks_that_are_heard_of_again_end_the_finding() -> None:
    cell = running_cell(hosts=4)
    task_ids = cell.run(service(4))
    for task_id in task_ids:
        cell.answer(task_id, "TASK_UNKNOWN")
    assert len(cell.said(SafeBegan)) == 1
    for task_id in task_ids:
        cell.answer(task_id, "TASK_RUNNING")
    cell.tick()
    assert (cell.state.safe, cell.state.missing) == (None, {})
    assert all(isinstance(cell.task_state(each), Started) for each in task_ids)


def test_what_is_missing_is_asked_for_again_and_again() -> None:
    """A master that lost its memory says nothing by itself when its hosts are back."""
    cell = running_cell(hosts=4)
    task_ids = cell.run(service(4))
    for task_id in task_ids:
        cell.answer(task_id, "TASK_UNKNOWN")
    for wait_ms in (0, 10_000, 20_000, 40_000):
        cell.tick(wait_ms)
        asked = [each for one in cell.proposed(ReconcileTasks) for each in one.task_ids]
        assert asked == sorted(task_ids)
        for task_id in task_ids:
            cell.answer(task_id, "TASK_UNKNOWN")
    for task_id in task_ids:
        cell.answer(task_id, "TASK_RUNNING")
    cell.tick()
    assert cell.state.safe is None
    cell.pass_ms(300_000)
    assert cell.proposed(ReconcileTasks) == []


# What history explains.


def test_a_missing_task_whose_host_is_out_of_reach_is_missing_no_more() -> None:
    cell = running_cell(hosts=4)
    first, second, third = cell.run(service(3))
    cell.answer(first, "TASK_GONE")
    cell.answer(second, "TASK_GONE")
    cell.status(third, "TASK_UNREACHABLE", uuid="")
    assert list(cell.state.missing) == [first, second]
    cell.status(third, "TASK_RUNNING")
    assert (list(cell.state.missing), cell.state.missing_of_jobs) == ([first, second], {"job": 2})
    cell.status(first, "TASK_UNREACHABLE", uuid="")
    assert (list(cell.state.missing), cell.state.missing_of_jobs) == ([second], {"job": 1})
    assert isinstance(cell.task_state(first), Disconnected)


def test_hosts_that_are_lost_do_not_count() -> None:
    cell = running_cell(hosts=4)
    task_ids = cell.run(service(12))
    for task_id in task_ids:
        cell.answer(task_id, "TASK_UNREACHABLE")
        cell.answer(task_id, "TASK_GONE")
    assert cell.state.safe is None
    assert all(isinstance(cell.task_state(each), Finished) for each in task_ids)


def test_endings_by_updates_do_not_count() -> None:
    cell = running_cell(hosts=4)
    for task_id in cell.run(service(12)):
        cell.status(task_id, "TASK_LOST", reason="REASON_RECONCILIATION")
    assert cell.state.safe is None


def test_launches_of_unknown_fate_do_not_count() -> None:
    cell = running_cell(hosts=4)
    cell.submit(service(12))
    for task_id in cell.launched("unknown"):
        assert isinstance(cell.task_state(task_id), Launched)
        cell.answer(task_id, "TASK_UNKNOWN")
    assert cell.state.safe is None


def test_silence_does_not_count() -> None:
    """Fault 15: the store has tasks, Mesos answers none; nothing is marked dead."""
    cell = running_cell(hosts=4)
    task_ids = cell.run(service(12))
    cell.epoch = cell.elect("cell-1")
    cell.subscribe()
    for _ in range(50):
        cell.pass_ms(300_000)
        cell.decide_and_carry_out()
    assert cell.state.safe is None
    assert all(isinstance(cell.task_state(each), Started) for each in task_ids)


def test_a_restart_after_a_minute_away_at_five_launches_a_second_is_no_alarm() -> None:
    """Of 600 tasks, half ended meanwhile, ten launches were under way, two hosts were lost."""
    policy = Policy(launches_per_round_max=1_000, service_size_max=1_000)
    cell = running_cell(hosts=40, policy=policy, cpus=16)
    cell.records_a_check = 50  # A check looks at all 600 tasks.
    task_ids = cell.run(batch(600))
    cell.submit(batch(10), "under way")
    under_way = cell.launched("unknown")
    cell.now_ms += 60_000
    cell.elect("cell-1")
    cell.subscribe()
    away = {cell.host_of(task_ids[0]), cell.host_of(task_ids[-1])}
    for number, task_id in enumerate(task_ids):
        if cell.host_of(task_id) in away:
            cell.answer(task_id, "TASK_UNREACHABLE")
        elif number % 2:
            cell.status(task_id, "TASK_FINISHED")
        else:
            cell.answer(task_id, "TASK_RUNNING")
    for number, task_id in enumerate(under_way):
        cell.answer(task_id, "TASK_UNKNOWN" if number % 2 else "TASK_RUNNING")
    for _ in range(5):
        cell.pass_ms(60_000)
        cell.decide_and_carry_out()
    assert cell.state.safe is None
    assert cell.said(SafeBegan) == []
    assert kinds_paged(cell) == []
    cell.check()


# What goes on in a safe cell, and what does not.


def safe_cell() -> CellInMemory:
    """A safe cell with room for work."""
    cell = running_cell(hosts=4, cpus=16)
    strangers(cell, 3)
    assert cell.state.safe is not None
    return cell


def test_users_submit_launch_and_kill_in_a_safe_cell() -> None:
    cell = safe_cell()
    task_ids = cell.run(service(3))
    assert all(isinstance(cell.task_state(each), Started) for each in task_ids)
    cell.kill_task(task_ids[0])
    assert [each.task_id for each in cell.proposed(KillTask)] == [task_ids[0]]
    cell.status(task_ids[0], "TASK_KILLED")
    cell.tick(1_000)
    assert len(cell.proposed(LaunchTasks)) == 1
    cell.kill_job()
    assert len(cell.proposed(KillTask)) == 3


def test_hosts_that_mesos_calls_lost_are_healed_in_a_safe_cell() -> None:
    cell = safe_cell()
    (task_id,) = cell.run(service(1))
    cell.answer(task_id, "TASK_UNREACHABLE")
    cell.pass_ms(60_000)
    assert isinstance(cell.task_state(task_id), Finished)


def test_a_task_that_comes_back_is_not_killed_before_the_operators_word() -> None:
    cell = running_cell(hosts=4)
    (task_id,) = cell.run(service(1))
    cell.answer(task_id, "TASK_UNREACHABLE")
    cell.pass_ms(60_000)
    strangers(cell, 3)
    cell.status(task_id, "TASK_RUNNING")
    assert cell.is_in(task_id, Finished).is_back
    for _ in range(10):
        cell.tick(10_000)
        assert cell.proposed(KillTask) == []
    confirm(cell, 3)
    assert [each.task_id for each in cell.proposed(KillTask)] == [task_id]


def test_a_kill_that_the_fold_is_handed_in_a_safe_cell_is_refused() -> None:
    """A wrong `decide` cannot kill what is only inferred: the fold asks again at its own place."""
    cell = running_cell(hosts=4)
    (task_id,) = cell.run(service(1))
    cell.answer(task_id, "TASK_UNREACHABLE")
    cell.pass_ms(60_000)
    cell.status(task_id, "TASK_RUNNING")
    strangers(cell, 3)
    host_id = cell.place(task_id).host_id
    cell.write(KillTask(task_id=task_id, host_id=host_id, is_inferred=True))
    assert not any(isinstance(each.proposal, KillTask) for each in cell.state.decisions.values())


def test_a_start_that_takes_too_long_is_not_judged_in_a_safe_cell() -> None:
    cell = running_cell(hosts=4)
    cell.submit(service(1))
    (task_id,) = cell.launched()
    strangers(cell, 3)
    cell.pass_ms(3_600_000)
    assert isinstance(cell.task_state(task_id), Launched)
    assert cell.proposed(KillTask) == []
    confirm(cell, 3)
    cell.tick()
    assert [each.task_id for each in cell.proposed(KillTask)] == [task_id]


# Twelve thousand, each way.


def test_an_empty_state_and_twelve_thousand_running_tasks() -> None:
    """Fault 14: nothing is killed, the tasks are listed, one alarm grows by doubling."""
    cell = running_cell()
    cell.records_a_check = 4_000
    for number in range(12_000):
        cell.status(TaskId(f"lost-{number:05}"), "TASK_RUNNING", host_id="host1")
        if number % 500 == 499:
            cell.tick()
            assert cell.proposed(KillTask) == []
    cell.pass_ms(3_600_000)
    assert cell.proposed(KillTask) == []
    assert cell.state.safe is not None
    assert cell.state.unconfirmed_orphans == cell.state.policy.orphans_max
    assert len(cell.said(SafeBegan)) == 1
    pages = cell.said(CellPaged)
    assert pages[-1].tasks_total * 2 > 10_000
    assert len(pages) < 15


@pytest.mark.integration  # Twelve thousand tasks.
def test_twelve_thousand_tasks_in_the_log_and_none_at_the_master() -> None:
    """Fault 15 with answers instead of silence: none is given up, none replaced, in any order."""
    cell = CellInMemory(MANY)
    cell.records_a_check = 100_000
    cell.elect()
    cell.subscribe()
    for number in range(100):
        cell.offer(f"host{number}", 64, 65_536)
    cell.submit(service(12_000, 20_000))
    task_ids = cell.launched()
    assert len(task_ids) == 12_000
    for task_id in task_ids:
        cell.status(task_id, "TASK_RUNNING")
    order = list(task_ids)
    random.Random(6).shuffle(order)
    for number, task_id in enumerate(order):
        cell.answer(task_id, "TASK_UNKNOWN")
        if number % 3_000 == 2_999:
            cell.tick()
    for _ in range(3):
        cell.pass_ms(3_600_000)
        assert cell.proposed(LaunchTasks) == []
    assert len(cell.state.missing) == 12_000
    assert all(isinstance(cell.task_state(each), Disconnected) for each in task_ids)
    for task_id in order:
        cell.answer(task_id, "TASK_RUNNING")
    cell.tick()
    assert cell.state.safe is None
    assert all(isinstance(cell.task_state(each), Started) for each in task_ids)
    assert cell.state.queued_tasks == 0
    cell.check()
