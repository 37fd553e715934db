"""Kills: the pace of all, the budgets of those that are inferred, the share of one actor."""

from collections import Counter

from msgspec.structs import replace

from scheduler.model.changes import CellPaged
from scheduler.model.ids import TaskId
from scheduler.model.inbound import TaskKillAsked
from scheduler.model.policy import Policy
from scheduler.model.proposals import KillTask
from scheduler.model.task import KillInitiated
from tests.support.cell import CellInMemory, batch, running_cell, service


def pages(cell: CellInMemory, kind: str) -> list[CellPaged]:
    """What was paged of one kind."""
    return [each for each in cell.said(CellPaged) if each.kind == kind]


def stuck_cell(count: int, policy: Policy) -> tuple[CellInMemory, list[TaskId]]:
    """A cell of which tasks were launched and never started."""
    at_once = replace(policy, stuck_actions_per_s_max=100)
    cell = running_cell(hosts=4, policy=at_once, cpus=16)
    cell.submit(batch(count))
    task_ids = cell.launched()
    assert len(task_ids) == count
    cell.pass_ms(300_000)
    assert all(isinstance(cell.task_state(each), KillInitiated) for each in task_ids)
    return cell, task_ids


def test_kills_of_users_keep_to_the_cells_pace() -> None:
    cell = running_cell(hosts=4, policy=Policy(kills_per_s_max=5), cpus=16)
    task_ids = cell.run(batch(12))
    cell.kill_job()
    killed: list[TaskId] = []
    for wanted in (5, 5, 2):
        found = [each.task_id for each in cell.proposed(KillTask)]
        assert len(found) == wanted
        killed += found
        cell.tick(1_000)
    assert sorted(killed) == sorted(task_ids)


def test_the_pace_counts_seconds_of_the_logs_clock_and_not_rounds() -> None:
    cell = running_cell(hosts=4, policy=Policy(kills_per_s_max=5), cpus=16)
    cell.run(batch(12))
    cell.kill_job()
    assert len(cell.proposed(KillTask)) == 5
    cell.tick(0, times=10)
    assert cell.proposed(KillTask) == []


def test_who_does_not_end_does_not_hold_up_the_others() -> None:
    cell = running_cell(hosts=4, policy=Policy(kills_per_s_max=4, kill_retry_ms=1_000), cpus=16)
    cell.run(batch(6))
    cell.kill_job()
    first = {each.task_id for each in cell.proposed(KillTask)}
    cell.tick(1_000)
    second = [each.task_id for each in cell.proposed(KillTask)]
    assert len(first) == len(second) == 4
    assert set(second[:2]).isdisjoint(first), "the two that were never told to end come first"


def test_a_kill_beyond_the_pace_is_refused_at_its_place() -> None:
    cell = running_cell(hosts=4, policy=Policy(kills_per_s_max=1), cpus=16)
    task_ids = cell.run(batch(3))
    cell.kill_job()
    kills = [KillTask(each, cell.place(each).host_id) for each in task_ids]
    cell.write(*kills)
    accepted = [each.proposal for each in cell.state.decisions.values()]
    assert accepted == kills[:1]


def test_titus_a_round_kills_three_hundred_at_most() -> None:
    assert Policy().kills_per_round_max == 300
    cell = running_cell(hosts=4, policy=Policy(kills_per_round_max=5), cpus=16)
    cell.run(batch(12))
    cell.kill_job()
    for wanted in (5, 5, 2, 0):
        proposals = cell.decide()
        assert len(proposals) == wanted
        for proposal_id, _ in proposals:
            cell.carry_out(proposal_id)


def test_starts_that_take_too_long_have_a_budget_of_their_own() -> None:
    cell, task_ids = stuck_cell(6, Policy(stuck_kills_per_hour=2, inferred_kills_per_hour=0))
    kills = cell.proposed(KillTask)
    assert [each.task_id for each in kills] == sorted(task_ids)[:2]
    assert all(each.is_inferred for each in kills)
    cell.tick(1_000)
    (page,) = pages(cell, "inferred kills")
    assert (page.key, page.tasks_total) == ("stuck", 4)
    cell.pass_ms(3_540_000)
    assert {each.task_id for each in cell.proposed(KillTask)} == set(sorted(task_ids)[:2])
    cell.pass_ms(60_000)
    assert sorted(task_ids)[2] in {each.task_id for each in cell.proposed(KillTask)}


def test_an_alarm_that_goes_on_is_paged_once_an_hour() -> None:
    cell, _ = stuck_cell(3, Policy(stuck_kills_per_hour=0))
    for _ in range(59):
        cell.tick(60_000)
    assert len(pages(cell, "inferred kills")) == 1
    cell.tick(60_000, times=2)
    assert len(pages(cell, "inferred kills")) == 2


def test_one_actor_who_ends_very_many_is_paged_for_and_obeyed() -> None:
    cell = running_cell(hosts=4, policy=Policy(actor_kills_per_hour=5), cpus=16)
    cell.run(service(6))
    cell.run(service(4), "other")
    cell.kill_job()
    (page,) = pages(cell, "user kills")
    assert page.key == "ada"
    assert "6 running tasks" in page.why
    assert len(cell.proposed(KillTask)) == 6
    cell.kill_job("other")
    assert len(pages(cell, "user kills")) == 1, "the same alarm"
    assert cell.state.safe is None


def test_the_share_is_of_one_actor_and_of_one_hour() -> None:
    cell = running_cell(hosts=4, policy=Policy(actor_kills_per_hour=5), cpus=16)
    task_ids = cell.run(service(16))
    kills = Counter({"ada": 5, "bob": 5})
    left = list(task_ids)
    for actor, count in kills.items():
        for _ in range(count):
            cell.copy("jobs", TaskKillAsked(task_id=left.pop(), actor=actor, is_shrink=True))
    cell.pass_ms(3_600_000)
    for _ in range(5):
        cell.copy("jobs", TaskKillAsked(task_id=left.pop(), actor="ada", is_shrink=True))
    assert pages(cell, "user kills") == []
    cell.copy("jobs", TaskKillAsked(task_id=left.pop(), actor="ada", is_shrink=True))
    assert len(pages(cell, "user kills")) == 1


def test_tasks_that_never_left_the_cell_are_nobodys_share() -> None:
    cell = running_cell(hosts=0, policy=Policy(actor_kills_per_hour=0))
    cell.submit(batch(20))
    cell.kill_job()
    assert pages(cell, "user kills") == []
