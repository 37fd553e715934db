"""Tasks that wait for an address or a volume and for something else as well.

How: jobs with addresses and volumes in a cell in memory, as `test_volumes` plays them.
"""

from msgspec.structs import replace

from scheduler.model.ids import JobId
from scheduler.model.policy import Policy
from scheduler.model.task import Finished, Queued
from scheduler.model.volumes import AddressAllocation
from tests.support.cell import running_cell, service
from tests.unit.core.test_volumes import ADDRESS, launched, persistent, running, volume

FREE = AddressAllocation("a-1", "10.0.0.10")


def test_a_task_whose_address_is_free_waits_on_while_others_of_its_job_start() -> None:
    cell = running_cell(2, Policy(unstarted_tasks_per_job_max=1))
    (holder,) = cell.run(replace(service(1), addresses=(ADDRESS,)), "holder")
    cell.submit(replace(service(2), addresses=(FREE, ADDRESS)))
    first, second = (each.task_id for each in cell.tasks())
    assert cell.launched() == [first]
    assert second in cell.state.held[JobId("job")]
    assert list(cell.state.storage_waits) == [second]
    cell.kill_job("holder")
    cell.decide_and_carry_out()
    cell.status(holder, "TASK_KILLED")
    assert cell.state.storage_waits == {}
    assert second in cell.state.held[JobId("job")]
    cell.offer("host3")
    assert cell.launched() == []
    cell.status(first, "TASK_RUNNING")
    assert cell.launched() == [second]


def test_a_task_that_was_given_up_and_forgotten_lets_go_when_its_end_is_known() -> None:
    cell = running(persistent(service(1)))
    cell.set_policy(finished_tasks_per_job_max=1)
    lost = cell.task().task_id
    cell.status(lost, "TASK_UNREACHABLE", uuid="")
    cell.pass_ms(120_000)
    assert cell.is_in(lost, Finished).is_abandoned
    for _ in range(2):
        cell.kill_task(cell.task().task_id)
    assert lost not in cell.state.tasks
    assert list(cell.state.holders) == [lost]
    cell.tick(60_000)
    assert launched(cell) == [], "nobody knows whether it still writes"
    cell.status(lost, "TASK_LOST", host_id="host1")
    assert list(cell.state.holders) == [lost], "lost is no end"
    cell.status(lost, "TASK_FAILED", host_id="host1")
    assert cell.state.holders == {}
    assert isinstance(cell.task_state(cell.task().task_id), Queued)
    assert volume(cell).work is not None, "it is detached"
