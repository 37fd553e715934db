"""Tasks whose state lasts too long: by when, how many at once, and what follows a kill that fails.

How: tasks are launched in a cell in memory and Mesos says nothing, or too little; time goes on.
"""

from typing import Any

import pytest
from msgspec.structs import replace

from scheduler.model.changes import CellPaged
from scheduler.model.ids import HostId, TaskId
from scheduler.model.inbound import HostOrdered
from scheduler.model.job import JobSpec
from scheduler.model.policy import Policy
from scheduler.model.proposals import KillTask
from scheduler.model.task import Finished, KillInitiated, Launched, Started, StartInitiated
from tests.support.cell import CellInMemory, batch, running_cell, service

STEP_MS = 10_000


def waited_ms(cell: CellInMemory, task_id: TaskId) -> int:
    """How long it takes until the task is asked to end."""
    total_ms = 0
    while not isinstance(cell.task_state(task_id), KillInitiated):
        cell.tick(STEP_MS)
        total_ms += STEP_MS
        assert total_ms < 10_000_000
    return total_ms


@pytest.mark.parametrize(
    ("spec", "last", "wanted_ms"),
    [
        (batch(1), None, 300_000),
        (service(1), None, 300_000),
        (batch(1), "TASK_STARTING", 720_000),
        (service(1), "TASK_STARTING", 300_000),
    ],
)
def test_each_state_and_kind_of_job_has_its_time(spec: JobSpec, last: Any, wanted_ms: int) -> None:
    cell = running_cell()
    cell.submit(spec)
    (task_id,) = cell.launched()
    if last is not None:
        cell.status(task_id, last)
    assert waited_ms(cell, task_id) == wanted_ms
    assert cell.is_in(task_id, KillInitiated).reason == "stuckInState"


def test_titus_a_mass_stall_is_acted_upon_one_task_a_second() -> None:
    cell = running_cell(hosts=4, cpus=16)
    cell.submit(batch(20))
    task_ids = cell.launched()
    cell.pass_ms(299_000)
    for second in range(1, 21):
        cell.tick(1_000)
        killed = [each for each in task_ids if isinstance(cell.task_state(each), KillInitiated)]
        assert len(killed) == second
    assert cell.refolded().digest.value() == cell.machine.digest.value()
    assert cell.state.stuck_turns == {}


def test_one_that_starts_while_it_waits_for_its_turn_is_left_alone() -> None:
    cell = running_cell(hosts=4, cpus=16)
    cell.submit(batch(10))
    task_ids = cell.launched()
    cell.pass_ms(301_000)
    late = next(each for each in task_ids if isinstance(cell.task_state(each), Launched))
    cell.status(late, "TASK_RUNNING")
    cell.tick(1_000, times=30)
    assert isinstance(cell.task_state(late), Started)
    others = [cell.task_state(each) for each in task_ids if each != late]
    assert all(isinstance(each, KillInitiated) for each in others)
    assert cell.state.stuck_turns == {}


def test_an_election_begins_the_times_anew_and_forgets_turns() -> None:
    cell = running_cell(hosts=4, cpus=16)
    cell.submit(batch(5))
    task_ids = cell.launched()
    cell.pass_ms(300_000)
    cell.elect()
    cell.subscribe()
    for task_id in task_ids:
        cell.answer(task_id, "TASK_STARTING")
    cell.tick(1_000, times=60)
    states = [cell.task_state(each) for each in task_ids]
    assert sum(isinstance(each, KillInitiated) for each in states) == 1, "of before the election"
    assert sum(isinstance(each, StartInitiated) for each in states) == 4


def undying(policy: Policy | None = None, **changes: Any) -> tuple[CellInMemory, TaskId, HostId]:
    """A cell with a task that is killed and does not end."""
    cell = running_cell(policy=policy)
    spec = service(1)
    (task_id,) = cell.run(replace(spec, container=replace(spec.container, **changes)))
    host_id = cell.place(task_id).host_id
    cell.kill_task(task_id)
    cell.decide_and_carry_out()
    return cell, task_id, host_id


def pages(cell: CellInMemory) -> list[CellPaged]:
    return [each for each in cell.said(CellPaged) if each.kind == "stuck kill"]


def test_titus_a_task_that_does_not_end_is_never_called_finished() -> None:
    """Titus forces it to Finished/stuckInKillingState after two kills, while it may run on."""
    cell, task_id, host_id = undying()
    for _ in range(200):
        cell.tick(STEP_MS)
        cell.decide_and_carry_out()
    assert cell.is_in(task_id, KillInitiated).is_stuck
    assert task_id in cell.state.host_tasks[host_id], "it keeps its resources"
    assert cell.task().task_id == task_id, "and nothing takes its index"
    cell.tick(STEP_MS)
    assert [each.task_id for each in cell.proposed(KillTask)] == [task_id], "kills go on"
    cell.status(task_id, "TASK_KILLED")
    assert cell.is_in(task_id, Finished).reason == "killed"
    assert cell.task().resubmit_of == task_id


def test_the_host_of_a_stuck_kill_gets_no_more_tasks_and_somebody_is_paged() -> None:
    cell, task_id, host_id = undying()
    cell.pass_ms(1_200_000)
    assert not cell.state.host_orders, "the kill grace is waited for as well"
    cell.tick(STEP_MS)
    order = cell.state.host_orders[host_id]
    assert (order.standing, order.actor) == ("disabled", "flumina")
    (page,) = pages(cell)
    assert (page.key, page.tasks) == (host_id, (task_id,))
    cell.pass_ms(300_000)
    assert len(pages(cell)) == 1
    assert cell.refolded().digest.value() == cell.machine.digest.value()


def test_a_long_kill_grace_is_the_users_wish_and_no_fault_of_the_host() -> None:
    cell, _, host_id = undying(kill_grace_ms=3_600_000)
    cell.pass_ms(4_790_000)
    assert host_id not in cell.state.host_orders
    cell.tick(STEP_MS)
    assert host_id in cell.state.host_orders


def test_a_kill_that_was_never_sent_blames_no_host() -> None:
    cell = running_cell()
    (task_id,) = cell.run(service(1))
    cell.kill_task(task_id)
    cell.pass_ms(7_200_000)
    assert not cell.is_in(task_id, KillInitiated).is_stuck
    assert not cell.state.host_orders


def test_what_an_operator_ordered_stays_and_only_so_many_hosts_are_taken_out() -> None:
    cell, _, host_id = undying()
    cell.copy("commands", HostOrdered(host_id, "draining", actor="op", why="kernel"))
    cell.pass_ms(1_300_000)
    assert cell.state.host_orders[host_id].actor == "op"
    assert "anyway" in pages(cell)[0].why
    cell = running_cell(hosts=4, policy=Policy(healing_hosts_max=2, stuck_actions_per_s_max=9))
    task_ids = cell.run(service(32))
    cell.kill_job()
    cell.decide_and_carry_out()
    assert len({cell.place(each).host_id for each in task_ids}) == 4
    cell.pass_ms(1_300_000)
    assert len(cell.state.host_orders) == 2
    assert len(pages(cell)) == 4


def test_a_host_out_of_reach_has_its_own_time() -> None:
    cell, task_id, host_id = undying()
    cell.answer(task_id, "TASK_UNREACHABLE")
    cell.pass_ms(60_000)
    assert cell.is_in(task_id, Finished).is_abandoned
    assert host_id not in cell.state.host_orders
