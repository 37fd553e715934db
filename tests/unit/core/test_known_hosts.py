"""A fleet that comes and goes for ever is not remembered for ever; what is in use is."""

from scheduler.model.ids import HostId
from scheduler.model.inbound import HostOrdered
from scheduler.model.policy import Policy
from tests.support.cell import CellInMemory, running_cell, service


def come_and_go(cell: CellInMemory, first: int, count: int) -> None:
    """New hosts offer something, and take it back."""
    for number in range(first, first + count):
        cell.rescind(cell.offer(f"gone-{number}"))


def test_hosts_that_are_gone_are_forgotten_oldest_first() -> None:
    cell = running_cell(hosts=2, policy=Policy(hosts_max=5))
    come_and_go(cell, 0, 20)
    assert len(cell.state.hosts) == len(cell.state.hosts_seen_at_ms) == 5
    assert {"gone-17", "gone-18", "gone-19"} <= cell.state.hosts.keys()


def test_hosts_in_use_are_never_forgotten() -> None:
    cell = running_cell(hosts=2, policy=Policy(hosts_max=1))
    (task_id,) = cell.run(service(1))
    used = cell.host_of(task_id)
    order = HostOrdered(host_id=HostId("gone-0"), standing="disabled", actor="ada", why="bad disk")
    come_and_go(cell, 0, 1)
    cell.copy("commands", order)
    come_and_go(cell, 1, 100)
    assert used in cell.state.hosts
    assert HostId("gone-0") in cell.state.hosts
    assert len(cell.state.hosts) <= 5
