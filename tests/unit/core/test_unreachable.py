"""What becomes of tasks on a host that nobody reaches: as the policy says, or as their job does.

How: two services on one host, which Mesos says is unreachable; time moves by ticks only.
"""

import pytest
from msgspec.structs import replace

from scheduler.model.ids import TaskId
from scheduler.model.task import Disconnected, Finished, Started
from tests.support.cell import CellInMemory, running_cell, service
from tests.support.derived import check_digest


def lost(wish: str = "") -> tuple[CellInMemory, TaskId]:
    """A cell, and the one task of a service whose host has just become unreachable."""
    cell = running_cell(1)
    spec = service(1)
    if wish:
        spec = replace(spec, attributes=(("flumina.unreachable", wish),))
    (task_id,) = cell.run(spec)
    cell.tick()
    cell.status(task_id, "TASK_UNREACHABLE", uuid="")
    return cell, task_id


@pytest.mark.parametrize(
    ("wish", "waits_ms"), [("", 60_000), ("replace", 0), ("10", 10_000), ("600", 600_000)]
)
def test_it_is_waited_for_as_long_as_is_wanted(wish: str, waits_ms: int) -> None:
    cell, task_id = lost(wish)
    if waits_ms:
        cell.pass_ms(waits_ms - 1_000)
        cell.is_in(task_id, Disconnected)
    cell.pass_ms(2_000)
    state = cell.is_in(task_id, Finished)
    assert state.is_abandoned
    assert f"unreachable for {waits_ms} ms" in state.message


def test_who_wants_to_wait_waits_until_the_host_is_back() -> None:
    cell, task_id = lost("wait")
    cell.pass_ms(86_400_000)
    cell.is_in(task_id, Disconnected)
    cell.status(task_id, "TASK_RUNNING")
    cell.is_in(task_id, Started)
    check_digest(cell.machine)


def test_or_until_mesos_says_that_the_host_is_gone() -> None:
    cell, task_id = lost("wait")
    cell.pass_ms(600_000)
    cell.status(task_id, "TASK_GONE_BY_OPERATOR", uuid="")
    cell.is_in(task_id, Finished)


def test_one_copy_survives_the_return() -> None:
    cell, first = lost("replace")
    cell.tick(2_000, times=3)
    cell.offer("host2")
    assert len(cell.launched()) == 1
    second = cell.task().task_id
    cell.status(second, "TASK_RUNNING")
    cell.status(first, "TASK_RUNNING")
    cell.decide_and_carry_out()
    cell.status(first, "TASK_KILLED")
    assert not cell.is_in(first, Finished).is_back
    cell.is_in(second, Started)
    check_digest(cell.machine)
