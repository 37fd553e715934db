"""Proposals are judged at their own place in the log: every reason for a refusal, one by one.

`decide` is not asked here; each test writes what a wrong `decide` might have said.
"""

from typing import Any

import pytest

from scheduler.model.changes import ProposalRefused
from scheduler.model.constraint import Constraint
from scheduler.model.ids import HostId, OfferId, TaskId, proposal_id_of
from scheduler.model.policy import Policy
from scheduler.model.proposals import (
    DeclineOffers,
    KillTask,
    Launch,
    LaunchTasks,
    Proposal,
    ReconcileAll,
    ReconcileTasks,
    ReviveOffers,
    SuppressOffers,
)
from scheduler.model.resources import Need
from scheduler.model.task import KillInitiated, Placed, Queued
from tests.support.cell import CellInMemory, batch, running_cell

HOST = HostId("host1")


def cell_with(size: int = 3, **container: Any) -> CellInMemory:
    """A cell with one offer, ``a`` of host1 (2 cpus, 1 GiB), and a job that waits."""
    cell = running_cell(hosts=0)
    cell.offer("host1", cpus=2, memory_mib=1_024, name="a", ports=(31_000, 31_004))
    cell.submit(batch(size, **container))
    return cell


def launch(*launches: Launch, offers: str = "a", host: str = HOST) -> LaunchTasks:
    """A launch with single-letter offers."""
    offer_ids = tuple(OfferId(each) for each in offers)
    return LaunchTasks(host_id=HostId(host), offer_ids=offer_ids, launches=launches)


def task(index: int, *ports: int) -> Launch:
    """The launch of a task of the job's first generation."""
    return Launch(task_id=TaskId(f"job-worker-{index}-{index + 1}"), ports=ports)


def judged(cell: CellInMemory, *proposals: Proposal) -> list[str]:
    """Why each of the proposals was refused; empty where it was accepted."""
    offset = cell.write(*proposals)
    said = [each for each in cell.said_last() if isinstance(each, ProposalRefused)]
    refused = {change.proposal_id: change for change in said}
    found = []
    for index, proposal in enumerate(proposals):
        proposal_id = proposal_id_of(offset, index)
        change, accepted = refused.get(proposal_id), cell.state.decisions.get(proposal_id)
        assert (change is None) == (accepted is not None)
        if change is not None:
            assert change.kind == type(proposal).__name__
        found.append(change.why if change else "")
    return found


def test_a_launch_that_fits_is_accepted_and_its_offer_used() -> None:
    cell = cell_with()
    assert judged(cell, launch(task(0), task(1))) == [""]
    assert [type(each.state) for each in cell.tasks()] == [Placed, Placed, Queued]
    assert cell.state.offers == {}
    assert cell.place(cell.task(0).task_id).host_id == HOST


@pytest.mark.parametrize(
    ("proposal", "why"),
    [
        (launch(task(0), offers="b"), "offer b is not held"),
        (launch(task(0), offers="aa"), "an offer is named twice"),
        (launch(task(0), offers=""), "no offer is named"),
        (launch(task(0), host="host2"), "offer a is not of host host2"),
        (launch(), "nothing to launch"),
        (launch(task(7)), "task job-worker-7-8 does not wait for a host"),
        (launch(task(0), task(0)), "task job-worker-0-1 is named twice"),
        (launch(task(0, 31_000)), "0 ports wanted, 1 given"),
        (launch(task(0), task(1), task(2), task(3), task(4)), "cpu missing"),
    ],
)
def test_refused_launches(proposal: LaunchTasks, why: str) -> None:
    cell = cell_with(size=5)
    (found,) = judged(cell, proposal)
    assert why in found
    assert [type(each.state) for each in cell.tasks()] == [Queued] * 5
    assert list(cell.state.offers) == ["a"]
    assert cell.state.decisions == {}


@pytest.mark.parametrize(
    ("need", "why"),
    [
        (Need(cpu_milli=2_001, memory_mib=32), "1 thousandths of a cpu missing"),
        (Need(cpu_milli=100, memory_mib=1_025), "1 MiB of memory missing"),
        (Need(cpu_milli=100, memory_mib=32, disk_mib=10_001), "1 MiB of disk missing"),
    ],
)
def test_what_is_missing_is_named_with_its_unit(need: Need, why: str) -> None:
    cell = cell_with(need=need)
    (found,) = judged(cell, launch(task(0)))
    assert found == f"task job-worker-0-1 does not fit: {why}"


@pytest.mark.parametrize(
    ("ports", "why"),
    [
        ((31_000, 31_004), ""),
        ((31_000,), "2 ports wanted, 1 given"),
        ((31_000, 31_001, 31_002), "2 ports wanted, 3 given"),
        ((31_000, 31_000), "a port is named twice"),
        ((31_000, 31_000, 31_001), "2 ports wanted, 3 given"),
        ((31_004, 31_005), "a port is not in the offers"),
        ((30_999, 31_000), "a port is not in the offers"),
    ],
)
def test_ports_are_checked_one_by_one(ports: tuple[int, ...], why: str) -> None:
    cell = cell_with(need=Need(cpu_milli=100, memory_mib=32, ports=2))
    (found,) = judged(cell, launch(task(0, *ports)))
    assert found == (f"task job-worker-0-1 does not fit: {why}" if why else "")


def test_two_tasks_of_one_launch_never_share_a_port() -> None:
    cell = cell_with(need=Need(cpu_milli=100, memory_mib=32, ports=1))
    (found,) = judged(cell, launch(task(0, 31_000), task(1, 31_000)))
    assert "a port is not in the offers" in found


def test_tasks_of_one_launch_are_added_up() -> None:
    cell = cell_with(need=Need(cpu_milli=700, memory_mib=32))
    assert judged(cell, launch(task(0), task(1))) == [""]
    cell = cell_with(need=Need(cpu_milli=700, memory_mib=32))
    (found,) = judged(cell, launch(task(0), task(1), task(2)))
    assert found == "task job-worker-2-3 does not fit: 100 thousandths of a cpu missing"


def test_offers_of_one_host_are_added_up() -> None:
    cell = cell_with(need=Need(cpu_milli=2_500, memory_mib=32))
    cell.offer("host1", cpus=1, name="b")
    assert judged(cell, launch(task(0), offers="ab")) == [""]


def test_of_two_launches_on_one_offer_the_second_is_refused() -> None:
    cell = cell_with()
    assert judged(cell, launch(task(0)), launch(task(1))) == [
        "",
        "offer a is not held (used, rescinded or void)",
    ]


def test_of_two_launches_of_one_task_the_second_is_refused() -> None:
    cell = cell_with()
    cell.offer("host1", name="b")
    first, second = judged(cell, launch(task(0)), launch(task(0), offers="b"))
    assert (first, second) == ("", "task job-worker-0-1 does not wait for a host")
    assert list(cell.state.offers) == ["b"]


def test_a_declined_offer_cannot_be_used_and_a_used_one_not_declined() -> None:
    cell = cell_with()
    decline = DeclineOffers(offer_ids=(OfferId("a"),), refuse_ms=1)
    assert judged(cell, decline, launch(task(0)), decline) == [
        "",
        "offer a is not held (used, rescinded or void)",
        "offer a is not held (used, rescinded or void)",
    ]


def test_declining_an_unknown_offer_or_one_twice_is_refused_as_a_whole() -> None:
    cell = cell_with()
    known, unknown = OfferId("a"), OfferId("b")
    assert judged(
        cell,
        DeclineOffers(offer_ids=(known, unknown), refuse_ms=1),
        DeclineOffers(offer_ids=(known, known), refuse_ms=1),
    ) == ["offer b is not held (used, rescinded or void)", "an offer is named twice"]
    assert list(cell.state.offers) == ["a"]


def test_a_task_that_waits_for_its_retry_is_not_launched_early() -> None:
    cell = running_cell(hosts=1)
    (task_id,) = cell.run(batch(1, retries=1))
    cell.status(task_id, "TASK_FAILED")
    cell.offer("host1", name="a")
    retry = LaunchTasks(
        host_id=HOST, offer_ids=(OfferId("a"),), launches=(Launch(cell.task().task_id),)
    )
    assert judged(cell, retry) == [f"task {cell.task().task_id} waits for its retry"]
    cell.tick(1_000)
    assert judged(cell, retry) == [""]


def test_a_unique_host_takes_one_task_of_the_job() -> None:
    cell = cell_with(hard_constraints=(Constraint("uniqueHost"),))
    (found,) = judged(cell, launch(task(0), task(1)))
    assert found == "host host1: already runs a task of job job (uniqueHost)"
    assert judged(cell, launch(task(0))) == [""]
    cell.offer("host1", name="b")
    (found,) = judged(cell, launch(task(1), offers="b"))
    assert found == "host host1: already runs a task of job job (uniqueHost)"


def test_a_unique_host_is_free_again_when_the_task_has_ended() -> None:
    cell = cell_with(hard_constraints=(Constraint("uniqueHost"),))
    (first,) = cell.launched()
    cell.status(first, "TASK_FINISHED")
    cell.offer("host1", name="b")
    assert judged(cell, launch(task(1), offers="b")) == [""]


def test_a_unique_host_may_run_other_jobs() -> None:
    cell = cell_with(hard_constraints=(Constraint("uniqueHost"),))
    cell.submit(batch(1), "other")
    other = Launch(task_id=TaskId("other-worker-0-1"))
    assert judged(cell, launch(other, task(0))) == [""]


def test_without_a_stream_everything_is_refused() -> None:
    cell = cell_with()
    cell.stream_ends()
    proposals: tuple[Proposal, ...] = (
        launch(task(0)),
        DeclineOffers(offer_ids=(), refuse_ms=1),
        KillTask(task_id=TaskId("x"), host_id=HOST),
        ReconcileTasks(task_ids=()),
        ReconcileAll(),
        SuppressOffers(),
        ReviveOffers(),
    )
    assert set(judged(cell, *proposals)) == {"no stream to Mesos is open in this epoch"}


def test_a_refusal_wakes_placement() -> None:
    cell = cell_with()
    before = cell.state.placement_inputs
    judged(cell, launch(task(7)))
    assert cell.state.placement_inputs == before + 1


def running_task(cell: CellInMemory) -> TaskId:
    """A task that runs on host1."""
    (task_id,) = cell.run(batch(1), "runs")
    return task_id


def test_only_what_must_end_is_killed() -> None:
    cell = running_cell(hosts=1)
    task_id = running_task(cell)
    kill = KillTask(task_id=task_id, host_id=HOST)
    assert judged(cell, kill) == [f"the log does not want task {task_id} ended"]
    cell.kill_task(task_id)
    assert judged(cell, kill) == [""]
    assert cell.is_in(task_id, KillInitiated).kill_sent_at_ms == cell.now_ms


@pytest.mark.parametrize("name", ["stranger", "runs-worker-0-9"])
def test_what_the_log_does_not_know_is_not_killed(name: str) -> None:
    cell = running_cell(hosts=1)
    running_task(cell)
    assert judged(cell, KillTask(task_id=TaskId(name), host_id=HOST, is_inferred=True)) == [
        f"the log does not want task {name} ended"
    ]


def test_a_kill_goes_to_the_host_of_the_task() -> None:
    cell = running_cell(hosts=1)
    task_id = running_task(cell)
    cell.kill_task(task_id)
    assert judged(cell, KillTask(task_id=task_id, host_id=HostId("host2"))) == [
        f"task {task_id} is on host host1, not on host2"
    ]


def test_a_kill_does_not_overtake_its_launch() -> None:
    cell = cell_with(size=1)
    ((proposal_id, _),) = [each for each in cell.decide() if isinstance(each[1], LaunchTasks)]
    cell.start(proposal_id)
    task_id = cell.task().task_id
    cell.kill_task(task_id)
    kill = KillTask(task_id=task_id, host_id=HOST)
    assert judged(cell, kill) == [f"the launch of task {task_id} is still being sent"]
    assert cell.proposed(KillTask) == []
    cell.end(proposal_id)
    assert cell.proposed(KillTask) == [kill]


def test_kills_that_nobody_asked_for_share_a_budget_by_the_hour() -> None:
    cell = running_cell(hosts=1, policy=Policy(inferred_kills_per_hour=2))
    task_ids = cell.run(batch(3))
    for task_id in task_ids:
        cell.answer(task_id, "TASK_UNREACHABLE")
    cell.tick(59_000, times=2)
    for task_id in task_ids:
        cell.status(task_id, "TASK_RUNNING")
    kills = [KillTask(task_id=each, host_id=HOST, is_inferred=True) for each in task_ids]
    used_up = "the budget of 2 inferred kills an hour is used up"
    assert judged(cell, *kills) == ["", "", used_up]
    assert judged(cell, kills[0]) == [""], "a repeat of the same kill is free"
    cell.tick(60_000, times=60)
    assert judged(cell, kills[2]) == [""]


def test_an_accepted_proposal_is_named_by_its_address() -> None:
    cell = cell_with()
    offset = cell.write(ReconcileAll(), launch(task(0)))
    assert list(cell.state.decisions) == [f"{offset}.0", f"{offset}.1"]
    assert cell.place(cell.task(0).task_id).proposal_id == f"{offset}.1"
